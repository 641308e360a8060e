//! The life of a job: polled, acknowledged, looked at.

use super::*;

#[tokio::test]
async fn a_job_goes_from_source_to_deployment() {
    let stand = Stand::open().await;
    let execution = stand.start().await;
    let job = stand.claimed().await;
    let data = job.data().unwrap();
    let configuration = data.action_configuration().unwrap().configuration().unwrap();
    assert_eq!(configuration["Note"], "1f2e3d", "the source's variable");
    assert_eq!(configuration["Token"], "hunter2", "a worker sees secrets");
    let context = data.pipeline_context().unwrap();
    assert_eq!(context.pipeline_execution_id().unwrap(), execution);
    let input = &data.input_artifacts()[0];
    assert_eq!((input.name().unwrap(), input.revision().unwrap()), ("Source", "1f2e3d"));
    let s3 = s3_of(&stand.service, data.artifact_credentials().unwrap()).await;
    let (bucket, key) = place(input);
    assert!(key.starts_with("app/Source/"), "{key}");
    let got = s3.get_object().bucket(bucket).key(key).send().await.unwrap().body.collect().await.unwrap();
    assert_eq!(unzip(&got.into_bytes())["a.txt"], "one");
    assert!(output_of(data).1.starts_with("app/BuildOutpu/"), "the name is cut to ten characters");
    stand.succeed(&job).await;
    stand.service.wait_for(&execution, Status::Succeeded).await;
    assert_eq!(unzip(&stand.service.artifact(&execution, "Deployed").await)["b.txt"], "two");
    assert_eq!(stand.service.run_of(&execution, "deploy").unwrap().configuration["Image"], "v1");
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
}

#[tokio::test]
async fn every_poll_gives_a_new_nonce_and_only_the_last_one_counts() {
    let stand = Stand::open().await;
    stand.start().await;
    let (first, second) = (stand.poll().await, stand.poll().await);
    assert_eq!(first.id(), second.id());
    assert_ne!(first.nonce(), second.nonce());
    let acknowledge = |job: &Job| stand.client.acknowledge_job().job_id(job.id().unwrap()).nonce(job.nonce().unwrap());
    let late = refusal(acknowledge(&first).send().await);
    assert!(late.starts_with("InvalidNonceException: "), "{late}");
    acknowledge(&second).send().await.unwrap();
    assert!(poll(&stand.client, 5).await.is_empty(), "who has acknowledged a job has it alone");
    let late = refusal(acknowledge(&first).send().await);
    assert!(late.starts_with("InvalidNonceException: "), "{late}");
    stand.service.assert_no_crimes();
    let invented = stand.client.acknowledge_job().job_id(first.id().unwrap()).nonce("x").send().await;
    assert!(refusal(invented).starts_with("InvalidNonceException: "));
    assert_eq!(crimes(&stand.service), [Crime::InventedNonce]);
}

#[tokio::test]
async fn a_second_acknowledgement_is_answered_as_the_settings_say() {
    for (repeatable, expected) in [(true, "InProgress"), (false, "InvalidNonceException")] {
        let stand = Stand::with(|settings| settings.repeatable_acknowledgement = repeatable).await;
        stand.start().await;
        let job = stand.claimed().await;
        let again = stand.client.acknowledge_job().job_id(job.id().unwrap()).nonce(job.nonce().unwrap()).send().await;
        let said = match again {
            Ok(answer) => answer.status().unwrap().as_str().to_owned(),
            refused => refusal(refused),
        };
        assert!(said.starts_with(expected), "{said}");
        stand.service.assert_no_crimes();
    }
}

#[tokio::test]
async fn a_job_that_nobody_acknowledges_comes_again_after_its_time() {
    let stand = Stand::with(|settings| settings.redelivery = SignedDuration::from_secs(30)).await;
    stand.start().await;
    let first = stand.poll().await;
    assert!(poll(&stand.client, 5).await.is_empty());
    stand.service.advance(SignedDuration::from_secs(30));
    assert_eq!(stand.poll().await.id(), first.id());
}

