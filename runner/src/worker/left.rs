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
        match own.iter().map(|entry| Job::parse(&entry.job, &entry.body)).collect::<Result<Vec<_>, _>>() {
            Ok(jobs) => self.workshop.clear_lost(&jobs.iter().filter_map(Job::run).collect::<Vec<_>>()).await,
            // Its run may be what would be cleared away.
            Err(fault) => tracing::warn!(%fault, hint = fault.hint, "what lost runs left is not cleared away"),
        }
        for entry in own {
            if !self.serves(&entry) {
                let hint = "start the worker with the queue, or for the types of action, that it had";
                tracing::warn!(job = entry.job, hint, "a job of an earlier process is left: its queue is another one");
                continue;
            }
            let Some(active) = self.begin(&entry.job) else { continue };
            tracing::info!(job = entry.job, "going on with a job of an earlier process");
            // A job that was only offered is settled before the next poll, which would offer it a second time.
            let life = accept::recovered(self, &entry, active).await;
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
        // A machine that could not do a job of its own is none to go on with another's. A result needs no machine.
        let is_fit = self.workshop.objection().await.is_none();
        for entry in open.into_iter().filter(|entry| !turn::is_turn(entry)) {
            if entry.until > now || self.standing.mode() != Mode::Working || !self.may_take_over(&entry) {
                continue;
            }
            // Another worker may have a seat for it; a result needs none.
            let seat = Arc::clone(&self.seats).try_acquire_owned().ok();
            let work_is_left = !Job::parse(&entry.job, &entry.body).is_ok_and(|job| job.is_finished());
            let can_do = (is_fit && seat.is_some()) || !work_is_left;
            let Some(active) = self.begin(&entry.job).filter(|_| can_do) else { continue };
            tracing::warn!(job = entry.job, from = entry.owner, "the worker that held a job has let go of it");
            if let Some(life) = accept::taken_over(self, &entry, active).await {
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
    fn serves(&self, entry: &Entry) -> bool {
        let job = Job::parse(&entry.job, &entry.body);
        job.map_or(true, |job| self.queue.serves(&job.ticket, job.order.as_ref().ok()))
    }

    /// Whether the job of another worker may become this one's: pools are machines of one kind, and trust.
    fn may_take_over(&self, entry: &Entry) -> bool {
        let Ok(Job { order: Ok(order), .. }) = Job::parse(&entry.job, &entry.body) else { return self.serves(entry) };
        (order.pool.is_empty() || self.config.pools.contains(&order.pool)) && self.serves(entry)
    }
}
