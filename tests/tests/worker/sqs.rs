//! Jobs that come as messages.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sluice_tests::aws::{ACCOUNT, REGION, config_of};
use sluice_tests::codepipeline::Status;
use sluice_tests::worker::{WorkerProcess, eventually};

use crate::mail::{Mail, begun, let_go_on, log_of, runs, said};
use crate::stand::{Stand, buildspec};

fn push_event(id: &str, event: &str, reference_type: &str, commit: &str) -> Value {
    json!({
        "version": "0", "id": id, "detail-type": "CodeCommit Repository State Change", "source": "aws.codecommit",
        "account": "111111111111", "time": "2026-06-12T10:23:43Z", "region": REGION,
        "resources": [format!("arn:aws:codecommit:{REGION}:111111111111:app")],
        "detail": {
            "event": event, "repositoryName": "app", "repositoryId": "9a2b", "referenceType": reference_type,
            "referenceName": "main", "referenceFullName": "refs/heads/main", "commitId": commit,
        },
    })
}

/// Drains a worker that has done so many runs; nothing of them is left.
async fn finish(mut worker: WorkerProcess, expected: usize) {
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended().await, 0, "{}", worker.log());
    assert_eq!(runs(&worker).len(), expected);
    assert_eq!(worker.left_in_engine().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submitted_run_runs_and_its_message_is_gone() {
    let mail = Mail::open().await;
    mail.push(&["echo by $CODEBUILD_INITIATOR", "echo begin $NAME"]);
    let queue = mail.queue("runs", None).await;
    let id = mail.submit(&queue, "a", &["--project", "billing"]);
    assert_eq!(id.len(), 36, "{id}");
    let worker = mail.worker(&queue, &[]);
    let log = log_of(&begun(&worker, "a").await);
    mail.wait_for_counts(&queue, (0, 0)).await;
    assert!(log.contains("by sluice\n"), "{log}");
    finish(worker, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_over_too() {
    let mail = Mail::open().await;
    mail.push(&["echo begin $NAME", "exit 3"]);
    let queue = mail.queue("runs", Some(5)).await;
    mail.submit(&queue, "a", &[]);
    let worker = mail.worker(&queue, &[]);
    begun(&worker, "a").await;
    mail.wait_for_counts(&queue, (0, 0)).await;
    assert_eq!((runs(&worker).len(), mail.counts(&queue.replace("/runs", "/dead")).await), (1, (0, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_built_once_at_its_commit_and_nothing_else_that_happens_in_a_repository_is() {
    let mail = Mail::open().await;
    let commit = mail.push(&["echo begin $CODEBUILD_RESOLVED_SOURCE_VERSION"]);
    mail.push(&["echo begin something newer"]);
    let queue = mail.queue("runs", None).await;
    mail.send(&queue, &push_event("e1", "referenceUpdated", "branch", &commit)).await;
    mail.send(&queue, &push_event("e1", "referenceUpdated", "branch", &commit)).await;
    mail.send(&queue, &push_event("e2", "referenceCreated", "tag", &commit)).await;
    mail.send(&queue, &push_event("e3", "referenceDeleted", "branch", &commit)).await;
    let worker = mail.worker(&queue, &[]);
    begun(&worker, &commit).await;
    mail.wait_for_counts(&queue, (0, 0)).await;
    assert_eq!(runs(&worker).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_workers_run_goes_on_and_is_done_once() {
    let mail = Mail::open().await;
    let queue = mail.queue("runs", None).await;
    mail.submit(&queue, "a", &[]);
    let mut worker = mail.worker(&queue, &[]);
    let run = begun(&worker, "a").await;
    worker.kill();
    // Its message is offered to its next start before that has told anybody that it goes on.
    mail.wait_for_counts(&queue, (1, 0)).await;
    let worker = mail.worker(&queue, &[]);
    mail.wait_for_counts(&queue, (0, 1)).await;
    let_go_on(&run);
    mail.wait_for_counts(&queue, (0, 0)).await;
    assert_eq!(runs(&worker).len(), 1);
    let log = log_of(&run);
    for line in ["begin a", "end a"] {
        assert_eq!(log.lines().filter(|known| *known == line).count(), 1, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_neither_a_request_nor_an_event_ends_among_the_dead_letters() {
    let mail = Mail::open().await;
    let queue = mail.queue("runs", Some(2)).await;
    mail.send(&queue, &json!({ "sluice": 1, "sauce": { "git": "x" } })).await;
    let worker = mail.worker(&queue, &[]);
    mail.wait_for_counts(&queue.replace("/runs", "/dead"), (1, 0)).await;
    assert_eq!(mail.counts(&queue).await, (0, 0));
    let log = worker.log();
    assert_eq!(log.matches("is left to the dead-letter queue").count(), 2, "{log}");
    assert!(log.contains("unknown field `sauce`"), "{log}");
    assert!(runs(&worker).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_runs_go_one_after_another_in_the_order_sent() {
    let mail = Mail::open().await;
    let queue = mail.queue("runs", None).await;
    for name in ["a", "b", "c"] {
        mail.submit(&queue, name, &["--mode", "queued"]);
    }
    let worker = mail.worker(&queue, &[]);
    let mut done = 0;
    for name in ["a", "b", "c"] {
        let run = begun(&worker, name).await;
        said(&worker, "the job waits for its turn", 2).await;
        done += 1;
        assert_eq!(runs(&worker).len(), done, "the others have not begun");
        let_go_on(&run);
    }
    mail.wait_for_counts(&queue, (0, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_superseded_runs_that_wait_only_the_newest_is_worked_on() {
    let mail = Mail::open().await;
    let queue = mail.queue("runs.fifo", None).await;
    let worker = mail.worker(&queue, &[]);
    mail.submit(&queue, "a", &[]);
    let first = begun(&worker, "a").await;
    let second = mail.submit(&queue, "b", &[]);
    said(&worker, "the job waits for its turn", 1).await;
    mail.submit(&queue, "c", &[]);
    said(&worker, "the job is superseded by a newer one", 1).await;
    assert!(worker.log().contains(&second), "{}", worker.log());
    mail.wait_for_counts(&queue, (0, 2)).await;
    let_go_on(&first);
    let_go_on(&begun(&worker, "c").await);
    mail.wait_for_counts(&queue, (0, 0)).await;
    assert_eq!(runs(&worker).len(), 2, "the second one was never begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_runs_run_beside_each_other() {
    let mail = Mail::open().await;
    let queue = mail.queue("runs", None).await;
    let worker = mail.worker(&queue, &[]);
    for name in ["a", "b"] {
        mail.submit(&queue, name, &["--mode", "parallel"]);
    }
    let both = [begun(&worker, "a").await, begun(&worker, "b").await];
    both.iter().for_each(|run| let_go_on(run));
    mail.wait_for_counts(&queue, (0, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_worker_gives_back_what_waits() {
    let mail = Mail::open().await;
    let queue = mail.queue("runs", None).await;
    mail.submit(&queue, "a", &["--mode", "queued"]);
    let mut worker = mail.worker(&queue, &[]);
    let run = begun(&worker, "a").await;
    mail.submit(&queue, "b", &["--mode", "queued"]);
    said(&worker, "the job waits for its turn", 1).await;
    worker.signal(Signal::SIGTERM);
    mail.wait_for_counts(&queue, (1, 1)).await;
    mail.submit(&queue, "c", &["--mode", "queued"]);
    let_go_on(&run);
    assert_eq!(worker.ended().await, 0, "{}", worker.log());
    assert_eq!((mail.counts(&queue).await, runs(&worker).len()), ((2, 0), 1));
    let worker = mail.worker(&queue, &[]);
    let_go_on(&begun(&worker, "b").await);
    let_go_on(&begun(&worker, "c").await);
    mail.wait_for_counts(&queue, (0, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_people_holds_no_message_and_is_done_once_after_a_kill() {
    let mail = Mail::open().await;
    mail.push(&["echo begin $NAME"]);
    mail.push_pipeline();
    let queue = mail.queue("runs", None).await;
    mail.submit(&queue, "a", &[]);
    let mut worker = mail.worker(&queue, &[]);
    said(&worker, "the worker begins", 1).await;
    eventually("a run", || runs(&worker).pop()).await;
    mail.wait_for_counts(&queue, (0, 0)).await;
    worker.kill();
    let worker = mail.worker(&queue, &[]);
    said(&worker, "going on with a job of an earlier process", 1).await;
    let run = runs(&worker).remove(0).file_name().unwrap().to_string_lossy().into_owned();
    mail.beside(&worker, &["approve", &run, "Production"]);
    begun(&worker, "a").await;
    finish(worker, 1).await;
    assert_eq!(mail.counts(&queue).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_stopped_with_its_worker_is_given_back() {
    let mail = Mail::open().await;
    let queue = mail.queue("runs", None).await;
    mail.submit(&queue, "a", &[]);
    let mut worker = mail.worker(&queue, &[]);
    begun(&worker, "a").await;
    worker.signal(Signal::SIGTERM);
    said(&worker, "draining", 1).await;
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended().await, 0, "{}", worker.log());
    assert!(worker.log().contains("the job is given back to its queue"), "{}", worker.log());
    let worker = mail.worker(&queue, &[]);
    let again = eventually("a second run", || {
        runs(&worker).into_iter().find(|run| log_of(run).contains("begin a\n") && run.join("source").exists())
    })
    .await;
    let_go_on(&again);
    mail.wait_for_counts(&queue, (0, 0)).await;
    assert_eq!(runs(&worker).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_takes_from_codepipeline_and_from_a_queue() {
    let (stand, mail) = (Stand::open().await, Mail::open().await);
    mail.push(&["echo begin $NAME"]);
    stand.pipeline(&[("buildspec.yml", &buildspec(&["true"]))], |action| action);
    // One of the two services: what is not CodePipeline's goes on to its emulator.
    let sqs = aws_sdk_sqs::Client::new(&config_of(&stand.service.endpoint(), REGION, ACCOUNT).await);
    let queue = sqs.create_queue().queue_name("runs").send().await.unwrap().queue_url.unwrap();
    let worker = WorkerProcess::start(&stand.spec().with(&["--queue", &queue, "--seats", "1"]), &stand.state("one"));
    let execution = stand.service.start_execution("app");
    let environment = json!([{ "name": "NAME", "value": "a" }]);
    let request = json!({ "sluice": 1, "source": { "git": mail.repository() }, "environment": environment });
    sqs.send_message().queue_url(&queue).message_body(request.to_string()).send().await.unwrap();
    stand.service.wait_for(&execution, Status::Succeeded).await;
    begun(&worker, "a").await;
    finish(worker, 2).await;
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
}
