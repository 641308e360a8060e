//! A connection to the engine of our own: BuildKit's session is an upgraded connection that a client library does not
//! hand out. Knows the engine's address and HTTP, nothing of images.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::fault::Fault;

/// Where the engine listens, as `DOCKER_HOST` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineAddress {
    /// `unix:///var/run/docker.sock`
    Unix(PathBuf),
    /// `tcp://host:port`, without TLS.
    Tcp(String),
}

impl EngineAddress {
    /// Reads `unix://PATH` or `tcp://HOST:PORT`.
    ///
    /// # Errors
    /// A `Configuration` fault for other kinds of address.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if let Some(path) = text.strip_prefix("unix://") {
            return Ok(Self::Unix(path.into()));
        }
        if let Some(host) = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("http://")) {
            return Ok(Self::Tcp(host.trim_end_matches('/').to_owned()));
        }
        Err(Fault::configuration(format!("images cannot be built through the engine at {text}"))
            .hint("give the engine's address as unix:///path/of/the.sock or tcp://host:port"))
    }

    /// Opens a connection.
    pub(super) async fn connect(&self) -> Result<Connection, Fault> {
        let opened = match self {
            Self::Unix(path) => UnixStream::connect(path).await.map(Connection::Unix),
            Self::Tcp(host) => TcpStream::connect(host.as_str()).await.map(Connection::Tcp),
        };
        opened.map_err(|error| {
            Fault::system(format!("{self}: {error}")).hint("is the engine running? `sluice doctor` looks for it")
        })
    }

    /// One HTTP request on a connection of its own. The answer's body streams; dropping it closes the connection.
    pub(super) async fn send(&self, request: Request<EngineBody>) -> Result<Response<Incoming>, Fault> {
        let broken = |error: hyper::Error| Fault::system(format!("{self}: {}", crate::fault::chain(&error)));
        let io = TokioIo::new(self.connect().await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(broken)?;
        let driver = tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(broken);
        if answer.is_err() {
            driver.abort();
        }
        answer
    }

    /// Turns a connection into one of another protocol (`Upgrade: h2c`), or tells the status that refused it.
    pub(super) async fn upgrade(&self, path: &str, headers: &str) -> Result<Result<Connection, StatusCode>, Fault> {
        let broken = |error: std::io::Error| Fault::system(format!("{self}: {error}"));
        let mut connection = self.connect().await?;
        let request =
            format!("POST {path} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n{headers}\r\n");
        connection.write_all(request.as_bytes()).await.map_err(broken)?;
        // The other side speaks first after the upgrade, so not one byte more than the head may be read here.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < 16 * 1024 {
            head.push(connection.read_u8().await.map_err(broken)?);
        }
        let status = head.split(|byte| *byte == b' ').nth(1).and_then(|code| StatusCode::from_bytes(code).ok());
        match status {
            Some(StatusCode::SWITCHING_PROTOCOLS) => Ok(Ok(connection)),
            other => Ok(Err(other.unwrap_or(StatusCode::BAD_GATEWAY))),
        }
    }
}

impl std::fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "the engine at {}", path.display()),
            Self::Tcp(host) => write!(f, "the engine at {host}"),
        }
    }
}

/// The body of a request to the engine.
pub(super) type EngineBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// A body with nothing in it.
pub(super) fn empty() -> EngineBody {
    http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A connection to the engine.
pub(super) enum Connection {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_socket_or_a_host() {
        assert_eq!(EngineAddress::parse("unix:///run/d.sock").unwrap(), EngineAddress::Unix("/run/d.sock".into()));
        assert_eq!(EngineAddress::parse("tcp://h:2375/").unwrap(), EngineAddress::Tcp("h:2375".to_owned()));
        assert!(EngineAddress::parse("ssh://h").unwrap_err().hint.unwrap().contains("unix://"));
    }
}
