//! Claims jobs: a poll for each time that there is a free seat, and sooner when there are news.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::{Mode, Worker, accept};
use crate::clock;
use crate::queue::Offer;

/// How soon after a poll news of jobs make it poll again.
const MOMENT: Duration = Duration::from_millis(500);

impl Worker {
    /// Claims jobs for free seats until the worker is drained.
    pub(super) async fn claim(self: &Arc<Self>) {
        let mut pause = self.config.rhythm.pause();
        loop {
            let Some(seat) = self.seat().await else { return };
            let free = self.seats.available_permits() + 1;
            // Nobody sits while the queue waits: a run that comes back from a gate needs the seat.
            drop(seat);
            let asked = Instant::now();
            let answer = tokio::select! {
                biased;
                answer = self.queue.poll(free, self.config.rhythm.poll) => answer,
                () = self.nudged(asked) => {
                    pause.nudged();
                    continue;
                }
                () = self.standing.mode_other_than(Mode::Working) => continue,
            };
            match answer {
                Ok(offers) => {
                    self.standing.polled(clock::now(), self.queue.trouble());
                    pause.answered(offers.len(), free);
                    self.take(offers).await;
                }
                Err(fault) => {
                    self.standing.cannot_claim(Some(fault.message.clone()));
                    tracing::warn!(%fault, hint = fault.hint, "no jobs can be claimed");
                    pause.failed();
                }
            }
            // A queue that has waited for jobs has used the pause up.
            let left = pause.next().saturating_sub(asked.elapsed());
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                () = self.nudged(asked) => pause.nudged(),
                () = self.standing.mode_other_than(Mode::Working) => {}
            }
        }
    }

    /// Waits for news of a job. All that come within a moment of a poll are one.
    async fn nudged(&self, asked: Instant) {
        tokio::time::sleep_until(asked + MOMENT).await;
        self.nudge.notified().await;
    }

    /// A free seat, when the worker takes jobs at all; `None` when it is drained.
    async fn seat(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            match self.standing.mode() {
                Mode::Draining => return None,
                Mode::Paused => {
                    // What a poll that was given up has found since is for others.
                    self.queue.leave().await;
                    self.standing.mode_other_than(Mode::Paused).await;
                }
                Mode::Working => {
                    let permit = tokio::select! {
                        permit = Arc::clone(&self.seats).acquire_owned() => permit.ok()?,
                        () = self.standing.mode_other_than(Mode::Working) => continue,
                    };
                    let Some(why) = self.workshop.objection().await else { return Some(permit) };
                    if self.standing.cannot_claim(Some(why.clone())) {
                        tracing::warn!(why, "no jobs are taken");
                    }
                    drop(permit);
                    tokio::select! {
                        () = tokio::time::sleep(self.config.rhythm.poll) => {}
                        () = self.standing.mode_other_than(Mode::Working) => {}
                    }
                }
            }
        }
    }

    /// Takes what was offered. Jobs are written down in the order in which they were sent, before any is begun.
    async fn take(self: &Arc<Self>, offers: Vec<Offer>) {
        let mut entered = false;
        for offer in offers {
            let seat = Arc::clone(&self.seats).try_acquire_owned().ok();
            let Some(active) = self.begin_anew(&offer.ticket) else { continue };
            let Some(held) = accept::entered(self, offer, active).await else { continue };
            entered = true;
            let worker = Arc::clone(self);
            self.tasks.spawn(async move { accept::offered(&worker, held, seat).await });
        }
        if entered {
            self.wake_turns().await;
        }
    }
}
