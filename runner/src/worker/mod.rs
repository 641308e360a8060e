//! The worker: permit → claim → fetch → plan → run → report, for as many jobs as it has seats, until it is drained.
//!
//! What it knows of a job is in the ledger before the queue hears of it, and the result is there before it is reported:
//! a worker that is killed at any point goes on at its next start, and one that never starts again is followed by
//! whoever takes its leases over. It does not know where jobs come from, how work is done, or who looks at it.

mod accept;
mod claim;
mod hearing;
mod held;
mod job;
mod lease;
mod left;
mod life;
mod outbox;
mod result;
mod rhythm;
mod standing;
#[cfg(test)]
mod tests;
mod turn;
mod work;

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::SignedDuration;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::bucket::{Access, Buckets};
use crate::cancel::Cancel;
use crate::clock;
use crate::fault::Fault;
use crate::logs::LogTargets;
use crate::queue::{Events, JobOrder, Queue, Ticket};
use crate::run::{Run, Seat};
use crate::state::RunState;
use crate::store::Ownership;
use crate::store::ledger::{Entry, Holder, Ledger};

pub use job::{Job, Step};
pub use rhythm::Rhythm;
pub use standing::{JobStanding, Mode, Sight, Standing, Totals};

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Who it is, for leases: the same after a restart on the same machine.
    pub owner: String,
    /// The pools whose jobs it goes on with when their worker is gone; those of no pool are anybody's.
    pub pools: Vec<String>,
    /// Jobs at the same time.
    pub seats: usize,
    /// How often it does what it does again and again.
    pub rhythm: Rhythm,
    /// Whether the jobs of workers whose lease ran out are done again, or given back as failed by the system.
    pub takes_over: bool,
    /// The table of its fleet; `None` is a worker that has its ledger for itself.
    pub table: Option<String>,
}

/// The right to carry a run out on this machine, for as long as the lease of its job lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The run.
    pub run: String,
    /// Its job.
    pub job: String,
    /// The worker that has it: this one.
    pub owner: String,
    /// The worker that began it.
    pub begun_by: String,
    /// The fence of the lease: 1, and higher for each later holder.
    pub fence: u64,
}

/// A run that is about to be carried out by this process alone.
pub struct Prepared {
    /// The run.
    pub run: Arc<Run>,
    /// Keeps other processes away from it.
    pub ownership: Ownership,
}

/// Puts runs together. The one thing that a worker cannot do without knowing adapters.
#[async_trait]
pub trait Workshop: Send + Sync {
    /// The run of a job: a new one, or the one that an earlier process of this machine, or another machine, began.
    async fn run(
        &self,
        claim: &Claim,
        order: &JobOrder,
        access: Option<Arc<dyn Access>>,
        seat: Arc<Seat>,
        cancel: &Cancel,
    ) -> Result<Prepared, Fault>;

    /// Clears away what runs left on this machine that were lost while this worker was gone. `kept` are its own runs.
    async fn clear_lost(&self, kept: &[String]);

    /// Clears away what an earlier process of this machine left of a run that nobody here goes on with.
    async fn clear(&self, run: &str);

    /// Hears that another worker has a run of this one's: what was said of it here is not all that there is to say.
    fn lose(&self, run: &str);

    /// Buckets with the rights of a job, or the worker's own.
    fn buckets(&self, access: Option<Arc<dyn Access>>) -> Arc<dyn Buckets>;

    /// Waits for a while until what was said of a run is where people look for it; what is not goes on by itself.
    async fn settle(&self, run: &str);

    /// Where people look at what a run said whose logs go to these targets.
    fn links(&self, state: &RunState, logs: &LogTargets) -> Vec<String>;

    /// Why no further job should be taken now, such as a full disk; what can be done about it was tried.
    async fn objection(&self) -> Option<String>;
}

/// A worker.
pub struct Worker {
    config: WorkerConfig,
    queue: Arc<dyn Queue>,
    ledger: Arc<dyn Ledger>,
    workshop: Arc<dyn Workshop>,
    seats: Arc<Semaphore>,
    /// What others may see and ask of it.
    pub standing: Arc<Standing>,
    /// Woken when there may be a job, or a job may be unwanted.
    pub nudge: Arc<Notify>,
    /// Stops what runs; a drain does not.
    stop: Cancel,
    /// The jobs that this process is busy with, and with which newer ticket each was offered again since.
    active: Mutex<HashMap<String, Option<Ticket>>>,
    /// Woken when a turn of this machine has ended, or somebody has lined up for one.
    turns: Notify,
    /// What the ledger said last to those that wait for their turn, and when.
    seen: tokio::sync::Mutex<Option<(Instant, Arc<Vec<turn::Waiter>>)>>,
    tasks: TaskTracker,
}

