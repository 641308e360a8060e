//! Removing sandboxes while the run goes on: nobody waits for the engine to clear away what has told its result.
//!
//! Removals run under no token but their own time limit, and a run has not ended before they have, or the engine has
//! taken them over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Run;
use crate::cache::Lease;
use crate::engine::SandboxKey;
use crate::event::What;

/// How long the engine may take to remove what a run left.
const LIMIT: Duration = Duration::from_secs(120);

/// The removals of a run.
#[derive(Default)]
pub(super) struct Removals {
    tasks: TaskTracker,
    /// What is known of the sandboxes.
    known: Arc<Known>,
    /// What is to be removed when the end of its action was told.
    ended: Mutex<HashMap<String, Ended>>,
}

/// A build's sandbox that is not needed any longer.
pub(super) struct Ended {
    pub(super) key: SandboxKey,
    pub(super) sandbox: Expected,
    /// What may still be written to from there: nobody else gets it before the sandbox is gone.
    pub(super) cache: Option<Lease>,
}

#[derive(Default)]
struct Known {
    /// Those that were to be made, and of which nobody has seen to it that they go.
    unsure: AtomicUsize,
    /// Whether the engine was left with any.
    left: AtomicBool,
    /// The run has nothing else to wait for.
    last: CancellationToken,
}

/// How sure it is that nothing is left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// It was seen.
    Seen,
    /// The engine was told.
    Soon,
}

/// A sandbox that is about to be made.
pub(super) struct Expected(Arc<Known>);

impl Expected {
    /// It is gone, or is as good as gone.
    fn removed(self, gone: Gone) {
        self.0.left.fetch_or(gone == Gone::Soon, Ordering::SeqCst);
        self.0.unsure.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Removals {
    /// Counts a sandbox as unsure until it is known to be gone; for ever, if whoever makes it breaks down.
    pub(super) fn expect(&self) -> Expected {
        self.known.unsure.fetch_add(1, Ordering::SeqCst);
        Expected(Arc::clone(&self.known))
    }

    /// Keeps a sandbox until the end of its action was told.
    pub(super) fn keep(&self, action: &str, ended: Ended) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).insert(action.to_owned(), ended);
    }

    fn take(&self, action: &str) -> Option<Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).remove(action)
    }

    /// Waits for all removals, or leaves them to the engine where that can be. `None`: one of them failed, or was never
    /// begun.
    async fn finish(&self) -> Option<Gone> {
        self.known.last.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let gone = if self.known.left.load(Ordering::SeqCst) { Gone::Soon } else { Gone::Seen };
        (self.known.unsure.load(Ordering::SeqCst) == 0).then_some(gone)
    }
}

impl Run {
    /// Removes a build's sandbox while other work goes on.
    pub(super) fn remove_meanwhile(&self, action: &str) {
        let Some(Ended { key, sandbox, cache }) = self.removals.take(action) else { return };
        let (sandboxes, action) = (Arc::clone(&self.ports.sandboxes), action.to_owned());
        let last = self.removals.known.last.clone();
        self.removals.tasks.spawn(async move {
            let left = async {
                last.cancelled().await;
                sandboxes.leave(&key).await
            };
            tokio::select! {
                removed = sandboxes.destroy(&key.run, Some(&key.name)) => match removed {
                    Ok(()) => sandbox.removed(Gone::Seen),
                    // Who waits for the removals tries again, and tells what is left in the end.
                    Err(fault) => tracing::warn!(action, %fault, "the build's container may be left in the engine"),
                },
                true = left => sandbox.removed(Gone::Soon),
            }
            drop(cache);
        });
    }

    /// Removes whatever the run left in the engine. What an earlier process left is looked for by label; what this one
    /// made and has seen to be gone is not.
    pub(super) async fn clean_up(&self, resumed: bool) {
        let settled = self.settle();
        let cleaned = tokio::time::timeout(LIMIT, async {
            match self.removals.finish().await.filter(|_| !resumed) {
                Some(gone) => Ok(gone),
                None => self.ports.sandboxes.destroy(self.folders.in_engine(), None).await.map(|()| Gone::Seen),
            }
        });
        let (seen, failure) = match tokio::join!(cleaned, settled).0 {
            Ok(Ok(gone)) => (gone == Gone::Seen, None),
            Ok(Err(fault)) => (false, Some(fault.message)),
            Err(_) => (false, Some(format!("the engine did not answer within {} seconds", LIMIT.as_secs()))),
        };
        if seen && resumed {
            self.release_caches();
        }
        if let Err(fault) = self.folders.note_left_in_engine(!seen) {
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

    /// Lets go of the caches of builds that an earlier process began, and that were not followed to their end.
    fn release_caches(&self) {
        let builds: Vec<String> = self
            .recorder
            .with(|state| state.actions.iter().filter_map(|action| Some(action.build.as_ref()?.id.clone())).collect());
        for build in builds {
            if let Err(fault) = self.ports.caches.release(&build) {
                tracing::warn!(build, %fault, "the cache of a build stays marked as its own for a while");
            }
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
