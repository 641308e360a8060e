//! A pipeline that was CodeBuild's: swapped, built by a worker as its project said, and swapped back.

use runner::migrate::{Calls, Orders, Saved, apply, project_names, revert, swap};
use serde_json::json;
use sluice_tests::aws::ACCOUNT;
use sluice_tests::codepipeline::{ActionSpec, Given, PipelineSpec, Status, unzip};
use sluice_tests::stack::call;

use crate::stand::Stand;

const SPEC: &str = "version: 0.2
phases:
  build:
    commands:
      - echo \"$LEVEL $STAGE $CODEBUILD_RESOLVED_SOURCE_VERSION\" > out.txt
artifacts:
  files: [out.txt]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_action_is_built_as_its_project_said() {
    let stand = Stand::open().await;
    let variable = |name: &str, value: &str| json!({ "name": name, "value": value, "type": "PLAINTEXT" });
    let project = json!({
        "name": "billing",
        "source": { "type": "CODEPIPELINE", "buildspec": "ci/build.yml" },
        "artifacts": { "type": "CODEPIPELINE" },
        "environment": {
            "type": "LINUX_CONTAINER", "image": stand.spec().image, "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [variable("LEVEL", "debug"), variable("STAGE", "nowhere")],
        },
        "serviceRole": "arn:aws:iam::111111111111:role/build",
        "timeoutInMinutes": 20,
    });
    let made = call(&stand.ecs.aws, "codebuild", "create_project", &project);
    assert_eq!(made["project"]["name"], "billing");
    let variables = json!([variable("STAGE", "test")]).to_string();
    let build = ActionSpec::codebuild("build", "billing").input("Source").output("Built");
    stand.service.pipeline(
        PipelineSpec::new("app")
            .stage("Source", [ActionSpec::source("checkout", "Source").namespace("src")])
            .stage("Build", [build.config("EnvironmentVariables", &variables)]),
    );
    stand.service.give("app", "checkout", Given::zip("1f2e3d4c", &[("ci/build.yml", SPEC)]));

    let calls = Calls::new(&stand.service.config(ACCOUNT).await);
    let saved = Saved::new(stand.state("operator").join("migrations"));
    let before = calls.pipeline("app").await.unwrap();
    let projects = calls.projects(&project_names(&before)).await.unwrap();
    let accepted = vec!["service-role".to_owned()];
    let orders = Orders { pool: "linux".to_owned(), accepted, ..Orders::default() };
    let change = swap(&before, &projects, &orders).unwrap();
    apply(&calls, &before, &change, &saved).await.unwrap();

    let worker = stand.worker();
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Succeeded).await;
    let files = unzip(&stand.service.artifact(&execution, "Built").await);
    assert_eq!(files["out.txt"], "debug test 1f2e3d4c\n", "the action's variables win over its project's");
    assert_eq!(worker.left_in_engine().await, Vec::<String>::new());
    stand.service.assert_no_crimes();

    let now = calls.pipeline("app").await.unwrap();
    let back = revert(&now, &[], &Orders::default()).unwrap();
    apply(&calls, &now, &back, &saved).await.unwrap();
    let stages = |pipeline: &serde_json::Value| pipeline["stages"].clone();
    assert_eq!(stages(&calls.pipeline("app").await.unwrap().pipeline), stages(&before.pipeline));
}
