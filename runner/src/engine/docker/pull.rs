//! Pulling images: once at a time for each, with progress, again when the registry has a bad moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use pipeline_spec::quantity::duration_text;
use tokio::sync::Mutex;

use super::errors::{self, Trouble, trouble};
use crate::cancel::Cancel;
use crate::fault::Fault;
use crate::progress::Progress;
use crate::secret::SecretText;

/// Waits between tries.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(6)];

/// A user name and a password.
#[derive(Clone)]
pub struct RegistryLogin {
    /// The user name.
    pub user: String,
    /// The password or token.
    pub password: SecretText,
}

/// What knows the credentials of registries. May be asked often and at the same time.
#[async_trait]
pub trait RegistryLogins: Send + Sync {
    /// The credentials for a registry's host, such as `docker.io` or `123.dkr.ecr.us-east-1.amazonaws.com`.
    async fn login(&self, host: &str) -> Result<Option<RegistryLogin>, Fault>;
}

/// Knows none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLogins;

#[async_trait]
impl RegistryLogins for NoLogins {
    async fn login(&self, _host: &str) -> Result<Option<RegistryLogin>, Fault> {
        Ok(None)
    }
}

/// Pulls of one engine.
pub(super) struct Pulls {
    logins: Arc<dyn RegistryLogins>,
    /// A lock an image, so that builds which need the same one wait for one pull.
    under_way: Mutex<HashMap<String, Arc<Mutex<()>>>>,
}

impl Pulls {
    pub(super) fn new(logins: Arc<dyn RegistryLogins>) -> Self {
        Self { logins, under_way: Mutex::new(HashMap::new()) }
    }

    /// Makes sure that the image is here. A stop ends it at once, and counts as no failure of the pull.
    pub(super) async fn pull(
        &self,
        client: &Docker,
        image: &str,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<(), Fault> {
        tokio::select! {
            result = self.pull_once(client, image, progress) => result,
            _ = cancel.requested() => Err(Fault::stopped(format!("stopped while the image {image} was being pulled"))),
        }
    }

    async fn pull_once(&self, client: &Docker, image: &str, progress: &Progress) -> Result<(), Fault> {
        let lock = Arc::clone(self.under_way.lock().await.entry(image.to_owned()).or_default());
        let _one_at_a_time = lock.lock().await;
        if client.inspect_image(image).await.is_ok() {
            return Ok(());
        }
        progress.doing(format!("pulling {image}"));
        let credentials = self.credentials(image).await?;
        let mut pauses = PAUSES.iter();
        loop {
            let Err(error) = fetch(client, image, credentials.clone(), progress).await else { return Ok(()) };
            match pauses.next() {
                Some(pause) if trouble(&error) == Trouble::Transient => {
                    tracing::warn!(image, %error, "the pull failed and is tried again");
                    let fault = errors::fault(format!("pulling {image}"), image, &error);
                    progress.doing(format!("trying again after {}: {fault}", duration_text(pause.as_secs())));
                    tokio::time::sleep(*pause).await;
                }
                _ => return Err(errors::fault(format!("pulling {image}"), image, &error)),
            }
        }
    }

    /// Pulls what the reference means by now; next to nothing when that is here.
    pub(super) async fn renew(&self, client: &Docker, image: &str, progress: &Progress) -> Result<(), Fault> {
        let lock = Arc::clone(self.under_way.lock().await.entry(image.to_owned()).or_default());
        let _one_at_a_time = lock.lock().await;
        progress.doing(format!("looking for a newer {image}"));
        let credentials = self.credentials(image).await?;
        let fetched = fetch(client, image, credentials, progress).await;
        fetched.map_err(|error| errors::fault(format!("pulling {image}"), image, &error))
    }

    async fn credentials(&self, image: &str) -> Result<Option<DockerCredentials>, Fault> {
        let host = registry(image);
        Ok(self.logins.login(host).await.map_err(not_the_engine)?.map(|login| DockerCredentials {
            username: Some(login.user),
            password: Some(login.password.expose().to_owned()),
            serveraddress: Some(host.to_owned()),
            ..DockerCredentials::default()
        }))
    }
}

/// The host of an image reference, by Docker's rule: the first part, if it looks like a host.
pub(super) fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

async fn fetch(
    client: &Docker,
    image: &str,
    credentials: Option<DockerCredentials>,
    progress: &Progress,
) -> Result<(), Error> {
    let has_tag = image.contains('@') || image.rsplit('/').next().is_some_and(|last| last.contains(':'));
    let options = CreateImageOptionsBuilder::default().from_image(image);
    let options = if has_tag { options } else { options.tag("latest") };
    let mut told = client.create_image(Some(options.build()), None, credentials);
    let mut layers = Layers::default();
    while let Some(info) = told.next().await {
        if let Some((done, total)) = layers.add(&info?) {
            progress.bytes("pull", done, Some(total));
        }
    }
    Ok(())
}

/// Bytes of the layers so far. The total grows while the engine learns of layers.
#[derive(Default)]
struct Layers(HashMap<String, (u64, u64)>);

impl Layers {
    fn add(&mut self, info: &CreateImageInfo) -> Option<(u64, u64)> {
        let (id, status) = (info.id.as_ref()?, info.status.as_deref()?);
        let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        let detail = info.progress_detail.as_ref();
        let total = number(detail.and_then(|detail| detail.total));
        let layer = self.0.entry(id.clone()).or_default();
        match (status, number(detail.and_then(|detail| detail.current))) {
            ("Downloading", Some(current)) => *layer = (current, total.unwrap_or(layer.1).max(current)),
            ("Download complete" | "Pull complete" | "Extracting", _) => layer.0 = layer.1,
            _ => return None,
        }
        Some(self.0.values().fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1)))
    }
}

/// A registry's login that cannot be had says nothing of the engine.
fn not_the_engine(fault: Fault) -> Fault {
    Fault { away: false, ..fault }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn a_registrys_host_is_read_as_docker_reads_it() {
        for (image, host) in [
            ("busybox", "docker.io"),
            ("library/busybox:1", "docker.io"),
            ("localhost/x", "localhost"),
            ("127.0.0.1:5000/x:1", "127.0.0.1:5000"),
            ("1.dkr.ecr.us-east-1.amazonaws.com/a/b@sha256:0", "1.dkr.ecr.us-east-1.amazonaws.com"),
        ] {
            assert_eq!(registry(image), host, "{image}");
        }
    }

    #[test]
    fn layers_add_up_and_a_whole_one_counts_whole() {
        let info = |id: &str, status: &str, current, total| CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail { current, total }),
            ..CreateImageInfo::default()
        };
        let mut layers = Layers::default();
        assert_eq!(layers.add(&info("a", "Downloading", Some(10), Some(100))), Some((10, 100)));
        assert_eq!(layers.add(&info("b", "Downloading", Some(5), Some(50))), Some((15, 150)));
        assert_eq!(layers.add(&info("a", "Download complete", None, None)), Some((105, 150)));
        assert_eq!(layers.add(&info("c", "Waiting", None, None)), None);
    }
}
