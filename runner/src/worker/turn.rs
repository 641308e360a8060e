//! Turns: of the jobs of one group, one is worked on at a time, in the whole fleet.
//!
//! Whoever has the turn holds an entry of the ledger, `turn:` and the group, under a name of its own, and renews it with
//! the lease of its job. Those that wait need no list: they are the open jobs of the group in the ledger, and each says
//! when it was sent. One that waits holds its message, so that it is not counted as handed out again and again until the
//! queue takes it for a dead letter, but no seat.

use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::{Job, Mode, Worker, rhythm};
use crate::clock;
use crate::fault::Fault;
use crate::queue::{Order, Turn};
use crate::store::ledger::{Entry, Holder, Taken};

/// What the entries of turns begin with. Ids of jobs have no colon.
const PREFIX: &str = "turn:";

/// How the wait for a turn ended.
pub(super) enum Waited {
    /// It has come.
    Come(Entry),
    /// A newer job makes this one needless.
    Superseded {
        /// The newer job.
        by: String,
    },
    /// The worker takes nothing new any more.
    GivenUp,
}

/// What one look says.
enum Look {
    Come(Entry),
    Superseded { by: String },
    Wait,
}

/// Whether an entry is a turn, and no job.
pub(super) fn is_turn(entry: &Entry) -> bool {
    entry.job.starts_with(PREFIX)
}

/// The job that has, or had, a turn; `None` for an entry that is none.
pub(super) fn job_of(entry: &Entry) -> Option<&str> {
    Some(entry).filter(|entry| is_turn(entry))?.owner.rsplit_once('/').map(|(_, job)| job)
}

/// Waits for a job's turn, without a seat.
pub(super) async fn wait(worker: &Worker, job: &str, turn: &Turn, seat: &mut Option<OwnedSemaphorePermit>) -> Waited {
    loop {
        let mut woken = std::pin::pin!(worker.turns.notified());
        woken.as_mut().enable();
        match look(worker, job, turn).await {
            Ok(Look::Come(entry)) => return Waited::Come(entry),
            Ok(Look::Superseded { by }) => return Waited::Superseded { by },
            Ok(Look::Wait) => {}
            Err(fault) => tracing::warn!(job, %fault, "the ledger cannot be asked for a turn"),
        }
        if seat.take().is_some() {
            tracing::info!(job, group = turn.group, "the job waits for its turn");
        }
        if worker.standing.mode() != Mode::Working {
            return Waited::GivenUp;
        }
        tokio::select! {
            () = tokio::time::sleep(rhythm::jittered(worker.config.rhythm.heartbeat)) => {}
            () = woken => {}
            () = worker.standing.mode_other_than(Mode::Working) => {}
        }
    }
}

async fn look(worker: &Worker, job: &str, turn: &Turn) -> Result<Look, Fault> {
    if !turn.begun {
        let (now, mut must_wait) = (clock::now(), false);
        let waiters = worker.waiting_jobs().await?;
        let others = waiters.iter().filter(|other| other.job != job && other.turn.group == turn.group);
        for other in others.filter(|other| other.counts(now)) {
            let newer = (other.turn.sent.as_str(), other.job.as_str()) > (turn.sent.as_str(), job);
            match turn.order {
                Order::Superseded if newer => return Ok(Look::Superseded { by: other.job.clone() }),
                Order::Superseded => must_wait |= other.turn.begun,
                Order::Queued => must_wait |= other.turn.begun || !newer,
            }
        }
        if must_wait {
            return Ok(Look::Wait);
        }
    }
    let holder = Holder { owner: format!("{}/{job}", worker.config.owner), ..worker.holder() };
    match worker.ledger.take(&entry_of(&turn.group), &holder, "").await? {
        Taken::Ours(entry) => Ok(Look::Come(entry)),
        Taken::Held { .. } | Taken::Closed => Ok(Look::Wait),
    }
}

/// The name of the entry of a group's turn. A name that no ledger has room for is told by its digest.
fn entry_of(group: &str) -> String {
    match group.len() {
        0..=512 => format!("{PREFIX}{group}"),
        _ => format!("{PREFIX}{}", hex::encode(Sha256::digest(group))),
    }
}

/// An open job that waits for its turn, or has it.
pub(super) struct Waiter {
    job: String,
    until: Timestamp,
    turn: Turn,
    carried: bool,
}

impl Waiter {
    /// What a job's entry says of its turn; `None` when nobody need mind it. One that is finished only has its result told.
    pub(super) fn of(entry: &Entry) -> Option<Self> {
        let job = Job::parse(&entry.job, &entry.body).ok().filter(|job| !job.is_finished())?;
        let carried = job.ticket.is_spent();
        Some(Self { job: entry.job.clone(), until: entry.until, turn: job.order.ok()?.turn?, carried })
    }

    /// Whether it counts. One that nobody holds may never be done, unless it was begun or the ledger alone carries it: then
    /// it is gone on with by whoever comes by, and a newer one that overtook it would be undone by it.
    fn counts(&self, now: Timestamp) -> bool {
        self.turn.begun || self.carried || self.until > now
    }
}

/// Keeps the turn with the lease of its job.
pub(super) async fn renew(worker: &Worker, turn: &mut Entry) {
    let renewed = Entry { until: worker.holder().until, ..turn.clone() };
    match worker.ledger.write(&renewed).await {
        Ok(true) => *turn = renewed,
        Ok(false) => {
            tracing::warn!(turn = turn.job, "another job has taken the turn; this one was silent for too long")
        }
        Err(fault) => tracing::warn!(turn = turn.job, %fault, "the turn cannot be renewed"),
    }
}

/// Ends a turn.
pub(super) async fn end(worker: &Arc<Worker>, turn: &Entry) {
    if let Err(fault) = worker.ledger.forget(turn).await {
        tracing::warn!(turn = turn.job, %fault, "the turn ends with its lease");
    }
    worker.wake_turns().await;
}
