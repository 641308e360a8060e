//! Workers and jobs that are told to stop.

use nix::sys::signal::Signal;
use sluice_tests::codepipeline::Status;
use sluice_tests::worker::{WorkerProcess, eventually};

use crate::stand::{Stand, buildspec};

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_execution_takes_its_container_with_it_and_nothing_is_reported() {
    let stand = Stand::open().await;
    stand.pipeline(&[("buildspec.yml", &buildspec(&["sleep 300"]))], |action| action);
    let mut worker = stand.worker();
    let execution = stand.service.start_execution("app");
    stand.service.wait_for_calls("GetPipelineExecution", 1).await;
    stand.service.stop(&execution, true);
    stand.service.wait_for(&execution, Status::Stopped).await;
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended().await, 0, "{}", worker.log());
    assert_eq!(worker.left_in_engine().await, Vec::<String>::new());
    assert!(stand.service.calls_of("PutJobFailureResult").is_empty());
    stand.service.assert_no_crimes();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_short_of_something_takes_no_job_and_says_why() {
    for (argument, why) in [("--free-memory", "of memory are free"), ("--free-disk", "are free on the disk")] {
        let stand = Stand::open().await;
        stand.pipeline(&[("buildspec.yml", &buildspec(&["true"]))], |action| action);
        let mut worker = WorkerProcess::start(&stand.spec().with(&[argument, "900TiB"]), &stand.state("one"));
        stand.service.start_execution("app");
        eventually("objection", || worker.log().contains(why).then_some(())).await;
        worker.signal(Signal::SIGTERM);
        assert_eq!(worker.ended().await, 0, "{}", worker.log());
        assert!(stand.service.calls_of("PollForJobs").is_empty(), "{}", worker.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_worker_finishes_what_it_has_and_takes_nothing_more() {
    let stand = Stand::open().await;
    stand.pipeline(&[("buildspec.yml", &buildspec(&["sleep 1", "echo done"]))], |action| action);
    let mut worker = stand.worker();
    let first = stand.service.start_execution("app");
    stand.service.wait_for_calls("AcknowledgeJob", 1).await;
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended().await, 0, "{}", worker.log());
    stand.service.wait_for(&first, Status::Succeeded).await;
    let acknowledged = stand.service.calls_of("AcknowledgeJob").len();
    assert_eq!(acknowledged, 1);
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
}
