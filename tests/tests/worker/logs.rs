//! Logs of a fleet's runs, read from a machine that had no part in them.

use std::process::{Output, Stdio};

use sluice_tests::codepipeline::Status;
use sluice_tests::table::TABLE;
use sluice_tests::worker::{WorkerProcess, WorkerSpec, eventually};

use crate::stand::{Stand, buildspec};
use crate::takeover::run_that_says;

/// `sluice logs` with these arguments, on another machine.
fn logs(stand: &Stand, arguments: &[&str]) -> std::process::Command {
    let mut command = WorkerProcess::command(&stand.spec(), &stand.state("elsewhere"));
    command.arg("logs").args(arguments).args(["--table", TABLE]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_run_elsewhere_is_read_from_its_stream_and_followed_to_its_end() {
    let stand = Stand::open().await;
    let commands = ["echo once", "while ! test -f go; do sleep 0.1; done", "echo $CODEBUILD_LOG_PATH"];
    stand.pipeline(&[("buildspec.yml", &buildspec(&commands))], |action| action);
    let (_, spec) = stand.fleet().await;
    let worker = stand.start(&spec.with(&["--log-group", "all", "--log-stream-prefix", "team/one"]), "one");
    let execution = stand.service.start_execution("app");
    let run = run_that_says(&worker, "build.log", "once\n").await;
    let id = run.file_name().unwrap().to_str().unwrap();
    // The run is in the table some moments after its first line, and its stream is there a second later.
    let said = |line: &str| text(&logs(&stand, &[id]).output().unwrap()).0.contains(line).then_some(());
    eventually("line from elsewhere", || said("\nonce\n")).await;
    let following = logs(&stand, &["-f"]).spawn().unwrap();
    std::fs::write(run.join("source/go"), "").unwrap();
    stand.service.wait_for(&execution, Status::Succeeded).await;
    let uuid = stand.service.run_of(&execution, "build").unwrap().external_id.unwrap();
    let (followed, fault) = text(&following.wait_with_output().unwrap());
    assert_eq!(followed.matches("\nonce\n").count(), 1, "{followed}{fault}");
    assert!(followed.contains(&format!("\nteam/one/{uuid}\n")), "the build knows its stream: {followed}{fault}");
    assert!(followed.trim_end().ends_with("Phase context status code:  Message:"), "{followed}{fault}");
    // Whoever carried it out reads its own files.
    let own = WorkerProcess::command(&stand.spec(), &worker.state).args(["logs", id, "--table", TABLE]).output();
    assert_eq!(text(&own.unwrap()).0.matches("\nonce\n").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_run_without_a_stream_it_is_told_where_its_logs_are() {
    let stand = Stand::open().await;
    stand.service.bucket("logs").await;
    stand.pipeline(&[("buildspec.yml", &buildspec(&["echo once"]))], |action| action);
    let (_, spec) = stand.fleet().await;
    let spec: WorkerSpec = spec.with(&["--no-cloudwatch", "--log-archive", "logs/builds"]);
    let _worker = stand.start(&spec, "one");
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Succeeded).await;
    let uuid = stand.service.run_of(&execution, "build").unwrap().external_id.unwrap();
    let output = logs(&stand, &[]).output().unwrap();
    let (said, fault) = text(&output);
    assert_eq!((output.status.code(), said.as_str()), (Some(2), ""), "{fault}");
    assert!(fault.contains("were not sent to CloudWatch Logs"), "{fault}");
    assert!(fault.contains(&format!("whole logs are put into s3://logs/builds/{uuid}.gz")), "{fault}");
    let unknown = text(&logs(&stand, &["0000"]).output().unwrap()).1;
    assert!(unknown.contains("no run 0000"), "{unknown}");
}
