//! A door before a server: a test answers some requests itself, and the others go through.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;

/// A running door, shut when dropped.
pub struct Door {
    /// `127.0.0.1:port`
    pub host: String,
    serving: tokio::task::JoinHandle<()>,
}

impl Door {
    /// Opens a door before `target` (`host:port`). What `answer` leaves alone goes through, under the door's own name.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub async fn open(
        target: String,
        answer: impl Fn(&Parts, &Bytes) -> Option<Response> + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.unwrap_or_else(|error| panic!("no free port: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("no address: {error}"));
        let handler = move |request: Request| {
            let (target, answer) = (target.clone(), answer.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
                match answer(&parts, &body) {
                    Some(response) => response,
                    None => through(&target, parts, body).await,
                }
            }
        };
        let app = axum::Router::new().fallback(handler);
        let serving = tokio::spawn(async move {
            axum::serve(listener, app).await.ok();
        });
        Self { host: address.to_string(), serving }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Sends a request on. `Host` stays as it is: a registry makes the addresses of uploads from it, and they must lead
/// back through the door.
async fn through(target: &str, parts: Parts, body: Bytes) -> Response {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut sent = reqwest::Client::new().request(parts.method, format!("http://{target}{path}"));
    for (name, value) in &parts.headers {
        if name != "content-length" && name != "transfer-encoding" {
            sent = sent.header(name, value);
        }
    }
    let answer = match sent.body(body).send().await {
        Ok(answer) => answer,
        Err(error) => return said(502, error.to_string()),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = answer.bytes().await.unwrap_or_default().into();
    response
}

/// A short answer.
///
/// # Panics
/// When `status` is none.
#[must_use]
pub fn said(status: u16, text: impl Into<Body>) -> Response {
    let response = Response::builder().status(status).body(text.into());
    response.unwrap_or_else(|error| panic!("{status}: {error}"))
}
