//! Doing again what failed because a service did not answer: a moment without a network is no reason to lose a job.

use std::time::Duration;

use tokio::time::Instant;

use crate::cancel::Cancel;
use crate::fault::Fault;

/// How long a job waits for a service of which it wants something before it can go on.
pub const NEEDED: Duration = Duration::from_secs(2 * 60);
/// How long it waits to hand over what it has made.
pub const MADE: Duration = Duration::from_secs(10 * 60);

/// The waits between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// Does something that may be repeated, and again while nobody answers, for so long at the most.
///
/// # Errors
/// Any fault of something that did answer; that of the last attempt when the time is over, or somebody asked for a stop.
pub async fn while_away<T, F: Future<Output = Result<T, Fault>>>(
    limit: Duration,
    cancel: &Cancel,
    act: impl Fn() -> F,
) -> Result<T, Fault> {
    let (begun, mut pause) = (Instant::now(), PAUSES.0);
    loop {
        let fault = match act().await {
            Err(fault) if fault.away && begun.elapsed() < limit => fault,
            answer => return answer,
        };
        tracing::warn!(%fault, "nobody answers; trying again");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = cancel.requested() => return Err(fault),
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::cancel::Reason;

    /// What comes of it when `fault` is the answer of the first so many attempts.
    async fn tried(limit: Duration, cancel: &Cancel, times: u32, fault: Fault) -> (bool, u32) {
        let tries = Cell::new(0);
        let act = || {
            tries.set(tries.get() + 1);
            let answer = if tries.get() <= times { Err(fault.clone()) } else { Ok(()) };
            async { answer }
        };
        (while_away(limit, cancel, act).await.is_ok(), tries.get())
    }

    #[tokio::test(start_paused = true)]
    async fn only_silence_is_waited_through_and_not_for_ever() {
        let (silence, answer) = (Fault::system("nobody answers").away(), Fault::system("it broke"));
        let cancel = Cancel::new();
        assert_eq!(tried(NEEDED, &cancel, 4, silence.clone()).await, (true, 5));
        assert_eq!(tried(NEEDED, &cancel, 4, answer).await, (false, 1));
        assert_eq!(tried(Duration::ZERO, &cancel, 4, silence.clone()).await, (false, 1), "who watches wants to know");
        let (ended, tries) = tried(NEEDED, &cancel, u32::MAX, silence.clone()).await;
        assert!(!ended && tries < 40, "{tries}");
        cancel.request(Reason::Stopped);
        assert_eq!(tried(NEEDED, &cancel, 4, silence).await, (false, 1));
    }
}
