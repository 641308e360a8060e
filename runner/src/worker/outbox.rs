//! A result is told until the queue has it: it waits in the ledger, not in memory.

use std::sync::Arc;
use std::time::Duration;

use super::held::{Held, Lease};
use super::{Mode, Step, Worker, lease, rhythm};
use crate::queue::Reported;

/// The pause before the second try; it doubles with each.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the results that are not delivered yet may keep a drained worker.
const LAST_RESULTS: Duration = Duration::from_secs(60);

/// Delivers the result of a job that is finished. A worker that drains leaves what it cannot deliver to its next start.
pub(super) async fn deliver(worker: &Arc<Worker>, mut held: Held) {
    let Step::Finished { result } = held.job.step.clone() else { return };
    let _waiting = worker.standing.result_waits();
    let (mut pause, mut tries) = (PAUSE, LastTries::default());
    loop {
        held.renew_ticket(worker);
        // A worker that lost the job must not report it: whoever has it now will.
        match held.write(worker).await {
            Ok(Lease::Ours) => {
                let ticket = held.job.ticket.clone();
                match lease::keep(worker, &mut held, None, worker.queue.report(&ticket, &result)).await {
                    Some(Ok(reported)) => return settled(worker, held, reported, result.failure.is_none()).await,
                    Some(Err(fault)) => {
                        tracing::warn!(job = held.entry.job, %fault, "a result cannot be delivered yet")
                    }
                    None => return worker.standing.lost(&held.entry.job),
                }
            }
            Ok(Lease::Lost) => return worker.standing.lost(&held.entry.job),
            Err(fault) => tracing::warn!(job = held.entry.job, %fault, "the ledger cannot be written"),
        }
        if !tries.another(worker, pause).await {
            tracing::error!(job = held.entry.job, "a result is left to the next start");
            return;
        }
        pause = (pause * 2).min(worker.config.rhythm.lease / 3);
    }
}

/// What may not be lost is tried again and again, but not for ever by a worker that is to end.
#[derive(Default)]
pub(super) struct LastTries {
    drained_for: Duration,
}

impl LastTries {
    /// Waits for about that long; `false`: the worker has tried for long enough since it was drained.
    pub(super) async fn another(&mut self, worker: &Worker, pause: Duration) -> bool {
        if worker.standing.mode() == Mode::Draining {
            if self.drained_for >= LAST_RESULTS {
                return false;
            }
            self.drained_for += pause;
        }
        tokio::time::sleep(rhythm::jittered(pause)).await;
        true
    }
}

async fn settled(worker: &Arc<Worker>, mut held: Held, reported: Reported, succeeded: bool) {
    match reported {
        Reported::Delivered => {
            tracing::info!(job = held.entry.job, succeeded, "the job is done");
            worker.standing.delivered(succeeded);
        }
        Reported::Again => {
            tracing::info!(job = held.entry.job, "the job is given back to its queue");
            worker.standing.given_back();
            return held.forget(worker).await;
        }
        // It has a result, perhaps ours of which the answer was lost; or its pipeline does not wait any more.
        Reported::Refused { why } => {
            tracing::info!(job = held.entry.job, why, "the queue takes no result for the job");
            worker.standing.refused();
        }
    }
    if let Err(fault) = held.close(worker).await {
        tracing::warn!(job = held.entry.job, %fault, "the ledger cannot be written; the result will be told twice");
    }
}
