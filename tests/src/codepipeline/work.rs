//! What actions of the service itself do outside: sources put their artifact into the bucket, a stand-in reads what it
//! is given. How that changes a pipeline is the state's business.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;

use super::service::Service;
use super::state::execution::Artifact;
use super::state::progress::Done;
use super::state::{Given, Order, Work};

/// Carries out an order and tells the state.
pub(super) async fn carry_out(service: Arc<Service>, order: Order) {
    let outcome = match order.work {
        Work::Put(given, to) => put_given(&service, given, &to).await,
        Work::Copy(bucket, key, to) => copy(&service, bucket, key, &to).await,
        Work::StandIn(inputs, outputs) => stand_in(&service, &inputs, &outputs).await,
    };
    service.apply(|state, now| state.work_done(&order.execution, &order.run, outcome, now));
}

async fn put_given(service: &Service, given: Given, to: &Artifact) -> Result<Done, String> {
    put(service, to, given.bytes, given.content_type).await?;
    Ok(Done { revision: Some((given.revision, given.summary)), variables: given.variables })
}

async fn copy(service: &Service, bucket: String, key: String, to: &Artifact) -> Result<Done, String> {
    let sent = service.s3.get_object().bucket(&bucket).key(&key).send().await;
    let object = sent.map_err(|error| format!("s3://{bucket}/{key}: {}", said(&error)))?;
    let tag = object.e_tag().unwrap_or_default().trim_matches('"').to_owned();
    let version = object.version_id().unwrap_or(&tag).to_owned();
    let kind = object.content_type().unwrap_or("application/octet-stream").to_owned();
    let bytes = object.body.collect().await.map_err(|error| error.to_string())?.into_bytes();
    put(service, to, bytes, &kind).await?;
    let summary = format!("Amazon S3 version id: {version}");
    let variables = [("BucketName", bucket), ("ObjectKey", key), ("ETag", tag), ("VersionId", version.clone())];
    let variables: BTreeMap<String, String> = variables.map(|(name, value)| (name.to_owned(), value)).into();
    Ok(Done { revision: Some((version, summary)), variables })
}

async fn stand_in(service: &Service, inputs: &[Artifact], outputs: &[Artifact]) -> Result<Done, String> {
    let mut first = None;
    for input in inputs {
        let bytes = get(service, input).await?;
        check_zip(&bytes).map_err(|why| format!("the input artifact {}: {why}", input.name))?;
        first.get_or_insert(bytes);
    }
    let bytes = first.unwrap_or_else(|| Bytes::from(super::given::zip(&[])));
    for output in outputs {
        put(service, output, bytes.clone(), "application/zip").await?;
    }
    Ok(Done::default())
}

/// An artifact's object.
pub(super) async fn get(service: &Service, artifact: &Artifact) -> Result<Bytes, String> {
    let sent = service.s3.get_object().bucket(&artifact.bucket).key(&artifact.key).send().await;
    let object = sent.map_err(|error| format!("s3://{}/{}: {}", artifact.bucket, artifact.key, said(&error)))?;
    Ok(object.body.collect().await.map_err(|error| error.to_string())?.into_bytes())
}

async fn put(service: &Service, to: &Artifact, bytes: Bytes, content_type: &str) -> Result<(), String> {
    let object = service.s3.put_object().bucket(&to.bucket).key(&to.key).body(bytes.into()).content_type(content_type);
    let sent = object.send().await;
    sent.map(|_| ()).map_err(|error| format!("s3://{}/{}: {}", to.bucket, to.key, said(&error)))
}

/// Whether bytes are a zip that other actions of CodePipeline can read: its names begin at its root.
///
/// # Errors
/// What is wrong.
pub(super) fn check_zip(bytes: &[u8]) -> Result<(), String> {
    let archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| format!("no zip: {error}"))?;
    for name in archive.file_names() {
        let name = name.map_err(|error| format!("no name: {error}"))?;
        if name.starts_with(['/', '\\']) || name.split(['/', '\\']).any(|part| matches!(part, "." | "..")) {
            return Err(format!("the name '{name}' does not begin at the root"));
        }
    }
    Ok(())
}

fn said<E: std::error::Error + 'static>(error: &E) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
