//! Executions: their order, their stop, their retry, their time.

use super::*;

async fn statuses(stand: &Stand, execution: &str) -> Vec<String> {
    let listed = stand.client.list_action_executions().pipeline_name("app").send().await.unwrap();
    let own = listed.action_execution_details().iter().rev();
    let own = own.filter(|run| run.pipeline_execution_id() == Some(execution));
    own.map(|run| format!("{} {}", run.action_name().unwrap(), run.status().unwrap().as_str())).collect()
}

#[tokio::test]
async fn actions_of_an_order_run_together_and_the_next_order_waits() {
    let stand = Stand::open().await;
    let action = |name: &str, order| ActionSpec::custom(name, "Build", "Sluice").config("Pool", "linux").order(order);
    let pipeline = PipelineSpec::new("ordered").stage("Source", [ActionSpec::source("s", "S")]);
    stand.service.pipeline(pipeline.stage("Build", [action("c", 2), action("a", 1), action("b", 1)]));
    stand.service.give("ordered", "s", Given::tar("1", &[]));
    let execution = stand.service.start_execution("ordered");
    stand.service.job_of(&execution, "b").await;
    let jobs = poll(&stand.client, 5).await;
    assert_eq!(jobs.len(), 2);
    for (at, job) in jobs.iter().enumerate() {
        assert!(stand.service.run_of(&execution, "c").is_none(), "after {at} of two");
        stand.client.acknowledge_job().job_id(job.id().unwrap()).nonce(job.nonce().unwrap()).send().await.unwrap();
        stand.client.put_job_success_result().job_id(job.id().unwrap()).send().await.unwrap();
    }
    let last = stand.claimed().await;
    stand.client.put_job_success_result().job_id(last.id().unwrap()).send().await.unwrap();
    stand.service.wait_for(&execution, Status::Succeeded).await;
    stand.service.assert_one_result_a_job();
}

#[tokio::test]
async fn a_stop_that_waits_takes_the_result_and_starts_nothing_more() {
    let stand = Stand::open().await;
    let execution = stand.start().await;
    let job = stand.claimed().await;
    stand.service.stop(&execution, false);
    assert_eq!(stand.service.status(&execution), Some(Status::Stopping));
    let again = stand.client.stop_pipeline_execution().pipeline_name("app").pipeline_execution_id(&execution);
    assert!(refusal(again.clone().send().await).starts_with("DuplicatedStopRequestException: "));
    stand.succeed(&job).await;
    stand.service.wait_for(&execution, Status::Stopped).await;
    assert!(stand.service.run_of(&execution, "deploy").is_none());
    assert!(refusal(again.send().await).starts_with("PipelineExecutionNotStoppableException: "));
    stand.service.assert_one_result_a_job();
}

#[tokio::test]
async fn an_abandoned_action_takes_no_result_and_working_on_is_a_crime_after_a_while() {
    let stand = Stand::open().await;
    let execution = stand.start().await;
    let job = stand.claimed().await;
    stand.service.stop(&execution, false);
    stand.service.stop(&execution, true);
    assert_eq!(stand.service.status(&execution), Some(Status::Stopped));
    assert_eq!(statuses(&stand, &execution).await, ["checkout Succeeded", "build Abandoned"]);
    let put = || stand.client.put_job_success_result().job_id(job.id().unwrap()).continuation_token("on").send();
    assert!(refusal(put().await).starts_with("InvalidJobStateException: "));
    stand.service.assert_no_crimes();
    stand.service.advance(SignedDuration::from_mins(2));
    assert!(refusal(put().await).starts_with("InvalidJobStateException: "));
    stand.client.get_job_details().job_id(job.id().unwrap()).send().await.unwrap();
    assert_eq!(crimes(&stand.service), [Crime::WorkAfterAbandon; 2]);
    assert!(poll(&stand.client, 5).await.is_empty());
}

#[tokio::test]
async fn a_job_that_was_abandoned_before_its_acknowledgement_is_not_in_progress() {
    let stand = Stand::open().await;
    let execution = stand.start().await;
    let job = stand.poll().await;
    stand.service.stop(&execution, true);
    let answer = stand.client.acknowledge_job().job_id(job.id().unwrap()).nonce(job.nonce().unwrap()).send().await;
    assert_eq!(answer.unwrap().status().unwrap().as_str(), "Failed");
    stand.service.assert_no_crimes();
}

