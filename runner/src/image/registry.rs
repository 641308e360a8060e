//! A registry: the distribution protocol, version 2. Knows HTTP and names, nothing of engines or builds.
//!
//! Calls are repeated with growing pauses while the registry answers 429 or 5xx or cuts the line; what it answers in the
//! end becomes a fault that names it. Blobs that are streamed are not repeated here, because their bytes are gone.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Body, Client, Method, RequestBuilder, Response, StatusCode, Url};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::challenge::Challenge;
use super::credentials::UserPassword;
use crate::fault::{Fault, chain};

/// Manifests that are understood, Docker's own first.
const MANIFESTS: &str =
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json";
/// The pauses between attempts.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// How long a call that sends and gets little may take.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a registry may take to check and file a blob that it has received.
const FILED: Duration = Duration::from_secs(600);

/// A repository of a registry, with who we are to it.
pub(super) struct Repository {
    http: Client,
    base: Url,
    pub(super) host: String,
    pub(super) name: String,
    pair: Option<UserPassword>,
    /// The `Authorization` that worked last.
    authorization: Mutex<Option<String>>,
}

/// A manifest in the registry.
pub(super) struct Manifest {
    pub(super) bytes: Bytes,
    pub(super) digest: String,
    pub(super) media_type: String,
}

/// How a manifest's upload ended when the registry did not take it.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) said: String,
}

