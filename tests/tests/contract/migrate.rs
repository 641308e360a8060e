//! Contract suite: migrate. A pipeline of a strict CodePipeline, whose projects are in the emulator's CodeBuild, swapped
//! and swapped back by the library and by the binary.

use std::process::Command;

use runner::fault::FaultKind;
use runner::migrate::{Calls, Change, Described, Orders, Saved, apply, project_names, revert, swap};
use serde_json::{Value, json};
use sluice_tests::aws::{ACCOUNT, AwsEmulator, REGION};
use sluice_tests::binary::{output_of, sluice};
use sluice_tests::codepipeline::{ActionSpec, ActionTypeSpec, CodePipeline, Disturbance, PipelineSpec};
use sluice_tests::stack::call;

/// A pipeline with two builds, and somewhere to keep what it was.
struct Stand {
    _emulator: AwsEmulator,
    service: CodePipeline,
    calls: Calls,
    saved: Saved,
    state: tempfile::TempDir,
}

/// The action type as the template makes it, as far as declarations go.
fn ours(category: &str) -> ActionTypeSpec {
    let words = ["PrimarySource", "Buildspec", "Image", "EnvironmentVariables", "BatchEnabled", "CombineArtifacts"];
    let optional = words.into_iter().chain(["Options", "CommitId"]);
    let required = json!({ "name": "ProjectName", "required": true, "key": true, "secret": false });
    optional.fold(ActionTypeSpec::new(category, "Sluice").queryable("Pool").with(required), ActionTypeSpec::property)
}

impl Stand {
    async fn open() -> Self {
        let emulator = AwsEmulator::start().await;
        for name in ["billing-build", "billing-test"] {
            let made = call(&emulator, "codebuild", "create_project", &project(name));
            assert_eq!(made["project"]["name"], name);
        }
        let service = CodePipeline::start(&emulator).await;
        let builds = [
            ActionSpec::codebuild("compile", "billing-build").input("Source").output("Program").namespace("build"),
            ActionSpec::codebuild("check", "billing-test").input("Source").config("EnvironmentVariables", "[]"),
        ];
        let source = ActionSpec::source("checkout", "Source").namespace("src");
        let roll_out = ActionSpec::stand_in("roll-out").input("Program");
        let pipeline = PipelineSpec::new("billing").stage("Source", [source]).stage("Build", builds);
        service.pipeline(pipeline.stage("Production", [roll_out]));
        let state = tempfile::tempdir().unwrap();
        let saved = Saved::new(state.path().join("migrations"));
        let calls = Calls::new(&service.config(ACCOUNT).await);
        Self { _emulator: emulator, service, calls, saved, state }
    }

    async fn now(&self) -> Described {
        self.calls.pipeline("billing").await.unwrap()
    }

    async fn swapped(&self, described: &Described) -> Change {
        let projects = self.calls.projects(&project_names(described)).await.unwrap();
        swap(described, &projects, &orders()).unwrap()
    }

