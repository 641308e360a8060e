//! A job that is held: its entry in the ledger, kept in step with what is known of it.

use super::{Active, Job, Step, Worker};
use crate::clock;
use crate::fault::Fault;
use crate::queue::LetGo;
use crate::store::ledger::Entry;

/// A job whose lease is ours, as far as we know.
pub(super) struct Held {
    pub(super) job: Job,
    pub(super) entry: Entry,
    pub(super) _active: Active,
}

/// Whether the lease is still ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lease {
    Ours,
    Lost,
}

impl Held {
    /// A job that was offered again is answered with what it was offered with last.
    pub(super) fn renew_ticket(&mut self, worker: &Worker) {
        if let Some(ticket) = worker.newer_ticket(&self.entry.job) {
            self.job.ticket = ticket;
        }
    }

    /// Whether the queue will show the job's message to others soon, however it is held.
    pub(super) fn message_expires(&self) -> bool {
        self.job.ticket.delivery.as_ref().is_some_and(|delivery| delivery.expires(clock::now()))
    }

    /// Gives the message of a run up that waits for people, or that takes longer than a message can be held. From now on
    /// the ledger alone carries the job, and says so before the message is gone: what is told to the queue of a message
    /// that is gone would look as if it were lost.
    pub(super) async fn give_message_up(&mut self, worker: &Worker) -> Result<Lease, Fault> {
        if self.job.ticket.delivery.is_none() || self.job.ticket.is_spent() {
            return Ok(Lease::Ours);
        }
        let ticket = self.job.ticket.clone();
        self.job.ticket.receipt.clear();
        let written = self.write(worker).await;
        match &written {
            Ok(Lease::Ours) => {
                let let_go = worker.queue.let_go(&ticket, LetGo::ForGood);
                match tokio::time::timeout(worker.config.rhythm.heartbeat, let_go).await {
                    Ok(Ok(())) => {}
                    // Whoever is offered it finds in the ledger that nobody needs it.
                    Ok(Err(fault)) => {
                        tracing::warn!(job = self.entry.job, %fault, "the message of the job will be offered again");
                    }
                    Err(_) => tracing::warn!(job = self.entry.job, "the message of the job will be offered again"),
                }
            }
            Ok(Lease::Lost) => {}
            Err(_) => self.job.ticket = ticket,
        }
        written
    }

    /// Whose the lease is after it was to be renewed. As long as it lasts nobody else takes the job; after that it must be
    /// taken for lost.
    pub(super) fn judge(&self, written: Result<Lease, Fault>) -> Lease {
        match written {
            Ok(lease) => lease,
            Err(fault) if clock::now() > self.entry.until => {
                tracing::error!(job = self.entry.job, %fault, "the lease ran out");
                Lease::Lost
            }
            Err(fault) => {
                tracing::warn!(job = self.entry.job, %fault, "the lease cannot be renewed");
                Lease::Ours
            }
        }
    }

    /// Writes the job down as it is now, and renews the lease.
    pub(super) async fn write(&mut self, worker: &Worker) -> Result<Lease, Fault> {
        let renewed = Entry { body: self.job.text()?, until: worker.holder().until, ..self.entry.clone() };
        self.put(worker, renewed).await
    }

    /// Lets go of a run that does nothing but wait, for whoever comes by.
    pub(super) async fn park(&mut self, worker: &Worker) -> Result<Lease, Fault> {
        if let Step::Accepted { parked, .. } = &mut self.job.step {
            *parked = true;
        }
        let parked = Entry { body: self.job.text()?, until: clock::now(), ..self.entry.clone() };
        self.put(worker, parked).await
    }

    /// There is nothing left to do.
    pub(super) async fn close(&mut self, worker: &Worker) -> Result<Lease, Fault> {
        let closed = Entry { closed: true, until: clock::now(), ..self.entry.clone() };
        self.put(worker, closed).await
    }

    /// It is not ours. Should it be offered again, it is a new one.
    pub(super) async fn forget(&self, worker: &Worker) {
        if let Err(fault) = worker.ledger.forget(&self.entry).await {
            tracing::warn!(job = self.entry.job, %fault, "the ledger cannot be written");
        }
    }

    async fn put(&mut self, worker: &Worker, entry: Entry) -> Result<Lease, Fault> {
        if !worker.ledger.write(&entry).await? {
            return Ok(Lease::Lost);
        }
        self.entry = entry;
        Ok(Lease::Ours)
    }
}
