//! A real Git server for tests: `git http-backend` behind HTTP on loopback, open or guarded as CodeCommit guards.
//!
//! The guard works the signature out by itself from what AWS publishes, and shares no code with the runner.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use futures_util::stream;
use tokio::io::AsyncWriteExt as _;

mod guard;
mod repository;

pub use guard::Guard;
pub use repository::{WorkTree, git};

/// A running server. Repositories lie under `/v1/repos/`, as CodeCommit has them.
pub struct GitServer {
    shared: Arc<Shared>,
    port: u16,
    task: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

struct Shared {
    root: PathBuf,
    guard: Option<Guard>,
    requests: AtomicUsize,
    packs: AtomicUsize,
    cut: AtomicUsize,
    hang: AtomicUsize,
}

impl GitServer {
    /// Starts one; without a guard everybody may read.
    ///
    /// # Panics
    /// When it cannot listen on loopback.
    pub async fn start(guard: Option<Guard>) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let shared = Arc::new(Shared {
            root: folder.path().to_owned(),
            guard,
            requests: AtomicUsize::new(0),
            packs: AtomicUsize::new(0),
            cut: AtomicUsize::new(0),
            hang: AtomicUsize::new(0),
        });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap_or_else(|error| panic!("cannot listen: {error}"));
        let port = listener.local_addr().unwrap_or_else(|error| panic!("no address: {error}")).port();
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.ok();
        });
        Self { shared, port, task, _folder: folder }
    }

    /// What stands in for CodeCommit's host.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A repository's URL.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("{}/v1/repos/{name}", self.endpoint())
    }

    /// The folder of a repository, bare; made when it is not there.
    #[must_use]
    pub fn repository(&self, name: &str) -> PathBuf {
        let path = self.shared.root.join("v1/repos").join(name);
        if !path.exists() {
            git(Path::new("/"), &["init", "-q", "--bare", "-b", "main", &path.display().to_string()]);
        }
        path
    }

    /// How many requests came since the last call, and how many of them asked for a pack.
    #[must_use]
    pub fn take_counts(&self) -> (usize, usize) {
        (self.shared.requests.swap(0, Ordering::SeqCst), self.shared.packs.swap(0, Ordering::SeqCst))
    }

    /// The next so many packs break off in the middle.
    pub fn cut(&self, times: usize) {
        self.shared.cut.store(times, Ordering::SeqCst);
    }

    /// The next so many packs are never answered.
    pub fn hang(&self, times: usize) {
        self.shared.hang.store(times, Ordering::SeqCst);
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    if let Some(guard) = &shared.guard
        && let Err(status) = guard.check(&request)
    {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        if status == StatusCode::UNAUTHORIZED {
            let realm = header::HeaderValue::from_static("Basic realm=\"codecommit\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
        }
        return response;
    }
    let pack = request.uri().path().ends_with("/git-upload-pack");
    if pack {
        shared.packs.fetch_add(1, Ordering::SeqCst);
        if take_one(&shared.hang) {
            std::future::pending::<()>().await;
        }
    }
    let (headers, body) = backend(&shared.root, request).await;
    let mut response = Response::builder();
    for line in headers.lines() {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        response = match name {
            "Status" => response.status(value.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(500)),
            _ => response.header(name, value),
        };
    }
    let body = if pack && body.len() > 1000 && take_one(&shared.cut) {
        let half = body.slice(..body.len() / 2);
        Body::from_stream(stream::iter([Ok(half), Err(std::io::Error::other("cut"))]))
    } else {
        Body::from(body)
    };
    response.body(body).unwrap_or_default()
}

fn take_one(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

/// One request through CGI (RFC 3875): the headers' text and the body.
async fn backend(root: &Path, request: Request) -> (String, Bytes) {
    let (head, body) = request.into_parts();
    let of =
        |name: header::HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut command = tokio::process::Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", of(header::CONTENT_TYPE))
        .env("HTTP_CONTENT_ENCODING", of(header::CONTENT_ENCODING))
        .env("GIT_PROTOCOL", of(header::HeaderName::from_static("git-protocol")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    command.env("CONTENT_LENGTH", body.len().to_string());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("git http-backend: {error}"));
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&body).await.ok();
    }
    let output = child.wait_with_output().await.unwrap_or_else(|error| panic!("git http-backend: {error}"));
    let all = Bytes::from(output.stdout);
    let end = all.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(0);
    (String::from_utf8_lossy(&all[..end]).into_owned(), all.slice((end + 4).min(all.len())..))
}
