//! The life of a job that is ours: done, and then reported. Each step is written down before the next begins.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::held::{Held, Lease};
use super::outbox::LastTries;
use super::turn::{self, Waited};
use super::work::do_work;
use super::{Claim, Step, Worker, lease, outbox};
use crate::cancel::Reason;
use crate::clock;
use crate::queue::{FailureKind, JobOrder, JobResult, LetGo, Refusal};
use crate::run::Seat;
use crate::store::ledger::Entry;

/// A job that is ours.
pub(super) struct Life {
    held: Held,
    seat: Option<OwnedSemaphorePermit>,
    turn: Option<Entry>,
}

/// How the work on a job ended.
pub(super) enum End {
    /// With a result.
    Result(JobResult),
    /// Nobody wants it any more.
    Unwanted(String),
    /// Somebody else has it now.
    Lost,
    /// The queue hands it out again.
    Elsewhere,
    /// Its turn had not come when the worker took nothing new any more.
    GivenUp,
    /// It waits for people, and the worker does not.
    Parked,
}

impl Life {
    pub(super) fn of(mut held: Held) -> Self {
        if let Step::Accepted { parked, .. } = &mut held.job.step {
            *parked = false;
        }
        Self { held, seat: None, turn: None }
    }

    /// With a seat that it has already.
    pub(super) fn seated(self, seat: Option<OwnedSemaphorePermit>) -> Self {
        Self { seat, ..self }
    }

    /// Does what is left to do.
    pub(super) async fn live(mut self, worker: &Arc<Worker>) {
        let id = self.held.entry.job.clone();
        if let (Step::Accepted { run, on, .. }, Ok(order)) = (self.held.job.step.clone(), self.held.job.order.clone()) {
            match self.work(worker, &self.claim(run, on), &order).await {
                End::Result(result) => {
                    self.held.job.step = Step::Finished { result };
                    if !self.written(worker).await {
                        return;
                    }
                }
                End::Unwanted(why) => {
                    tracing::info!(job = id, why, "the job is not wanted any more");
                    worker.standing.unwanted();
                    if let Err(fault) = self.held.close(worker).await {
                        tracing::error!(job = id, %fault, "the ledger cannot be written");
                    }
                    return self.end_turn(worker).await;
                }
                End::Lost => {
                    worker.standing.lost(&id);
                    return;
                }
                End::Parked => {
                    tracing::info!(
                        job = id,
                        "the run waits for people, and is left to other workers or the next start"
                    );
                    // The ledger alone carries the job from here.
                    self.held.renew_ticket(worker);
                    if let Err(fault) = self.held.give_message_up(worker).await {
                        tracing::warn!(job = id, %fault, "the ledger cannot be written; the message is offered again");
                    }
                    if let Err(fault) = self.held.park(worker).await {
                        tracing::warn!(job = id, %fault, "the ledger cannot be written; the lease runs out by itself");
                    }
                    return;
                }
                End::Elsewhere => {
                    tracing::warn!(job = id, "the queue has handed the job out again; nothing is reported");
                    worker.standing.lost(&id);
                    self.held.forget(worker).await;
                    return self.end_turn(worker).await;
                }
                End::GivenUp => return self.give_back(worker, &order).await,
            }
        }
        self.end_turn(worker).await;
        self.seat.take();
        outbox::deliver(worker, self.held).await;
    }

    /// Writes the result down, for as long as that takes: without it a restart would do the work again.
    async fn written(&mut self, worker: &Arc<Worker>) -> bool {
        let mut tries = LastTries::default();
        loop {
            match self.held.write(worker).await {
                Ok(Lease::Ours) => return true,
                Ok(Lease::Lost) => {
                    worker.standing.lost(&self.held.entry.job);
                    return false;
                }
                Err(fault) => tracing::warn!(job = self.held.entry.job, %fault, "a result cannot be written down yet"),
            }
            if !tries.another(worker, worker.config.rhythm.heartbeat).await {
                // The record knows how the run ended, and whoever has the job next tells it.
                tracing::error!(job = self.held.entry.job, "a result is left to the next start, or to another worker");
                return false;
            }
        }
    }

    fn claim(&self, run: String, begun_by: String) -> Claim {
        let Entry { job, owner, fence, .. } = self.held.entry.clone();
        Claim { run, job, owner, begun_by, fence }
    }

