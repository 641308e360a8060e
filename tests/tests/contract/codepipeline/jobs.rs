//! The life of a job.

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
    upload(&stand.service, data, zip(&[("b.txt", "two")])).await;
    assert!(output_of(data).1.starts_with("app/BuildOutpu/"), "the name is cut to ten characters");
    let put = stand.client.put_job_success_result().job_id(job.id().unwrap()).output_variables("TAG", "v1");
    put.send().await.unwrap();
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
