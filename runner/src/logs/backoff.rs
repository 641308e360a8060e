//! Pauses after failures: each twice the one before it, up to a longest one, and by chance up to a half shorter, so that
//! many shipments do not come back at one moment.

use std::time::Duration;

/// The pauses of one shipment.
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The pause after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.first.saturating_mul(1 << self.failures.min(20)).min(self.longest);
        self.failures += 1;
        pause.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// It went well.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_anew_after_a_success() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(6));
        let mut backoff = Backoff::new(first, longest);
        for most in [1, 2, 4, 6, 6] {
            let most = Duration::from_secs(most);
            let pause = backoff.next();
            assert!(pause >= most / 2 && pause <= most, "{pause:?} of {most:?}");
        }
        (0..100).for_each(|_| assert!(backoff.next() <= longest));
        backoff.reset();
        assert!(backoff.next() <= first);
    }
}