    async fn work(&mut self, worker: &Arc<Worker>, claim: &Claim, order: &JobOrder) -> End {
        let standing = worker.standing.begin(&self.held.entry.job, &claim.run, order, clock::now());
        let seat = match self.place(worker, order).await {
            Ok(permit) => Arc::new(Seat::taken(Arc::clone(&worker.seats), permit)),
            Err(end) => {
                // An earlier process may have begun it, and its build would go on with nobody to stop it.
                if matches!(end, End::Unwanted(_) | End::Lost | End::Elsewhere) {
                    worker.workshop.clear(&claim.run).await;
                }
                return end;
            }
        };
        let cancel = worker.stop.child();
        standing.seated(&seat);
        let ticket = self.held.job.ticket.clone();
        let mut done = Box::pin(do_work(worker, &ticket, claim, order, &seat, &cancel));
        let end = tokio::select! {
            result = &mut done => End::Result(result),
            () = may_be_parked(worker, &seat) => {
                // As if the process had been killed here: the record has all that the next one needs.
                drop(done);
                worker.workshop.settle(&claim.run).await;
                End::Parked
            }
            end = lease::hear(worker, &mut self.held, self.turn.as_mut(), Some(&seat), order) => {
                // What it left in the engine is removed before anybody else is told, or could begin it anew.
                let lost = matches!(end, End::Lost) || {
                    cancel.request(Reason::Stopped);
                    lease::keep(worker, &mut self.held, self.turn.as_mut(), &mut done).await.is_none()
                };
                if lost {
                    worker.workshop.lose(&claim.run);
                    cancel.request(Reason::Lost);
                    done.await;
                }
                if lost { End::Lost } else { end }
            }
        };
        drop(standing);
        end
    }

    /// Waits until it is the job's turn and there is a seat for it. It holds none before.
    async fn place(&mut self, worker: &Arc<Worker>, order: &JobOrder) -> Result<OwnedSemaphorePermit, End> {
        let mut seat = self.seat.take();
        if let Some(turn) = &order.turn {
            let id = self.held.entry.job.clone();
            let waited = tokio::select! {
                waited = turn::wait(worker, &id, turn, &mut seat) => waited,
                end = lease::hear(worker, &mut self.held, None, None, order) => return Err(end),
            };
            match waited {
                Waited::Come(entry) => self.turn = Some(entry),
                Waited::Superseded { by } => return Err(End::Result(superseded(worker, &id, &by))),
                Waited::GivenUp => return Err(End::GivenUp),
            }
            if self.note_turn(worker).await == Lease::Lost {
                return Err(End::Lost);
            }
        }
        match seat {
            Some(permit) => Ok(permit),
            None => tokio::select! {
                permit = Arc::clone(&worker.seats).acquire_owned() => permit.map_err(|_| End::Lost),
                end = lease::hear(worker, &mut self.held, self.turn.as_mut(), None, order) => Err(end),
            },
        }
    }

    /// Writes down that the job's turn has come.
    async fn note_turn(&mut self, worker: &Worker) -> Lease {
        if let Ok(JobOrder { turn: Some(turn), .. }) = &mut self.held.job.order {
            turn.begun = true;
        }
        let written = self.held.write(worker).await;
        self.held.judge(written)
    }

    /// Gives a job that was not begun back to its queue. One that was, or that the queue does not know any more, is left
    /// to whoever comes by: the ledger alone carries it. So is every job of a fleet: a queue counts what it hands out, and
    /// takes what it has handed out often for a dead letter.
    async fn give_back(mut self, worker: &Worker, order: &JobOrder) {
        self.held.renew_ticket(worker);
        if worker.config.table.is_some()
            && let Err(fault) = self.held.give_message_up(worker).await
        {
            tracing::warn!(job = self.held.entry.job, %fault, "the ledger cannot be written; the message is given back");
        }
        let begun = order.turn.as_ref().is_some_and(|turn| turn.begun);
        if begun || self.held.job.ticket.is_spent() {
            if let Err(fault) = self.held.park(worker).await {
                let job = &self.held.entry.job;
                tracing::warn!(job, %fault, "the ledger cannot be written; the lease runs out by itself");
            }
            return;
        }
        self.held.forget(worker).await;
        worker.standing.given_back();
        if let Err(fault) = worker.queue.let_go(&self.held.job.ticket, LetGo::For(Duration::ZERO)).await {
            tracing::warn!(job = self.held.entry.job, %fault, "the job will be offered again when its lease is over");
        }
    }

    async fn end_turn(&mut self, worker: &Arc<Worker>) {
        if let Some(turn) = self.turn.take() {
            turn::end(worker, &turn).await;
        }
    }
}

/// Waits until the worker drains while the run does nothing but wait for people.
async fn may_be_parked(worker: &Worker, seat: &Seat) {
    worker.standing.drains().await;
    seat.is_left().await;
}

fn superseded(worker: &Worker, job: &str, by: &str) -> JobResult {
    tracing::info!(job, by, "the job is superseded by a newer one");
    worker.standing.superseded();
    let message = format!("superseded by {by}, which was sent later");
    let failure = Some(Refusal { kind: FailureKind::JobFailed, message });
    JobResult { failure, ..JobResult::default() }
}