#[tokio::test]
async fn a_retry_makes_a_new_run_and_a_new_job() {
    let stand = Stand::open().await;
    let execution = stand.start().await;
    let first = stand.claimed().await;
    let retry = || {
        let retry = stand.client.retry_stage_execution().pipeline_name("app").pipeline_execution_id(&execution);
        retry.retry_mode(aws_sdk_codepipeline::types::StageRetryMode::FailedActions)
    };
    let early = refusal(retry().stage_name("Build").send().await);
    assert!(early.starts_with("StageNotRetryableException: "), "{early}");
    let put = stand.client.put_job_failure_result().job_id(first.id().unwrap()).failure_details(failure("no"));
    put.send().await.unwrap();
    assert!(refusal(retry().stage_name("Nowhere").send().await).starts_with("StageNotFoundException: "));
    retry().stage_name("Build").send().await.unwrap();
    let second = stand.claimed().await;
    assert_ne!(first.id(), second.id());
    stand.succeed(&second).await;
    stand.service.wait_for(&execution, Status::Succeeded).await;
    let expected = ["checkout Succeeded", "build Failed", "build Succeeded", "deploy Succeeded"];
    assert_eq!(statuses(&stand, &execution).await, expected);
    stand.service.assert_one_result_a_job();
}

#[tokio::test]
async fn a_custom_action_fails_after_a_day() {
    let stand = Stand::open().await;
    let execution = stand.start().await;
    let job = stand.claimed().await;
    stand.service.advance(SignedDuration::from_hours(24));
    stand.service.wait_for(&execution, Status::Failed).await;
    let late = stand.client.put_job_success_result().job_id(job.id().unwrap()).send().await;
    assert!(refusal(late).starts_with("InvalidJobStateException: "));
    stand.service.assert_no_crimes();
}

#[tokio::test]
async fn a_variable_without_a_value_fails_the_action_that_needs_it() {
    let stand = Stand::open().await;
    let execution = stand.start().await;
    let job = stand.claimed().await;
    upload(&stand.service, job.data().unwrap(), zip(&[])).await;
    stand.client.put_job_success_result().job_id(job.id().unwrap()).send().await.unwrap();
    stand.service.wait_for(&execution, Status::Failed).await;
    let error = stand.service.run_of(&execution, "deploy").unwrap().error;
    assert_eq!(error, Some(("InvalidConfiguration".to_owned(), "#{build.TAG} has no value".to_owned())));
}

#[tokio::test]
async fn a_source_takes_an_object_of_s3_or_what_the_test_gives() {
    let stand = Stand::open().await;
    stand.service.bucket("sources").await;
    let s3 = aws_sdk_s3::Client::new(&config_of(&stand.service.s3_endpoint(), REGION, "111111111111").await);
    s3.put_object().bucket("sources").key("app.zip").body(zip(&[("a", "s3")]).into()).send().await.unwrap();
    let source = ActionSpec::s3_source("checkout", "S", "sources", "app.zip").namespace("src");
    let deploy = ActionSpec::stand_in("deploy").input("S").output("D").config("Image", "#{src.ObjectKey}");
    stand.service.pipeline(PipelineSpec::new("s3").stage("Source", [source]).stage("Deploy", [deploy]));
    let execution = stand.service.start_execution("s3");
    stand.service.wait_for(&execution, Status::Succeeded).await;
    assert_eq!(unzip(&stand.service.artifact(&execution, "D").await)["a"], "s3");
    assert_eq!(stand.service.run_of(&execution, "deploy").unwrap().configuration["Image"], "app.zip");
    let url = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app";
    stand.service.give("s3", "checkout", Given::clone_ref("111111111111", "app", url, "1f2e3d", "main"));
    let execution = stand.service.start_execution("s3");
    stand.service.wait_for(&execution, Status::Failed).await;
    let body = stand.service.artifact(&execution, "S").await;
    assert!(String::from_utf8_lossy(&body).contains("\"CommitId\":\"1f2e3d\""));
}
