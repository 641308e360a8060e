//! A strict CodePipeline for tests: its action types, pipelines, executions and jobs over the real protocol, with a guard
//! before the emulator's S3, faults on request, and a ledger of what every client did. What a client must never do is
//! on record as a crime, also when it was answered with an error.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::types::CreateBucketConfiguration;
use aws_types::SdkConfig;
use bytes::Bytes;
use jiff::SignedDuration;
use runner::queue::codepipeline::action_type::{Category, Role};
use serde_json::Value;

use crate::aws::{ACCOUNT, AwsEmulator, REGION, config_of};

mod assertions;
mod connection;
mod control;
mod disturbance;
mod door;
mod error;
mod given;
mod guard;
mod json;
pub mod model;
mod operations;
mod queue;
mod service;
mod spec;
pub mod state;
mod upstream;
mod work;

pub use disturbance::{Disturbance, Disturbances};
pub use error::ApiError;
pub use given::{Files, unzip, zip};
pub use spec::{ActionSpec, ActionTypeSpec, PipelineSpec};
pub use state::execution::{ActionRun, ActionStatus, Artifact, Status};
pub use state::job::{Job, JobStatus};
pub use state::ledger::{Call, Crime, Entry, Offence};
pub use state::result::JobResult;
pub use state::{Given, Settings};

use service::Service;
use state::ledger::Call as Direct;

/// The artifact bucket that [`CodePipeline::start`] makes.
pub const BUCKET: &str = "artifacts";

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running CodePipeline, gone when dropped.
pub struct CodePipeline {
    service: Arc<Service>,
    address: String,
    serving: tokio::task::JoinHandle<()>,
}

impl CodePipeline {
    /// Starts one before an emulator, with the bucket [`BUCKET`].
    ///
    /// # Panics
    /// When it cannot listen, or the bucket cannot be made.
    pub async fn start(emulator: &AwsEmulator) -> Self {
        Self::start_with(emulator, Settings::new(REGION, ACCOUNT)).await
    }

    /// The same with settings.
    ///
    /// # Panics
    /// As [`CodePipeline::start`].
    pub async fn start_with(emulator: &AwsEmulator, settings: Settings) -> Self {
        let started = Self::open("127.0.0.1:0", &emulator.endpoint(), settings).await;
        let started = started.unwrap_or_else(|error| panic!("cannot listen: {error}"));
        started.bucket(BUCKET).await;
        started
    }

