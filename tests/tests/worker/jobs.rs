//! Jobs from claim to result.

use sluice_tests::aws::ACCOUNT;
use sluice_tests::codepipeline::{Given, Status, unzip};
use sluice_tests::worker::WorkerProcess;

use crate::stand::{Stand, build, buildspec};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_built_from_its_artifact_and_leaves_its_artifact_and_variables() {
    let stand = Stand::open().await;
    let spec = "version: 0.2
env:
  exported-variables: [TAG]
phases:
  build:
    commands:
      - ./bin/tool > out.txt
      - export TAG=$GREETING-$CODEBUILD_RESOLVED_SOURCE_VERSION
      - echo \"from $CODEBUILD_INITIATOR $CODEBUILD_SOURCE_VERSION\"
artifacts:
  files: [out.txt]
";
    stand.pipeline(&[("buildspec.yml", spec)], |action| {
        let variables = r#"[{"name":"GREETING","value":"hello"}]"#;
        action.output("Built").config("EnvironmentVariables", variables).namespace("build")
    });
    // A mode must come through: zips of other tools lose it, and then builds fail.
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("bin/tool", options.unix_permissions(0o755)).unwrap();
    std::io::Write::write_all(&mut zip, b"#!/bin/sh\necho built\n").unwrap();
    zip.start_file("buildspec.yml", options.unix_permissions(0o644)).unwrap();
    std::io::Write::write_all(&mut zip, spec.as_bytes()).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    stand.service.give("app", "checkout", Given::bytes("1f2e3d4c", bytes, "application/zip"));

    let worker = stand.worker();
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Succeeded).await;

    let run = stand.service.run_of(&execution, "build").unwrap();
    assert_eq!(run.variables["TAG"], "hello-1f2e3d4c");
    let summary = run.summary.unwrap();
    assert!(summary.contains("build 1 (billing:"), "{summary}");
    assert!(summary.contains(&run.external_id.unwrap()), "the links of the action type lead to the build: {summary}");
    let files = unzip(&stand.service.artifact(&execution, "Built").await);
    assert_eq!(files["out.txt"], "built\n");
    let log = worker.build_logs().join("");
    assert!(log.contains("from codepipeline/app arn:aws:s3:::artifacts/"), "{log}");
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
    assert_eq!(worker.left_in_engine().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_build_is_the_jobs_failure_and_a_wrong_word_is_the_configurations() {
    let stand = Stand::open().await;
    stand.pipeline(&[("buildspec.yml", &buildspec(&["echo soon", "exit 7"]))], |action| action);
    let _worker = stand.worker();
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Failed).await;
    let (kind, message) = stand.service.run_of(&execution, "build").unwrap().error.unwrap();
    assert_eq!(kind, "JobFailed");
    assert!(message.contains("exit 7") && message.contains("exit status 7"), "{message}");

    let wrong = "version: 0.2\nphases:\n  biuld:\n    commands: [ls]\n";
    stand.service.give("app", "checkout", Given::zip("2", &[("buildspec.yml", wrong)]));
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Failed).await;
    let (kind, message) = stand.service.run_of(&execution, "build").unwrap().error.unwrap();
    assert_eq!(kind, "ConfigurationError");
    assert!(message.contains("buildspec.yml:3:3") && message.contains("did you mean `build`"), "{message}");
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_further_input_has_a_folder_of_its_own() {
    use sluice_tests::codepipeline::{ActionSpec, PipelineSpec};
    let stand = Stand::open().await;
    let mut spec = buildspec(&["cat $CODEBUILD_SRC_DIR_Tools/version", "test -f buildspec.yml"]);
    spec.push_str("artifacts:\n  base-directory: $CODEBUILD_SRC_DIR_Tools\n  files: ['**/*']\n");
    let sources = [ActionSpec::source("checkout", "Source"), ActionSpec::source("tools", "Tools")];
    let action = build().input("Tools").input("Source").output("Built").config("PrimarySource", "Source");
    stand.service.pipeline(PipelineSpec::new("app").stage("Source", sources).stage("Build", [action]));
    stand.service.give("app", "checkout", Given::tgz("1", &[("buildspec.yml", spec.as_str())]));
    stand.service.give("app", "tools", Given::tar("2", &[("version", "tools 4.2\n")]));
    let worker = stand.worker();
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Succeeded).await;
    assert!(worker.build_logs().join("").contains("tools 4.2"));
    let files = unzip(&stand.service.artifact(&execution, "Built").await);
    assert_eq!(files["version"], "tools 4.2\n");
    stand.service.assert_no_crimes();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_in_cloudwatch_logs_and_in_s3_when_the_job_is_over_and_the_summary_leads_there() {
    let stand = Stand::open().await;
    stand.service.bucket("logs").await;
    stand.pipeline(&[("buildspec.yml", &buildspec(&["echo first", "echo last"]))], |action| action);
    let spec = stand.spec().with(&["--log-archive", "logs/builds", "--log-retention", "30"]);
    let _worker = WorkerProcess::start(&spec, &stand.state("one"));
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Succeeded).await;
    let run = stand.service.run_of(&execution, "build").unwrap();
    let uuid = run.external_id.unwrap();
    let config = stand.ecs.aws.config(ACCOUNT).await;
    let log = stand.log("billing", &uuid).await;
    let lines: Vec<&str> = log.lines().collect();
    let at = |line: &str| lines.iter().position(|known| *known == line).unwrap_or_else(|| panic!("{lines:#?}"));
    assert!(at("first") < at("last"));
    assert!(lines.iter().any(|line| line.contains("Phase complete: BUILD State: SUCCEEDED")), "{lines:#?}");
    let s3 = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build());
    let archived = s3.get_object().bucket("logs").key(format!("builds/{uuid}.gz")).send().await;
    assert!(archived.is_ok(), "{archived:?}");
    let summary = run.summary.unwrap();
    assert!(summary.contains("logsV2:log-groups") && summary.contains(&format!("builds/{uuid}.gz")), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_the_worker_does_not_allow_is_refused_before_it_is_pulled() {
    let stand = Stand::open().await;
    let image = "registry.invalid/anything:1";
    stand.pipeline(&[("buildspec.yml", &buildspec(&["true"]))], |action| action.config("Image", image));
    let spec = stand.spec().with(&["--allow-image", "sluice-test/*"]);
    let _worker = WorkerProcess::start(&spec, &stand.state("one"));
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Failed).await;
    let (kind, message) = stand.service.run_of(&execution, "build").unwrap().error.unwrap();
    assert_eq!(kind, "PermissionError");
    assert!(
        message.contains("may not use the image registry.invalid/anything:1 (it allows sluice-test/*)"),
        "{message}"
    );
}
