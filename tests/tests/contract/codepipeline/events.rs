//! Events, in the ledger and in a queue.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

fn told(event: &Value) -> String {
    let detail = &event["detail"];
    let kind = event["detail-type"].as_str().unwrap().split(' ').nth(1).unwrap();
    let name = detail["action"].as_str().or(detail["stage"].as_str()).or(detail["pipeline"].as_str());
    format!("{kind} {} {}", name.unwrap(), detail["state"].as_str().unwrap())
}

#[tokio::test]
async fn each_change_of_a_state_is_an_event_in_the_queue_and_may_come_twice() {
    let emulator = AwsEmulator::start().await;
    let sqs = aws_sdk_sqs::Client::new(&emulator.config(sluice_tests::aws::ACCOUNT).await);
    let queue = sqs.create_queue().queue_name("events").send().await.unwrap().queue_url.unwrap();
    let mut settings = Settings::new(REGION, sluice_tests::aws::ACCOUNT);
    (settings.queue_url, settings.repeated_events, settings.seed) = (Some(queue.clone()), 0.5, Some(3));
    let service = CodePipeline::start_with(&emulator, settings).await;
    service.action_type(ActionTypeSpec::new("Build", "Sluice"));
    let build = ActionSpec::custom("build", "Build", "Sluice").input("S");
    service.pipeline(PipelineSpec::new("app").stage("Source", [ActionSpec::source("s", "S")]).stage("Build", [build]));
    service.give("app", "s", Given::zip("1", &[]));
    let execution = service.start_execution("app");
    service.job_of(&execution, "build").await;
    service.stop(&execution, true);
    let expected = [
        "Pipeline app STARTED",
        "Stage Source STARTED",
        "Action s STARTED",
        "Action s SUCCEEDED",
        "Stage Source SUCCEEDED",
        "Stage Build STARTED",
        "Action build STARTED",
        "Pipeline app STOPPING",
        "Stage Build STOPPING",
        "Action build ABANDONED",
        "Stage Build STOPPED",
        "Pipeline app STOPPED",
    ];
    assert_eq!(service.events().iter().map(told).collect::<Vec<_>>(), expected);
    let (mut ids, mut bodies) = (BTreeSet::new(), Vec::new());
    while ids.len() < expected.len() {
        let received = sqs.receive_message().queue_url(&queue).max_number_of_messages(10).wait_time_seconds(5);
        for message in received.send().await.unwrap().messages() {
            let event: Value = serde_json::from_str(message.body().unwrap()).unwrap();
            ids.insert(event["id"].as_str().unwrap().to_owned());
            bodies.push(event);
        }
    }
    let abandoned = bodies.iter().find(|event| told(event) == "Action build ABANDONED").unwrap();
    assert_eq!(abandoned["source"], "aws.codepipeline");
    assert_eq!(abandoned["resources"][0], "arn:aws:codepipeline:eu-west-1:111111111111:app");
    assert_eq!(abandoned["detail"]["type"]["owner"], "Custom");
    assert_eq!(abandoned["detail"]["type"]["provider"], "Sluice");
    assert_eq!(abandoned["detail"]["execution-id"], execution.as_str());
    assert!(bodies.len() > expected.len(), "some come twice with this seed");
}
