//! The life of a job that is ours: done, and then reported. Each step is written down before the next begins.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::held::{Held, Lease};
use super::work::do_work;
use super::{Step, Worker, outbox};
use crate::cancel::Reason;
use crate::clock;
use crate::queue::{JobOrder, JobResult, Wanted};
use crate::run::Seat;

/// A job that is ours.
pub(super) struct Life {
    held: Held,
    seat: Option<OwnedSemaphorePermit>,
}

/// How the work on a job ended.
enum End {
    /// With a result.
    Result(JobResult),
    /// Nobody wants it any more.
    Unwanted(String),
    /// Somebody else has it now.
    Lost,
}

impl Life {
    pub(super) fn of(held: Held) -> Self {
        Self { held, seat: None }
    }

    /// With a seat that it has already.
    pub(super) fn seated(self, _: &Worker, seat: OwnedSemaphorePermit) -> Self {
        Self { seat: Some(seat), ..self }
    }

    /// Does what is left to do.
    pub(super) async fn live(mut self, worker: &Arc<Worker>) {
        let id = self.held.entry.job.clone();
        if let (Step::Accepted { run, .. }, Ok(order)) = (self.held.job.step.clone(), self.held.job.order.clone()) {
            match self.work(worker, &run, &order).await {
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
                    return;
                }
                End::Lost => {
                    tracing::warn!(job = id, "another worker has taken the job; nothing is reported");
                    worker.standing.lost();
                    return;
                }
            }
        }
        self.seat.take();
        outbox::deliver(worker, self.held).await;
    }

    /// Writes the result down, for as long as that takes: without it a restart would do the work again.
    async fn written(&mut self, worker: &Arc<Worker>) -> bool {
        loop {
            match self.held.write(worker).await {
                Ok(Lease::Ours) => return true,
                Ok(Lease::Lost) => {
                    worker.standing.lost();
                    return false;
                }
                Err(fault) => {
                    tracing::error!(job = self.held.entry.job, %fault, "a result cannot be written down yet");
                    tokio::time::sleep(worker.config.rhythm.heartbeat).await;
                }
            }
        }
    }

    async fn work(&mut self, worker: &Arc<Worker>, run: &str, order: &JobOrder) -> End {
        let permit = match self.seat.take() {
            Some(permit) => Some(permit),
            None => Arc::clone(&worker.seats).acquire_owned().await.ok(),
        };
        let seat = Arc::new(match permit {
            Some(permit) => Seat::taken(Arc::clone(&worker.seats), permit),
            None => return End::Lost,
        });
        let cancel = worker.stop.child();
        let standing = worker.standing.begin(&self.held.entry.job, run, order, clock::now());
        let ticket = self.held.job.ticket.clone();
        let mut done = std::pin::pin!(do_work(worker, &ticket, run, order, &seat, &cancel));
        let end = tokio::select! {
            result = &mut done => End::Result(result),
            end = hear(worker, &mut self.held, order) => {
                cancel.request(if matches!(end, End::Lost) { Reason::Killed } else { Reason::Stopped });
                // What it left in the engine is removed before anybody else is told.
                done.await;
                end
            }
        };
        drop(standing);
        end
    }
}

/// Renews the lease and asks whether the job is still wanted, until it is not.
async fn hear(worker: &Arc<Worker>, held: &mut Held, order: &JobOrder) -> End {
    loop {
        tokio::select! {
            () = tokio::time::sleep(super::rhythm::jittered(worker.config.rhythm.heartbeat)) => {}
            () = worker.standing.asked_again() => {}
        }
        match held.write(worker).await {
            Ok(Lease::Ours) => {}
            Ok(Lease::Lost) => return End::Lost,
            // As long as the lease lasts nobody else takes the job; after that it must be taken for lost.
            Err(fault) if clock::now() > held.entry.until => {
                tracing::error!(job = held.entry.job, %fault, "the lease ran out");
                return End::Lost;
            }
            Err(fault) => tracing::warn!(job = held.entry.job, %fault, "the lease cannot be renewed"),
        }
        match worker.queue.heartbeat(&held.job.ticket, order).await {
            Ok(Wanted::Yes) => {}
            Ok(Wanted::No { why }) => return End::Unwanted(why),
            Err(fault) => tracing::debug!(job = held.entry.job, %fault, "whether the job is wanted cannot be asked"),
        }
    }
}
