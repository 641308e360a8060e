//! Jobs that somebody has left: an earlier process of this worker, or another worker whose lease ran out.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Job, Mode, Worker, accept, turn};
use crate::clock;
use crate::fault::Fault;
use crate::store::ledger::Entry;

impl Worker {
    /// Goes on with what an earlier process of this worker left.
    pub(super) async fn recover(self: &Arc<Self>) -> Result<(), Fault> {
        let mut own = self.open_jobs().await?;
        own.retain(|entry| entry.owner == self.config.owner);
        // Clearing may take its time, and nobody else is to take them meanwhile.
        for entry in &own {
            let renewed = self.ledger.write(&Entry { until: self.holder().until, ..entry.clone() }).await;
            if let Err(fault) = renewed {
                tracing::warn!(job = entry.job, %fault, "the lease cannot be renewed");
            }
        }
        let jobs: Vec<Left> = own.into_iter().map(Left::of).collect();
        match jobs.iter().find_map(|left| left.job.as_ref().err()) {
            None => self.workshop.clear_lost(&jobs.iter().filter_map(Left::run).collect::<Vec<_>>()).await,
            // Its run may be what would be cleared away.
            Some(fault) => tracing::warn!(%fault, hint = fault.hint, "what lost runs left is not cleared away"),
        }
        for left in jobs {
            let entry = &left.entry;
            if !self.serves(&left) {
                let hint = "start the worker with the queue, or for the types of action, that it had";
                tracing::warn!(job = entry.job, hint, "a job of an earlier process is left: its queue is another one");
                continue;
            }
            let Some(active) = self.begin(&entry.job) else { continue };
            tracing::info!(job = entry.job, "going on with a job of an earlier process");
            // A job that was only offered is settled before the next poll, which would offer it a second time.
            let life = accept::recovered(self, entry, active).await;
            let worker = Arc::clone(self);
            if let Some(life) = life {
                self.tasks.spawn(async move { life.live(&worker).await });
            }
        }
        Ok(())
    }

    /// Takes the jobs of workers whose lease ran out.
    pub(super) async fn take_over(self: &Arc<Self>) -> Result<(), Fault> {
        let (now, open) = (clock::now(), self.ledger.open().await?);
        self.end_old_turns(&open, now).await?;
        let left = open.into_iter().filter(|entry| !turn::is_turn(entry) && entry.until <= now).map(Left::of);
        let left: Vec<Left> = left.filter(|left| self.may_take_over(left)).collect();
        // A machine that could not do a job of its own is none to go on with another's. A result needs no machine.
        let is_fit = !left.iter().any(Left::is_work) || self.workshop.objection().await.is_none();
        for left in left {
            let entry = &left.entry;
            if self.standing.mode() != Mode::Working {
                break;
            }
            // Another worker may have a seat for it; a result needs none.
            let seat = Arc::clone(&self.seats).try_acquire_owned().ok();
            let can_do = (is_fit && seat.is_some()) || !left.is_work();
            let Some(active) = self.begin(&entry.job).filter(|_| can_do) else { continue };
            tracing::warn!(job = entry.job, from = entry.owner, "the worker that held a job has let go of it");
            if let Some(life) = accept::taken_over(self, entry, active).await {
                let (worker, life) = (Arc::clone(self), life.seated(seat));
                self.tasks.spawn(async move { life.live(&worker).await });
            }
        }
        Ok(())
    }

    /// Forgets turns that outlived their jobs: a worker may die when it has written a result down and not yet ended the turn.
    async fn end_old_turns(&self, open: &[Entry], now: Timestamp) -> Result<(), Fault> {
        for entry in open.iter().filter(|entry| entry.until < now) {
            if turn::job_of(entry).is_some_and(|job| open.iter().all(|other| other.job != job)) {
                self.ledger.forget(entry).await?;
            }
        }
        Ok(())
    }

    /// Whether a job can be reported where this worker's jobs come from. What cannot be read is said so when it is taken.
    fn serves(&self, left: &Left) -> bool {
        left.job.as_ref().map_or(true, |job| self.queue.serves(&job.ticket, job.order.as_ref().ok()))
    }

    /// Whether the job of another worker may become this one's: pools are machines of one kind, and trust.
    fn may_take_over(&self, left: &Left) -> bool {
        let pool = left.job.as_ref().ok().and_then(|job| job.order.as_ref().ok()).map_or("", |order| &order.pool);
        (pool.is_empty() || self.config.pools.iter().any(|own| own == pool)) && self.serves(left)
    }
}

/// A job that somebody has left, and what its entry says; a `job` that cannot be read is told of when it is taken.
struct Left {
    entry: Entry,
    job: Result<Job, Fault>,
}

impl Left {
    fn of(entry: Entry) -> Self {
        let job = Job::parse(&entry.job, &entry.body);
        Self { entry, job }
    }

    fn run(&self) -> Option<String> {
        self.job.as_ref().ok().and_then(Job::run)
    }

    /// Whether more is left to do than to report it.
    fn is_work(&self) -> bool {
        !self.job.as_ref().is_ok_and(Job::is_finished)
    }
}
