//! Workers that die, and workers that come after them.

use sluice_tests::codepipeline::{Disturbance, Status};
use sluice_tests::worker::eventually;

use crate::stand::{Stand, buildspec};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_workers_build_goes_on_and_is_reported_once_by_its_next_start() {
    let stand = Stand::open().await;
    stand.pipeline(
        &[("buildspec.yml", &buildspec(&["echo once", "while ! test -f go; do sleep 0.1; done", "echo twice"]))],
        |action| action,
    );
    let mut worker = stand.worker();
    let execution = stand.service.start_execution("app");
    let run = eventually("a run that says `once`", || {
        let run = std::fs::read_dir(worker.state.join("runs")).ok()?.flatten().next()?.path();
        std::fs::read_to_string(run.join("logs/build.log")).ok()?.contains("once\n").then_some(run)
    })
    .await;
    worker.kill();
    std::fs::write(run.join("source/go"), "").unwrap();
    let worker = stand.worker();
    stand.service.wait_for(&execution, Status::Succeeded).await;
    let log = worker.build_logs().join("");
    for line in ["once", "twice"] {
        assert_eq!(log.lines().filter(|known| *known == line).count(), 1, "{log}");
    }
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
    assert_eq!(worker.left_in_engine().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_whose_answer_was_lost_is_told_again_and_the_job_is_over() {
    let stand = Stand::open().await;
    stand.pipeline(&[("buildspec.yml", &buildspec(&["true"]))], |action| action);
    stand.service.faults().next(Some("PutJobSuccessResult"), 2, Disturbance::CloseAfter);
    stand.service.faults().next(Some("AcknowledgeJob"), 1, Disturbance::CloseAfter);
    let worker = stand.worker();
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Succeeded).await;
    drop(worker);
    stand.service.assert_one_result_a_job();
}
