//! A fault run: many jobs, several workers of one fleet, workers that are killed again and again, calls that are throttled,
//! fail, or lose their answer. At the end each job was reported once and with the right result, each log is whole, and
//! nothing is left in the engine. A seed makes the same disturbances again: `faults [JOBS] [WORKERS] [SEED]`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people, that ends where it cannot go on")]

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use sluice_tests::aws::{ACCOUNT, AwsEmulator, REGION};
use sluice_tests::codepipeline::{
    ActionSpec, ActionTypeSpec, CodePipeline, Crime, Disturbance, Given, PipelineSpec, Settings, Status,
};
use sluice_tests::images;
use sluice_tests::worker::{WorkerProcess, WorkerSpec};

const TABLE: &str = "fleet";
/// Every fifth job fails, as it should.
const SPEC: &str = "version: 0.2
phases:
  build:
    commands:
      - echo first
      - sleep 1
      - test $(( $NUMBER % 5 )) -ne 4
  post_build:
    commands:
      - echo last
";

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().unwrap());
    let (jobs, workers, seed) =
        (arguments.next().unwrap_or(20), arguments.next().unwrap_or(3), arguments.next().unwrap_or(1));
    fastrand::seed(seed);
    let (emulator, image) = tokio::join!(AwsEmulator::start(), images::busybox());
    make_table(&emulator).await;
    let service = CodePipeline::start_with(&emulator, Settings::new(REGION, ACCOUNT)).await;
    let build = ActionTypeSpec::new("Build", "Sluice").queryable("Pool").property("ProjectName");
    service.action_type(build.property("EnvironmentVariables"));
    for number in 0..jobs {
        let name = format!("app-{number}");
        let variables = format!(r#"[{{"name":"NUMBER","value":"{number}"}}]"#);
        let action = ActionSpec::custom("build", "Build", "Sluice").input("Source").config("Pool", "linux");
        let action = action.config("ProjectName", &name).config("EnvironmentVariables", &variables);
        let sources = [ActionSpec::source("checkout", "Source")];
        service.pipeline(PipelineSpec::new(&name).stage("Source", sources).stage("Build", [action]));
        service.give(&name, "checkout", Given::zip("1", &[("buildspec.yml", SPEC)]));
    }
    service.faults().share(None, 0.05, seed, Disturbance::Throttle);
    service.faults().share(None, 0.02, seed + 1, Disturbance::InternalError);
    service.faults().share(None, 0.02, seed + 2, Disturbance::CloseAfter);
    // Kept when something was wrong: the workers' logs and records lie there.
    let folder = tempfile::Builder::new().prefix("sluice-faults-").tempdir().unwrap().keep();
    println!("the workers' state directories are in {}", folder.display());
    let spec = WorkerSpec::new(&service.endpoint(), ACCOUNT, image);
    let spec = spec.with(&["--table", TABLE, "--seats", "3", "--type", "build"]);
    let state = |number: u64| folder.join(format!("worker-{number}"));
    let mut running: Vec<WorkerProcess> =
        (0..workers).map(|number| WorkerProcess::start(&spec, &state(number))).collect();
    let executions: Vec<String> = (0..jobs).map(|number| service.start_execution(&format!("app-{number}"))).collect();
    let (mut kills, begun) = (0, std::time::Instant::now());
    while executions.iter().any(|execution| service.status(execution).is_none_or(|status| !status.is_over())) {
        tokio::time::sleep(Duration::from_millis(500 + fastrand::u64(..2500))).await;
        let number = fastrand::u64(..workers);
        let worker = &mut running[usize::try_from(number).unwrap()];
        worker.kill();
        *worker = WorkerProcess::start(&spec, &state(number));
        kills += 1;
        let over = executions.iter().filter(|one| service.status(one).is_some_and(Status::is_over)).count();
        println!("{:>4}s  {over} of {jobs} over, {kills} kills", begun.elapsed().as_secs());
        assert!(begun.elapsed() < Duration::from_secs(60 + jobs * 10), "{}", service.report(&executions[0]));
    }
    service.faults().clear();
    for worker in &mut running {
        worker.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(worker.ended().await, 0, "{}", worker.log());
    }
    check(&service, &executions, &running).await;
    drop(running);
    std::fs::remove_dir_all(&folder).unwrap();
    println!("{jobs} jobs, {workers} workers, {kills} kills, seed {seed}: each reported once, each log whole");
}

/// What must be true at the end.
async fn check(service: &CodePipeline, executions: &[String], workers: &[WorkerProcess]) {
    for (number, execution) in executions.iter().enumerate() {
        let expected = if number % 5 == 4 { Status::Failed } else { Status::Succeeded };
        assert_eq!(service.status(execution), Some(expected), "{}", service.report(execution));
    }
    assert!(service.jobs().iter().all(|job| job.result.is_some()), "a job has no result");
    // A worker that dies between a result and its own note of it tells the result again, and is refused.
    service.assert_no_crimes_but(&[Crime::ResultTwice]);
    let logs: Vec<String> = workers.iter().flat_map(WorkerProcess::build_logs).collect();
    let whole = logs.iter().filter(|log| log.lines().any(|line| line == "last")).count();
    assert!(whole >= executions.len(), "{whole} of {} logs are whole", executions.len());
    for worker in workers {
        assert_eq!(worker.left_in_engine().await, Vec::<String>::new(), "{}", worker.log());
    }
}

async fn make_table(emulator: &AwsEmulator) {
    let client = aws_sdk_dynamodb::Client::new(&emulator.config(ACCOUNT).await);
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let text = |name: &str| {
        let text = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        text.build().unwrap()
    };
    let table = client.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
    let table = table.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range));
    table.attribute_definitions(text("pk")).attribute_definitions(text("sk")).send().await.unwrap();
}
