//! What a worker shares with its fleet: the runs that it carries out, and those that it goes on with.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pipeline_spec::plan::{Plan, Rule};

use crate::cancel::Cancel;
use crate::event::{Event, Slot, What};
use crate::fault::Fault;
use crate::gate::Decision;
use crate::retry;
use crate::state::RunState;
use crate::store::history::{DynamoHistory, Replica, Tenure};
use crate::store::ledger::DynamoLedger;
use crate::store::{Record, RunRow, Table};
use crate::worker::Claim;

/// How long the end of a job waits for the fleet to hear of it.
const LAST: Duration = Duration::from_secs(20);

/// A fleet, as one of its workers knows it.
pub(super) struct Fleet {
    table: Table,
    state: PathBuf,
    replicas: Mutex<HashMap<String, Arc<Replica>>>,
}

/// What the fleet knows of a run.
struct Heard {
    row: RunRow,
    answers: Vec<(String, Slot, Decision)>,
    told: Vec<Event>,
}

impl Fleet {
    pub(super) fn new(table: Table, state: &Path) -> Self {
        Self { table, state: state.to_owned(), replicas: Mutex::default() }
    }

    fn history(&self) -> DynamoHistory {
        DynamoHistory::new(self.table.clone())
    }

    /// Brings what the fleet knows of a run into this machine's record, which may know another part of it. Returns the
    /// number of the last event that both have.
    pub(super) async fn bring(
        &self,
        record: &mut Record,
        claim: &Claim,
        has_outputs: bool,
        cancel: &Cancel,
    ) -> Result<u64, Fault> {
        let run = claim.run.as_str();
        let heard = retry::while_away(retry::NEEDED, cancel, || self.heard(run)).await?;
        let Some(Heard { row, answers, told }) = heard else { return Ok(0) };
        if record.find(run)?.is_none() {
            record.begin(&row)?;
        }
        record.take_answers(run, &answers)?;
        let known = record.events(run, 0)?;
        // What this machine knows and the fleet does not is news, unless another one has begun in between.
        let is_news = known.starts_with(&told);
        let next = if is_news { &known } else { &told };
        if has_outputs && must_begin_anew(next) {
            record.replace(run, &[])?;
            return Ok(0);
        }
        if !is_news {
            record.replace(run, next)?;
        }
        record.take_answers(run, &given(next))?;
        Ok(told.last().map_or(0, |event| event.sequence))
    }

    async fn heard(&self, run: &str) -> Result<Option<Heard>, Fault> {
        let history = self.history();
        let Some(row) = history.find(run).await? else { return Ok(None) };
        Ok(Some(Heard { row, answers: history.all_decisions(run).await?, told: history.told(run).await? }))
    }

    /// Keeps the fleet informed about a run from here on.
    pub(super) fn replicate(&self, claim: &Claim, row: RunRow, plan: &Plan, sent: u64) -> Result<Arc<Replica>, Fault> {
        let Claim { run, job, owner, fence, .. } = claim.clone();
        let stores = (self.history(), DynamoLedger::new(self.table.clone()));
        let tenure = Tenure { run: run.clone(), job, owner, fence };
        let replica = Replica::start(&self.state, stores, row, tenure, sent, has_approvals(plan))?;
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner).insert(run, Arc::clone(&replica));
        Ok(replica)
    }

    /// Waits for a while until the fleet knows all of a run.
    pub(super) async fn settle(&self, run: &str) {
        let replica = self.replicas.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
        if let Some(replica) = replica
            && tokio::time::timeout(LAST, replica.reached()).await.is_err()
        {
            tracing::warn!(run, "the fleet does not know the end of a run");
        }
    }
}

/// Whether artifacts are gone with the machine that made them. They can be made again as long as nothing but builds has
/// happened: what was deployed or pushed must stay what it is.
fn must_begin_anew(history: &[Event]) -> bool {
    let state = RunState::of(history);
    let mut artifacts = state.actions.iter().flat_map(|action| action.artifacts.values());
    let gone = artifacts.any(|artifact| !Path::new(&artifact.path).exists());
    gone && state.actions.iter().all(|action| action.order.is_none() && action.image.is_none())
}

/// The answers that the run has heard.
fn given(history: &[Event]) -> Vec<(String, Slot, Decision)> {
    let given = history.iter().filter_map(|event| match &event.what {
        What::ApprovalGiven { stage, slot, decision } => Some((stage.clone(), *slot, decision.clone())),
        _ => None,
    });
    given.collect()
}

fn has_approvals(plan: &Plan) -> bool {
    let mut rules = plan.stages.iter().flat_map(|stage| stage.before_entry.iter().chain(&stage.on_success));
    rules.any(|rule| matches!(rule, Rule::Approval { .. }))
}
