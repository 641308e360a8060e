//! The lease of a job: renewed for as long as anything is done for it, and with it the turn that it has.

use std::sync::Arc;

use super::held::{Held, Lease};
use super::life::End;
use super::{Worker, rhythm, turn};
use crate::queue::{JobOrder, Wanted};
use crate::run::Seat;
use crate::store::ledger::Entry;

/// How often in a row the queue must say that a job is elsewhere. The newer ticket may be on its way to us.
const ELSEWHERE: u32 = 2;

/// Renews the leases and asks whether the job is still wanted, until it is not. The message of a run that has left its
/// seat is given up, and so is one that cannot be held for much longer, or that was not held for long enough: in a fleet
/// the ledger decides who does a job, and not the queue.
pub(super) async fn hear(
    worker: &Arc<Worker>,
    held: &mut Held,
    mut turn: Option<&mut Entry>,
    seat: Option<&Seat>,
    order: &JobOrder,
) -> End {
    let (mut elsewhere, mut told) = (0, None);
    loop {
        tokio::select! {
            () = tokio::time::sleep(rhythm::jittered(worker.config.rhythm.heartbeat)) => {}
            () = worker.standing.asked_again() => {}
        }
        held.renew_ticket(worker);
        let parks = seat.is_some_and(|seat| !seat.is_taken());
        let given_up =
            if parks || held.message_expires() { held.give_message_up(worker).await } else { Ok(Lease::Ours) };
        let written = if let Ok(Lease::Ours) = given_up { held.write(worker).await } else { given_up };
        if held.judge(written) == Lease::Lost {
            return End::Lost;
        }
        if let Some(turn) = turn.as_deref_mut() {
            turn::renew(worker, turn).await;
        }
        // A queue that takes its time to answer must not cost the lease.
        let ticket = held.job.ticket.clone();
        let asked = worker.queue.heartbeat(&ticket, order);
        let Some(asked) = keep(worker, held, turn.as_deref_mut(), asked).await else { return End::Lost };
        match asked {
            Ok(Wanted::Yes) => (elsewhere, told) = (0, None),
            Ok(Wanted::No { why }) => return End::Unwanted(why),
            Ok(Wanted::Elsewhere) if elsewhere + 1 < ELSEWHERE => elsewhere += 1,
            Ok(Wanted::Elsewhere) if worker.config.table.is_some() => {
                tracing::info!(
                    job = held.entry.job,
                    "the message was handed out again; the ledger alone carries the job"
                );
                held.job.ticket.receipt.clear();
                elsewhere = 0;
            }
            Ok(Wanted::Elsewhere) => return End::Elsewhere,
            Err(fault) if told.as_ref() == Some(&fault.message) => {}
            Err(fault) => {
                let (job, hint) = (&held.entry.job, fault.hint.as_deref());
                tracing::warn!(job, %fault, hint, "whether the job is still wanted cannot be asked");
                told = Some(fault.message);
            }
        }
    }
}

/// Keeps the lease, and the turn, while something is done that takes its time. `None`: the lease is lost.
pub(super) async fn keep<T>(
    worker: &Worker,
    held: &mut Held,
    mut turn: Option<&mut Entry>,
    doing: impl Future<Output = T>,
) -> Option<T> {
    let mut doing = std::pin::pin!(doing);
    loop {
        tokio::select! {
            done = &mut doing => return Some(done),
            () = tokio::time::sleep(rhythm::jittered(worker.config.rhythm.heartbeat)) => {}
        }
        let written = held.write(worker).await;
        if held.judge(written) == Lease::Lost {
            return None;
        }
        if let Some(turn) = turn.as_deref_mut() {
            turn::renew(worker, turn).await;
        }
    }
}
