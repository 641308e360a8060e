//! Faults on request, and how a client's repetitions are judged after them.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn calls_are_throttled_and_fail_as_often_as_was_asked_for() {
    let stand = Stand::open().await;
    stand.start().await;
    stand.service.faults().next(Some("PollForJobs"), 2, Disturbance::Throttle);
    stand.service.faults().next(Some("PollForJobs"), 1, Disturbance::InternalError);
    let polled = || stand.client.poll_for_jobs().action_type_id(type_id()).query_param("Pool", "linux").send();
    assert_eq!(refusal(polled().await), "ThrottlingException: Rate exceeded");
    assert_eq!(refusal(polled().await), "ThrottlingException: Rate exceeded");
    assert!(refusal(polled().await).starts_with("InternalFailure: "));
    assert_eq!(polled().await.unwrap().jobs().len(), 1);
    let errors: Vec<Option<String>> =
        stand.service.calls_of("PollForJobs").into_iter().map(|call| call.error).collect();
    let throttled = Some("ThrottlingException".to_owned());
    assert_eq!(errors, [throttled.clone(), throttled, Some("InternalFailure".to_owned()), None]);
}

#[tokio::test]
async fn a_share_of_calls_is_the_same_for_the_same_seed() {
    let stand = Stand::open().await;
    let mut patterns = Vec::new();
    for _ in 0..2 {
        stand.service.faults().clear();
        stand.service.faults().share(None, 0.5, 7, Disturbance::Throttle);
        let mut pattern = Vec::new();
        for _ in 0..20 {
            pattern.push(stand.client.list_pipelines().send().await.is_ok());
        }
        patterns.push(pattern);
    }
    assert_eq!(patterns[0], patterns[1]);
    assert!(patterns[0].contains(&true) && patterns[0].contains(&false));
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_call_changes_nothing() {
    let stand = Stand::open().await;
    stand.start().await;
    let job = stand.claimed().await;
    let put = || stand.client.put_job_failure_result().job_id(job.id().unwrap()).failure_details(failure("no")).send();
    stand.service.faults().next(Some("PutJobFailureResult"), 1, Disturbance::CloseBefore);
    assert_eq!(refusal(put().await), "no code: ", "there is no answer");
    assert!(stand.service.jobs()[0].result.is_none());
    put().await.unwrap();
    stand.service.assert_one_result_a_job();
}

#[tokio::test]
async fn whoever_did_not_hear_the_answer_may_say_the_same_again_and_nothing_else() {
    let stand = Stand::open().await;
    stand.start().await;
    let job = stand.claimed().await;
    let put =
        |text| stand.client.put_job_failure_result().job_id(job.id().unwrap()).failure_details(failure(text)).send();
    stand.service.faults().next(Some("PutJobFailureResult"), 1, Disturbance::CloseAfter);
    assert_eq!(refusal(put("no").await), "no code: ");
    assert!(refusal(put("no").await).starts_with("InvalidJobStateException: "));
    stand.service.assert_one_result_a_job();
    assert!(refusal(put("another").await).starts_with("InvalidJobStateException: "));
    assert_eq!(crimes(&stand.service), [Crime::ResultChanged]);
}

#[tokio::test]
async fn the_sdks_own_repetition_of_a_call_is_no_crime() {
    let stand = Stand::open().await;
    stand.start().await;
    let job = stand.claimed().await;
    let ordinary = stand.service.client(WORKER).await;
    stand.service.faults().next(Some("PutJobFailureResult"), 1, Disturbance::CloseAfter);
    let put = ordinary.put_job_failure_result().job_id(job.id().unwrap()).failure_details(failure("no"));
    assert!(refusal(put.send().await).starts_with("InvalidJobStateException: "), "the second attempt finds it done");
    let calls = stand.service.calls_of("PutJobFailureResult");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].call.invocation, calls[1].call.invocation);
    stand.service.assert_no_crimes();
}

#[tokio::test]
async fn an_answer_can_be_late_and_s3_can_be_disturbed_too() {
    let stand = Stand::open().await;
    stand.start().await;
    stand.service.faults().next(None, 1, Disturbance::Delay(Duration::from_millis(1)));
    let job = stand.claimed().await;
    let data = job.data().unwrap();
    let s3 = s3_of(&stand.service, data.artifact_credentials().unwrap()).await;
    let (bucket, key) = place(&data.input_artifacts()[0]);
    let get = || s3.get_object().bucket(bucket).key(key).send();
    stand.service.faults().next(Some("s3:GetObject"), 1, Disturbance::Throttle);
    stand.service.faults().next(Some("s3:GetObject"), 1, Disturbance::CloseBefore);
    assert!(refusal(get().await).starts_with("SlowDown: "));
    assert_eq!(refusal(get().await), "no code: ");
    get().await.unwrap();
}
