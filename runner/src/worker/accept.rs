//! How a job becomes ours: written down, then taken from the queue. Or how it was ours, or somebody else's, before.

use tokio::sync::OwnedSemaphorePermit;

use super::held::Held;
use super::life::Life;
use super::{Active, Job, Step, Worker, rhythm};
use crate::fault::Fault;
use crate::queue::{Accepted, FailureKind, JobResult, LetGo, Offer, Refusal};
use crate::store::ledger::{Entry, Taken};
use crate::store::new_run_id;

/// How often an offer is asked for before it is left to the queue's next poll.
const TRIES: u32 = 3;

/// Does a job that was offered and entered, and reports it.
pub(super) async fn offered(worker: &std::sync::Arc<Worker>, held: Held, seat: Option<OwnedSemaphorePermit>) {
    if let Some(life) = settle(worker, held).await {
        life.seated(seat).live(worker).await;
    }
}

/// Enters an offered job into the ledger. `None`: it is not ours to do.
pub(super) async fn entered(worker: &Worker, offer: Offer, active: Active) -> Option<Held> {
    let id = offer.ticket.job.clone();
    match enter(worker, offer, active).await {
        Ok(None) => {
            tracing::debug!(job = id, "somebody else has the job, or it is over");
            None
        }
        Ok(held) => {
            worker.turns.notify_waiters();
            held
        }
        Err(fault) => {
            tracing::warn!(job = id, %fault, "the job was not taken");
            None
        }
    }
}

/// A job that an earlier process of this worker held.
pub(super) async fn recovered(worker: &std::sync::Arc<Worker>, entry: &Entry, active: Active) -> Option<Life> {
    let held = take(worker, entry, active).await?;
    settle(worker, held).await
}

/// A job that another worker held and let go of.
pub(super) async fn taken_over(worker: &std::sync::Arc<Worker>, entry: &Entry, active: Active) -> Option<Life> {
    let mut held = take(worker, entry, active).await?;
    // Nobody was lost with a run that waits for people.
    if let (Step::Accepted { parked: false, .. }, false) = (&held.job.step, worker.config.takes_over) {
        let message = format!("the worker {} that did this is gone", entry.owner);
        let failure = Some(Refusal { kind: FailureKind::SystemUnavailable, message });
        let result = JobResult { failure, ..JobResult::default() };
        held.job.step = Step::Finished { result };
    }
    settle(worker, held).await
}

/// Writes an offer down. `None`: the job is held by another worker, or over.
async fn enter(worker: &Worker, offer: Offer, active: Active) -> Result<Option<Held>, Fault> {
    let job = Job::offered(offer);
    let entry = match worker.ledger.take(&job.ticket.job, &worker.holder(), &job.text()?).await? {
        Taken::Ours(entry) => entry,
        Taken::Held { .. } => return Ok(None),
        // It was offered a second time.
        Taken::Closed => return worker.queue.let_go(&job.ticket, LetGo::ForGood).await.map(|()| None),
    };
    let known = Job::parse(&entry.job, &entry.body)?;
    // What was offered before and never taken is asked for anew; and it is always the newest ticket that is good.
    let job = if known.step == Step::Offered { job } else { Job { ticket: job.ticket, ..known } };
    Ok(Some(Held { job, entry, _active: active }))
}

async fn take(worker: &Worker, entry: &Entry, active: Active) -> Option<Held> {
    let taken = worker.ledger.take(&entry.job, &worker.holder(), &entry.body).await;
    let held = taken.and_then(|taken| match taken {
        Taken::Ours(entry) => {
            let job = Job::parse(&entry.job, &entry.body)?;
            Ok(Some(Held { job, entry, _active: active }))
        }
        Taken::Held { .. } | Taken::Closed => Ok(None),
    });
    held.unwrap_or_else(|fault| {
        tracing::error!(job = entry.job, %fault, "a job cannot be gone on with");
        None
    })
}

/// Takes an offered job from the queue; one that is ours already goes on. `None`: it is not ours.
async fn settle(worker: &std::sync::Arc<Worker>, mut held: Held) -> Option<Life> {
    if held.job.step == Step::Offered {
        match accept(worker, &held).await {
            Ok(Accepted::Ours) => {
                held.job.step = match &held.job.order {
                    Ok(_) => Step::Accepted { run: new_run_id(), on: worker.config.owner.clone(), parked: false },
                    Err(refusal) => {
                        let failure = Some(refusal.clone());
                        Step::Finished { result: JobResult { failure, ..JobResult::default() } }
                    }
                };
                let run = held.write(worker).await;
                worker.standing.accepted();
                if let Err(fault) = run {
                    // The queue counts on us: the job goes on, and is written down with its next step.
                    tracing::error!(job = held.entry.job, %fault, "the ledger cannot be written");
                }
            }
            Ok(Accepted::Gone) => {
                held.forget(worker).await;
                worker.standing.lost_race();
                return None;
            }
            Err(fault) => {
                tracing::warn!(job = held.entry.job, %fault, "the job cannot be taken; the queue will offer it again");
                held.forget(worker).await;
                return None;
            }
        }
    }
    Some(Life::of(held))
}

async fn accept(worker: &Worker, held: &Held) -> Result<Accepted, Fault> {
    let mut tries = 0;
    loop {
        tries += 1;
        match worker.queue.accept(&held.job.ticket).await {
            Err(fault) if tries < TRIES => {
                tracing::debug!(job = held.entry.job, %fault, "asking for the job again");
                tokio::time::sleep(rhythm::jittered(std::time::Duration::from_secs(1))).await;
            }
            accepted => return accepted,
        }
    }
}
