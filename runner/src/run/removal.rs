//! Removing sandboxes while the run goes on: nobody waits for the engine to clear away what has told its result.
//!
//! Removals run under no token but their own time limit, and a run has not ended before they have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::Run;
use crate::engine::SandboxKey;
use crate::event::What;

/// How long the engine may take to remove what a run left.
const LIMIT: Duration = Duration::from_secs(120);

/// The removals of a run.
#[derive(Default)]
pub(super) struct Removals {
    tasks: TaskTracker,
    /// Sandboxes that were to be made and are not known to be gone.
    unsure: Arc<AtomicUsize>,
}

/// A sandbox that is about to be made.
pub(super) struct Expected(Arc<AtomicUsize>);

impl Expected {
    /// It is known to be gone.
    fn gone(self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Removals {
    /// Counts a sandbox as unsure until it is known to be gone; for ever, if whoever makes it breaks down.
    pub(super) fn expect(&self) -> Expected {
        self.unsure.fetch_add(1, Ordering::SeqCst);
        Expected(Arc::clone(&self.unsure))
    }

    /// Waits for all removals. Returns whether every sandbox is known to be gone.
    async fn finish(&self) -> bool {
        self.tasks.close();
        self.tasks.wait().await;
        self.unsure.load(Ordering::SeqCst) == 0
    }
}

impl Run {
    /// Removes a build's sandbox while other work goes on.
    pub(super) fn remove_meanwhile(&self, action: &str, key: SandboxKey, sandbox: Expected) {
        let (sandboxes, recorder, action) =
            (Arc::clone(&self.ports.sandboxes), self.recorder.clone(), action.to_owned());
        self.removals.tasks.spawn(async move {
            match sandboxes.destroy(&key.run, Some(&key.name)).await {
                Ok(()) => sandbox.gone(),
                Err(fault) => {
                    let text = format!("the build's container may be left in the engine: {fault}");
                    recorder.tell(What::Notice { action: Some(action), warning: true, text });
                }
            }
        });
    }

    /// Removes whatever the run left in the engine. What an earlier process left is looked for by label; what this one
    /// made and has seen to be gone is not.
    pub(super) async fn clean_up(&self, resumed: bool) {
        let settled = self.settle();
        let cleaned = tokio::time::timeout(LIMIT, async {
            match self.removals.finish().await && !resumed {
                true => Ok(()),
                false => self.ports.sandboxes.destroy(self.folders.in_engine(), None).await,
            }
        });
        let failure = match tokio::join!(cleaned, settled).0 {
            Ok(Ok(())) => None,
            Ok(Err(fault)) => Some(fault.message),
            Err(_) => Some(format!("the engine did not answer within {} seconds", LIMIT.as_secs())),
        };
        if let Err(fault) = self.folders.note_left_in_engine(failure.is_some()) {
            tracing::warn!(%fault, "what is left in the engine could not be noted");
        }
        if let Some(failure) = failure {
            let text = format!("containers of this run may be left in the engine: {failure}");
            self.recorder.tell(What::Notice { action: None, warning: true, text });
        }
        if !self.options.keep {
            self.folders.drop_workspaces();
        }
    }

    /// Has the record written to the disk, while the engine is busy removing.
    async fn settle(&self) {
        let recorder = self.recorder.clone();
        let settled = tokio::task::spawn_blocking(move || recorder.record(|record| record.settle())).await;
        if let Ok(Err(fault)) = settled {
            tracing::warn!(%fault, "the record is not on the disk yet");
        }
    }
}
