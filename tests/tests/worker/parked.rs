//! Runs of a fleet that wait for people: answered from anywhere, and left to others when their worker goes.

use nix::sys::signal::Signal;
use sluice_tests::codepipeline::Status;
use sluice_tests::worker::{WorkerProcess, eventually};

use crate::stand::Stand;

const SPEC: &str = "
version: 1
name: web
source: { path: . }
stages:
  - name: Build
    actions: [ { name: make, build: { commands: [echo made] } } ]
  - name: Production
    before-entry: [ approval: { message: 'Ship it?', timeout: 7d } ]
    actions: [ { name: ship, build: { commands: [echo shipped] } } ]
";

impl Stand {
    /// What `sluice` says on a machine that carries nothing out itself.
    fn says(&self, words: &[&str]) -> String {
        let mut command = WorkerProcess::command(&self.spec(), &self.state("desk"));
        let output = command.args(words).args(["--table", "sluice"]).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{words:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// The id of the only run, as soon as it waits at the gate.
    async fn waiting(&self) -> String {
        eventually("run that waits", || {
            let runs = self.says(&["runs"]);
            let line = runs.lines().find(|line| line.contains("WAITING at Production"))?;
            line.split_whitespace().next().map(str::to_owned)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_hears_of_an_approval_that_was_given_on_another_machine() {
    let stand = Stand::open().await;
    stand.pipeline(&[("pipeline.yml", SPEC)], |action| action);
    let (_, spec) = stand.fleet().await;
    let worker = WorkerProcess::start(&spec, &stand.state("one"));
    let execution = stand.service.start_execution("app");
    let run = stand.waiting().await;
    assert!(stand.says(&["show", &run]).contains("Production"));
    let said = stand.says(&["approve", &run, "Production", "--comment", "go"]);
    assert!(said.starts_with(&format!("approved Production of run {run}")), "{said}");
    stand.service.wait_for(&execution, Status::Succeeded).await;
    let events = stand.says(&["show", &run, "--format", "events"]);
    assert!(events.contains("\"comment\":\"go\""), "{events}");
    assert!(events.contains("run-finished"), "the fleet knows the end before the job is reported: {events}");
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
    assert_eq!(worker.left_in_engine().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_worker_leaves_a_run_that_waits_to_others_who_go_on_where_it_was() {
    let stand = Stand::open().await;
    stand.pipeline(&[("pipeline.yml", SPEC)], |action| action);
    let (_, spec) = stand.fleet().await;
    let mut first = WorkerProcess::start(&spec, &stand.state("one"));
    let execution = stand.service.start_execution("app");
    let run = stand.waiting().await;
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ended().await, 0, "{}", first.log());
    // One that takes nothing over takes this all the same: nobody was lost with it.
    let second = WorkerProcess::start(&spec.with(&["--no-take-over"]), &stand.state("two"));
    stand.says(&["approve", &run, "Production"]);
    stand.service.wait_for(&execution, Status::Succeeded).await;
    let log = second.build_logs().join("");
    assert!(log.contains("shipped") && !log.contains("made"), "what was done is not done again: {log}");
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
    assert_eq!(second.left_in_engine().await, Vec::<String>::new());
}