impl Worker {
    /// A worker that has not begun.
    #[must_use]
    pub fn new(
        config: WorkerConfig,
        queue: Arc<dyn Queue>,
        ledger: Arc<dyn Ledger>,
        workshop: Arc<dyn Workshop>,
        stop: Cancel,
    ) -> Arc<Self> {
        let seats = Arc::new(Semaphore::new(config.seats));
        let standing = Arc::new(Standing::new(&config.owner, Arc::clone(&seats), config.table.as_deref()));
        Arc::new(Self {
            config,
            queue,
            ledger,
            workshop,
            seats,
            standing,
            nudge: Arc::new(Notify::new()),
            stop,
            active: Mutex::default(),
            turns: Notify::new(),
            seen: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
        })
    }

    /// Works until it is drained or stopped, and everything that it began is reported or safely in the ledger. Events
    /// are listened to until the end: what still runs may be abandoned.
    ///
    /// # Errors
    /// When the ledger cannot be read at the start: without it nothing may be begun.
    pub async fn work(self: &Arc<Self>, events: Vec<Arc<dyn Events>>) -> Result<(), Fault> {
        let heard = events.iter().map(|events| hearing::hear(self, events.as_ref()));
        tokio::select! {
            worked = self.work_deaf() => worked,
            _ = futures_util::future::join_all(heard), if !events.is_empty() => Ok(()),
        }
    }

    async fn work_deaf(self: &Arc<Self>) -> Result<(), Fault> {
        self.recover().await?;
        let sweeps = async {
            loop {
                tokio::time::sleep(self.config.rhythm.lease).await;
                if let Err(fault) = self.take_over().await {
                    tracing::warn!(%fault, "jobs of lost workers cannot be looked for");
                }
            }
        };
        tokio::select! {
            () = self.claim() => {}
            () = sweeps => {}
            _ = self.stop.requested() => {}
        }
        self.standing.set(Mode::Draining);
        self.tasks.close();
        tokio::join!(self.tasks.wait(), self.queue.leave());
        Ok(())
    }

    /// The jobs in the ledger; turns are kept there too.
    async fn open_jobs(&self) -> Result<Vec<Entry>, Fault> {
        let mut open = self.ledger.open().await?;
        open.retain(|entry| !turn::is_turn(entry));
        Ok(open)
    }

    /// Those that wait for their turn: each of them asks the same, and within a moment gets one answer.
    async fn waiting_jobs(&self) -> Result<Arc<Vec<turn::Waiter>>, Fault> {
        let mut seen = self.seen.lock().await;
        if let Some((at, jobs)) = &*seen
            && at.elapsed() < self.config.rhythm.heartbeat / 4
        {
            return Ok(Arc::clone(jobs));
        }
        let jobs = Arc::new(self.open_jobs().await?.iter().filter_map(turn::Waiter::of).collect());
        *seen = Some((Instant::now(), Arc::clone(&jobs)));
        Ok(jobs)
    }

    /// Wakes those that wait for their turn: it may have come.
    async fn wake_turns(&self) {
        *self.seen.lock().await = None;
        self.turns.notify_waiters();
    }

    /// Marks a job as one that this process is busy with; `None` when it is already.
    fn begin(self: &Arc<Self>, job: &str) -> Option<Active> {
        match self.active.lock().unwrap_or_else(PoisonError::into_inner).entry(job.to_owned()) {
            Slot::Occupied(_) => None,
            Slot::Vacant(slot) => {
                slot.insert(None);
                Some(Active { worker: Arc::clone(self), job: job.to_owned() })
            }
        }
    }

    /// The same for a job that is offered. The message of one that is busy already is answered with the newest receipt.
    fn begin_anew(self: &Arc<Self>, ticket: &Ticket) -> Option<Active> {
        let begun = self.begin(&ticket.job);
        if begun.is_none() && ticket.delivery.is_some() {
            self.active
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(ticket.job.clone())
                .and_modify(|newest| *newest = Some(ticket.clone()));
        }
        begun
    }

    /// The ticket with which a job was offered again since it was begun, once.
    fn newer_ticket(&self, job: &str) -> Option<Ticket> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).get_mut(job).and_then(Option::take)
    }

    /// The holder of a lease from now on.
    fn holder(&self) -> Holder {
        let now = clock::now();
        let lease = SignedDuration::try_from(self.config.rhythm.lease).unwrap_or(SignedDuration::from_mins(1));
        Holder { owner: self.config.owner.clone(), now, until: now + lease }
    }
}

/// A job that this process is busy with; until it is dropped, the job is not begun a second time.
struct Active {
    worker: Arc<Worker>,
    job: String,
}

impl Drop for Active {
    fn drop(&mut self) {
        self.worker.active.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.job);
    }
}
