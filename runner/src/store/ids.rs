//! New names. A run's id sorts by time and is short enough to type.

use uuid::Uuid;

/// The id of a new run: twelve letters and digits from its time, and eight by chance.
#[must_use]
pub fn new_run_id() -> String {
    let text = Uuid::now_v7().simple().to_string();
    format!("{}-{}", &text[..12], &text[24..])
}

/// The name of a new worker.
#[must_use]
pub fn new_worker_id() -> String {
    format!("worker-{}", &Uuid::new_v4().simple().to_string()[..12])
}

/// The UUID of a new build, image or deployment, and of its log.
#[must_use]
pub fn new_action_id() -> Uuid {
    Uuid::new_v4()
}
