//! The AWS CLI and the process: the whole life of a custom action as somebody with a shell has it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use sluice_tests::aws::program;

use super::*;

/// The process, ended with the test.
struct Process {
    child: Child,
    endpoint: String,
}

impl Process {
    fn start(upstream: &str) -> Self {
        let own = std::env::current_exe().unwrap();
        let binary = own.ancestors().map(|folder| folder.join("codepipeline")).find(|path| path.is_file());
        let mut child = Command::new(binary.expect("cargo build --bins"))
            .args(["--listen", "127.0.0.1:0", "--s3", upstream, "--region", REGION, "--account", "111111111111"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut endpoint = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut endpoint).unwrap();
        Self { child, endpoint: endpoint.trim().to_owned() }
    }

    /// Runs `aws <service> …`: what it prints as JSON, or its error.
    fn aws(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Value, String> {
        let mut aws = Command::new(program("aws"));
        aws.args(["--endpoint-url", &self.endpoint, "--region", REGION, "--output", "json"]).args(arguments);
        aws.env("AWS_ACCESS_KEY_ID", "111111111111").env("AWS_SECRET_ACCESS_KEY", "secret");
        aws.env_remove("AWS_SESSION_TOKEN").env_remove("AWS_PROFILE").envs(environment.iter().copied());
        let output = aws.output().unwrap();
        if output.status.success() {
            return Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null));
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    fn codepipeline(&self, operation: &str, request: Value) -> Result<Value, String> {
        self.aws(&["codepipeline", operation, "--cli-input-json", &request.to_string()], &[])
    }

    /// What the process says to `POST /_codepipeline/<path>`, which no AWS has.
    fn control(&self, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(self.endpoint.trim_start_matches("http://")).unwrap();
        let body = body.to_string();
        let length = body.len();
        write!(stream, "POST /_codepipeline/{path} HTTP/1.0\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        let answer = std::io::read_to_string(stream).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test]
async fn the_cli_takes_a_custom_action_through_its_whole_life() {
    let emulator = AwsEmulator::start().await;
    let process = Process::start(&emulator.endpoint());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("app.zip"), zip(&[("a.txt", "one")])).unwrap();
    for bucket in ["artifacts", "sources"] {
        process.aws(&["s3", "mb", &format!("s3://{bucket}")], &[]).unwrap();
    }
    process.aws(&["s3", "cp", &path("app.zip"), "s3://sources/app.zip"], &[]).unwrap();
    create(&process);

    let started = process.codepipeline("start-pipeline-execution", json!({ "name": "app" })).unwrap();
    let execution = started["pipelineExecutionId"].as_str().unwrap().to_owned();
    let id = json!({ "category": "Build", "owner": "Custom", "provider": "Sluice", "version": "1" });
    let poll = || {
        let polled = process.codepipeline("poll-for-jobs", json!({ "actionTypeId": id, "maxBatchSize": 1 })).unwrap();
        polled["jobs"].get(0).cloned()
    };
    let job = (0..100).find_map(|_| poll()).expect("the source takes less time than a hundred calls");
    let (job_id, nonce) = (job["id"].clone(), job["nonce"].clone());
    let acknowledge = json!({ "jobId": job_id, "nonce": nonce });
    assert_eq!(process.codepipeline("acknowledge-job", acknowledge).unwrap()["status"], "InProgress");
    let late = process.codepipeline("acknowledge-job", json!({ "jobId": job_id, "nonce": "old" })).unwrap_err();
    assert!(late.contains("(InvalidNonceException) when calling the AcknowledgeJob operation"), "{late}");
    let details = process.codepipeline("get-job-details", json!({ "jobId": job_id })).unwrap();
    let data = &details["jobDetails"]["data"];
    assert_eq!(data["actionConfiguration"]["configuration"]["Token"], "hunter2");

    carry(&process, data, &path("in.zip"));
    let result = json!({
        "jobId": job_id,
        "executionDetails": { "summary": "built", "externalExecutionId": "run-1", "percentComplete": 100 },
        "outputVariables": { "TAG": "v1" },
    });
    process.codepipeline("put-job-success-result", result.clone()).unwrap();
    let again = process.codepipeline("put-job-success-result", result).unwrap_err();
    assert!(again.contains("(InvalidJobStateException)"), "{again}");

    let state = process.codepipeline("get-pipeline-state", json!({ "name": "app" })).unwrap();
    let build = &state["stageStates"][1];
    assert_eq!(build["latestExecution"]["status"], "Succeeded");
    let latest = &build["actionStates"][0]["latestExecution"];
    assert_eq!((&latest["status"], &latest["summary"]), (&json!("Succeeded"), &json!("built")));
    assert_eq!(latest["externalExecutionUrl"], "https://ci.example.com/run-1");
    let request = json!({ "pipelineName": "app", "pipelineExecutionId": execution });
    let shown = process.codepipeline("get-pipeline-execution", request).unwrap();
    assert_eq!(shown["pipelineExecution"]["status"], "Succeeded");
    let listed = process.codepipeline("list-action-executions", json!({ "pipelineName": "app" })).unwrap();
    assert_eq!(listed["actionExecutionDetails"][0]["output"]["outputVariables"]["TAG"], "v1");
    let crimes = process.control("crimes", &json!({}));
    let crimes: Vec<&str> =
        crimes["crimes"].as_array().unwrap().iter().map(|one| one["crime"].as_str().unwrap()).collect();
    assert_eq!(crimes, ["InventedNonce", "ResultTwice"], "those that this test committed on purpose");
}

/// The action type and a pipeline with it.
fn create(process: &Process) {
    let property = |name: &str, secret: bool| json!({ "name": name, "required": true, "key": false, "secret": secret });
    let action_type = json!({
        "category": "Build", "provider": "Sluice", "version": "1",
        "settings": { "executionUrlTemplate": "https://ci.example.com/{ExternalExecutionId}" },
        "configurationProperties": [property("ProjectName", false), property("Token", true)],
        "inputArtifactDetails": { "minimumCount": 1, "maximumCount": 5 },
        "outputArtifactDetails": { "minimumCount": 0, "maximumCount": 5 },
    });
    process.codepipeline("create-custom-action-type", action_type).unwrap();
    let id = |category: &str, owner: &str, provider: &str| json!({ "category": category, "owner": owner, "provider": provider, "version": "1" });
    let pipeline = json!({ "pipeline": {
        "name": "app", "roleArn": "arn:aws:iam::111111111111:role/pipeline",
        "artifactStore": { "type": "S3", "location": "artifacts" },
        "stages": [
            { "name": "Source", "actions": [{
                "name": "checkout", "actionTypeId": id("Source", "AWS", "S3"),
                "configuration": { "S3Bucket": "sources", "S3ObjectKey": "app.zip" },
                "outputArtifacts": [{ "name": "Source" }],
            }] },
            { "name": "Build", "actions": [{
                "name": "build", "actionTypeId": id("Build", "Custom", "Sluice"),
                "configuration": { "ProjectName": "app", "Token": "hunter2" },
                "inputArtifacts": [{ "name": "Source" }], "outputArtifacts": [{ "name": "Built" }],
            }] },
        ],
    } });
    process.codepipeline("create-pipeline", pipeline).unwrap();
}

/// Brings a job's input artifact back as its output, with the job's credentials alone.
fn carry(process: &Process, data: &Value, file: &str) {
    let keys = &data["artifactCredentials"];
    let environment = [
        ("AWS_ACCESS_KEY_ID", keys["accessKeyId"].as_str().unwrap()),
        ("AWS_SECRET_ACCESS_KEY", keys["secretAccessKey"].as_str().unwrap()),
        ("AWS_SESSION_TOKEN", keys["sessionToken"].as_str().unwrap()),
    ];
    let url = |artifact: &Value| {
        let place = &artifact["location"]["s3Location"];
        format!("s3://{}/{}", place["bucketName"].as_str().unwrap(), place["objectKey"].as_str().unwrap())
    };
    process.aws(&["s3", "cp", &url(&data["inputArtifacts"][0]), file], &environment).unwrap();
    assert_eq!(unzip(&std::fs::read(file).unwrap())["a.txt"], "one");
    let output = url(&data["outputArtifacts"][0]);
    process.aws(&["s3", "cp", file, &output, "--sse", "aws:kms"], &environment).unwrap();
}

#[tokio::test]
async fn the_process_takes_revisions_faults_and_time_from_outside() {
    let emulator = AwsEmulator::start().await;
    let process = Process::start(&emulator.endpoint());
    process.aws(&["s3", "mb", "s3://artifacts"], &[]).unwrap();
    create(&process);
    let given = json!({ "pipeline": "app", "action": "checkout", "revision": "1f2e3d", "zip": { "a.txt": "one" } });
    assert_eq!(process.control("give", &given)["given"], "1f2e3d");
    process.codepipeline("start-pipeline-execution", json!({ "name": "app" })).unwrap();
    let id = json!({ "category": "Build", "owner": "Custom", "provider": "Sluice", "version": "1" });
    let poll = || process.codepipeline("poll-for-jobs", json!({ "actionTypeId": id })).unwrap();
    let job = (0..100).find_map(|_| poll()["jobs"].get(0).cloned()).expect("a job within a hundred calls");
    assert_eq!(job["data"]["inputArtifacts"][0]["revision"], "1f2e3d");
    carry_is_refused_after_expiry(&process, &job);
    let fault = json!({ "operation": "ListPipelines", "fault": "throttle", "next": 9 });
    process.control("disturb", &fault);
    let throttled = process.codepipeline("list-pipelines", json!({})).unwrap_err();
    assert!(throttled.contains("(ThrottlingException)"), "{throttled}");
    process.control("disturb", &json!({}));
    process.codepipeline("list-pipelines", json!({})).unwrap();
    process.control("advance", &json!({ "seconds": 86_400 }));
    let state = process.codepipeline("get-pipeline-state", json!({ "name": "app" })).unwrap();
    assert_eq!(state["stageStates"][1]["latestExecution"]["status"], "Failed");
    let calls = process.control("calls", &json!({}));
    assert!(calls["calls"].as_array().unwrap().iter().any(|call| call["operation"] == "CreatePipeline"));
    assert!(process.control("dance", &json!({}))["message"].as_str().unwrap().contains("no dance"));
}

fn carry_is_refused_after_expiry(process: &Process, job: &Value) {
    process.control("expire-credentials", &json!({}));
    let keys = &job["data"]["artifactCredentials"];
    let environment = [
        ("AWS_ACCESS_KEY_ID", keys["accessKeyId"].as_str().unwrap()),
        ("AWS_SECRET_ACCESS_KEY", keys["secretAccessKey"].as_str().unwrap()),
        ("AWS_SESSION_TOKEN", keys["sessionToken"].as_str().unwrap()),
    ];
    let place = &job["data"]["inputArtifacts"][0]["location"]["s3Location"];
    let (bucket, key) = (place["bucketName"].as_str().unwrap(), place["objectKey"].as_str().unwrap());
    let got = ["s3api", "get-object", "--bucket", bucket, "--key", key, "/dev/null"];
    let refused = process.aws(&got, &environment).unwrap_err();
    assert!(refused.contains("(ExpiredToken)"), "{refused}");
}
