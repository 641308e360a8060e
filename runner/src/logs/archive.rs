//! Whole logs in S3. A small one is put in one call, a large one in parts, so that each call ends in its time.

use std::path::Path;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ServerSideEncryption};
use tokio::sync::OnceCell;

use super::{ArchivePlace, LogArchive};
use crate::aws::{Aws, fault};
use crate::fault::{Fault, io};

/// The size of a part. S3 takes 10,000 of them, which is far more than any log (user guide, "Multipart upload limits").
const PART: u64 = 16 << 20;
const TYPE: &str = "application/gzip";

/// How objects are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// As the bucket has it.
    #[default]
    Bucket,
    /// With S3's own keys, `AES256`.
    S3,
    /// With a key of KMS, `aws:kms`; `None` is the account's key for S3.
    Kms(Option<String>),
}

/// Whose S3.
#[derive(Clone, Debug, Default)]
pub struct S3ArchiveConfig {
    /// A role to assume; `None` is the caller's own identity.
    pub role: Option<String>,
    /// The bucket's Region; `None` is the caller's own.
    pub region: Option<String>,
    /// How objects are encrypted.
    pub encryption: Encryption,
}

/// S3, called with the caller's AWS.
pub struct S3Archive {
    aws: Aws,
    config: S3ArchiveConfig,
    client: OnceCell<Client>,
}

impl S3Archive {
    /// Nothing is called yet.
    #[must_use]
    pub fn new(aws: Aws, config: S3ArchiveConfig) -> Self {
        Self { aws, config, client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Client, Fault> {
        let S3ArchiveConfig { role, region, .. } = &self.config;
        self.client
            .get_or_try_init(|| async {
                let base = self.aws.config(role.as_deref(), region.as_deref()).await?;
                let mut config = aws_sdk_s3::config::Builder::from(&base);
                // Endpoints other than AWS's own seldom have a name for each bucket.
                config.set_force_path_style(base.endpoint_url().map(|_| true));
                Ok(Client::from_conf(config.build()))
            })
            .await
    }

    fn encryption(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match &self.config.encryption {
            Encryption::Bucket => (None, None),
            Encryption::S3 => (Some(ServerSideEncryption::Aes256), None),
            Encryption::Kms(key) => (Some(ServerSideEncryption::AwsKms), key.clone()),
        }
    }

    async fn put(&self, ArchivePlace { bucket, key }: &ArchivePlace, body: ByteStream) -> Result<(), Fault> {
        let (encryption, kms_key) = self.encryption();
        let call = self.client().await?.put_object().bucket(bucket).key(key).content_type(TYPE).body(body);
        let call = call.set_server_side_encryption(encryption).set_ssekms_key_id(kms_key);
        call.send().await.map(|_| ()).map_err(|error| fault(cannot(bucket, key), &error))
    }

    async fn put_parts(&self, place: &ArchivePlace, file: &Path, size: u64) -> Result<(), Fault> {
        let ArchivePlace { bucket, key } = place;
        let (client, (encryption, kms_key)) = (self.client().await?, self.encryption());
        let begin = client.create_multipart_upload().bucket(bucket).key(key).content_type(TYPE);
        let begin = begin.set_server_side_encryption(encryption).set_ssekms_key_id(kms_key);
        let begun = begin.send().await.map_err(|error| fault(cannot(bucket, key), &error))?;
        let upload = begun.upload_id().unwrap_or_default();
        let sent = self.parts(place, file, size, upload).await;
        if sent.is_err() {
            // Parts that nobody completes are kept, and paid for.
            let abort = client.abort_multipart_upload().bucket(bucket).key(key).upload_id(upload).send().await;
            if let Err(error) = abort {
                let fault = fault(format!("cannot abort the upload {upload} of {key} to {bucket}"), &error);
                tracing::warn!(%fault, "parts of a log are left in S3; a lifecycle rule of the bucket can remove them");
            }
        }
        sent
    }

    async fn parts(&self, place: &ArchivePlace, file: &Path, size: u64, upload: &str) -> Result<(), Fault> {
        let ArchivePlace { bucket, key } = place;
        let client = self.client().await?;
        let mut done = CompletedMultipartUpload::builder();
        for (offset, number) in (0..size).step_by(usize::try_from(PART).unwrap_or(usize::MAX)).zip(1..) {
            let body = body(file, offset, PART.min(size - offset)).await?;
            let call = client.upload_part().bucket(bucket).key(key).upload_id(upload).part_number(number).body(body);
            let part = call.send().await.map_err(|error| fault(cannot(bucket, key), &error))?;
            let part = CompletedPart::builder()
                .part_number(number)
                .set_e_tag(part.e_tag)
                .set_checksum_crc32(part.checksum_crc32)
                .build();
            done = done.parts(part);
        }
        let call = client.complete_multipart_upload().bucket(bucket).key(key).upload_id(upload);
        let completed = call.multipart_upload(done.build()).send().await;
        completed.map(|_| ()).map_err(|error| fault(cannot(bucket, key), &error))
    }
}

#[async_trait]
impl LogArchive for S3Archive {
    async fn store(&self, place: &ArchivePlace, file: &Path) -> Result<(), Fault> {
        let size = tokio::fs::metadata(file).await.map_err(io(file))?.len();
        if size > PART {
            return self.put_parts(place, file, size).await;
        }
        self.put(place, body(file, 0, size).await?).await
    }
}

async fn body(file: &Path, offset: u64, length: u64) -> Result<ByteStream, Fault> {
    let body = ByteStream::read_from().path(file).offset(offset).length(Length::Exact(length)).build().await;
    body.map_err(|error| Fault::system(format!("{}: {error}", file.display())))
}

fn cannot(bucket: &str, key: &str) -> String {
    format!("cannot store the log {key} in the bucket {bucket}")
}
