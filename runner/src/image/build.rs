//! One image build: BuildKit through the engine's own API. Knows the engine, no registry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{BuildInfo, BuildInfoAux};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::mpsc;

use super::ImageOrder;
use super::context::Context;
use super::credentials::Credentials;
use super::session;
use super::socket::{EngineAddress, EngineBody, empty};
use super::transcript::Transcript;
use crate::cancel::Cancel;
use crate::fault::Fault;
use crate::progress::Progress;

/// The label on every image that Sluice builds; its value is the repository. Clean-up finds images by it.
pub(super) const LABEL: &str = "sluice.image";

/// How long the engine may take to hear that a build is given up. It sees the connections close all the same.
const STOPPING: Duration = Duration::from_secs(5);

/// What came of a build.
pub(super) enum Built {
    /// The image's id, `sha256:…`.
    Image(String),
    /// The Dockerfile or the context is at fault; text for the user.
    Failed(String),
}

/// Builds the order and gives the image the name `name` in the engine's store. A stop ends the build in the engine.
pub(super) async fn build(
    engine: &EngineAddress,
    order: &ImageOrder,
    name: &str,
    credentials: Arc<Credentials>,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Built, Fault> {
    let context = match Context::open(&order.context, &order.dockerfile) {
        Ok(context) => context,
        Err(wrong) => return Ok(Built::Failed(wrong)),
    };
    let id = uuid::Uuid::new_v4().simple().to_string();
    let path = request_path(order, name, &context.dockerfile, &id);
    let (body, mut unread) = context_body(context);
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("Host", "engine")
        .header("Content-Type", "application/x-tar")
        .body(body)
        .map_err(|error| Fault::system(format!("a build request could not be made: {error}")))?;
    let work = async {
        let _session = session::open(engine, &id, order.secrets.clone(), credentials).await?;
        let answer = engine.send(request).await?;
        follow(engine, answer, progress).await
    };
    let built = tokio::select! {
        built = work => built,
        reason = cancel.requested() => {
            stop(engine, &id).await;
            return Err(Fault::stopped(format!("the image build was stopped ({reason:?})").to_lowercase()));
        }
    };
    // A context that could not be read cuts the request short, and says more than the engine's complaint about that.
    match unread.try_recv() {
        Ok(wrong) => Ok(Built::Failed(format!("the build context could not be read: {wrong}"))),
        Err(_) => built,
    }
}

/// Asks the engine to give a build up. The closed connections say the same; this only makes it quick.
async fn stop(engine: &EngineAddress, id: &str) {
    let Ok(request) = Request::post(format!("/build/cancel?id={id}")).header("Host", "engine").body(empty()) else {
        return;
    };
    match tokio::time::timeout(STOPPING, engine.send(request)).await {
        Ok(Err(fault)) => tracing::debug!(%fault, "the engine was not told to give a build up"),
        Err(_) => tracing::debug!("the engine did not say that it gives a build up"),
        Ok(Ok(_)) => {}
    }
}

/// The context as a request's body, and where to hear of a context that could not be read.
fn context_body(context: Context) -> (EngineBody, tokio::sync::oneshot::Receiver<String>) {
    let (tell, unread) = tokio::sync::oneshot::channel();
    let mut tell = Some(tell);
    let pieces = futures_util::stream::unfold(context.stream(), async |mut pieces: mpsc::Receiver<_>| {
        pieces.recv().await.map(|piece| (piece, pieces))
    });
    let frames = pieces.map(move |piece: std::io::Result<Bytes>| match piece {
        Ok(bytes) => Ok(Frame::data(bytes)),
        Err(error) => {
            if let Some(tell) = tell.take() {
                tell.send(error.to_string()).ok();
            }
            Err(error)
        }
    });
    (http_body_util::StreamBody::new(frames).boxed_unsync(), unread)
}

/// The request's path and query.
fn request_path(order: &ImageOrder, name: &str, dockerfile: &str, session: &str) -> String {
    let mut labels = order.labels.clone();
    labels.insert(LABEL.to_owned(), order.repository.clone());
    let json = |map: &BTreeMap<String, String>| serde_json::Value::from_iter(map.clone()).to_string();
    let arguments = json(&order.build_args);
    let labels = json(&labels);
    let mut query = vec![
        ("version", "2"),
        ("session", session),
        ("buildid", session),
        ("t", name),
        ("dockerfile", dockerfile),
        ("buildargs", &arguments),
        ("labels", &labels),
    ];
    query.extend(order.target.as_deref().map(|target| ("target", target)));
    query.extend(order.platform.as_deref().map(|platform| ("platform", platform)));
    let query: Vec<String> =
        query.iter().map(|(key, value)| format!("{key}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))).collect();
    format!("/build?{}", query.join("&"))
}

/// Reads the engine's answer to its end, telling each line as it comes.
async fn follow(engine: &EngineAddress, answer: Response<Incoming>, progress: &Progress) -> Result<Built, Fault> {
    let status = answer.status();
    let mut body = answer.into_body();
    let mut pending = Vec::new();
    let mut transcript = Transcript::default();
    let mut image = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Fault::system(format!("{engine} broke the build off: {error}")))?;
        pending.extend_from_slice(frame.data_ref().map_or(&[][..], |bytes| bytes));
        if !status.is_success() {
            continue;
        }
        while let Some(end) = memchr::memchr(b'\n', &pending) {
            let rest = pending.split_off(end + 1);
            let line = std::mem::replace(&mut pending, rest);
            let said: BuildInfo = match serde_json::from_slice(&line) {
                Ok(said) => said,
                Err(error) => {
                    return Err(Fault::system(format!("{engine} says of the build what is no JSON: {error}")));
                }
            };
            if let Some(error) = said.error_detail.and_then(|detail| detail.message) {
                return refused(engine, &transcript, &error);
            }
            match said.aux {
                Some(BuildInfoAux::BuildKit(status)) => {
                    let text = transcript.add(&status);
                    if !text.is_empty() {
                        progress.output(text);
                    }
                }
                Some(BuildInfoAux::Default(id)) => image = id.id,
                None => {}
            }
        }
    }
    if !status.is_success() {
        let said: serde_json::Value = serde_json::from_slice(&pending).unwrap_or_default();
        let said =
            said["message"].as_str().map_or_else(|| String::from_utf8_lossy(&pending).into_owned(), str::to_owned);
        return if status.is_client_error() {
            Ok(Built::Failed(format!("the image build failed: {said}")))
        } else {
            refused(engine, &transcript, &said)
        };
    }
    image.map(Built::Image).ok_or_else(|| Fault::system(format!("{engine} ended the build without an image")))
}

/// Tells an error of the machine from one of the Dockerfile.
fn refused(engine: &EngineAddress, transcript: &Transcript, error: &str) -> Result<Built, Fault> {
    if error.contains("no space left on device") {
        return Err(Fault::system(format!("{engine} has no disk space left for the image build: {error}"))
            .hint("free some disk space (`docker system df` shows what takes it)"));
    }
    Ok(Built::Failed(transcript.failure(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Reason;
    use crate::image::ecr::Ecr;

    #[tokio::test]
    async fn an_engine_that_says_nothing_does_not_hold_up_a_stop() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").unwrap();
        let socket = folder.path().join("engine.sock");
        let silent = tokio::net::UnixListener::bind(&socket).unwrap();
        let order = ImageOrder {
            context: folder.path().to_owned(),
            dockerfile: "Dockerfile".to_owned(),
            ..ImageOrder::default()
        };
        let aws = crate::aws::Aws::default();
        let credentials = Arc::new(Credentials::new(Ecr::new(aws), None));
        let (engine, progress, cancel) = (EngineAddress::Unix(socket), Progress::silent(), Cancel::new());
        let stopping = async {
            let connection = silent.accept().await.unwrap();
            cancel.request(Reason::Stopped);
            // The engine keeps the connection that asks it to stop, too, and is gone in the end.
            let again = silent.accept().await.unwrap();
            tokio::time::pause();
            (connection, again)
        };
        let (built, _held) = tokio::join!(build(&engine, &order, "name", credentials, &progress, &cancel), stopping);
        assert!(built.is_err_and(|fault| fault.kind == crate::fault::FaultKind::Stopped));
    }
}
