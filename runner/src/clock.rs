//! The one place that asks what time it is.

use jiff::Timestamp;

/// The time now. Under tokio's paused test clock it stands still and moves with that clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
