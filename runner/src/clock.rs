//! The one place that asks what time it is.

use jiff::Timestamp;

/// The time of day now. Deadlines are kept by tokio's clock, which tests can pause; this one goes on.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