#[tokio::test]
async fn a_poll_gives_no_more_jobs_than_were_asked_for_and_the_oldest_first() {
    let stand = Stand::open().await;
    for _ in 0..3 {
        stand.start().await;
    }
    let ids = |jobs: Vec<Job>| jobs.iter().map(|job| job.id().unwrap().to_owned()).collect::<Vec<_>>();
    let made: Vec<String> = stand.service.jobs().iter().map(|job| job.id.clone()).collect();
    assert_eq!(ids(poll(&stand.client, 2).await), made[..2]);
    assert_eq!(ids(poll(&stand.client, 9).await), made);
}

#[tokio::test]
async fn a_poll_names_an_action_type_and_its_query() {
    let stand = Stand::open().await;
    stand.start().await;
    let poll = || stand.client.poll_for_jobs().action_type_id(type_id());
    let other = poll().query_param("Pool", "windows").send().await.unwrap();
    assert!(other.jobs().is_empty(), "jobs of another pool are not shown");
    for (refused, expected) in [
        (poll().send().await, "ValidationException: queryParam must have the key 'Pool'"),
        (poll().query_param("Note", "x").send().await, "ValidationException: queryParam must have the key 'Pool'"),
        (
            poll().max_batch_size(0).query_param("Pool", "linux").send().await,
            "ValidationException: 1 validation error detected: Value '0' at 'maxBatchSize' failed to satisfy constraint: \
             Member must have value greater than or equal to 1",
        ),
    ] {
        assert_eq!(refusal(refused), expected);
    }
    assert_eq!(crimes(&stand.service), [Crime::Invalid; 3]);
    let with = |owner, provider| {
        let id = ActionTypeId::builder().category(ActionCategory::Build).owner(owner).provider(provider).version("1");
        stand.client.poll_for_jobs().action_type_id(id.build().unwrap()).send()
    };
    assert_eq!(
        refusal(with(ActionOwner::Aws, "CodeBuild").await),
        "ValidationException: ActionType with owner 'AWS' is not supported"
    );
    assert!(refusal(with(ActionOwner::Custom, "Jenkins").await).starts_with("ActionTypeNotFoundException: "));
    let deleted = stand.client.delete_custom_action_type().category(ActionCategory::Build).provider("Sluice");
    deleted.version("1").send().await.unwrap();
    let gone = poll().query_param("Pool", "linux").send().await;
    assert!(refusal(gone).starts_with("ActionTypeNotFoundException: "));
}

#[tokio::test]
async fn secrets_are_seen_by_workers_only() {
    let stand = Stand::open().await;
    let execution = stand.start().await;
    let job = stand.claimed().await;
    let details = stand.client.get_job_details().job_id(job.id().unwrap()).send().await.unwrap();
    let details = details.job_details().unwrap().data().unwrap();
    assert_eq!(details.action_configuration().unwrap().configuration().unwrap()["Token"], "hunter2");
    let fresh = details.artifact_credentials().unwrap().access_key_id();
    assert_ne!(fresh, job.data().unwrap().artifact_credentials().unwrap().access_key_id());
    let pipeline = stand.client.get_pipeline().name("app").send().await.unwrap().pipeline.unwrap();
    assert_eq!(pipeline.stages()[1].actions()[0].configuration().unwrap()["Token"], "****");
    let history = stand.client.list_action_executions().pipeline_name("app").send().await.unwrap();
    let build = history.action_execution_details().iter().find(|run| run.action_name() == Some("build")).unwrap();
    assert_eq!(build.pipeline_execution_id().unwrap(), execution);
    let input = build.input().unwrap();
    assert_eq!(input.configuration().unwrap()["Token"], "****");
    assert_eq!(input.resolved_configuration().unwrap()["Token"], "****");
    assert_eq!(input.resolved_configuration().unwrap()["Note"], "1f2e3d");
}
