//! A pipeline whose build is a custom action, and what a test asks of it.

use std::path::PathBuf;

use runner::store::Table;
use sluice_tests::aws::{ACCOUNT, AwsEmulator, REGION};
use sluice_tests::codepipeline::{ActionSpec, CodePipeline, Given, PipelineSpec, Settings};
use sluice_tests::ecs::EcsWorld;
use sluice_tests::images;
use sluice_tests::table::{TABLE, table};
use sluice_tests::worker::{WorkerProcess, WorkerSpec};

/// CodePipeline with the action types of ours, and the state directories of its workers.
pub(crate) struct Stand {
    pub(crate) ecs: EcsWorld,
    pub(crate) service: CodePipeline,
    folder: tempfile::TempDir,
    image: &'static str,
}

impl Stand {
    pub(crate) async fn open() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(REGION, ACCOUNT);
        change(&mut settings);
        Self::on(AwsEmulator::start().await, settings).await
    }

    /// With a queue of what happens to its pipelines, and its URL.
    pub(crate) async fn heard_of() -> (Self, String) {
        let emulator = AwsEmulator::start().await;
        let sqs = aws_sdk_sqs::Client::new(&emulator.config(ACCOUNT).await);
        let url = sqs.create_queue().queue_name("events").send().await.unwrap().queue_url.unwrap();
        let settings = Settings { queue_url: Some(url.clone()), ..Settings::new(REGION, ACCOUNT) };
        (Self::on(emulator, settings).await, url)
    }

    async fn on(emulator: AwsEmulator, settings: Settings) -> Self {
        let image = images::busybox().await;
        let service = CodePipeline::start_with(&emulator, settings).await;
        service.types_of_sluice();
        Self { ecs: EcsWorld::of(emulator), service, folder: tempfile::tempdir().unwrap(), image }
    }

    /// A pipeline `app` of a source with these files and one build.
    pub(crate) fn pipeline(&self, files: &[(&str, &str)], change: impl FnOnce(ActionSpec) -> ActionSpec) {
        self.service.pipeline(
            PipelineSpec::new("app")
                .stage("Source", [ActionSpec::source("checkout", "Source").namespace("src")])
                .stage("Build", [change(build().input("Source"))]),
        );
        self.service.give("app", "checkout", Given::zip("1f2e3d4c", files));
    }

    /// What CloudWatch Logs has of a project's log.
    pub(crate) async fn log(&self, project: &str, stream: &str) -> String {
        let logs = aws_sdk_cloudwatchlogs::Client::new(&self.ecs.aws.config(ACCOUNT).await);
        let page = logs.get_log_events().log_group_name(format!("/aws/codebuild/{project}")).log_stream_name(stream);
        let page = page.start_from_head(true).send().await.unwrap();
        page.events().iter().map(|event| format!("{}\n", event.message().unwrap_or_default())).collect()
    }

    pub(crate) fn spec(&self) -> WorkerSpec {
        WorkerSpec::new(&self.service.endpoint(), ACCOUNT, self.image)
    }

    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn worker(&self) -> WorkerProcess {
        WorkerProcess::start(&self.spec(), &self.state("one"))
    }

    pub(crate) fn start(&self, spec: &WorkerSpec, name: &str) -> WorkerProcess {
        WorkerProcess::start(spec, &self.state(name))
    }

    /// The table of a fleet, and what its workers are started with.
    pub(crate) async fn fleet(&self) -> (Table, WorkerSpec) {
        (table(&self.ecs.aws).await, self.fleet_spec())
    }

    /// What the workers of a fleet are started with.
    pub(crate) fn fleet_spec(&self) -> WorkerSpec {
        self.spec().with(&["--table", TABLE])
    }
}

pub(crate) fn build() -> ActionSpec {
    ActionSpec::custom("build", "Build", "Sluice").config("Pool", "linux").config("ProjectName", "billing")
}

/// A buildspec of these commands.
pub(crate) fn buildspec(commands: &[&str]) -> String {
    let commands: String = commands.iter().map(|command| format!("      - {command}\n")).collect();
    format!("version: 0.2\nphases:\n  build:\n    commands:\n{commands}")
}
