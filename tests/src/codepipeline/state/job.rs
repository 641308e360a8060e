//! Jobs: handed out, acknowledged, looked at. What becomes of them is in [`super::result`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::State;
use super::action_type::TypeId;
use super::execution::{ActionStatus, Artifact};
use super::ledger::{Call, Crime};
use super::result::JobResult;
use crate::codepipeline::error::ApiError;
use crate::codepipeline::json::{map, required};

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// Waiting for a worker.
    Queued,
    /// Handed out, not acknowledged.
    Dispatched,
    /// Acknowledged.
    InProgress,
    /// Ended by the service.
    TimedOut,
    /// Ended well, or replaced by its continuation.
    Succeeded,
    /// Ended badly, or abandoned.
    Failed,
}

impl JobStatus {
    /// Whether nothing can happen any more.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::TimedOut | Self::Succeeded | Self::Failed)
    }

    /// As the API has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Dispatched => "Dispatched",
            Self::InProgress => "InProgress",
            Self::TimedOut => "TimedOut",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// A job of a custom action.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Its execution's id.
    pub execution: String,
    /// Its action execution's id, which its continuations share.
    pub run: String,
    /// Its action type.
    pub type_id: TypeId,
    /// How it stands.
    pub status: JobStatus,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last handed out.
    pub offered: Option<Timestamp>,
    /// Every nonce that was handed out; the last one counts.
    pub nonces: Vec<String>,
    /// The call that it was acknowledged by.
    pub acknowledged: Option<Call>,
    /// Who wanted to acknowledge it with an old nonce.
    pub losers: Vec<String>,
    /// The token that its predecessor left.
    pub continuation: Option<String>,
    /// Its result.
    pub result: Option<JobResult>,
}

impl State {
    /// Makes a job of a run.
    pub(super) fn add_job(
        &mut self,
        execution: &str,
        run: &str,
        type_id: TypeId,
        token: Option<String>,
        now: Timestamp,
    ) {
        let id = self.id();
        self.jobs.push(Job {
            id,
            execution: execution.to_owned(),
            run: run.to_owned(),
            type_id,
            status: JobStatus::Queued,
            created: now,
            offered: None,
            nonces: Vec::new(),
            acknowledged: None,
            losers: Vec::new(),
            continuation: token,
            result: None,
        });
    }

    /// All jobs, in the order in which they were made.
    #[must_use]
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// `PollForJobs`
    ///
    /// # Errors
    /// `ActionTypeNotFoundException`, and `ValidationException` for a wrong `queryParam` or an owner of AWS.
    pub fn poll(&mut self, call: &Call, input: &Value) -> Result<Value, ApiError> {
        let id = TypeId::of(&input["actionTypeId"]);
        if id.owner != "Custom" {
            let text = format!("ActionType with owner '{}' is not supported", id.owner);
            return Err(ApiError::validation(text));
        }
        let known = self.action_type(&id).ok_or_else(|| {
            ApiError::new("ActionTypeNotFoundException", format!("ActionType {} could not be found", id.shown()))
        })?;
        let wanted = map(input, "queryParam").into_iter().next();
        let wanted = match (known.queryable(), wanted) {
            (None, None) => None,
            (Some(name), Some((key, value))) if name == key => Some((key, value)),
            (Some(name), _) => return Err(ApiError::validation(format!("queryParam must have the key '{name}'"))),
            (None, Some(_)) => return Err(ApiError::validation("The action type has no queryable property")),
        };
        let most = input["maxBatchSize"].as_u64().unwrap_or(1);
        let fits = |job: &Job| {
            let shown_again = job.offered.is_none_or(|at| call.at.duration_since(at) >= self.settings.redelivery);
            let open = job.status == JobStatus::Queued || job.status == JobStatus::Dispatched && shown_again;
            let asked = wanted.as_ref().is_none_or(|(key, value)| {
                self.run(&job.execution, &job.run).and_then(|run| run.configuration.get(key)) == Some(value)
            });
            job.type_id == id && open && asked
        };
        let found = self.jobs.iter().enumerate().filter(|(_, job)| fits(job)).map(|(at, _)| at);
        let found: Vec<usize> = found.take(usize::try_from(most).unwrap_or(usize::MAX)).collect();
        let jobs = found.into_iter().map(|at| self.offer(at, call.at)).collect::<Vec<_>>();
        Ok(json!({ "jobs": jobs }))
    }

