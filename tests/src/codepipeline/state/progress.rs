//! How an execution goes on: the next actions of its stage, the next stage, its end.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::State;
use super::execution::{ActionStatus, Revision, Status};

/// What a source or a stand-in has found or done.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// A source's revision and what is said of it.
    pub revision: Option<(String, String)>,
    /// Output variables.
    pub variables: BTreeMap<String, String>,
}

/// How a run ends: its output variables, or an error's code and text.
pub(super) type Outcome = Result<BTreeMap<String, String>, (String, String)>;

impl State {
    /// Takes the outcome of an order.
    pub fn work_done(&mut self, execution: &str, run: &str, outcome: Result<Done, String>, now: Timestamp) {
        let Some((at, run)) = self.place(execution, run) else { return };
        if self.executions[at].runs[run].status != ActionStatus::InProgress {
            return;
        }
        let done = match outcome {
            Ok(done) => done,
            Err(why) => return self.end_run(at, run, Err(("ActionFailed".to_owned(), why)), now),
        };
        let execution = &mut self.executions[at];
        if let Some((id, summary)) = done.revision {
            let action = execution.action(&execution.runs[run]).name.clone();
            let output = &mut execution.runs[run].outputs[0];
            output.revision = Some(id.clone());
            let artifact = output.name.clone();
            execution.revisions.push(Revision { action, artifact, id, summary, created: now });
        }
        self.end_run(at, run, Ok(done.variables), now);
    }

    /// Ends a run with its output variables, or with an error's code and text; the execution goes on.
    pub(super) fn end_run(&mut self, at: usize, run: usize, outcome: Outcome, now: Timestamp) {
        self.settle_run(at, run, outcome, now);
        self.go_on(at, now);
    }

    /// Ends a run and does nothing more: for one that fails while others of its group are yet to start.
    pub(super) fn settle_run(&mut self, at: usize, run: usize, outcome: Outcome, now: Timestamp) {
        let ended = &mut self.executions[at].runs[run];
        ended.updated = now;
        let told = match outcome {
            Ok(variables) => {
                (ended.status, ended.variables) = (ActionStatus::Succeeded, variables);
                "SUCCEEDED"
            }
            Err(error) => {
                (ended.status, ended.error) = (ActionStatus::Failed, Some(error));
                "FAILED"
            }
        };
        self.tell_action(at, run, told, now);
    }

    /// Starts what can be started, and ends what is at its end.
    pub(super) fn go_on(&mut self, at: usize, now: Timestamp) {
        while !self.executions[at].status.is_over() {
            let execution = &self.executions[at];
            let stage = execution.at;
            let actions = &execution.stages[stage].actions;
            let status = |action| execution.latest(stage, action).map(|run| run.status);
            let all: Vec<Option<ActionStatus>> = (0..actions.len()).map(status).collect();
            if all.contains(&Some(ActionStatus::InProgress)) {
                return;
            }
            if execution.status == Status::Stopping {
                return self.end_stage(at, Status::Stopped, now);
            }
            if all.iter().flatten().any(|status| *status != ActionStatus::Succeeded) {
                return self.end_stage(at, Status::Failed, now);
            }
            let open: Vec<(u64, usize)> =
                (0..all.len()).filter(|action| all[*action].is_none()).map(|at| (actions[at].run_order, at)).collect();
            match open.iter().map(|(order, _)| *order).min() {
                None => self.end_stage(at, Status::Succeeded, now),
                Some(next) => self.start_group(at, &open, next, now),
            }
        }
    }

    /// Starts the actions of an order. One that fails at once does not keep the others from starting, and the stage
    /// is judged only after all of them have started.
    fn start_group(&mut self, at: usize, open: &[(u64, usize)], order: u64, now: Timestamp) {
        let stage = self.executions[at].at;
        let group: Vec<usize> = open.iter().filter(|(own, _)| *own == order).map(|(_, action)| *action).collect();
        for action in group {
            self.start_run(at, stage, action, now);
        }
    }

    fn end_stage(&mut self, at: usize, status: Status, now: Timestamp) {
        let execution = &mut self.executions[at];
        execution.updated = now;
        execution.stage_status[execution.at] = status;
        let told = match status {
            Status::Succeeded => "SUCCEEDED",
            Status::Stopped => "STOPPED",
            _ => "FAILED",
        };
        let more = status == Status::Succeeded && execution.at + 1 < execution.stages.len();
        self.tell_stage(at, told, now);
        if more {
            let execution = &mut self.executions[at];
            execution.at += 1;
            execution.stage_status.push(Status::InProgress);
            self.tell_stage(at, "STARTED", now);
        } else {
            self.executions[at].status = status;
            self.tell_pipeline(at, told, now);
        }
    }
}
