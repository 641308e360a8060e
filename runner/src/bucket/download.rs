//! A download that goes on where a broken connection left it, as long as the object stays the same.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use super::Object;
use crate::aws;
use crate::fault::{Fault, io};
use crate::progress::Progress;

/// How often a broken connection is taken up again.
const TRIES: u32 = 5;
/// The pause before the second try; it doubles with each.
const PAUSE: Duration = Duration::from_millis(300);

/// What was got so far.
struct Partial {
    path: PathBuf,
    done: u64,
    etag: Option<String>,
}

pub(super) async fn download(client: &Client, object: &Object, file: &Path, progress: &Progress) -> Result<(), Fault> {
    if let Some(folder) = file.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(io(folder))?;
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    let mut partial = Partial { path: PathBuf::from(name), done: 0, etag: None };
    let mut pause = PAUSE;
    for left in (0..TRIES).rev() {
        match attempt(client, object, &mut partial, progress).await? {
            None => break,
            Some(broken) if left == 0 => return Err(broken),
            Some(broken) => tracing::debug!(%broken, "a download is taken up again"),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    tokio::fs::rename(&partial.path, file).await.map_err(io(file))
}

/// One request for what is missing. `Some` is a connection that broke; an `Err` will not get better by itself.
async fn attempt(
    client: &Client,
    object: &Object,
    partial: &mut Partial,
    progress: &Progress,
) -> Result<Option<Fault>, Fault> {
    let range = (partial.done > 0).then(|| format!("bytes={}-", partial.done));
    let request = client.get_object().bucket(&object.bucket).key(&object.key);
    let request = request.set_range(range).set_if_match(partial.etag.clone());
    let answer = request.send().await.map_err(|error| match is_gone(&error) {
        true => Fault::revision(format!("{object} is not there"))
            .hint("a lifecycle rule or a person removed it: start a new execution, which stores it again"),
        false => aws::fault(object, &error),
    })?;
    partial.etag = answer.e_tag().map(str::to_owned);
    let total = answer.content_length().and_then(|rest| u64::try_from(rest).ok()).map(|rest| rest + partial.done);
    let mut out = tokio::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&partial.path)
        .await
        .map_err(io(&partial.path))?;
    out.set_len(partial.done).await.map_err(io(&partial.path))?;
    out.seek(std::io::SeekFrom::Start(partial.done)).await.map_err(io(&partial.path))?;
    let mut body = answer.body;
    loop {
        match body.next().await {
            Some(Ok(bytes)) => {
                out.write_all(&bytes).await.map_err(io(&partial.path))?;
                partial.done += bytes.len() as u64;
                progress.bytes("download", partial.done, total);
            }
            Some(Err(error)) => {
                out.flush().await.map_err(io(&partial.path))?;
                return Ok(Some(Fault::system(format!("{object}: the connection broke: {error}"))));
            }
            None => break,
        }
    }
    out.flush().await.map_err(io(&partial.path))?;
    match total {
        Some(total) if total != partial.done => {
            Ok(Some(Fault::system(format!("{object}: {} of {total} bytes came", partial.done))))
        }
        _ => Ok(None),
    }
}

/// Whether the bucket is there and the object is not. A service that is not Amazon's may have another code for it.
fn is_gone(error: &SdkError<GetObjectError>) -> bool {
    let missing = error.raw_response().is_some_and(|response| response.status().as_u16() == 404);
    missing && error.code() != Some("NoSuchBucket")
}