impl Repository {
    /// Names a repository. Plain HTTP is spoken with this machine only.
    pub(super) fn new(http: Client, host: &str, name: &str, pair: Option<UserPassword>) -> Result<Self, Fault> {
        let scheme = if is_loopback(host) { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{host}/v2/{name}/"))
            .map_err(|error| Fault::configuration(format!("{host}/{name} is no repository's address: {error}")))?;
        let basic = pair.as_ref().map(basic);
        Ok(Self { http, base, host: host.to_owned(), name: name.to_owned(), pair, authorization: Mutex::new(basic) })
    }

    /// The manifest of a tag or digest.
    pub(super) async fn manifest(&self, reference: &str) -> Result<Option<Manifest>, Fault> {
        let url = self.url(&format!("manifests/{reference}"))?;
        let answer = self.call(Method::GET, &url, |request| request.header(ACCEPT, MANIFESTS)).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = self.expect(answer, StatusCode::OK).await?;
        let media_type = header(&answer, CONTENT_TYPE.as_str()).unwrap_or_default();
        let bytes = answer.bytes().await.map_err(|error| self.broken(&error))?;
        Ok(Some(Manifest { digest: digest(&bytes), bytes, media_type }))
    }

    /// The size of a blob that the repository has.
    pub(super) async fn blob(&self, digest: &str) -> Result<Option<u64>, Fault> {
        let url = self.url(&format!("blobs/{digest}"))?;
        let answer = self.call(Method::HEAD, &url, |request| request).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = self.expect(answer, StatusCode::OK).await?;
        Ok(Some(header(&answer, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0)))
    }

    /// Begins an upload and tells where it goes.
    pub(super) async fn begin(&self) -> Result<Url, Fault> {
        let url = self.url("blobs/uploads/")?;
        let answer = self.call(Method::POST, &url, |request| request).await?;
        let answer = self.expect(answer, StatusCode::ACCEPTED).await?;
        self.location(&answer)
    }

    /// Makes a blob of another repository of the same registry one of this repository too, if the registry can.
    pub(super) async fn mount(&self, digest: &str, from: &str) -> Result<bool, Fault> {
        let mut url = self.url("blobs/uploads/")?;
        url.query_pairs_mut().append_pair("mount", digest).append_pair("from", from);
        let answer = self.call(Method::POST, &url, |request| request).await?;
        if answer.status() == StatusCode::ACCEPTED {
            // The registry began an upload instead; it is not needed.
            let upload = self.location(&answer)?;
            self.call(Method::DELETE, &upload, |request| request).await?;
        }
        Ok(answer.status() == StatusCode::CREATED)
    }

    /// Streams a blob's bytes into an upload and tells where its end goes.
    pub(super) async fn stream(&self, upload: &Url, body: Body) -> Result<Url, Fault> {
        let request = self.request(Method::PATCH, upload).await.header(CONTENT_TYPE, "application/octet-stream");
        let answer = request.body(body).send().await.map_err(|error| self.broken(&error))?;
        let answer = self.expect(answer, StatusCode::ACCEPTED).await?;
        self.location(&answer)
    }

    /// Ends an upload; `rest` are bytes that were not streamed.
    pub(super) async fn end(&self, upload: &Url, digest: &str, rest: Bytes) -> Result<(), Fault> {
        let mut url = upload.clone();
        url.query_pairs_mut().append_pair("digest", digest);
        let put = async || {
            let request = self.request(Method::PUT, &url).await.header(CONTENT_TYPE, "application/octet-stream");
            request.body(rest.clone()).timeout(FILED).send().await.map_err(|error| self.broken(&error))
        };
        let mut answer = put().await?;
        // A token may have expired while the blob was streamed.
        if answer.status() == StatusCode::UNAUTHORIZED && self.authenticate(&answer).await? {
            answer = put().await?;
        }
        self.expect(answer, StatusCode::CREATED).await?;
        Ok(())
    }

    /// Puts a manifest under a tag or its digest. The registry's refusal (an immutable tag) is a value.
    pub(super) async fn put_manifest(
        &self,
        reference: &str,
        manifest: &Manifest,
    ) -> Result<Result<(), Refused>, Fault> {
        let url = self.url(&format!("manifests/{reference}"))?;
        let with =
            |request: RequestBuilder| request.header(CONTENT_TYPE, &manifest.media_type).body(manifest.bytes.clone());
        let answer = self.call(Method::PUT, &url, with).await?;
        let status = answer.status();
        if status.is_client_error() && ![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) {
            let said = answer.text().await.unwrap_or_default();
            return Ok(Err(Refused { status, said: said_in(&said) }));
        }
        let answer = self.expect(answer, StatusCode::CREATED).await?;
        match header(&answer, "docker-content-digest") {
            Some(told) if told != manifest.digest => {
                Err(Fault::system(format!("{} took the manifest {} for {told}", self.host, manifest.digest)))
            }
            _ => Ok(Ok(())),
        }
    }

    /// A call without a streamed body, repeated while that may help.
    async fn call(
        &self,
        method: Method,
        url: &Url,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Fault> {
        let mut pauses = PAUSES.iter();
        let mut authenticated = false;
        loop {
            let answer = with(self.request(method.clone(), url).await).timeout(ANSWER).send().await;
            let fault = match answer {
                Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED && !authenticated => {
                    authenticated = true;
                    if self.authenticate(&answer).await? {
                        continue;
                    }
                    return Ok(answer);
                }
                Ok(answer) if !again(answer.status()) => return Ok(answer),
                Ok(answer) => self.fault(answer).await,
                Err(error) => self.broken(&error),
            };
            let Some(pause) = pauses.next() else { return Err(fault) };
            tracing::debug!(%fault, "the registry is asked again");
            tokio::time::sleep(*pause).await;
        }
    }

    /// A request with our authorization, which goes to the registry itself and to no other host.
    async fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let request = self.http.request(method, url.clone());
        let own = url.origin() == self.base.origin();
        match self.authorization.lock().await.as_ref().filter(|_| own) {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        }
    }

    /// Does as a 401 asks; tells whether there is something new to try.
    async fn authenticate(&self, answer: &Response) -> Result<bool, Fault> {
        let Some(challenge) = header(answer, WWW_AUTHENTICATE.as_str()).and_then(|text| Challenge::parse(&text)) else {
            return Ok(false);
        };
        let scope = format!("repository:{}:pull,push", self.name);
        let token = challenge.token(&self.http, &scope, self.pair.as_ref().map(basic)).await;
        let token = token.map_err(|error| self.broken(&error))?;
        let mut authorization = self.authorization.lock().await;
        let fresh = token.map(|token| format!("Bearer {token}"));
        let new = fresh.is_some() && *authorization != fresh;
        if new {
            *authorization = fresh;
        }
        Ok(new)
    }

    fn url(&self, path: &str) -> Result<Url, Fault> {
        self.base.join(path).map_err(|error| Fault::system(format!("{}{path}: {error}", self.base)))
    }

    fn location(&self, answer: &Response) -> Result<Url, Fault> {
        let told = header(answer, LOCATION.as_str());
        let url = told.and_then(|told| answer.url().join(&told).ok());
        url.ok_or_else(|| Fault::system(format!("{} began an upload and did not say where", self.host)))
    }

    async fn expect(&self, answer: Response, status: StatusCode) -> Result<Response, Fault> {
        if answer.status() == status { Ok(answer) } else { Err(self.fault(answer).await) }
    }

    /// What an unwelcome answer means.
    async fn fault(&self, answer: Response) -> Fault {
        let status = answer.status();
        let said = said_in(&answer.text().await.unwrap_or_default());
        let message = format!("registry {} answered {status} for repository {}: {said}", self.host, self.name);
        let message = message.trim_end_matches([' ', ':']).to_owned();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Fault::permission(message)
                .hint("check the role's ECR permissions, or log in to the registry with `docker login`"),
            StatusCode::NOT_FOUND => Fault::configuration(message)
                .hint("create the repository, or set `create-repository: true` for an ECR repository"),
            status if again(status) => {
                Fault::system(message).hint("the registry failed, again and again: look at it, or try later")
            }
            _ => Fault::system(message),
        }
    }

    fn broken(&self, error: &reqwest::Error) -> Fault {
        Fault::system(format!("registry {}: {}", self.host, chain(error)))
    }
}

fn again(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// The code and message of a registry's error document, or its first line.
fn said_in(text: &str) -> String {
    let document: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let error = &document["errors"][0];
    match (error["code"].as_str(), error["message"].as_str()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => text.lines().next().unwrap_or_default().chars().take(300).collect(),
    }
}

fn header(answer: &Response, name: &str) -> Option<String> {
    answer.headers().get(name)?.to_str().ok().map(str::to_owned)
}

fn basic(pair: &UserPassword) -> String {
    use base64::Engine as _;
    let text = format!("{}:{}", pair.user, pair.password);
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
}

/// `sha256:…` of some bytes.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Whether a host, with or without a port, is this machine by its name or number.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
