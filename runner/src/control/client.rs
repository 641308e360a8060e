//! The other end of a worker's socket.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::fault::Fault;
use crate::worker::Sight;

/// What a worker tells of itself is in its memory: one that takes longer hangs.
const ANSWER: Duration = Duration::from_secs(5);

/// Asks the worker behind a socket; what it then shows of itself.
///
/// # Errors
/// A `Configuration` fault when no worker listens there, a `System` fault when it does not answer.
pub async fn ask(socket: &Path, method: &str, path: &str) -> Result<Sight, Fault> {
    let answered = tokio::time::timeout(ANSWER, answer(socket, method, path)).await;
    answered.unwrap_or_else(|_| {
        Err(Fault::system(format!("the worker at {} does not answer", socket.display()))
            .hint("it hangs: kill it; builds go on, and its next start goes on with them"))
    })
}

async fn answer(socket: &Path, method: &str, path: &str) -> Result<Sight, Fault> {
    let stream = UnixStream::connect(socket).await.map_err(|error| {
        Fault::configuration(format!("no worker listens at {}: {error}", socket.display()))
            .hint("start one: `sluice worker`, or name its state directory: --state-dir")
    })?;
    let broken = |error: &dyn std::error::Error| Fault::system(format!("{}: {error}", socket.display()));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let speaking = tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header("host", "worker").body(Empty::<Bytes>::new());
    let request = request.map_err(|error| broken(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let body = answer.into_body().collect().await.map_err(|error| broken(&error))?.to_bytes();
    speaking.abort();
    serde_json::from_slice(&body).map_err(|error| broken(&error))
}
