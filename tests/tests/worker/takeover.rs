//! Fleets: workers that are lost, and others that go on with their jobs. All of them have one engine, which is harder
//! than one each: what one of them removes must not be another's.

use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use nix::sys::signal::Signal;
use runner::clock;
use runner::store::Table;
use runner::store::ledger::{DynamoLedger, Entry, Holder, Ledger, Taken};
use sluice_tests::codepipeline::{Disturbance, Status, unzip};
use sluice_tests::worker::{WorkerProcess, WorkerSpec, eventually};

use crate::stand::{Stand, buildspec};

/// Goes on when the file `go` appears beside the buildspec.
const WAITS: [&str; 3] = ["echo once", "while ! test -f go; do sleep 0.1; done", "echo twice"];

/// A fleet whose first worker is in the middle of a build.
struct Begun {
    stand: Stand,
    table: Table,
    spec: WorkerSpec,
    first: WorkerProcess,
    execution: String,
    /// The folder of the run.
    run: PathBuf,
}

impl Begun {
    async fn new() -> Self {
        let stand = Stand::open().await;
        stand.pipeline(&[("buildspec.yml", &buildspec(&WAITS))], |action| action);
        let (table, spec) = stand.fleet().await;
        let first = stand.start(&spec, "one");
        let execution = stand.service.start_execution("app");
        let run = run_that_says(&first, "build.log", "once\n").await;
        Self { stand, table, spec, first, execution, run }
    }
}

/// The folder of the only run of a worker, as soon as its log has that line.
pub(crate) async fn run_that_says(worker: &WorkerProcess, log: &str, line: &str) -> PathBuf {
    let runs = worker.state.join("runs");
    eventually(&format!("run in {} that says `{line}`\n{}", runs.display(), worker.log()), || {
        let run = std::fs::read_dir(&runs).ok()?.flatten().next()?.path();
        std::fs::read_to_string(run.join("logs").join(log)).ok()?.contains(line).then_some(run)
    })
    .await
}

fn go_on(run: &Path) {
    std::fs::write(run.join("source/go"), "").unwrap();
}

/// Another worker, as the ledger knows it, that is sure that the lease of the only job has run out.
async fn take_away(ledger: &dyn Ledger) -> Entry {
    let entry = ledger.open().await.unwrap().remove(0);
    let now = clock::now() + SignedDuration::from_hours(1);
    let holder = Holder { owner: "worker-other".to_owned(), now, until: now + SignedDuration::from_hours(1) };
    match ledger.take(&entry.job, &holder, "").await.unwrap() {
        Taken::Ours(entry) => entry,
        other => panic!("{other:?}"),
    }
}

