//! Contract suite: codepipeline. The tests' CodePipeline, driven by AWS's own SDK and CLI.

use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::error::ProvideErrorMetadata;
use aws_sdk_codepipeline::types::{
    ActionCategory, ActionOwner, ActionTypeId, AwsSessionCredentials, FailureDetails, FailureType, Job, JobData,
};
use aws_sdk_s3::types::ServerSideEncryption;
use jiff::SignedDuration;
use sluice_tests::aws::{AwsEmulator, REGION, config_of};
use sluice_tests::codepipeline::{
    ActionSpec, ActionTypeSpec, CodePipeline, Crime, Disturbance, Given, PipelineSpec, Settings, Status, unzip, zip,
};

mod cli;
mod credentials;
mod declarations;
mod events;
mod executions;
mod faults;
mod fleet;
mod jobs;
mod results;

/// Builds in one stage, with a source before it and an action of AWS's after it.
struct Stand {
    _emulator: AwsEmulator,
    service: CodePipeline,
    /// A worker's client, which does not try anything again.
    client: Client,
}

const WORKER: &str = "222222222222";

impl Stand {
    async fn open() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let emulator = AwsEmulator::start().await;
        let mut settings = Settings::new(REGION, sluice_tests::aws::ACCOUNT);
        change(&mut settings);
        let service = CodePipeline::start_with(&emulator, settings).await;
        service.action_type(ActionTypeSpec::new("Build", "Sluice").queryable("Pool").property("Note").secret("Token"));
        let build = ActionSpec::custom("build", "Build", "Sluice").input("Source").output("BuildOutput");
        let build = build.config("Pool", "linux").config("Token", "hunter2").config("Note", "#{src.CommitId}");
        let deploy =
            ActionSpec::stand_in("deploy").input("BuildOutput").output("Deployed").config("Image", "#{build.TAG}");
        let pipeline = PipelineSpec::new("app")
            .stage("Source", [ActionSpec::source("checkout", "Source").namespace("src")])
            .stage("Build", [build.namespace("build")])
            .stage("Deploy", [deploy]);
        service.pipeline(pipeline);
        service.give("app", "checkout", Given::zip("1f2e3d", &[("a.txt", "one")]));
        let client = once(&service, WORKER).await;
        Self { _emulator: emulator, service, client }
    }

    /// Starts an execution and waits until its job is there.
    async fn start(&self) -> String {
        let execution = self.service.start_execution("app");
        self.service.job_of(&execution, "build").await;
        execution
    }

    /// Puts out what a job has to put out, and says that it has succeeded.
    async fn succeed(&self, job: &Job) {
        upload(&self.service, job.data().unwrap(), zip(&[("b.txt", "two")])).await;
        let put = self.client.put_job_success_result().job_id(job.id().unwrap()).output_variables("TAG", "v1");
        put.send().await.unwrap();
    }

    /// The one job that a poll gives.
    async fn poll(&self) -> Job {
        let jobs = poll(&self.client, 5).await;
        let [job] = <[Job; 1]>::try_from(jobs).unwrap();
        job
    }

    /// A job that this worker has.
    async fn claimed(&self) -> Job {
        let job = self.poll().await;
        let nonce = job.nonce().unwrap();
        let answer = self.client.acknowledge_job().job_id(job.id().unwrap()).nonce(nonce).send().await.unwrap();
        assert_eq!(answer.status().unwrap().as_str(), "InProgress");
        job
    }
}

/// A client that makes each call once.
async fn once(service: &CodePipeline, caller: &str) -> Client {
    let config = aws_sdk_codepipeline::config::Builder::from(&service.config(caller).await);
    Client::from_conf(config.retry_config(aws_sdk_codepipeline::config::retry::RetryConfig::disabled()).build())
}

fn type_id() -> ActionTypeId {
    let id = ActionTypeId::builder().category(ActionCategory::Build).owner(ActionOwner::Custom);
    id.provider("Sluice").version("1").build().unwrap()
}

async fn poll(client: &Client, most: i32) -> Vec<Job> {
    let polled = client.poll_for_jobs().action_type_id(type_id()).max_batch_size(most).query_param("Pool", "linux");
    polled.send().await.unwrap().jobs.unwrap_or_default()
}

/// The error's name and text.
fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata>(result: Result<T, E>) -> String {
    let error = result.expect_err("a refusal");
    format!("{}: {}", error.code().unwrap_or("no code"), error.message().unwrap_or_default())
}

fn output_of(data: &JobData) -> (&str, &str) {
    place(&data.output_artifacts()[0])
}

fn place(artifact: &aws_sdk_codepipeline::types::Artifact) -> (&str, &str) {
    let location = artifact.location().unwrap().s3_location().unwrap();
    (location.bucket_name(), location.object_key())
}

/// A client of S3 with a job's credentials.
async fn s3_of(service: &CodePipeline, keys: &AwsSessionCredentials) -> aws_sdk_s3::Client {
    let credentials = aws_sdk_s3::config::Credentials::new(
        keys.access_key_id(),
        keys.secret_access_key(),
        Some(keys.session_token().to_owned()),
        None,
        "job",
    );
    let config = config_of(&service.s3_endpoint(), REGION, "replaced").await.into_builder();
    let config = config.credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(credentials)).build();
    let config = aws_sdk_s3::config::Builder::from(&config);
    aws_sdk_s3::Client::from_conf(config.retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled()).build())
}

/// Puts out what a job has to put out.
async fn upload(service: &CodePipeline, data: &JobData, bytes: Vec<u8>) {
    let s3 = s3_of(service, data.artifact_credentials().unwrap()).await;
    let (bucket, key) = output_of(data);
    let put = s3.put_object().bucket(bucket).key(key).body(bytes.into());
    put.server_side_encryption(ServerSideEncryption::AwsKms).send().await.unwrap();
}

fn failure(message: &str) -> FailureDetails {
    FailureDetails::builder().r#type(FailureType::JobFailed).message(message).build().unwrap()
}

fn crimes(service: &CodePipeline) -> Vec<Crime> {
    service.crimes().iter().map(|offence| offence.crime).collect()
}
