//! Stopping an execution, and running a stage again.

use jiff::Timestamp;
use serde_json::Value;

use super::State;
use super::execution::{ActionStatus, Status, Stop};
use super::job::JobStatus;
use crate::codepipeline::error::ApiError;
use crate::codepipeline::json::{flag, required, text};

impl State {
    /// Stops an execution: after its running actions, or at once and leaving them to themselves.
    ///
    /// # Errors
    /// `PipelineExecutionNotStoppableException`, `DuplicatedStopRequestException`, or when there is no such thing.
    pub fn stop_execution(&mut self, input: &Value, now: Timestamp) -> Result<String, ApiError> {
        let id = required(input, "pipelineExecutionId");
        let at = self.execution_of(text(input, "pipelineName").unwrap_or_default(), &id)?;
        let abandon = flag(input, "abandon");
        let execution = &mut self.executions[at];
        match (execution.status, &execution.stop) {
            (Status::InProgress, _) => {}
            // A stop that waits may become one that does not.
            (Status::Stopping, Some(stop)) if abandon && !stop.abandon => {}
            (Status::Stopping, _) => {
                let text = "A stop of this kind has already been requested for the execution";
                return Err(ApiError::new("DuplicatedStopRequestException", text));
            }
            (status, _) => {
                let text = format!("The execution cannot be stopped: its status is {}", status.name());
                return Err(ApiError::new("PipelineExecutionNotStoppableException", text));
            }
        }
        let before = execution.status;
        execution.stop = Some(Stop { abandon, reason: text(input, "reason").map(str::to_owned), at: now });
        execution.status = Status::Stopping;
        execution.updated = now;
        if let Some(stage) = execution.stage_status.last_mut() {
            *stage = Status::Stopping;
        }
        if before == Status::InProgress {
            self.tell_pipeline(at, "STOPPING", now);
            self.tell_stage(at, "STOPPING", now);
        }
        if abandon {
            self.abandon_runs(at, now);
        }
        self.go_on(at, now);
        Ok(id)
    }

    fn abandon_runs(&mut self, at: usize, now: Timestamp) {
        for run in 0..self.executions[at].runs.len() {
            let one = &mut self.executions[at].runs[run];
            if one.status != ActionStatus::InProgress {
                continue;
            }
            (one.status, one.updated) = (ActionStatus::Abandoned, now);
            let id = one.id.clone();
            for job in self.jobs.iter_mut().filter(|job| job.run == id && !job.status.is_over()) {
                // The API has no status for it; a worker that acknowledges now must learn that there is nothing to do.
                job.status = JobStatus::Failed;
            }
            self.tell_action(at, run, "ABANDONED", now);
        }
    }

    /// Runs the failed actions of a stage, or all of them, once more.
    ///
    /// # Errors
    /// `StageNotFoundException`, `StageNotRetryableException`, `NotLatestPipelineExecutionException`, or when there is
    /// no such thing.
    pub fn retry_stage(&mut self, input: &Value, now: Timestamp) -> Result<String, ApiError> {
        let id = required(input, "pipelineExecutionId");
        let at = self.execution_of(text(input, "pipelineName").unwrap_or_default(), &id)?;
        let execution = &self.executions[at];
        let name = required(input, "stageName");
        let Some(stage) = execution.stages.iter().position(|stage| stage.name == name) else {
            return Err(ApiError::new("StageNotFoundException", format!("There is no stage with the name {name}")));
        };
        if stage != execution.at || !matches!(execution.status, Status::Failed | Status::Stopped) {
            let text = format!("Stage {name} is not in a failed state that can be retried");
            return Err(ApiError::new("StageNotRetryableException", text));
        }
        let newer = self.executions[at + 1..].iter().any(|one| one.pipeline == execution.pipeline && one.at >= stage);
        if newer {
            let text = "A newer execution has entered the stage";
            return Err(ApiError::new("NotLatestPipelineExecutionException", text));
        }
        let all = text(input, "retryMode") == Some("ALL_ACTIONS");
        let execution = &mut self.executions[at];
        for run in execution.runs.iter_mut().filter(|run| run.stage == stage) {
            run.replaced |= all || run.status != ActionStatus::Succeeded;
        }
        (execution.status, execution.stop, execution.updated) = (Status::InProgress, None, now);
        execution.stage_status[stage] = Status::InProgress;
        self.tell_pipeline(at, "RESUMED", now);
        self.tell_stage(at, "RESUMED", now);
        self.go_on(at, now);
        Ok(id)
    }
}