    /// What the binary prints, and its exit code.
    fn sluice(&self, words: &[&str]) -> (String, i32) {
        let mut command = Command::new(sluice());
        command.args(["migrate", "billing", "--region", REGION]).args(words);
        command.env("AWS_ENDPOINT_URL", self.service.endpoint()).env("SLUICE_STATE_DIR", self.state.path());
        command.env("AWS_ACCESS_KEY_ID", ACCOUNT).env("AWS_SECRET_ACCESS_KEY", "secret");
        output_of(command.env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN"))
    }
}

fn project(name: &str) -> Value {
    json!({
        "name": name,
        "source": { "type": "CODEPIPELINE", "buildspec": format!("ci/{name}.yml") },
        "artifacts": { "type": "CODEPIPELINE" },
        "environment": {
            "type": "LINUX_CONTAINER", "image": "python:3.11", "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [{ "name": "LEVEL", "value": "debug", "type": "PLAINTEXT" }],
        },
        "serviceRole": "arn:aws:iam::111111111111:role/build",
        "timeoutInMinutes": 20,
    })
}

/// To the pool `default`, from projects whose builds call no AWS.
fn orders() -> Orders {
    Orders { pool: "default".to_owned(), accepted: vec!["service-role".to_owned()], ..Orders::default() }
}

/// A structure without what each update counts.
fn without_version(mut pipeline: Value) -> Value {
    pipeline["version"].take();
    pipeline
}

#[tokio::test]
async fn a_pipeline_is_swapped_and_swapped_back_exactly_without_anything_kept() {
    let stand = Stand::open().await;
    stand.service.action_type(ours("Build"));
    let before = stand.now().await;
    let applied = apply(&stand.calls, &before, &stand.swapped(&before).await, &stand.saved).await.unwrap();
    assert_eq!((applied.version, applied.overtaken), (2, false));
    let between = stand.now().await;
    let action = &between.pipeline["stages"][1]["actions"][0];
    assert_eq!(action["actionTypeId"]["provider"], "Sluice");
    assert_eq!(action["configuration"]["Buildspec"], "ci/billing-build.yml");
    assert_eq!(action["configuration"]["CommitId"], "#{src.CommitId}");
    let elsewhere = Saved::new(stand.state.path().join("another-machine"));
    let back = revert(&between, &elsewhere.of(&between), &Orders::default()).unwrap();
    assert_eq!(apply(&stand.calls, &between, &back, &elsewhere).await.unwrap().version, 3);
    assert_eq!(without_version(stand.now().await.pipeline), without_version(before.pipeline.clone()));
    let kept = std::fs::read_to_string(applied.kept).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), json!({ "pipeline": before.pipeline }));
}

#[tokio::test]
async fn a_pipeline_that_changed_meanwhile_is_left_alone() {
    let stand = Stand::open().await;
    stand.service.action_type(ours("Build"));
    let seen = stand.now().await;
    let change = stand.swapped(&seen).await;
    stand.service.call("UpdatePipeline", json!({ "pipeline": seen.pipeline }));
    let fault = apply(&stand.calls, &seen, &change, &stand.saved).await.unwrap_err();
    let told = "the pipeline billing has changed meanwhile: it is at version 2, and the change is for version 1";
    assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Configuration, told));
    assert!(fault.hint.is_some());
    assert_eq!(stand.now().await.version(), 2);
    assert!(stand.saved.of(&seen).is_empty(), "nothing is kept of a change that was not made");
}

#[tokio::test]
async fn an_update_whose_answer_is_lost_is_made_once_and_is_nobody_elses() {
    let stand = Stand::open().await;
    stand.service.action_type(ours("Build"));
    let seen = stand.now().await;
    let change = stand.swapped(&seen).await;
    stand.service.faults().next(Some("UpdatePipeline"), 1, Disturbance::CloseAfter);
    let applied = apply(&stand.calls, &seen, &change, &stand.saved).await.unwrap();
    assert_eq!((applied.version, applied.overtaken, stand.now().await.version()), (2, false, 2));
    // One that was not carried out is a fault, and the pipeline is as it was.
    let seen = stand.now().await;
    stand.service.faults().next(Some("UpdatePipeline"), 1, Disturbance::CloseBefore);
    let fault = apply(&stand.calls, &seen, &change, &stand.saved).await.unwrap_err();
    assert_eq!((fault.kind, stand.now().await.version()), (FaultKind::System, 2));
}

#[tokio::test]
async fn without_the_action_types_codepipeline_refuses_and_the_hint_says_how_to_make_them() {
    let stand = Stand::open().await;
    let seen = stand.now().await;
    let fault = apply(&stand.calls, &seen, &stand.swapped(&seen).await, &stand.saved).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Configuration, "{fault}");
    assert!(fault.message.starts_with("codepipeline:UpdatePipeline: InvalidActionDeclarationException: "), "{fault}");
    assert!(fault.hint.is_some_and(|hint| hint.contains("sluice setup codepipeline")));
    let fault = stand.calls.pipeline("biling").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Configuration, "{fault}");
    assert_eq!(fault.hint.as_deref(), Some("check the name and the Region (--region)"));
}

