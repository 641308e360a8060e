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
        // Its operator is told without having asked: nothing sets SLUICE_LOG here.
        let warned = |log: String| log.lines().any(|line| line.contains(" WARN ") && line.contains(why));
        eventually("objection", || warned(worker.log()).then_some(())).await;
        assert!(worker.log().lines().any(|line| line.contains(" INFO ") && line.contains("the worker begins")));
        worker.signal(Signal::SIGTERM);
        assert_eq!(worker.ended().await, 0, "{}", worker.log());
        assert!(stand.service.calls_of("PollForJobs").is_empty(), "{}", worker.log());
    }
}

/// A worker on a machine whose metadata service has a token for everybody, and one path.
async fn on_ec2(stand: &Stand, path: &'static str, text: &'static str) -> WorkerProcess {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ttl = [("x-aws-ec2-metadata-token-ttl-seconds", "60")];
    let token = axum::routing::put(move || async move { (ttl, "token") });
    let service = axum::Router::new()
        .route("/latest/api/token", token)
        .route(path, axum::routing::get(move || async move { text }));
    tokio::spawn(axum::serve(listener, service).into_future());
    let mut spec = stand.spec();
    let variable = |name: &str, value: String| (name.to_owned(), value);
    spec.environment.push(variable("AWS_EC2_METADATA_DISABLED", "false".to_owned()));
    spec.environment.push(variable("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{address}")));
    WorkerProcess::start(&spec, &stand.state("one"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_machine_is_about_to_go_drains() {
    let notices = [
        ("/latest/meta-data/spot/instance-action", r#"{"action": "terminate", "time": "2026-03-02T10:00:00Z"}"#),
        ("/latest/meta-data/autoscaling/target-lifecycle-state", "Terminated"),
    ];
    for (path, text) in notices {
        let stand = Stand::open().await;
        let mut worker = on_ec2(&stand, path, text).await;
        assert_eq!(worker.ended().await, 0, "{}", worker.log());
        assert!(worker.log().contains("draining"), "{}", worker.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_stays_keeps_its_worker() {
    let stand = Stand::open().await;
    stand.pipeline(&[("buildspec.yml", &buildspec(&["true"]))], |action| action);
    let worker = on_ec2(&stand, "/latest/meta-data/autoscaling/target-lifecycle-state", "InService").await;
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Succeeded).await;
    assert!(!worker.log().contains("draining"), "{}", worker.log());
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

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_hangs_is_seen_by_its_status() {
    let stand = Stand::open().await;
    let worker = stand.worker();
    eventually("worker", || worker.has_begun().then_some(())).await;
    let status = || {
        let mut command = WorkerProcess::command(&stand.spec(), &worker.state);
        command.args(["worker", "status"]).output().unwrap()
    };
    assert_eq!(status().status.code(), Some(0));
    worker.signal(Signal::SIGSTOP);
    let hung = status();
    worker.signal(Signal::SIGCONT);
    let said = String::from_utf8_lossy(&hung.stderr);
    assert!(hung.status.code() == Some(3) && said.contains("does not answer"), "{said}");
}
