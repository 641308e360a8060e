//! Faults on request: what goes wrong with which calls. It knows no call's meaning.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// `ThrottlingException`; the call is not carried out. S3 says `SlowDown`.
    Throttle,
    /// Status 500; the call is not carried out.
    InternalError,
    /// The connection breaks; the call is not carried out.
    CloseBefore,
    /// The call is carried out, then the connection breaks.
    CloseAfter,
    /// The call is carried out, and its answer comes after so long.
    Delay(Duration),
}

impl Disturbance {
    /// Whether the call is carried out and its answer may not arrive.
    #[must_use]
    pub fn loses_answer(self) -> bool {
        matches!(self, Self::CloseAfter | Self::Delay(_))
    }
}

/// What has been asked for.
#[derive(Default)]
pub struct Disturbances(Mutex<Vec<Rule>>);

struct Rule {
    /// The operation, or all.
    operation: Option<String>,
    disturbance: Disturbance,
    when: When,
}

enum When {
    Next(usize),
    Share(f64, fastrand::Rng),
}

impl Disturbances {
    /// The next so many calls of an operation, or of all of them.
    pub fn next(&self, operation: Option<&str>, count: usize, disturbance: Disturbance) {
        self.add(operation, disturbance, When::Next(count));
    }

    /// A share of the calls of an operation, or of all of them, chosen by a seed.
    pub fn share(&self, operation: Option<&str>, share: f64, seed: u64, disturbance: Disturbance) {
        self.add(operation, disturbance, When::Share(share, fastrand::Rng::with_seed(seed)));
    }

    /// Nothing goes wrong any more.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What goes wrong with a call that comes now.
    pub fn of(&self, operation: &str) -> Option<Disturbance> {
        let mut rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let meant = |rule: &Rule| rule.operation.as_deref().is_none_or(|own| own == operation);
        let mut meant = rules.iter_mut().filter(|rule| meant(rule));
        meant.find_map(|rule| rule.when.strikes().then_some(rule.disturbance))
    }

    fn add(&self, operation: Option<&str>, disturbance: Disturbance, when: When) {
        let rule = Rule { operation: operation.map(str::to_owned), disturbance, when };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(rule);
    }
}

impl When {
    fn strikes(&mut self) -> bool {
        match self {
            Self::Next(0) => false,
            Self::Next(left) => {
                *left -= 1;
                true
            }
            Self::Share(share, random) => random.f64() < *share,
        }
    }
}
