//! The history of runs as people ask for it: on this machine, or in the table of a fleet.
//!
//! In a table the events of a run stand under the fence of whoever carried the run out when they were told. A holder
//! that was thought to be lost may still send some; they are left out, because the next one has begun before them.

mod dynamo;
mod merge;
mod pieces;
mod replica;

use async_trait::async_trait;

use super::{Record, RunRow};
use crate::event::{Event, Slot};
use crate::fault::Fault;
use crate::gate::Decision;

pub use dynamo::DynamoHistory;
pub use replica::{Replica, Tenure};

/// Who knows runs. Calls may be made at the same time, from any number of processes.
///
/// Five methods, because five things are asked by people; each is one question.
#[async_trait(?Send)]
pub trait History {
    /// The newest runs, newest first.
    async fn runs(&self, limit: usize) -> Result<Vec<RunRow>, Fault>;

    /// The run whose id starts with that text; `None` is the newest run. A `Configuration` fault when there is none, or
    /// more than one.
    async fn run(&self, prefix: Option<&str>) -> Result<RunRow, Fault>;

    /// The events of a run, in order.
    async fn events(&self, run: &str) -> Result<Vec<Event>, Fault>;

    /// The answers to the approvals of a gate, in the order of their rules.
    async fn decisions(&self, run: &str, stage: &str, slot: Slot) -> Result<Vec<Decision>, Fault>;

    /// Writes an answer to an approval down. The first answer stays: a `Configuration` fault names who gave it.
    async fn decide(&self, run: &str, stage: &str, slot: Slot, decision: &Decision) -> Result<(), Fault>;
}

#[async_trait(?Send)]
impl History for Record {
    async fn runs(&self, limit: usize) -> Result<Vec<RunRow>, Fault> {
        Record::runs(self, limit)
    }

    async fn run(&self, prefix: Option<&str>) -> Result<RunRow, Fault> {
        Record::run(self, prefix)
    }

    async fn events(&self, run: &str) -> Result<Vec<Event>, Fault> {
        Record::events(self, run, 0)
    }

    async fn decisions(&self, run: &str, stage: &str, slot: Slot) -> Result<Vec<Decision>, Fault> {
        Record::decisions(self, run, stage, slot)
    }

    async fn decide(&self, run: &str, stage: &str, slot: Slot, decision: &Decision) -> Result<(), Fault> {
        Record::decide(self, run, stage, slot, decision)
    }
}

/// An answer that came second.
pub(super) fn answered(run: &str, stage: &str, known: &Decision) -> Fault {
    let answer = if known.approved { "approved" } else { "rejected" };
    Fault::configuration(format!("run {run}, stage {stage}: {} has {answer} it at {}", known.by, known.at))
}

/// What was asked for with the beginning of an id.
pub(super) fn only(mut found: Vec<RunRow>, prefix: Option<&str>) -> Result<RunRow, Fault> {
    match (found.pop(), found.pop(), prefix) {
        (Some(run), None, _) => Ok(run),
        (Some(_), Some(_), prefix) => {
            Err(Fault::configuration(format!("more than one run starts with {}", prefix.unwrap_or_default())))
        }
        (None, _, Some(prefix)) => {
            Err(Fault::configuration(format!("no run {prefix}")).hint("`sluice runs` lists them"))
        }
        (None, _, None) => Err(Fault::configuration("there are no runs yet").hint("start one: `sluice run`")),
    }
}
