//! Results: which ones count, which are refused, and which a worker must never send.

use super::*;

#[tokio::test]
async fn a_continuation_token_makes_a_new_job_of_the_same_action() {
    let stand = Stand::open().await;
    let execution = stand.start().await;
    let first = stand.claimed().await;
    let id = first.id().unwrap();
    let both =
        stand.client.put_job_success_result().job_id(id).continuation_token("build-1").output_variables("A", "1");
    assert!(refusal(both.send().await).starts_with("ValidationException: Output variables are not allowed together"));
    assert_eq!(crimes(&stand.service), [Crime::Invalid]);
    stand.client.put_job_success_result().job_id(id).continuation_token("build-1").send().await.unwrap();
    let second = stand.claimed().await;
    assert_ne!(first.id(), second.id());
    let data = second.data().unwrap();
    assert_eq!(data.continuation_token(), Some("build-1"));
    let run = |job: &Job| {
        job.data().unwrap().pipeline_context().unwrap().action().unwrap().action_execution_id().unwrap().to_owned()
    };
    assert_eq!(run(&first), run(&second));
    assert_eq!(output_of(first.data().unwrap()), output_of(data));
    stand.succeed(&second).await;
    stand.service.wait_for(&execution, Status::Succeeded).await;
    stand.service.assert_one_result_a_job();
}

#[tokio::test]
async fn a_failure_ends_the_execution_with_its_kind_and_message() {
    let stand = Stand::open().await;
    let execution = stand.start().await;
    let job = stand.claimed().await;
    let put = |message: &str| {
        stand.client.put_job_failure_result().job_id(job.id().unwrap()).failure_details(failure(message))
    };
    for message in ["", &"x".repeat(5001)] {
        assert!(refusal(put(message).send().await).starts_with("ValidationException: 1 validation error"));
    }
    assert_eq!(crimes(&stand.service), [Crime::Invalid; 2]);
    put("the tests failed").send().await.unwrap();
    stand.service.wait_for(&execution, Status::Failed).await;
    let run = stand.service.run_of(&execution, "build").unwrap();
    assert_eq!(run.error, Some(("JobFailed".to_owned(), "the tests failed".to_owned())));
    assert!(stand.service.run_of(&execution, "deploy").is_none());
}

#[tokio::test]
async fn a_result_needs_an_acknowledged_job_and_comes_once() {
    let stand = Stand::open().await;
    stand.start().await;
    let job = stand.poll().await;
    let id = job.id().unwrap();
    let put = |message: &str| stand.client.put_job_failure_result().job_id(id).failure_details(failure(message));
    assert!(refusal(put("early").send().await).starts_with("InvalidJobStateException: "));
    stand.client.acknowledge_job().job_id(id).nonce(job.nonce().unwrap()).send().await.unwrap();
    put("once").send().await.unwrap();
    assert!(refusal(put("once").send().await).starts_with("InvalidJobStateException: "));
    assert!(refusal(put("more").send().await).starts_with("InvalidJobStateException: "));
    let success = stand.client.put_job_success_result().job_id(id).send().await;
    assert!(refusal(success).starts_with("InvalidJobStateException: "));
    let expected = [Crime::ResultUnacknowledged, Crime::ResultTwice, Crime::ResultChanged, Crime::ResultChanged];
    assert_eq!(crimes(&stand.service), expected);
    let unknown = stand.client.get_job_details().job_id("00000000-0000-4000-8000-000000000000").send().await;
    assert!(refusal(unknown).starts_with("JobNotFoundException: "));
    assert_eq!(crimes(&stand.service)[4..], [Crime::UnknownJob]);
}

#[tokio::test]
async fn who_lost_a_job_to_another_worker_sends_no_result_for_it() {
    let stand = Stand::open().await;
    stand.start().await;
    let lost = stand.poll().await;
    let winner = once(&stand.service, "333333333333").await;
    let [won] = <[Job; 1]>::try_from(poll(&winner, 1).await).unwrap();
    winner.acknowledge_job().job_id(won.id().unwrap()).nonce(won.nonce().unwrap()).send().await.unwrap();
    let refused = stand.client.acknowledge_job().job_id(lost.id().unwrap()).nonce(lost.nonce().unwrap()).send().await;
    assert!(refusal(refused).starts_with("InvalidNonceException: "));
    assert_eq!(stand.service.jobs()[0].acknowledged.as_ref().unwrap().caller, "333333333333");
    stand.service.assert_no_crimes();
    let put = stand.client.put_job_failure_result().job_id(lost.id().unwrap()).failure_details(failure("mine"));
    put.send().await.unwrap();
    assert_eq!(crimes(&stand.service), [Crime::ResultOfLoser]);
}

#[tokio::test]
async fn output_variables_have_their_limits() {
    let stand = Stand::open().await;
    stand.start().await;
    let job = stand.claimed().await;
    let put = || stand.client.put_job_success_result().job_id(job.id().unwrap());
    let large = put().output_variables("A", "x".repeat(122_880)).send().await;
    assert!(refusal(large).starts_with("OutputVariablesSizeExceededException: "));
    let name = put().output_variables("A B", "x").send().await;
    assert!(refusal(name).contains("Map keys must satisfy constraint"));
    upload(&stand.service, job.data().unwrap(), zip(&[])).await;
    put().output_variables("A", "x".repeat(122_879)).send().await.unwrap();
}

#[tokio::test]
async fn a_success_without_its_artifact_and_with_one_that_is_no_zip_are_crimes() {
    let stand = Stand::open().await;
    for (bytes, crime) in [
        (None, Crime::OutputMissing),
        (Some(b"text".to_vec()), Crime::OutputNotZip),
        (Some(zip(&[("../a", "1")])), Crime::OutputNotZip),
        (Some(zip(&[("/a", "1")])), Crime::OutputNotZip),
    ] {
        let execution = stand.start().await;
        let job = stand.claimed().await;
        if let Some(bytes) = bytes {
            upload(&stand.service, job.data().unwrap(), bytes).await;
        }
        let put = stand.client.put_job_success_result().job_id(job.id().unwrap()).output_variables("TAG", "v1");
        put.send().await.unwrap();
        assert_eq!(crimes(&stand.service).last(), Some(&crime));
        stand.service.wait_for(&execution, Status::Failed).await;
        let run = stand.service.run_of(&execution, "deploy").unwrap();
        assert!(run.error.is_some(), "the action after it cannot read it");
    }
}
