//! How a job becomes ours: written down, then taken from the queue. Or how it was ours, or somebody else's, before.

use tokio::sync::OwnedSemaphorePermit;

use super::held::{Held, Lease};
use super::life::Life;
use super::{Active, Job, Step, Worker, lease, rhythm};
use crate::clock;
use crate::fault::Fault;
use crate::queue::{Accepted, FailureKind, JobResult, LetGo, Offer, Refusal, Ticket};
use crate::store::ledger::{Entry, Taken};

/// How often an offer is asked for before it is left to the queue's next poll.
const TRIES: u32 = 3;

/// How many processes may end while they have one job.
const MOST_ENDED: u32 = 20;

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
        Ok(held) => held,
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
    let job = Job::offered(offer, &worker.config.owner);
    let entry = match worker.ledger.take(&job.ticket.job, &worker.holder(), &job.text()?).await? {
        Taken::Ours(entry) => entry,
        Taken::Held { body, .. } => {
            // A message of which its holder knows nothing any more would come again and again, until it were a dead letter.
            if Job::parse(&job.ticket.job, &body).is_ok_and(|held| held.ticket.is_spent()) {
                worker.queue.let_go(&job.ticket, LetGo::ForGood).await?;
            }
            return Ok(None);
        }
        // It was offered a second time.
        Taken::Closed => return worker.queue.let_go(&job.ticket, LetGo::ForGood).await.map(|()| None),
    };
    let known = read(worker, &entry).await?;
    let was = known.ticket.clone();
    // What was offered before and never taken is asked for anew; and it is always the newest ticket that is good.
    let job = match known.step {
        Step::Offered { .. } => Job { step: known.step, ..job },
        _ => Job { ticket: job.ticket, ..known },
    };
    let mut held = Held { job, entry, _active: active };
    // Whoever asks for it after a crash of ours must have the newest one too.
    if held.job.ticket != was && held.write(worker).await? == Lease::Lost {
        return Ok(None);
    }
    Ok(Some(held))
}

/// Reads an entry that was just taken. One that another version wrote is let go of, for that version to finish it.
async fn read(worker: &Worker, entry: &Entry) -> Result<Job, Fault> {
    let job = Job::parse(&entry.job, &entry.body);
    if job.is_err() {
        worker.ledger.write(&Entry { until: clock::now(), ..entry.clone() }).await?;
    }
    job
}

async fn take(worker: &Worker, entry: &Entry, active: Active) -> Option<Held> {
    match taken(worker, entry, active).await {
        Ok(held) => held,
        Err(fault) if fault.away => {
            tracing::warn!(job = entry.job, %fault, "a job cannot be gone on with yet; it is looked at again");
            None
        }
        Err(fault) => {
            tracing::error!(job = entry.job, %fault, hint = fault.hint, "a job cannot be gone on with");
            None
        }
    }
}

async fn taken(worker: &Worker, entry: &Entry, active: Active) -> Result<Option<Held>, Fault> {
    // What cannot be read is not taken from those who can read it.
    Job::parse(&entry.job, &entry.body)?;
    match worker.ledger.take(&entry.job, &worker.holder(), &entry.body).await? {
        Taken::Ours(entry) => counted(worker, Held { job: read(worker, &entry).await?, entry, _active: active }).await,
        Taken::Held { .. } | Taken::Closed => Ok(None),
    }
}

/// Counts the process that ended while it had a job. One that takes each of its workers with it must not go round in the
/// fleet for ever, and no queue knows of it any more.
async fn counted(worker: &Worker, mut held: Held) -> Result<Option<Held>, Fault> {
    let Step::Accepted { run, parked: false, ended, .. } = &mut held.job.step else { return Ok(Some(held)) };
    *ended += 1;
    if *ended > MOST_ENDED {
        worker.workshop.clear(run).await;
        let message = format!("given up: {ended} worker processes have ended while they had this job");
        let failure = Some(Refusal { kind: FailureKind::SystemUnavailable, message });
        held.job.step = Step::Finished { result: JobResult { failure, ..JobResult::default() } };
    }
    Ok((held.write(worker).await? == Lease::Ours).then_some(held))
}

/// Takes an offered job from the queue; one that is ours already goes on. `None`: it is not ours.
async fn settle(worker: &std::sync::Arc<Worker>, mut held: Held) -> Option<Life> {
    let Step::Offered { run, on } = held.job.step.clone() else { return Some(Life::of(held)) };
    let ticket = held.job.ticket.clone();
    match lease::keep(worker, &mut held, None, accept(worker, &ticket)).await {
        Some(Ok(Accepted::Ours)) => begun(worker, held, run, on).await,
        Some(Ok(Accepted::Gone)) => {
            held.forget(worker).await;
            worker.standing.lost_race();
            None
        }
        // The queue may have heard us: then it offers the job to nobody any more, and only the entry tells that it is to be
        // asked for again. Whoever is offered it, or takes the lease over, does so.
        Some(Err(fault)) => {
            tracing::warn!(job = held.entry.job, %fault, "the job cannot be taken yet; it will be asked for again");
            None
        }
        None => {
            worker.standing.lost(&held.entry.job);
            None
        }
    }
}

/// Writes down that the queue counts on us.
async fn begun(worker: &Worker, mut held: Held, run: String, on: String) -> Option<Life> {
    held.job.step = match &held.job.order {
        Ok(_) => Step::Accepted { run, on, parked: false, ended: 0 },
        Err(refusal) => {
            let failure = Some(refusal.clone());
            Step::Finished { result: JobResult { failure, ..JobResult::default() } }
        }
    };
    match held.write(worker).await {
        Ok(Lease::Ours) => {}
        Ok(Lease::Lost) => {
            worker.standing.lost(&held.entry.job);
            return None;
        }
        // The queue counts on us: the job goes on, and is written down with its next step. Whoever comes after a crash asks
        // the queue again, and goes on with the run that the ledger has named already.
        Err(fault) => tracing::warn!(job = held.entry.job, %fault, "the ledger cannot be written yet"),
    }
    worker.standing.accepted();
    if let (Step::Accepted { run, .. }, Ok(order)) = (&held.job.step, &held.job.order) {
        tracing::info!(job = held.entry.job, run, project = order.project, "the job is taken");
    }
    Some(Life::of(held))
}

/// Asks for a job. A queue that says that it is gone is believed, also after a try that was not answered: that try may
/// have taken it, but so may a worker that has another ledger, and a job must not be done twice.
async fn accept(worker: &Worker, ticket: &Ticket) -> Result<Accepted, Fault> {
    let mut tries = 0;
    loop {
        tries += 1;
        match worker.queue.accept(ticket).await {
            Err(fault) if tries < TRIES => {
                tracing::debug!(job = ticket.job, %fault, "asking for the job again");
                tokio::time::sleep(rhythm::jittered(std::time::Duration::from_secs(1))).await;
            }
            Ok(Accepted::Gone) if tries > 1 => {
                let hint =
                    "if no worker has it: `aws codepipeline stop-pipeline-execution --abandon`, then retry the stage";
                tracing::warn!(job = ticket.job, hint, "the job is gone, and an earlier try was not answered");
                return Ok(Accepted::Gone);
            }
            accepted => return accepted,
        }
    }
}
