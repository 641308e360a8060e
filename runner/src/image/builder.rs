//! Builds, pushes and scans through a real engine and real registries.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bollard::Docker;
use sha2::{Digest as _, Sha256};

use super::build::{Built, build};
use super::credentials::{Credentials, UserPassword};
use super::ecr::{Account, Ecr};
use super::push::{Push, Pushed};
use super::record::LayerRecord;
use super::registry::Repository;
use super::shelf;
use super::socket::EngineAddress;
use super::{ImageOrder, ImageOutcome, Images, PushedImage, scan};
use crate::aws::Aws;
use crate::cancel::Cancel;
use crate::fault::Fault;
use crate::progress::Progress;

/// The one that users have: BuildKit through the engine, ECR or another registry.
pub struct ImageBuilder {
    docker: Docker,
    engine: EngineAddress,
    ecr: Ecr,
    credentials: Arc<Credentials>,
    record: LayerRecord,
    http: reqwest::Client,
}

/// A registry, and the account behind it when it is ECR's.
struct Place {
    host: String,
    account: Option<Account>,
    pair: Option<UserPassword>,
}

impl ImageBuilder {
    /// Works through `docker`, which listens at `engine`; keeps what it knows of layers in the folder `cache`, which is
    /// made; reads the logins for registries other than ECR from `docker_config` (the `config.json` of `docker login`).
    ///
    /// # Errors
    /// A `System` fault when the folder cannot be used.
    pub fn new(
        docker: Docker,
        engine: EngineAddress,
        aws: Aws,
        cache: PathBuf,
        docker_config: Option<PathBuf>,
    ) -> Result<Self, Fault> {
        // The HTTP client takes the process's TLS provider; that it was set before is as well.
        rustls::crypto::ring::default_provider().install_default().ok();
        let ecr = Ecr::new(aws);
        let http = reqwest::Client::builder()
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(std::time::Duration::from_secs(20))
            .build()
            .map_err(|error| Fault::system(format!("no HTTP client: {}", crate::fault::chain(&error))))?;
        let credentials = Arc::new(Credentials::new(ecr.clone(), docker_config));
        Ok(Self { docker, engine, ecr, credentials, record: LayerRecord::open(&cache)?, http })
    }

    /// Who we are to a registry, for whoever pulls from it: ECR's token for an ECR host, else what `docker login` wrote
    /// down, else nobody.
    ///
    /// # Errors
    /// A `Permission` or `System` fault when ECR gives no token.
    pub async fn registry_credentials(&self, host: &str) -> Result<Option<UserPassword>, Fault> {
        self.credentials.of(host).await
    }

    /// Pushes an image that the engine already has, by its id, under the order's repository and tags. Neither builds
    /// nor scans.
    ///
    /// # Errors
    /// As [`Images::build`].
    pub async fn push(&self, order: &ImageOrder, image: &str, progress: &Progress) -> Result<ImageOutcome, Fault> {
        let place = self.place(order).await?;
        self.push_to(&place, order, image, progress).await
    }

    async fn place(&self, order: &ImageOrder) -> Result<Place, Fault> {
        let (role, region) = (order.role.as_deref(), order.region.as_deref());
        let Some(host) = order.registry.clone() else {
            let account = Account { role: order.role.clone(), region: order.region.clone(), id: None };
            let host = self.ecr.host(&account).await?;
            let pair = Some(self.ecr.credentials(&account).await?);
            return Ok(Place { host, account: Some(account), pair });
        };
        let account = self.ecr.account_of(&host, role, region).await;
        let pair = match &account {
            Some(account) => Some(self.ecr.credentials(account).await?),
            None => self.credentials.of(&host).await?,
        };
        Ok(Place { host, account, pair })
    }

