//! Requests on to the emulator, as they are. HTTP 1.0 on a connection of its own: the answer ends with the connection,
//! and nobody sends it in chunks.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Response};
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Headers that speak of a connection, and not of what is sent by it.
const OF_CONNECTIONS: &[&str] = &["connection", "content-length", "expect", "keep-alive", "transfer-encoding"];

/// Sends a request to `host:port` and gives the answer.
///
/// # Errors
/// When there is no answer.
pub(super) async fn send(host: &str, parts: &Parts, body: &Bytes) -> std::io::Result<Response<Body>> {
    let mut stream = tokio::net::TcpStream::connect(host).await?;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut head = format!("{} {path} HTTP/1.0\r\ncontent-length: {}\r\n", parts.method, body.len()).into_bytes();
    for (name, value) in parts.headers.iter().filter(|(name, _)| !OF_CONNECTIONS.contains(&name.as_str())) {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    stream.write_all(&head).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    answer_of(Bytes::from(answer)).ok_or_else(|| std::io::Error::other("no answer that HTTP knows"))
}

fn answer_of(all: Bytes) -> Option<Response<Body>> {
    let end = all.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut response = Response::new(Body::from(all.slice(end + 4..)));
    *response.status_mut() = axum::http::StatusCode::from_u16(status).ok()?;
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        // The length stays: an answer to `HEAD` has one and no body.
        if name.eq_ignore_ascii_case("content-length") || !OF_CONNECTIONS.contains(&name.to_ascii_lowercase().as_str())
        {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            response.headers_mut().append(name, HeaderValue::from_str(value).ok()?);
        }
    }
    Some(response)
}
