//! What is asked of an engine that is away for a moment: a restart or an upgrade of it is no reason to lose a build.
//!
//! Calls of the engine's port may all be repeated, so what fails because nobody answered is done again. An engine that
//! this process has never had an answer from is not waited for: on a laptop without one that is to be told at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::cancel::Cancel;
use crate::fault::Fault;

/// How long an engine that does not answer is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// The waits between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Since when nobody has answered. What took longer than any pause before it broke off was being answered until then.
#[derive(Debug, Default)]
pub(super) struct Silence(Option<Instant>);

impl Silence {
    /// An attempt that was begun then broke off now. Returns whether the engine is not waited for any longer.
    pub(super) fn is_too_long(&mut self, begun: Instant) -> bool {
        if begun.elapsed() > PAUSES.1 {
            self.0 = None;
        }
        self.0.get_or_insert_with(Instant::now).elapsed() > PATIENCE
    }

    /// The engine answered.
    pub(super) fn ends(&mut self) {
        self.0 = None;
    }
}

/// Whether the engine is waited for.
#[derive(Debug)]
pub(super) struct Patience {
    is_there: AtomicBool,
}

impl Patience {
    /// With an engine that is known to be there, or is to show so by an answer.
    pub(super) fn new(is_there: bool) -> Self {
        Self { is_there: AtomicBool::new(is_there) }
    }

    /// Does something, and again while the engine is away.
    pub(super) async fn with<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        cancel: Option<&Cancel>,
        act: impl Fn() -> F,
    ) -> Result<T, Fault> {
        let (mut silence, mut pause) = (Silence::default(), PAUSES.0);
        loop {
            let begun = Instant::now();
            let fault = match act().await {
                Err(fault) if fault.away => fault,
                answer => {
                    self.is_there.store(true, Ordering::Relaxed);
                    return answer;
                }
            };
            let is_stopped = cancel.is_some_and(|cancel| cancel.reason().is_some());
            if !self.is_there.load(Ordering::Relaxed) || is_stopped || silence.is_too_long(begun) {
                return Err(fault);
            }
            tracing::warn!(%fault, "the engine is away; trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    async fn tried(patience: &Patience, away_for: u32) -> (Result<(), Fault>, u32) {
        let tries = Cell::new(0);
        let act = || {
            tries.set(tries.get() + 1);
            let is_away = tries.get() <= away_for;
            async move { if is_away { Err(Fault::system("nobody answers").away()) } else { Ok(()) } }
        };
        (patience.with(None, act).await, tries.get())
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_was_there_is_waited_for_and_one_that_never_was_is_not() {
        let patience = Patience::new(false);
        let (answer, tries) = tried(&patience, 3).await;
        assert!(answer.is_err_and(|fault| fault.away) && tries == 1, "it never answered");
        assert_eq!(tried(&patience, 0).await.1, 1);
        let (answer, tries) = tried(&patience, 3).await;
        assert!(answer.is_ok() && tries == 4, "it comes back");
        assert_eq!(tried(&Patience::new(true), 3).await.1, 4, "it is known to be there");
        let (answer, tries) = tried(&patience, 1000).await;
        assert!(answer.is_err() && tries < 100, "not for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_goes_away_late_in_a_long_call_is_waited_for_as_any_other() {
        let tries = Cell::new(0);
        let act = || {
            tries.set(tries.get() + 1);
            let is_away = tries.get() <= 2;
            async move {
                tokio::time::sleep(PATIENCE * 2).await;
                if is_away { Err(Fault::system("the connection broke").away()) } else { Ok(()) }
            }
        };
        assert!(Patience::new(true).with(None, act).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_engine_answered_is_final() {
        let tries = Cell::new(0);
        let act = || {
            tries.set(tries.get() + 1);
            async { Err::<(), _>(Fault::configuration("no such image")) }
        };
        assert!(Patience::new(false).with(None, act).await.is_err() && tries.get() == 1);
    }
}
