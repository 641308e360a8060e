//! An upload: small files in one request, large ones in parts, some of them at the same time.

use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ServerSideEncryption};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::{Encryption, Keeping, Object};
use crate::aws;
use crate::fault::{Fault, chain, io};
use crate::progress::Progress;

/// Files up to this size go in one request.
const SINGLE: u64 = 64 << 20;
/// The least size of a part. There are 10,000 parts at the most, so that a large file has larger ones.
const PART: u64 = 16 << 20;
/// How many parts there may be.
const PARTS: u64 = 10_000;
/// Parts at the same time.
const TOGETHER: usize = 4;

pub(super) async fn upload(
    client: &Client,
    file: &Path,
    object: &Object,
    keeping: &Keeping,
    progress: &Progress,
) -> Result<(), Fault> {
    let size = tokio::fs::metadata(file).await.map_err(io(file))?.len();
    progress.bytes("upload", 0, Some(size));
    if size <= SINGLE {
        whole(client, file, object, keeping).await?;
    } else {
        in_parts(client, file, object, keeping, size, progress).await?;
    }
    progress.bytes("upload", size, Some(size));
    Ok(())
}

async fn whole(client: &Client, file: &Path, object: &Object, keeping: &Keeping) -> Result<(), Fault> {
    let body = ByteStream::from_path(file).await.map_err(|error| unreadable(file, &error))?;
    let (encryption, key) = encryption(keeping);
    let request = client.put_object().bucket(&object.bucket).key(&object.key).body(body);
    let request = request.set_server_side_encryption(encryption).set_ssekms_key_id(key);
    let request = request.set_content_type(keeping.content_type.clone());
    request.send().await.map(|_| ()).map_err(|error| aws::fault(object, &error))
}

async fn in_parts(
    client: &Client,
    file: &Path,
    object: &Object,
    keeping: &Keeping,
    size: u64,
    progress: &Progress,
) -> Result<(), Fault> {
    let (encryption, key) = encryption(keeping);
    let begun = client.create_multipart_upload().bucket(&object.bucket).key(&object.key);
    let begun = begun.set_server_side_encryption(encryption).set_ssekms_key_id(key);
    let begun = begun.set_content_type(keeping.content_type.clone());
    let begun = begun.send().await.map_err(|error| aws::fault(object, &error))?;
    let id = begun.upload_id().unwrap_or_default();
    match parts(client, file, object, id, size, progress).await {
        Ok(parts) => {
            let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
            let end = client.complete_multipart_upload().bucket(&object.bucket).key(&object.key);
            let end = end.upload_id(id).multipart_upload(parts).send().await;
            end.map(|_| ()).map_err(|error| aws::fault(object, &error))
        }
        Err(fault) => {
            // The bucket would keep the parts, and their price, for ever.
            let gone = client.abort_multipart_upload().bucket(&object.bucket).key(&object.key).upload_id(id);
            if let Err(error) = gone.send().await {
                tracing::warn!(%object, error = chain(&error), "parts of an upload may be left in the bucket");
            }
            Err(fault)
        }
    }
}

async fn parts(
    client: &Client,
    file: &Path,
    object: &Object,
    id: &str,
    size: u64,
    progress: &Progress,
) -> Result<Vec<CompletedPart>, Fault> {
    let part = PART.max(size.div_ceil(PARTS));
    let sent = std::sync::atomic::AtomicU64::new(0);
    let sent = &sent;
    let uploads = (0..size.div_ceil(part)).zip(1_i32..).map(|(index, number)| async move {
        let length = part.min(size - index * part);
        let body = ByteStream::read_from().path(file).offset(index * part).length(Length::Exact(length));
        let body = body.build().await.map_err(|error| unreadable(file, &error))?;
        let request = client.upload_part().bucket(&object.bucket).key(&object.key).upload_id(id);
        let answer = request.part_number(number).body(body).send().await.map_err(|error| aws::fault(object, &error))?;
        let done = sent.fetch_add(length, std::sync::atomic::Ordering::Relaxed) + length;
        progress.bytes("upload", done, Some(size));
        Ok(CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag().map(str::to_owned)).build())
    });
    futures_util::stream::iter(uploads).buffered(TOGETHER).try_collect().await
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
