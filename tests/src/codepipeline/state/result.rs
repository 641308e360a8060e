//! The results of jobs: which one counts, and what is wrong with the others.

use jiff::Timestamp;
use serde_json::Value;

use super::State;
use super::execution::Artifact;
use super::job::{Job, JobStatus};
use super::ledger::{Call, Crime};
use crate::codepipeline::error::ApiError;
use crate::codepipeline::json::{map, required, text};

/// Bytes of names and values that the output variables of an action may have.
const VARIABLES: usize = 122_880;

/// A result that counted.
#[derive(Clone, Debug)]
pub struct JobResult {
    /// Whether it was a success; a continuation is one.
    pub success: bool,
    /// What was put.
    pub input: Value,
    /// The call.
    pub call: Call,
}

impl State {
    /// `PutJobSuccessResult`
    ///
    /// # Errors
    /// `JobNotFoundException`, `InvalidJobStateException`, `OutputVariablesSizeExceededException`, and
    /// `ValidationException` for output variables with a continuation token.
    pub fn put_success(&mut self, call: &Call, input: &Value) -> Result<(), ApiError> {
        let at = self.job_at(call, input)?;
        let (variables, token) = (map(input, "outputVariables"), text(input, "continuationToken").map(str::to_owned));
        if token.is_some() && !variables.is_empty() {
            return Err(ApiError::validation("Output variables are not allowed together with a continuation token"));
        }
        let size: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > VARIABLES {
            let text = format!("The output variables have {size} bytes of {VARIABLES}");
            return Err(ApiError::new("OutputVariablesSizeExceededException", text));
        }
        self.take_result(at, call, true, input)?;
        let Job { execution, run, type_id, .. } = self.jobs[at].clone();
        let Some((execution_at, run_at)) = self.place(&execution, &run) else { return Ok(()) };
        let details = &input["executionDetails"];
        let told = &mut self.executions[execution_at].runs[run_at];
        told.summary = text(details, "summary").map(str::to_owned).or(told.summary.take());
        told.external_id = text(details, "externalExecutionId").map(str::to_owned).or(told.external_id.take());
        told.percent = details["percentComplete"].as_u64().or(told.percent);
        match token {
            Some(token) => self.add_job(&execution, &run, type_id, Some(token), call.at),
            None => self.end_run(execution_at, run_at, Ok(variables), call.at),
        }
        Ok(())
    }

    /// `PutJobFailureResult`
    ///
    /// # Errors
    /// `JobNotFoundException` and `InvalidJobStateException`.
    pub fn put_failure(&mut self, call: &Call, input: &Value) -> Result<(), ApiError> {
        let at = self.job_at(call, input)?;
        self.take_result(at, call, false, input)?;
        let Job { execution, run, .. } = self.jobs[at].clone();
        let Some((execution_at, run_at)) = self.place(&execution, &run) else { return Ok(()) };
        let details = &input["failureDetails"];
        let told = &mut self.executions[execution_at].runs[run_at];
        told.external_id = text(details, "externalExecutionId").map(str::to_owned).or(told.external_id.take());
        let error = (required(details, "type"), required(details, "message"));
        self.end_run(execution_at, run_at, Err(error), call.at);
        Ok(())
    }

    /// The output artifacts that a job has to have put at their places before it says that it has succeeded.
    #[must_use]
    pub fn outputs_due(&self, input: &Value) -> Vec<Artifact> {
        let id = text(input, "jobId").unwrap_or_default();
        let open = |job: &&Job| job.id == id && job.status == JobStatus::InProgress;
        let Some(job) = self.jobs.iter().find(open).filter(|_| text(input, "continuationToken").is_none()) else {
            return Vec::new();
        };
        self.run(&job.execution, &job.run).map(|run| run.outputs.clone()).unwrap_or_default()
    }

    fn take_result(&mut self, at: usize, call: &Call, success: bool, input: &Value) -> Result<(), ApiError> {
        self.check_abandoned(at, call);
        let job = &self.jobs[at];
        if let Some(crime) = judge(job, call, success, input) {
            let detail = format!("{} after {:?}", input, job.result.as_ref().map(|result| &result.input));
            let id = job.id.clone();
            self.ledger.accuse(crime, call, Some(&id), detail);
        }
        let job = &mut self.jobs[at];
        if job.status != JobStatus::InProgress {
            let text = format!("The job {} cannot take a result: its status is {}", job.id, job.status.name());
            return Err(ApiError::new("InvalidJobStateException", text));
        }
        job.status = if success { JobStatus::Succeeded } else { JobStatus::Failed };
        job.result = Some(JobResult { success, input: input.clone(), call: call.clone() });
        Ok(())
    }

    /// Ends a job that has taken too long, and its action with it.
    pub(super) fn time_out(&mut self, at: usize, now: Timestamp) {
        let job = &mut self.jobs[at];
        job.status = JobStatus::TimedOut;
        let (execution, run) = (job.execution.clone(), job.run.clone());
        if let Some((execution, run)) = self.place(&execution, &run) {
            let error = ("JobTimedOut".to_owned(), "The action has timed out".to_owned());
            self.end_run(execution, run, Err(error), now);
        }
    }
}

/// What is wrong with putting a result for a job as it stands, whether or not it is refused.
fn judge(job: &Job, call: &Call, success: bool, input: &Value) -> Option<Crime> {
    let Some(before) = &job.result else {
        let Some(acknowledged) = &job.acknowledged else {
            return Some(Crime::ResultUnacknowledged);
        };
        let loser = job.losers.contains(&call.caller) && acknowledged.caller != call.caller;
        return loser.then_some(Crime::ResultOfLoser);
    };
    let same = before.success == success && before.input == *input;
    // Whoever did not get the answer, and the SDK on its own, may say the same again.
    let retried = before.call.answer_lost || call.invocation.is_some() && before.call.invocation == call.invocation;
    match (same, retried) {
        (false, _) => Some(Crime::ResultChanged),
        (true, false) => Some(Crime::ResultTwice),
        (true, true) => None,
    }
}
