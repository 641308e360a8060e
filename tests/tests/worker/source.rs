//! Full clones: a source action that hands over a repository and a commit in the place of files.

use sluice_tests::aws::{ACCOUNT, REGION};
use sluice_tests::codepipeline::{Given, Status};
use sluice_tests::git_server::{GitServer, Guard, WorkTree};
use sluice_tests::worker::WorkerProcess;

use crate::stand::{Stand, buildspec};

/// A repository that only the worker's own credentials may read, with a commit that is not the branch's last one.
async fn repository() -> (GitServer, String) {
    let (access_key, secret, region) = (ACCOUNT.to_owned(), "secret".to_owned(), REGION.to_owned());
    let server = GitServer::start(Some(Guard { access_key, secret, token: None, region })).await;
    let tree = WorkTree::of(&server.repository("billing"));
    let spec = buildspec(&[
        "test -d .git",
        "cat text",
        "echo \"at $CODEBUILD_RESOLVED_SOURCE_VERSION [$CODEBUILD_WEBHOOK_TRIGGER]\"",
    ]);
    tree.write("buildspec.yml", spec).write("text", "first\n");
    let commit = tree.commit("one");
    tree.write("text", "second\n").commit("two");
    tree.push();
    (server, commit)
}

fn reference(commit: &str) -> Given {
    let url = format!("https://git-codecommit.{REGION}.amazonaws.com/v1/repos/billing");
    Given::clone_ref(ACCOUNT, "billing", &url, commit, "main")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_reference_is_cloned_at_its_commit_with_the_workers_own_credentials() {
    let stand = Stand::open().await;
    let (server, commit) = repository().await;
    stand.pipeline(&[], |action| action);
    stand.service.give("app", "checkout", reference(&commit));
    let mut spec = stand.spec();
    spec.environment.push(("CODE_COMMIT_ENDPOINT".to_owned(), server.endpoint()));
    let worker = WorkerProcess::start(&spec, &stand.state("one"));
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Succeeded).await;
    let log = worker.build_logs().join("");
    assert!(log.contains("first\n") && !log.contains("second\n"), "{log}");
    assert!(log.contains(&format!("at {commit} []")), "no push has triggered it: {log}");
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_is_not_there_any_more_is_an_unavailable_revision() {
    let stand = Stand::open().await;
    stand.pipeline(&[("buildspec.yml", &buildspec(&["true"]))], |action| action);
    let execution = stand.service.start_execution("app");
    stand.service.job_of(&execution, "build").await;
    let config = stand.ecs.aws.config(ACCOUNT).await;
    let s3 = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build());
    for object in s3.list_objects_v2().bucket("artifacts").send().await.unwrap().contents() {
        s3.delete_object().bucket("artifacts").key(object.key().unwrap()).send().await.unwrap();
    }
    let _worker = stand.worker();
    stand.service.wait_for(&execution, Status::Failed).await;
    let (kind, message) = stand.service.run_of(&execution, "build").unwrap().error.unwrap();
    assert_eq!(kind, "RevisionUnavailable");
    assert!(message.contains("s3://artifacts/") && message.contains("is not there"), "{message}");
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_the_worker_does_not_allow_is_not_cloned() {
    let stand = Stand::open().await;
    let (server, commit) = repository().await;
    stand.pipeline(&[], |action| action);
    stand.service.give("app", "checkout", reference(&commit));
    let mut spec = stand.spec().with(&["--allow-repository", "https://github.com/*"]);
    spec.environment.push(("CODE_COMMIT_ENDPOINT".to_owned(), server.endpoint()));
    let _worker = WorkerProcess::start(&spec, &stand.state("one"));
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Failed).await;
    let (kind, message) = stand.service.run_of(&execution, "build").unwrap().error.unwrap();
    assert_eq!(kind, "PermissionError");
    assert!(message.contains("repos/billing") && message.contains("it allows https://github.com/*"), "{message}");
    assert_eq!(server.take_counts().0, 0, "nobody was asked for it");
    stand.service.assert_one_result_a_job();
}
