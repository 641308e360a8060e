//! BuildKit's session: what a build asks its client for while it runs, that is secrets and registry credentials.
//!
//! Both travel over this connection alone: never in build arguments, the image's history or the cache's keys.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use bollard::health::health_check_response::ServingStatus;
use bollard::health::health_server::{Health, HealthServer};
use bollard::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use bollard::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use futures_util::{Stream, StreamExt as _};
use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status};

use super::credentials::Credentials;
use super::socket::EngineAddress;
use crate::fault::Fault;
use crate::secret::SecretText;

/// An open session; it ends when dropped.
pub(super) struct Session {
    serving: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// How much may be on its way in the process.
const BUFFER: usize = 64 * 1024;

/// The methods that this client answers, as the engine wants them announced.
const METHODS: [&str; 4] = [
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.filesync.v1.Auth/Credentials",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
];

/// Opens the session that the build request names by `id`, and answers in the background.
///
/// An engine without BuildKit (Podman, a very old Docker) has no sessions: a `Configuration` fault.
pub(super) async fn open(
    engine: &EngineAddress,
    id: &str,
    secrets: BTreeMap<String, SecretText>,
    credentials: Arc<Credentials>,
) -> Result<Session, Fault> {
    let mut headers = format!("X-Docker-Expose-Session-Uuid: {id}\r\nX-Docker-Expose-Session-Name: sluice\r\n");
    for method in METHODS {
        headers.push_str(&format!("X-Docker-Expose-Session-Grpc-Method: {method}\r\n"));
    }
    let connection = match engine.upgrade("/session", &headers).await? {
        Ok(connection) => connection,
        Err(StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED) => {
            return Err(Fault::configuration(format!("{engine} has no BuildKit, so images cannot be built"))
                .hint("use a Docker engine 18.09 or later for image actions (Podman has no BuildKit)"));
        }
        Err(status) => return Err(Fault::system(format!("{engine} refused a BuildKit session with status {status}"))),
    };
    Ok(serve(connection, secrets, credentials))
}

/// Answers on a connection until the session is dropped or the other side closes it.
///
/// The server hands its connection to a task that nobody else can end, so it gets one of ours, and the engine's is tied
/// to it by the session's own task: when that ends, so do both.
fn serve<C>(mut connection: C, secrets: BTreeMap<String, SecretText>, credentials: Arc<Credentials>) -> Session
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let serving = tokio::spawn(async move {
        let (mut ours, served) = tokio::io::duplex(BUFFER);
        let incoming = futures_util::stream::iter([Ok::<_, std::io::Error>(served)]);
        let server = tonic::transport::Server::builder()
            .add_service(HealthServer::new(Healthy))
            .add_service(SecretsServer::new(SecretMounts(secrets)))
            .add_service(AuthServer::new(RegistryAuth(credentials)))
            .serve_with_incoming(incoming.chain(futures_util::stream::pending()));
        let ended = tokio::select! {
            served = server => served.map_err(|error| error.to_string()),
            copied = tokio::io::copy_bidirectional(&mut connection, &mut ours) => {
                copied.map(drop).map_err(|error| error.to_string())
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "the build session ended");
        }
    });
    Session { serving }
}

/// `RUN --mount=type=secret`.
struct SecretMounts(BTreeMap<String, SecretText>);

#[tonic::async_trait]
impl Secrets for SecretMounts {
    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        match self.0.get(&id) {
            Some(value) => Ok(Response::new(GetSecretResponse { data: value.expose().as_bytes().to_vec() })),
            None => Err(Status::not_found(format!("the image action has no secret named {id}"))),
        }
    }
}

/// Credentials for `FROM`.
struct RegistryAuth(Arc<Credentials>);

#[tonic::async_trait]
impl Auth for RegistryAuth {
    async fn credentials(&self, request: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        let host = request.into_inner().host;
        let found = self.0.of(&host).await.map_err(|fault| Status::unauthenticated(fault.message))?;
        let (username, secret) = found.map_or_else(Default::default, |pair| (pair.user, pair.password));
        Ok(Response::new(CredentialsResponse { username, secret }))
    }

    async fn fetch_token(&self, _: Request<FetchTokenRequest>) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("the builder fetches tokens itself"))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("the builder fetches tokens itself"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("the builder fetches tokens itself"))
    }
}

/// BuildKit asks every few seconds whether its client still lives.
struct Healthy;

fn serving() -> HealthCheckResponse {
    HealthCheckResponse { status: ServingStatus::Serving.into() }
}

#[tonic::async_trait]
impl Health for Healthy {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(serving()))
    }

    async fn list(&self, _: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("there is one service"))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(Box::pin(futures_util::stream::once(async { Ok(serving()) }))))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::image::ecr::Ecr;

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_dropped_closes_its_connection() {
        let (mut engine, connection) = tokio::io::duplex(1024);
        let aws = crate::aws::Aws::default();
        let credentials = Arc::new(Credentials::new(Ecr::new(aws), None));
        let session = serve(connection, BTreeMap::new(), credentials);
        engine.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        engine.read_u8().await.unwrap();
        drop(session);
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(3600), engine.read_to_end(&mut rest)).await;
        assert!(closed.is_ok_and(|read| read.is_ok()), "the connection is still open");
    }
}