    /// Makes a bucket in the emulator.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn bucket(&self, name: &str) {
        let region = self.service.look().settings.region.as_str().into();
        let place = CreateBucketConfiguration::builder().location_constraint(region).build();
        let made = self.service.s3.create_bucket().bucket(name).create_bucket_configuration(place).send().await;
        made.unwrap_or_else(|error| panic!("no bucket {name}: {error:?}"));
    }

    /// Opens the door at an address, before whatever has the buckets and queues.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub async fn open(listen: &str, upstream: &str, settings: Settings) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(listen).await?;
        let address = listener.local_addr()?.to_string();
        let service = Service::open(upstream, settings).await;
        let router = axum::Router::new().fallback(door::answer).with_state(Arc::clone(&service));
        let router = router.into_make_service_with_connect_info::<connection::Cut>();
        let serving = tokio::spawn(async move {
            axum::serve(connection::CutListener(listener), router).await.ok();
        });
        Ok(Self { service, address, serving })
    }

    /// What `AWS_ENDPOINT_URL_CODEPIPELINE` would be. As `AWS_ENDPOINT_URL` it serves everything: what is not for
    /// CodePipeline goes through to the emulator.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What `AWS_ENDPOINT_URL_S3` would be: the guard before the emulator's S3.
    #[must_use]
    pub fn s3_endpoint(&self) -> String {
        self.endpoint()
    }

    /// An SDK configuration for a caller, whom the ledger knows by this access key. Twelve digits are an account of
    /// the emulator.
    pub async fn config(&self, caller: &str) -> SdkConfig {
        let region = self.service.look().settings.region.clone();
        config_of(&self.endpoint(), &region, caller).await
    }

    /// A client of a caller.
    pub async fn client(&self, caller: &str) -> aws_sdk_codepipeline::Client {
        aws_sdk_codepipeline::Client::new(&self.config(caller).await)
    }

    /// Creates a custom action type.
    ///
    /// # Panics
    /// When it is refused.
    pub fn action_type(&self, spec: ActionTypeSpec) {
        self.call("CreateCustomActionType", spec.into_request());
    }

    /// Creates the action types of Sluice.
    pub fn types_of_sluice(&self) {
        for category in Category::ALL {
            let spec = ActionTypeSpec::new(category.name(), "Sluice");
            let spec = category.properties().iter().fold(spec, |spec, property| match property.role {
                Role::Query => spec.queryable(property.name),
                _ => spec.property(property.name),
            });
            self.action_type(spec);
        }
    }

    /// Creates a pipeline.
    ///
    /// # Panics
    /// When it is refused.
    pub fn pipeline(&self, spec: PipelineSpec) {
        self.call("CreatePipeline", spec.into_request());
    }

    /// Says what a source action finds from now on.
    pub fn give(&self, pipeline: &str, action: &str, given: Given) {
        self.service.look().give(pipeline, action, given);
    }

    /// Starts an execution and gives its id.
    ///
    /// # Panics
    /// When there is no such pipeline.
    pub fn start_execution(&self, pipeline: &str) -> String {
        let answer = self.call("StartPipelineExecution", serde_json::json!({ "name": pipeline }));
        answer["pipelineExecutionId"].as_str().unwrap_or_default().to_owned()
    }

    /// Stops an execution; with `abandon`, what runs is given up at once.
    ///
    /// # Panics
    /// When it is over already.
    pub fn stop(&self, execution: &str, abandon: bool) {
        let request = serde_json::json!({
            "pipelineName": self.pipeline_of(execution), "pipelineExecutionId": execution, "abandon": abandon,
        });
        self.call("StopPipelineExecution", request);
    }

    /// Runs the failed actions of a stage again.
    ///
    /// # Panics
    /// When the stage has not failed.
    pub fn retry(&self, execution: &str, stage: &str) {
        let request = serde_json::json!({
            "pipelineName": self.pipeline_of(execution), "pipelineExecutionId": execution,
            "stageName": stage, "retryMode": "FAILED_ACTIONS",
        });
        self.call("RetryStageExecution", request);
    }

    /// Waits until an execution has a status.
    ///
    /// # Panics
    /// When it ends with another one, or a minute has passed.
    pub async fn wait_for(&self, execution: &str, status: Status) {
        let found = self.service.until(|state| {
            let now = state.execution(execution)?.status;
            (now == status || now.is_over()).then_some(now)
        });
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) if found == status => {}
            other => panic!("{other:?} instead of {status:?}\n{}", self.report(execution)),
        }
    }

    /// Waits for the job that an action waits with: the newest of the execution's action that is not over.
    ///
    /// # Panics
    /// When the execution ends before it has one, or a minute has passed.
    pub async fn job_of(&self, execution: &str, action: &str) -> Job {
        let found = self.service.until(|state| {
            let execution = state.execution(execution)?;
            let own = |job: &&Job| {
                let run = execution.runs.iter().find(|run| run.id == job.run);
                run.is_some_and(|run| execution.action(run).name == action) && !job.status.is_over()
            };
            let job = state.jobs().iter().rev().find(own).cloned();
            (job.is_some() || execution.status.is_over()).then_some(job)
        });
        let found = tokio::time::timeout(PATIENCE, found).await.ok().flatten();
        found.unwrap_or_else(|| panic!("no job of {action}\n{}", self.report(execution)))
    }

    /// All jobs as they stand.
    #[must_use]
    pub fn jobs(&self) -> Vec<Job> {
        self.service.look().jobs().to_vec()
    }

    /// How an execution stands.
    #[must_use]
    pub fn status(&self, execution: &str) -> Option<Status> {
        self.service.look().execution(execution).map(|execution| execution.status)
    }

    /// The newest run of an execution's action.
    #[must_use]
    pub fn run_of(&self, execution: &str, action: &str) -> Option<ActionRun> {
        let state = self.service.look();
        let execution = state.execution(execution)?;
        execution.runs.iter().rev().find(|run| execution.action(run).name == action).cloned()
    }

    /// The object of an artifact that an action of the execution has put out.
    ///
    /// # Panics
    /// When there is none.
    pub async fn artifact(&self, execution: &str, name: &str) -> Bytes {
        let artifact = self.service.look().execution(execution).and_then(|one| one.artifact(name).cloned());
        let artifact = artifact.unwrap_or_else(|| panic!("no artifact {name}\n{}", self.report(execution)));
        work::get(&self.service, &artifact).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The faults that a test asks for. Operations of S3 are named `s3:PutObject` and so on.
    #[must_use]
    pub fn faults(&self) -> &Disturbances {
        &self.service.disturbances
    }

    /// Puts the clock of this CodePipeline forward: for redelivery, credentials, time-outs, grace.
    pub fn advance(&self, by: SignedDuration) {
        self.service.advance(by);
    }

    /// Lets all credentials of jobs that have been handed out end now.
    pub fn expire_credentials(&self) {
        self.service.apply(state::State::expire_credentials);
    }

    /// Every event so far, each once.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.service.look().events.clone()
    }

    /// A call of the test's own, which is in the ledger under the caller `test`.
    ///
    /// # Panics
    /// When it is refused.
    pub fn call(&self, operation: &str, input: Value) -> Value {
        let answered = self.answered(operation, input);
        answered.unwrap_or_else(|error| panic!("{operation}: {}: {}", error.code, error.message))
    }

    /// Why a call of the test's own is refused.
    ///
    /// # Panics
    /// When it is not.
    pub fn refusal(&self, operation: &str, input: Value) -> String {
        match self.answered(operation, input) {
            Ok(answer) => panic!("{operation}: {answer}"),
            Err(error) => format!("{}: {}", error.code, error.message),
        }
    }

    fn answered(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        self.service.apply(|state, now| {
            let call = Direct {
                at: now,
                caller: "test".to_owned(),
                invocation: None,
                operation: operation.to_owned(),
                answer_lost: false,
            };
            operations::answer(state, &self.service.model, &call, input)
        })
    }

    fn pipeline_of(&self, execution: &str) -> String {
        let state = self.service.look();
        state.execution(execution).map(|execution| execution.pipeline.clone()).unwrap_or_default()
    }
}

impl Drop for CodePipeline {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
