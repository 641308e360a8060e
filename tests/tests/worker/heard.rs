//! What a worker hears of before it would have asked.

use jiff::SignedDuration;
use nix::sys::signal::Signal;
use sluice_tests::codepipeline::Status;
use sluice_tests::worker::{WorkerProcess, eventually};

use crate::stand::{Stand, buildspec};

/// Longer than any test waits.
const SLOW: [&str; 6] = ["--poll", "600", "--heartbeat", "600", "--lease", "3000"];

async fn slow_worker(stand: &Stand, events: &str) -> WorkerProcess {
    let mut spec = stand.spec();
    spec.arguments.clear();
    let worker =
        WorkerProcess::start(&spec.with(&SLOW).with(&["--grace", "1", "--events-queue", events]), &stand.state("one"));
    // It has asked for each of its three types, and would not ask again for ten minutes.
    stand.service.wait_for_calls("PollForJobs", 3).await;
    worker
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_heard_of_starts_long_before_the_next_poll() {
    let (stand, events) = Stand::heard_of().await;
    stand.pipeline(&[("buildspec.yml", &buildspec(&["true"]))], |action| action);
    let _worker = slow_worker(&stand, &events).await;
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Succeeded).await;
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_codepipeline_gives_up_and_that_is_heard_of_ends_long_before_the_next_heartbeat() {
    let (stand, events) = Stand::heard_of().await;
    stand.pipeline(&[("buildspec.yml", &buildspec(&["echo begun", "sleep 300"]))], |action| action);
    let worker = slow_worker(&stand, &events).await;
    let execution = stand.service.start_execution("app");
    eventually("a build", || worker.build_logs().join("").contains("begun\n").then_some(())).await;
    stand.service.advance(SignedDuration::from_hours(25));
    stand.service.wait_for(&execution, Status::Failed).await;
    eventually("an end", || worker.log().contains("the job is not wanted any more").then_some(())).await;
    assert!(stand.service.calls_of("PutJobFailureResult").is_empty());
    stand.service.assert_no_crimes();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_execution_that_is_heard_of_ends_long_before_the_next_heartbeat() {
    let (stand, events) = Stand::heard_of().await;
    stand.pipeline(&[("buildspec.yml", &buildspec(&["echo begun", "sleep 300"]))], |action| action);
    let mut worker = slow_worker(&stand, &events).await;
    let execution = stand.service.start_execution("app");
    eventually("a build", || worker.build_logs().join("").contains("begun\n").then_some(())).await;
    stand.service.stop(&execution, true);
    stand.service.wait_for(&execution, Status::Stopped).await;
    eventually("an end", || worker.log().contains("the job is not wanted any more").then_some(())).await;
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended().await, 0, "{}", worker.log());
    assert_eq!(worker.left_in_engine().await, Vec::<String>::new());
    assert!(stand.service.calls_of("PutJobFailureResult").is_empty());
    stand.service.assert_no_crimes();
}