/// What this version of Sluice has never heard of goes back as it came.
#[tokio::test]
async fn parts_of_a_structure_that_are_new_to_us_outlive_a_swap() {
    use axum::http::HeaderMap;
    use std::sync::{Arc, Mutex};
    let pipeline = json!({
        "name": "billing", "version": 4, "invention": { "of": ["tomorrow"] },
        "stages": [{ "name": "Build", "actions": [{
            "name": "compile", "invention": 1.5,
            "actionTypeId": { "category": "Build", "owner": "AWS", "provider": "CodeBuild", "version": "1" },
            "configuration": { "ProjectName": "billing-build" },
        }] }],
    });
    let told = Arc::new(Mutex::new(Value::Null));
    let (structure, heard) = (pipeline.clone(), Arc::clone(&told));
    let answer = move |headers: HeaderMap, body: String| async move {
        let body: Value = serde_json::from_str(&body).unwrap();
        match headers["x-amz-target"].to_str().unwrap() {
            "CodePipeline_20150709.GetPipeline" => json!({ "pipeline": structure }).to_string(),
            "CodePipeline_20150709.UpdatePipeline" => {
                *heard.lock().unwrap() = body.clone();
                json!({ "pipeline": { "name": "billing", "version": 6, "stages": [] } }).to_string()
            }
            other => panic!("{other}"),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    let calls = Calls::new(&sluice_tests::aws::config_of(&endpoint, REGION, ACCOUNT).await);
    let (folder, described) = (tempfile::tempdir().unwrap(), calls.pipeline("billing").await.unwrap());
    let project = serde_json::from_value(project("billing-build")).unwrap();
    let projects = std::collections::BTreeMap::from([("billing-build".to_owned(), project)]);
    let change = swap(&described, &projects, &orders()).unwrap();
    let applied = apply(&calls, &described, &change, &Saved::new(folder.path().to_owned())).await.unwrap();
    assert!(applied.overtaken, "the version went from 4 to 6");
    let told = told.lock().unwrap().clone();
    assert_eq!(told["pipeline"]["invention"], pipeline["invention"]);
    assert_eq!(told["pipeline"]["stages"][0]["actions"][0]["invention"], 1.5);
    assert_eq!(told["pipeline"]["stages"][0]["actions"][0]["actionTypeId"]["owner"], "Custom");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_shows_applies_and_takes_back() {
    let stand = Stand::open().await;
    stand.service.action_type(ours("Build"));
    let before = stand.now().await.pipeline;

    let (shown, code) = stand.sluice(&["--apply"]);
    assert!(shown.contains("not without --accept service-role: "), "{shown}");
    assert_ne!(code, 0, "{shown}");
    assert_eq!(stand.now().await.pipeline, before);

    let (shown, code) = stand.sluice(&["--accept", "service-role"]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.starts_with("pipeline billing, version 1, eu-west-1, account 111111111111\n"), "{shown}");
    assert!(shown.contains("Build/compile: AWS/Build/CodeBuild/1 -> Custom/Build/Sluice/1\n"), "{shown}");
    assert!(shown.contains("\n+            \"provider\": \"Sluice\",\n"), "{shown}");
    assert!(shown.contains("nothing is changed yet: add --apply, with --expect-version 1"), "{shown}");
    assert_eq!(stand.now().await.pipeline, before);

    let (shown, code) = stand.sluice(&["--accept", "service-role", "--apply", "--expect-version", "7"]);
    assert_eq!(code, 2, "{shown}");
    assert!(shown.contains("it is at version 1, and the change is for version 7"), "{shown}");

    let (shown, code) =
        stand.sluice(&["--accept", "service-role", "--apply", "--expect-version", "1", "--action", "Build/compile"]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("billing is at version 2; as it was before: "), "{shown}");
    let actions = stand.now().await.pipeline["stages"][1]["actions"].clone();
    assert_eq!(actions[0]["actionTypeId"]["provider"], "Sluice");
    assert_eq!(actions[1]["actionTypeId"]["provider"], "CodeBuild");

    let (shown, code) = stand.sluice(&["--revert", "--dry-run"]);
    assert_eq!((code, stand.now().await.version()), (0, 2), "{shown}");
    let (shown, code) = stand.sluice(&["--revert"]);
    assert_eq!(code, 0, "{shown}");
    assert_eq!(without_version(stand.now().await.pipeline), without_version(before));
    let (shown, code) = stand.sluice(&["--revert"]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("there is nothing to change"), "{shown}");
}