    /// All that comes after the build.
    async fn publish(
        &self,
        place: &Place,
        order: &ImageOrder,
        image: &str,
        progress: &Progress,
    ) -> Result<ImageOutcome, Fault> {
        let outcome = self.push_to(place, order, image, progress).await?;
        self.forget_old_builds().await;
        let ImageOutcome::Pushed(pushed) = &outcome else { return Ok(outcome) };
        if let (Some(wanted), Some(account)) = (&order.scan, &place.account) {
            progress.doing(format!("waiting for the scan of {}", order.repository));
            let client = self.ecr.client(account).await?;
            let image = scan::Image { account, repository: &order.repository, digest: &pushed.digest };
            if let Some(text) = scan::gate(&client, &image, wanted, progress).await? {
                return Ok(ImageOutcome::Failed(text));
            }
        }
        Ok(outcome)
    }

    async fn push_to(
        &self,
        place: &Place,
        order: &ImageOrder,
        image: &str,
        progress: &Progress,
    ) -> Result<ImageOutcome, Fault> {
        progress.doing(format!("pushing {}", order.repository));
        if let Some(account) = &place.account {
            self.ecr.ensure_repository(account, &order.repository, order.create_repository).await?;
        }
        let repository = Repository::new(self.http.clone(), &place.host, &order.repository, place.pair.clone())?;
        let push = Push {
            docker: &self.docker,
            record: &self.record,
            repository: Arc::new(repository),
            image,
            tags: &order.tags,
            progress,
        };
        let (digest, bytes) = match push.run().await? {
            Pushed::Done { digest, bytes } => (digest, bytes),
            Pushed::TagTaken(text) => return Ok(ImageOutcome::Failed(text)),
        };
        let repository = format!("{}/{}", place.host, order.repository);
        progress.output(format!("push: {repository}@{digest}, {bytes} bytes sent\n"));
        Ok(ImageOutcome::Pushed(PushedImage {
            uri: format!("{repository}@{digest}"),
            digest,
            repository,
            tags: order.tags.clone(),
            pushed_bytes: bytes,
        }))
    }

    /// Removes builds whose name has moved on to a later one, but for those that another run may still push.
    async fn forget_old_builds(&self) {
        let forgotten = async {
            for old in shelf::old_builds(&self.docker).await?.iter().filter(|old| !old.in_use) {
                shelf::remove(&self.docker, &old.name).await?;
            }
            Ok::<(), Fault>(())
        };
        if let Err(fault) = forgotten.await {
            tracing::debug!(%fault, "old builds were not removed");
        }
    }
}

#[async_trait]
impl Images for ImageBuilder {
    async fn build(&self, order: &ImageOrder, progress: &Progress, cancel: &Cancel) -> Result<ImageOutcome, Fault> {
        let place = until_stopped(cancel, self.place(order)).await?;
        if order.scan.is_some() && place.account.is_none() {
            return Err(Fault::configuration(format!("registry {} is not ECR's, so it scans no images", place.host))
                .hint("remove `scan` from the image action"));
        }
        progress.doing(format!("building {}", order.repository));
        let credentials = Arc::new(self.credentials.preferring(&place.host, place.pair.clone()));
        match build(&self.engine, order, &local_name(order), credentials, progress, cancel).await? {
            Built::Image(image) => {
                // The build may have taken longer than the credentials live that it began with.
                let publish = async { self.publish(&self.place(order).await?, order, &image, progress).await };
                until_stopped(cancel, publish).await
            }
            Built::Failed(text) => Ok(ImageOutcome::Failed(text)),
        }
    }
}

/// Lets go of the work when somebody asks for a stop.
async fn until_stopped<T>(cancel: &Cancel, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::select! {
        done = work => done,
        reason = cancel.requested() => {
            Err(Fault::stopped(format!("the image action was stopped ({reason:?})").to_lowercase()))
        }
    }
}

/// The build's name in the engine's store: the same for the same kind of build, so that a later one takes it over and
/// nothing piles up.
fn local_name(order: &ImageOrder) -> String {
    let kind = [
        order.registry.as_deref().unwrap_or_default(),
        &order.repository,
        &order.dockerfile,
        order.target.as_deref().unwrap_or_default(),
        order.platform.as_deref().unwrap_or_default(),
    ];
    let hash = hex::encode(Sha256::digest(kind.join("\0")));
    format!("sluice/{}:{}", order.repository, &hash[..12])
}
