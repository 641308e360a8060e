//! A stage: its gate, its actions in the order of their needs, its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pipeline_spec::plan::{Action, OnFailure, Stage};
use tokio::task::JoinSet;

use super::Run;
use crate::cancel::Reason;
use crate::event::{Outcome, Slot, What};
use crate::fault::{Fault, FaultKind};

/// Between two attempts to learn whether the run is still this worker's.
const ASK: Duration = Duration::from_secs(2);

impl Run {
    /// Carries a stage out. One that is over already is not repeated.
    pub(super) async fn stage(self: &Arc<Self>, stage: &Stage) -> Result<Outcome, Fault> {
        let known = self.recorder.with(|state| state.stage(&stage.name).map(|known| known.span.outcome.clone()));
        match known {
            Some(Some(outcome)) => return Ok(outcome),
            Some(None) => {}
            None => self.recorder.tell(What::StageStarted { stage: stage.name.clone() }),
        }
        let outcome = self.within(stage).await.unwrap_or_else(Outcome::from);
        let outcome = self.after(stage, outcome).await;
        self.recorder.tell(What::StageFinished { stage: stage.name.clone(), outcome: outcome.clone() });
        Ok(outcome)
    }

    async fn within(self: &Arc<Self>, stage: &Stage) -> Result<Outcome, Fault> {
        self.stop_fault()?;
        let entered = self.gate(stage, Slot::BeforeEntry, &stage.before_entry).await?;
        if !entered.succeeded() {
            return Ok(entered);
        }
        let done = self.actions(stage).await;
        if !done.succeeded() {
            return Ok(done);
        }
        self.gate(stage, Slot::OnSuccess, &stage.on_success).await
    }

    /// What the failure of the stage leads to. A stop by the user is no failure: what was begun stays as it is.
    async fn after(&self, stage: &Stage, outcome: Outcome) -> Outcome {
        let failed = !outcome.succeeded() && !matches!(outcome, Outcome::Stopped { .. });
        if failed && stage.on_failure == OnFailure::Rollback && self.is_ours().await {
            for action in stage.actions.iter().rev() {
                self.roll_back(action).await;
            }
        }
        outcome
    }

    /// Whether what was deployed is ours to take back: another worker may have the run by now, and have deployed it well.
    async fn is_ours(&self) -> bool {
        loop {
            let settled = tokio::select! {
                settled = self.recorder.settled() => settled,
                _ = self.cancel.at_least(Reason::Lost) => return false,
            };
            match settled {
                Err(fault) if fault.kind != FaultKind::Stopped => tokio::time::sleep(ASK).await,
                settled => return settled.is_ok(),
            }
        }
    }

    /// All actions of a stage, each as soon as what it needs has succeeded. Those that run when one fails go on.
    async fn actions(self: &Arc<Self>, stage: &Stage) -> Outcome {
        let mut waiting: Vec<&Action> = stage.actions.iter().collect();
        let mut done: BTreeMap<String, Outcome> = BTreeMap::new();
        let mut running = JoinSet::new();
        loop {
            let (ready, rest): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .partition(|action| action.needs.iter().all(|need| done.get(need).is_some_and(Outcome::succeeded)));
            waiting = rest;
            for action in ready {
                let (run, stage, action) = (Arc::clone(self), stage.name.clone(), action.clone());
                running.spawn(async move {
                    let outcome = run.action(&stage, &action).await;
                    (action.name, outcome)
                });
            }
            match running.join_next().await {
                Some(Ok((name, outcome))) => {
                    done.insert(name, outcome);
                }
                Some(Err(panic)) => {
                    done.insert(String::new(), Outcome::from(Fault::system(format!("an action broke: {panic}"))));
                }
                None => break,
            }
        }
        self.worst(stage, done)
    }

    fn worst(&self, stage: &Stage, done: BTreeMap<String, Outcome>) -> Outcome {
        let first_of_worst = stage
            .actions
            .iter()
            .filter_map(|action| done.get(&action.name).map(|outcome| (action.name.as_str(), outcome)))
            .chain(done.get("").map(|outcome| ("", outcome)))
            .filter(|(_, outcome)| !outcome.succeeded())
            .reduce(|worst, next| if next.1.severity() > worst.1.severity() { next } else { worst });
        match first_of_worst {
            None => Outcome::Succeeded,
            Some((name, outcome)) => about(name, outcome.clone()),
        }
    }
}

/// The outcome of a stage, from that of the action that decided it.
fn about(action: &str, outcome: Outcome) -> Outcome {
    let said = |message: String| format!("{action}: {message}");
    match outcome {
        Outcome::Failed { message } => Outcome::Failed { message: said(message) },
        Outcome::TimedOut { message } => Outcome::TimedOut { message: said(message) },
        Outcome::Faulted { kind, message, hint } => Outcome::Faulted { kind, message: said(message), hint },
        other => other,
    }
}
