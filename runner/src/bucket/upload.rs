//! An upload: small files in one request, large ones in parts, some of them at the same time.

use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ServerSideEncryption};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::{Encryption, Keeping, Object};
use crate::aws;
use crate::cancel::Cancel;
use crate::fault::{Fault, chain, io};
use crate::progress::Progress;

/// How many parts there may be.
const PARTS: u64 = 10_000;
/// Parts at the same time.
const TOGETHER: usize = 4;

/// What an attempt may take besides its bytes, as any other call.
const ANSWER: Duration = Duration::from_secs(30);
/// The slowest line that an upload is made over, in bytes a second, for each of the requests at the same time: together
/// they need one megabit. The SDK breaks off one that stands still long before that.
const SLOWEST: u64 = 32 << 10;

/// When a file goes in parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Files up to this size go in one request.
    pub(super) single: u64,
    /// The least size of a part. There are 10,000 parts at the most, so that a large file has larger ones.
    pub(super) part: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { single: 64 << 20, part: 16 << 20 }
    }
}

/// A file on its way to an object.
pub(super) struct Upload<'a> {
    pub(super) client: &'a Client,
    pub(super) file: &'a Path,
    pub(super) object: &'a Object,
    pub(super) keeping: &'a Keeping,
    pub(super) progress: &'a Progress,
}

impl Upload<'_> {
    /// Puts it there, until it is told to stop. What was begun of it then is taken back.
    pub(super) async fn put(&self, sizes: Sizes, cancel: &Cancel) -> Result<(), Fault> {
        let size = tokio::fs::metadata(self.file).await.map_err(io(self.file))?.len();
        self.progress.bytes("upload", 0, Some(size));
        match size <= sizes.single {
            true => self.unless(cancel, self.whole()).await?,
            false => self.in_parts(size, sizes.part.max(size.div_ceil(PARTS)), cancel).await?,
        }
        self.progress.bytes("upload", size, Some(size));
        Ok(())
    }

    async fn unless(&self, cancel: &Cancel, doing: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
        tokio::select! {
            done = doing => done,
            reason = cancel.requested() => Err(Fault::stopped(format!("{}: {reason:?}", self.object))),
        }
    }

    async fn whole(&self) -> Result<(), Fault> {
        let Object { bucket, key } = self.object;
        let body = ByteStream::from_path(self.file).await.map_err(|error| unreadable(self.file, &error))?;
        let (encryption, encryption_key) = encryption(self.keeping);
        let request = self.client.put_object().bucket(bucket).key(key).body(body);
        let request = request.set_server_side_encryption(encryption).set_ssekms_key_id(encryption_key);
        let request = request.set_content_type(self.keeping.content_type.clone());
        let size = tokio::fs::metadata(self.file).await.map_err(io(self.file))?.len();
        let request = request.customize().config_override(patience(size));
        request.send().await.map(|_| ()).map_err(|error| aws::fault(self.object, &error))
    }

    async fn in_parts(&self, size: u64, part: u64, cancel: &Cancel) -> Result<(), Fault> {
        let Object { bucket, key } = self.object;
        let (encryption, encryption_key) = encryption(self.keeping);
        let begun = self.client.create_multipart_upload().bucket(bucket).key(key);
        let begun = begun.set_server_side_encryption(encryption).set_ssekms_key_id(encryption_key);
        let begun = begun.set_content_type(self.keeping.content_type.clone());
        // It is not stopped: nobody could take back what has no id yet.
        let begun = begun.send().await.map_err(|error| aws::fault(self.object, &error))?;
        let id = begun.upload_id().unwrap_or_default();
        let put = async {
            let parts = self.parts(id, size, part).await?;
            let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
            let end = self.client.complete_multipart_upload().bucket(bucket).key(key);
            let end = end.upload_id(id).multipart_upload(parts).send().await;
            end.map(|_| ()).map_err(|error| aws::fault(self.object, &error))
        };
        let put = self.unless(cancel, put).await;
        if put.is_err() {
            // The bucket would keep the parts, and their price, for ever.
            let gone = self.client.abort_multipart_upload().bucket(bucket).key(key).upload_id(id);
            if let Err(error) = gone.send().await {
                let object = self.object;
                tracing::warn!(%object, error = chain(&error), "parts of an upload may be left in the bucket");
            }
        }
        put
    }

    async fn parts(&self, id: &str, size: u64, part: u64) -> Result<Vec<CompletedPart>, Fault> {
        let Object { bucket, key } = self.object;
        let sent = std::sync::atomic::AtomicU64::new(0);
        let sent = &sent;
        let uploads = (0..size.div_ceil(part)).zip(1_i32..).map(|(index, number)| async move {
            let length = part.min(size - index * part);
            let body = ByteStream::read_from().path(self.file).offset(index * part).length(Length::Exact(length));
            let body = body.build().await.map_err(|error| unreadable(self.file, &error))?;
            let request = self.client.upload_part().bucket(bucket).key(key).upload_id(id);
            let request = request.part_number(number).body(body).customize().config_override(patience(length));
            let answer = request.send().await;
            let answer = answer.map_err(|error| aws::fault(self.object, &error))?;
            let done = sent.fetch_add(length, std::sync::atomic::Ordering::Relaxed) + length;
            self.progress.bytes("upload", done, Some(size));
            Ok(CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag().map(str::to_owned)).build())
        });
        futures_util::stream::iter(uploads).buffered(TOGETHER).try_collect().await
    }
}

/// A time-out of an attempt by what it has to send: one for all calls would be too short for a slow line.
fn patience(bytes: u64) -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::Config::builder()
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(limit(bytes)).build())
}

fn limit(bytes: u64) -> Duration {
    ANSWER + Duration::from_secs(bytes / SLOWEST)
}

fn encryption(keeping: &Keeping) -> (Option<ServerSideEncryption>, Option<String>) {
    match &keeping.encryption {
        Encryption::Bucket => (None, None),
        Encryption::Aes256 => (Some(ServerSideEncryption::Aes256), None),
        Encryption::Kms(key) => (Some(ServerSideEncryption::AwsKms), key.clone()),
    }
}

fn unreadable(file: &Path, error: &(dyn std::error::Error + 'static)) -> Fault {
    Fault::system(format!("{}: {}", file.display(), chain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_requests_are_made_over_a_line_of_two_megabits() {
        let (sizes, line) = (Sizes::default(), 2_000_000 / 8);
        assert!(limit(sizes.single) > Duration::from_secs(sizes.single / line));
        let together = TOGETHER as u64 * sizes.part;
        assert!(limit(sizes.part) > Duration::from_secs(together / line));
        assert_eq!(limit(0), ANSWER);
    }
}