/// No call to the fleet's table comes through.
fn table_away(stand: &Stand) {
    for operation in ["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "TransactWriteItems"] {
        let operation = format!("dynamodb:{operation}");
        stand.service.faults().share(Some(&operation), 1.0, 1, Disturbance::CloseBefore);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_ends_while_the_fleets_table_is_away_and_is_reported_once_when_it_is_back() {
    let Begun { stand, first: worker, execution, run, .. } = Begun::new().await;
    table_away(&stand);
    go_on(&run);
    run_that_says(&worker, "build.log", "twice\n").await;
    let held_back = || worker.log().contains("a result cannot be written down yet").then_some(());
    eventually("result that is held back", held_back).await;
    assert!(stand.service.calls_of("PutJobSuccessResult").is_empty(), "nothing is said without the lease");
    stand.service.faults().clear();
    stand.service.wait_for(&execution, Status::Succeeded).await;
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_of_a_worker_that_is_lost_is_done_by_another_and_reported_once() {
    let Begun { stand, spec, mut first, execution, run: lost, .. } = Begun::new().await;
    first.kill();
    let second = stand.start(&spec, "two");
    let taken = run_that_says(&second, "build.log", "once\n").await;
    assert_eq!(lost.file_name(), taken.file_name(), "the run keeps its name");
    go_on(&taken);
    stand.service.wait_for(&execution, Status::Succeeded).await;
    // The first one comes back to a run that is over, and changes nothing.
    let mut first = stand.start(&spec, "one");
    eventually("first that has cleared up", || (!lost.join("job").exists()).then_some(())).await;
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ended().await, 0, "{}", first.log());
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
    assert_eq!(second.left_in_engine().await, Vec::<String>::new());
    assert!(!lost.join("source").exists(), "the lost run leaves no workspace");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_takes_nothing_over_gives_lost_jobs_back() {
    let Begun { stand, spec, mut first, execution, .. } = Begun::new().await;
    first.kill();
    let second = stand.start(&spec.with(&["--no-take-over"]), "two");
    stand.service.wait_for(&execution, Status::Failed).await;
    let (kind, message) = stand.service.run_of(&execution, "build").unwrap().error.unwrap();
    assert_eq!(kind, "SystemUnavailable");
    assert!(message.contains("is gone"), "{message}");
    assert!(second.build_logs().is_empty(), "nothing is built");
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
    // Its container is its own to remove, when it comes back.
    let first = stand.start(&stand.fleet_spec(), "one");
    let gone = async {
        while !first.left_in_engine().await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_slept_through_its_lease_reports_nothing_and_leaves_nothing() {
    let Begun { stand, spec, mut first, execution, .. } = Begun::new().await;
    first.signal(Signal::SIGSTOP);
    let second = stand.start(&spec, "two");
    let taken = run_that_says(&second, "build.log", "once\n").await;
    first.signal(Signal::SIGCONT);
    eventually("first that knows", || first.log().contains("another worker has taken the job").then_some(())).await;
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ended().await, 0, "{}", first.log());
    assert!(stand.service.calls_of("PutJobFailureResult").is_empty(), "the first reports nothing");
    let left = second.left_in_engine().await;
    assert_eq!(left.len(), 1, "the second's build goes on, and no other: {left:?}");
    go_on(&taken);
    stand.service.wait_for(&execution, Status::Succeeded).await;
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
    drop(second);
    assert_eq!(first.left_in_engine().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_job_was_taken_stops_its_build_itself() {
    let Begun { stand, table, mut first, .. } = Begun::new().await;
    take_away(&DynamoLedger::new(table)).await;
    eventually("first that knows", || first.log().contains("another worker has taken the job").then_some(())).await;
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ended().await, 0, "{}", first.log());
    assert_eq!(first.left_in_engine().await, Vec::<String>::new());
    assert!(stand.service.calls_of("PutJobSuccessResult").is_empty());
    assert!(stand.service.calls_of("PutJobFailureResult").is_empty());
    stand.service.assert_no_crimes();
}

/// A pipeline of two stages, whose second one takes up what the first one leaves.
const HANDS_ON: &str = "
version: 1
name: app
source: { path: . }
stages:
  - name: Build
    actions:
      - { name: make, build: { buildspec: make.yml } }
  - name: Check
    actions:
      - name: check
        build: { commands: ['echo checking', 'while ! test -f go; do sleep 0.1; done'] }
";

const MAKE: &str = "version: 0.2
phases:
  build:
    commands: [echo made > made.txt, echo made]
artifacts:
  files: [made.txt]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_artifacts_lie_on_a_lost_machine_is_begun_anew() {
    let stand = Stand::open().await;
    stand.pipeline(&[("pipeline.yml", HANDS_ON), ("make.yml", MAKE)], |action| action.output("Built"));
    let (_, spec) = stand.fleet().await;
    let mut first = stand.start(&spec, "one");
    let execution = stand.service.start_execution("app");
    let lost = run_that_says(&first, "check.log", "checking\n").await;
    first.kill();
    std::fs::remove_dir_all(lost.join("artifacts")).unwrap();
    let second = stand.start(&spec, "two");
    run_that_says(&second, "make.log", "made\n").await;
    let again = run_that_says(&second, "check.log", "checking\n").await;
    std::fs::write(again.join("builds/check/source/go"), "").unwrap();
    stand.service.wait_for(&execution, Status::Succeeded).await;
    let files = unzip(&stand.service.artifact(&execution, "Built").await);
    assert_eq!(files["made.txt"], "made\n");
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
}
