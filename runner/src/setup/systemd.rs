//! The systemd units of a worker. What they say and why stands in the units themselves.

use std::time::Duration;

const WORKER: &str = include_str!("sluice.service");
/// The unit that drains a machine of an Auto Scaling group, and its script.
pub(super) const DRAIN_UNIT: &str = include_str!("sluice-drain.service");
pub(super) const DRAIN: &str = include_str!("drain.sh");

/// What differs from one machine to another.
#[derive(Clone, Copy, Debug)]
pub struct UnitOrder {
    /// How long a worker may take to end its jobs when it is stopped.
    pub stop: Duration,
}

impl UnitOrder {
    /// Two hours: CodeBuild's own time-out of a build is one.
    pub const DEFAULT_STOP: Duration = Duration::from_secs(2 * 3600);
}

impl Default for UnitOrder {
    fn default() -> Self {
        Self { stop: Self::DEFAULT_STOP }
    }
}

/// The unit `sluice.service`.
#[must_use]
pub fn unit(order: UnitOrder) -> String {
    WORKER.replace("@STOP@", &order.stop.as_secs().to_string())
}