    fn offer(&mut self, at: usize, now: Timestamp) -> Value {
        let nonce = self.letters(12);
        let job = &mut self.jobs[at];
        job.nonces.push(nonce.clone());
        (job.status, job.offered) = (JobStatus::Dispatched, Some(now));
        json!({
            "id": job.id.clone(),
            "nonce": nonce,
            "accountId": self.settings.account.clone(),
            "data": self.job_data(at, now),
        })
    }

    /// `AcknowledgeJob`
    ///
    /// # Errors
    /// `JobNotFoundException`, and `InvalidNonceException` for every nonce but the last one.
    pub fn acknowledge(&mut self, call: &Call, input: &Value) -> Result<Value, ApiError> {
        let (at, nonce) = (self.job_at(call, input)?, required(input, "nonce"));
        self.check_abandoned(at, call);
        let repeatable = self.settings.repeatable_acknowledgement;
        let job = &mut self.jobs[at];
        let invalid = || ApiError::new("InvalidNonceException", "The nonce is not the one of the job's last delivery");
        if job.nonces.last() != Some(&nonce) {
            if job.nonces.contains(&nonce) {
                job.losers.push(call.caller.clone());
            } else {
                let id = job.id.clone();
                self.ledger.accuse(Crime::InventedNonce, call, Some(&id), nonce);
            }
            return Err(invalid());
        }
        if job.acknowledged.is_some() && !repeatable {
            return Err(invalid());
        }
        if job.acknowledged.is_none() && !job.status.is_over() {
            (job.status, job.acknowledged) = (JobStatus::InProgress, Some(call.clone()));
        }
        Ok(json!({ "status": job.status.name() }))
    }

    /// `GetJobDetails`
    ///
    /// # Errors
    /// `JobNotFoundException`
    pub fn job_details(&mut self, call: &Call, input: &Value) -> Result<Value, ApiError> {
        let at = self.job_at(call, input)?;
        self.check_abandoned(at, call);
        let (id, account) = (self.jobs[at].id.clone(), self.settings.account.clone());
        Ok(json!({ "jobDetails": { "id": id, "accountId": account, "data": self.job_data(at, call.at) } }))
    }

    pub(super) fn job_at(&mut self, call: &Call, input: &Value) -> Result<usize, ApiError> {
        let id = required(input, "jobId");
        if let Some(at) = self.jobs.iter().position(|job| job.id == id) {
            return Ok(at);
        }
        self.ledger.accuse(Crime::UnknownJob, call, Some(&id), "");
        Err(ApiError::new("JobNotFoundException", format!("The job {id} could not be found")))
    }

    /// Who works on something that was given up has some time to hear of it.
    pub(in crate::codepipeline) fn check_abandoned(&mut self, at: usize, call: &Call) {
        let job = &self.jobs[at];
        let Some((execution, run)) = self.place(&job.execution, &job.run) else { return };
        let execution = &self.executions[execution];
        let abandoned = execution.runs[run].status == ActionStatus::Abandoned;
        let Some(since) = execution.stop.as_ref().map(|stop| call.at.duration_since(stop.at)) else { return };
        if abandoned && since > self.settings.abandon_grace {
            let id = job.id.clone();
            self.ledger.accuse(Crime::WorkAfterAbandon, call, Some(&id), format!("{since:#} after"));
        }
    }

    fn job_data(&mut self, at: usize, now: Timestamp) -> Value {
        let job = self.jobs[at].clone();
        let credentials = self.new_key(&job.id, now);
        let Some((execution, run)) = self.place(&job.execution, &job.run) else { return json!({}) };
        let execution = &self.executions[execution];
        let run = &execution.runs[run];
        let artifacts = |all: &[Artifact]| all.iter().map(Artifact::json).collect::<Value>();
        let mut data = json!({
            "actionTypeId": job.type_id.json(),
            "actionConfiguration": { "configuration": BTreeMap::clone(&run.configuration) },
            "pipelineContext": {
                "pipelineName": execution.pipeline,
                "stage": { "name": execution.stages[run.stage].name },
                "action": { "name": execution.action(run).name, "actionExecutionId": run.id },
                "pipelineArn": self.arn(&execution.pipeline),
                "pipelineExecutionId": execution.id,
            },
            "inputArtifacts": artifacts(&run.inputs),
            "outputArtifacts": artifacts(&run.outputs),
            "artifactCredentials": credentials,
        });
        if let Some(token) = &job.continuation {
            data["continuationToken"] = token.as_str().into();
        }
        if let Some(key) = &execution.store.key {
            data["encryptionKey"] = json!({ "id": key, "type": "KMS" });
        }
        data
    }
}
