//! The credentials of jobs, and the guard before S3.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::*;

const KEY: &str = "arn:aws:kms:eu-west-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab";

#[tokio::test]
async fn the_credentials_of_a_job_end_after_a_quarter_of_an_hour_and_new_ones_are_to_be_had() {
    let stand = Stand::open().await;
    stand.start().await;
    let job = stand.claimed().await;
    let (bucket, key) = place(&job.data().unwrap().input_artifacts()[0]);
    let get = async |keys: &AwsSessionCredentials| {
        s3_of(&stand.service, keys).await.get_object().bucket(bucket).key(key).send().await
    };
    let first = job.data().unwrap().artifact_credentials().unwrap();
    get(first).await.unwrap();
    stand.service.advance(SignedDuration::from_mins(15));
    assert_eq!(refusal(get(first).await), "ExpiredToken: The provided token has expired.");
    let renewed = async || {
        let details = stand.client.get_job_details().job_id(job.id().unwrap()).send().await.unwrap();
        details.job_details.unwrap().data.unwrap().artifact_credentials.unwrap()
    };
    let second = renewed().await;
    get(&second).await.unwrap();
    stand.service.expire_credentials();
    assert!(refusal(get(&second).await).starts_with("ExpiredToken: "));
    get(&renewed().await).await.unwrap();
    stand.service.assert_no_crimes();
}

#[tokio::test]
async fn a_wrong_secret_and_a_wrong_token_are_refused() {
    let stand = Stand::open().await;
    stand.start().await;
    let job = stand.claimed().await;
    let data = job.data().unwrap();
    let (bucket, key) = place(&data.input_artifacts()[0]);
    let keys = data.artifact_credentials().unwrap();
    for (secret, token, expected) in
        [("wrong", keys.session_token(), "SignatureDoesNotMatch"), (keys.secret_access_key(), "wrong", "InvalidToken")]
    {
        let wrong = AwsSessionCredentials::builder().access_key_id(keys.access_key_id());
        let wrong = wrong.secret_access_key(secret).session_token(token).build().unwrap();
        let s3 = s3_of(&stand.service, &wrong).await;
        let refused = refusal(s3.get_object().bucket(bucket).key(key).send().await);
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[tokio::test]
async fn a_job_reads_its_bucket_and_writes_its_outputs_encrypted_and_nothing_else() {
    let stand = Stand::open().await;
    stand.service.bucket("other").await;
    stand.start().await;
    let job = stand.claimed().await;
    let data = job.data().unwrap();
    let s3 = s3_of(&stand.service, data.artifact_credentials().unwrap()).await;
    let (bucket, key) = output_of(data);
    let put = |bucket: &str, key: &str| s3.put_object().bucket(bucket).key(key).body(zip(&[]).into());
    let kms = ServerSideEncryption::AwsKms;
    let denied = "AccessDenied: Access Denied";
    assert_eq!(refusal(put(bucket, key).send().await), denied);
    assert_eq!(refusal(put(bucket, key).server_side_encryption(ServerSideEncryption::Aes256).send().await), denied);
    assert_eq!(refusal(put(bucket, "app/x").server_side_encryption(kms.clone()).send().await), denied);
    assert_eq!(refusal(put("other", key).server_side_encryption(kms.clone()).send().await), denied);
    assert_eq!(refusal(s3.list_objects_v2().bucket(bucket).send().await), denied);
    let expected =
        [Crime::NotEncrypted, Crime::NotEncrypted, Crime::OutsideOutputs, Crime::OutsideBucket, Crime::OutsideOutputs];
    assert_eq!(crimes(&stand.service), expected);
    put(bucket, key).server_side_encryption(kms).send().await.unwrap();
    assert_eq!(crimes(&stand.service).len(), expected.len());
}

#[tokio::test]
async fn a_workers_own_credentials_are_not_for_the_artifact_bucket() {
    let stand = Stand::open().await;
    stand.start().await;
    let job = stand.claimed().await;
    let (bucket, key) = place(&job.data().unwrap().input_artifacts()[0]);
    let own = aws_sdk_s3::Client::new(&config_of(&stand.service.s3_endpoint(), REGION, WORKER).await);
    let refused = own.get_object().bucket(bucket).key(key).send().await;
    assert_eq!(refusal(refused), "AccessDenied: Access Denied");
    assert_eq!(crimes(&stand.service), [Crime::ForeignCredentials]);
    // Other buckets, a cache's for example, are none of the guard's business.
    let missing = refusal(own.get_object().bucket("elsewhere").key("x").send().await);
    assert!(missing.starts_with("NoSuchBucket: "), "{missing}");
    assert_eq!(crimes(&stand.service).len(), 1);
}

#[tokio::test]
async fn a_pipeline_with_a_key_has_its_artifacts_encrypted_with_it_in_parts_too() {
    let stand = Stand::open().await;
    let build = ActionSpec::custom("build", "Build", "Sluice").output("BuildOutput").config("Pool", "linux");
    let pipeline = PipelineSpec::new("keyed").encryption_key(KEY);
    stand.service.pipeline(pipeline.stage("Source", [ActionSpec::source("s", "S")]).stage("Build", [build]));
    stand.service.give("keyed", "s", Given::tgz("1", &[("a", "1")]));
    let execution = stand.service.start_execution("keyed");
    stand.service.job_of(&execution, "build").await;
    let job = stand.claimed().await;
    let data = job.data().unwrap();
    assert_eq!(data.encryption_key().unwrap().id(), KEY);
    let s3 = s3_of(&stand.service, data.artifact_credentials().unwrap()).await;
    let (bucket, key) = output_of(data);
    let open = || {
        let open = s3.create_multipart_upload().bucket(bucket).key(key);
        open.server_side_encryption(ServerSideEncryption::AwsKms)
    };
    assert_eq!(refusal(open().send().await), "AccessDenied: Access Denied");
    assert_eq!(crimes(&stand.service), [Crime::NotEncrypted]);
    let opened = open().ssekms_key_id(KEY).send().await.unwrap();
    let upload = opened.upload_id().unwrap();
    let part =
        s3.upload_part().bucket(bucket).key(key).upload_id(upload).part_number(1).body(zip(&[("a", "2")]).into());
    let part = part.send().await.unwrap();
    let part = CompletedPart::builder().part_number(1).e_tag(part.e_tag().unwrap()).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = s3.complete_multipart_upload().bucket(bucket).key(key).upload_id(upload).multipart_upload(parts);
    complete.send().await.unwrap();
    stand.client.put_job_success_result().job_id(job.id().unwrap()).send().await.unwrap();
    stand.service.wait_for(&execution, Status::Succeeded).await;
    assert_eq!(unzip(&stand.service.artifact(&execution, "BuildOutput").await)["a"], "2");
    assert_eq!(crimes(&stand.service).len(), 1);
}
