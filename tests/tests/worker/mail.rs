//! Queues of an emulated SQS, a repository to build, and workers that take from there alone.

use std::path::{Path, PathBuf};

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use serde_json::{Value, json};
use sluice_tests::aws::{ACCOUNT, AwsEmulator, REGION};
use sluice_tests::git_server::{GitServer, WorkTree};
use sluice_tests::images;
use sluice_tests::worker::{WorkerProcess, WorkerSpec, eventually};

use crate::stand::buildspec;

/// A command that says where it is, and goes on when its run is let go on.
const GATED: [&str; 3] = ["echo begin $NAME", "while ! test -f go; do sleep 0.1; done", "echo end $NAME"];

pub(crate) struct Mail {
    emulator: AwsEmulator,
    pub(crate) sqs: aws_sdk_sqs::Client,
    server: GitServer,
    tree: WorkTree,
    folder: tempfile::TempDir,
    image: &'static str,
}

impl Mail {
    /// With a repository `app` on CodeCommit, whose build waits to be let go on.
    pub(crate) async fn open() -> Self {
        let (emulator, image, server) = tokio::join!(AwsEmulator::start(), images::busybox(), GitServer::start(None));
        let sqs = aws_sdk_sqs::Client::new(&emulator.config(ACCOUNT).await);
        let tree = WorkTree::of(&server.repository("app"));
        let mail = Self { emulator, sqs, server, tree, folder: tempfile::tempdir().unwrap(), image };
        mail.push(&GATED);
        mail
    }

    /// Pushes a build of these commands to `main`; the commit's id.
    pub(crate) fn push(&self, commands: &[&str]) -> String {
        let commit = self.tree.write("buildspec.yml", buildspec(commands)).commit("build");
        self.tree.push();
        commit
    }

    /// Pushes a pipeline that builds when somebody has approved it.
    pub(crate) fn push_pipeline(&self) {
        let pipeline = "version: 1
name: app
source: { path: . }
stages:
  - name: Production
    before-entry: [ { approval: { message: Ship it } } ]
    actions: [ { name: build, build: { buildspec: buildspec.yml } } ]
";
        self.tree.write("pipeline.yml", pipeline).commit("pipeline");
        self.tree.push();
    }

    /// The URL of the repository.
    pub(crate) fn repository(&self) -> String {
        format!("file://{}", self.server.repository("app").display())
    }

    /// `sluice` beside a worker, on its state directory.
    pub(crate) fn beside(&self, worker: &WorkerProcess, arguments: &[&str]) {
        let output = WorkerProcess::command(&self.spec(), &worker.state).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A queue; with a number, its messages go to the dead letters after that many tries.
    pub(crate) async fn queue(&self, name: &str, dead_after: Option<u32>) -> String {
        let mut request = self.sqs.create_queue().queue_name(name);
        if name.ends_with(".fifo") {
            request = request.attributes(Attribute::FifoQueue, "true");
        }
        if let Some(tries) = dead_after {
            self.sqs.create_queue().queue_name("dead").send().await.unwrap();
            let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:dead");
            let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": tries });
            request = request.attributes(Attribute::RedrivePolicy, policy.to_string());
        }
        request.send().await.unwrap().queue_url.unwrap()
    }

    pub(crate) async fn send(&self, queue: &str, message: &Value) {
        self.sqs.send_message().queue_url(queue).message_body(message.to_string()).send().await.unwrap();
    }

    /// Runs `sluice submit` for `app`; the message's id.
    pub(crate) fn submit(&self, queue: &str, name: &str, arguments: &[&str]) -> String {
        let mut command = WorkerProcess::command(&self.spec(), self.folder.path());
        command.args(["submit", "--queue", queue, "--source", "codecommit://app", "--ref", "main"]);
        let output = command.args(["--env", &format!("NAME={name}")]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// How many messages wait, and how many are being done.
    pub(crate) async fn counts(&self, queue: &str) -> (u32, u32) {
        let (waiting, held) =
            (Attribute::ApproximateNumberOfMessages, Attribute::ApproximateNumberOfMessagesNotVisible);
        let request = self.sqs.get_queue_attributes().queue_url(queue);
        let request = request.attribute_names(waiting.clone()).attribute_names(held.clone());
        let found = request.send().await.unwrap().attributes.unwrap();
        (found[&waiting].parse().unwrap(), found[&held].parse().unwrap())
    }

    /// Looks until the queue has so many that wait and so many that are being done.
    pub(crate) async fn wait_for_counts(&self, queue: &str, expected: (u32, u32)) {
        let mut found = (0, 0);
        for _ in 0..600 {
            found = self.counts(queue).await;
            if found == expected {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{found:?} instead of {expected:?}");
    }

    pub(crate) fn spec(&self) -> WorkerSpec {
        let mut spec = WorkerSpec::new(&self.emulator.endpoint(), ACCOUNT, self.image);
        spec.environment.push(("CODE_COMMIT_ENDPOINT".to_owned(), self.server.endpoint()));
        spec
    }

    /// A worker with four seats that takes from a queue alone. One state directory, one worker: the next start.
    pub(crate) fn worker(&self, queue: &str, arguments: &[&str]) -> WorkerProcess {
        let spec = self.spec().with(&["--queue", queue, "--no-codepipeline", "--seats", "4"]).with(arguments);
        WorkerProcess::start(&spec, &self.folder.path().join("one"))
    }
}

/// The folder of the run whose build has said `begin NAME`.
pub(crate) async fn begun(worker: &WorkerProcess, name: &str) -> PathBuf {
    eventually(&format!("run of {name}"), || {
        runs(worker).into_iter().find(|run| log_of(run).contains(&format!("begin {name}\n")))
    })
    .await
}

/// Lets a run go on.
pub(crate) fn let_go_on(run: &Path) {
    std::fs::write(run.join("source/go"), "").unwrap();
}

pub(crate) fn runs(worker: &WorkerProcess) -> Vec<PathBuf> {
    std::fs::read_dir(worker.state.join("runs")).into_iter().flatten().flatten().map(|run| run.path()).collect()
}

pub(crate) fn log_of(run: &Path) -> String {
    std::fs::read_to_string(run.join("logs/build.log")).unwrap_or_default()
}

/// Waits until the worker has said something so many times.
pub(crate) async fn said(worker: &WorkerProcess, text: &str, times: usize) {
    eventually(text, || (worker.log().matches(text).count() >= times).then_some(())).await;
}
