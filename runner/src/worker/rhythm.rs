//! How often a worker does what it does again and again, with jitter, so that a fleet does not march in step.

use std::time::Duration;

/// The times of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// Between two polls that find nothing.
    pub poll: Duration,
    /// The longest pause after failed polls.
    pub longest: Duration,
    /// Between two looks at whether a job is still wanted. The lease is renewed with them.
    pub heartbeat: Duration,
    /// How long a lease is. A worker that is silent for so long has lost its jobs.
    pub lease: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(10),
            longest: Duration::from_secs(120),
            heartbeat: Duration::from_secs(10),
            lease: Duration::from_secs(90),
        }
    }
}

impl Rhythm {
    pub(super) fn pause(&self) -> Pause {
        Pause { poll: self.poll, longest: self.longest, failures: 0, soon: None }
    }
}

/// The pause before the next try of something.
pub(super) struct Pause {
    poll: Duration,
    longest: Duration,
    failures: u32,
    soon: Option<Duration>,
}

/// The longest pause when there is reason to think that there are more jobs.
const SOON: Duration = Duration::from_secs(1);

impl Pause {
    /// An answer came. One that filled every seat is followed by the next poll at once, one with fewer jobs soon.
    pub(super) fn answered(&mut self, found: usize, free: usize) {
        self.failures = 0;
        self.soon = match found {
            0 => None,
            found if found >= free => Some(Duration::ZERO),
            _ => Some(SOON),
        };
    }

    /// No answer came.
    pub(super) fn failed(&mut self) {
        (self.failures, self.soon) = (self.failures.saturating_add(1), None);
    }

    /// Somebody says that there is a job. It may not be there yet when it is polled for.
    pub(super) fn nudged(&mut self) {
        self.soon = Some(SOON);
    }

    pub(super) fn next(&self) -> Duration {
        let doubled = self.poll.saturating_mul(1 << self.failures.min(10)).min(self.longest.max(self.poll));
        jittered(self.soon.map_or(doubled, |soon| soon.min(doubled)))
    }
}

/// From 80 to 120 percent of it.
pub(super) fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(0.8 + 0.4 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_double_the_pause_up_to_the_longest_and_an_answer_ends_that() {
        let mut pause = Rhythm::default().pause();
        let near = |pause: &Pause, seconds: f64| (0.79..1.21).contains(&(pause.next().as_secs_f64() / seconds));
        assert!(near(&pause, 10.0));
        pause.failed();
        pause.failed();
        assert!(near(&pause, 40.0));
        (0..40).for_each(|_| pause.failed());
        assert!(near(&pause, 120.0));
        pause.answered(2, 2);
        assert_eq!(pause.next(), Duration::ZERO);
        pause.answered(1, 2);
        assert!(near(&pause, 1.0));
        pause.answered(0, 2);
        assert!(near(&pause, 10.0));
    }
}
