//! Contract suite: buckets. Objects in and out of S3.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::types::CreateBucketConfiguration;
use aws_types::SdkConfig;
use runner::bucket::{Access, Buckets as _, Encryption, Keeping, Object, S3};
use runner::cancel::Cancel;
use runner::fault::{Fault, FaultKind};
use runner::progress::Progress;
use sluice_tests::aws::{ACCOUNT, AwsEmulator, REGION};

/// The least size of a part in S3.
const PART: u64 = 5 << 20;

struct At(SdkConfig);

#[async_trait]
impl Access for At {
    async fn config(&self) -> Result<SdkConfig, Fault> {
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn a_file_in_parts_comes_back_as_it_was_and_what_is_not_there_is_told() {
    let emulator = AwsEmulator::start().await;
    let config = emulator.config(ACCOUNT).await;
    let client =
        aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build());
    let here = CreateBucketConfiguration::builder().location_constraint(REGION.into()).build();
    client.create_bucket().bucket("artifacts").create_bucket_configuration(here).send().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, back) = (folder.path().join("file"), folder.path().join("back"));
    let bytes: Vec<u8> = (0..2 * PART + 77).map(|at| u8::try_from(at % 251).unwrap()).collect();
    std::fs::write(&file, &bytes).unwrap();
    let bucket = S3::new(Arc::new(At(config))).in_parts_of(PART);
    let object = Object { bucket: "artifacts".to_owned(), key: "a/file.zip".to_owned() };
    let keeping = Keeping { content_type: Some("application/zip".to_owned()), encryption: Encryption::Aes256 };
    bucket.put(&file, &object, &keeping, &Progress::silent(), &Cancel::new()).await.unwrap();
    bucket.get(&object, &back, &Progress::silent(), &Cancel::new()).await.unwrap();
    assert!(std::fs::read(&back).unwrap() == bytes, "the same bytes");
    let head = client.head_object().bucket("artifacts").key("a/file.zip").send().await.unwrap();
    assert_eq!(head.content_type(), Some("application/zip"));
    assert!(head.e_tag().unwrap().contains("-3"), "in three parts: {:?}", head.e_tag());
    let left = client.list_multipart_uploads().bucket("artifacts").send().await.unwrap();
    assert!(left.uploads().is_empty());
    for (named, kind) in [("artifacts", FaultKind::Revision), ("elsewhere", FaultKind::Configuration)] {
        let missing = Object { bucket: named.to_owned(), key: "a/other.zip".to_owned() };
        let fault = bucket.get(&missing, &back, &Progress::silent(), &Cancel::new()).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{fault}");
    }
}
