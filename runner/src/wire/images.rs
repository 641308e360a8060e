//! The image builder of a process, made when it is needed.

use std::path::PathBuf;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::aws::Aws;
use crate::cancel::Cancel;
use crate::engine::docker::{DockerConfig, RegistryLogin, RegistryLogins};
use crate::fault::Fault;
use crate::image::{EngineAddress, ImageBuilder, ImageOrder, ImageOutcome, Images};
use crate::progress::Progress;
use crate::secret::SecretText;
use crate::settings::Environment;
use crate::store::StateFolders;

/// The image builder, made when the first image or registry needs it.
pub(super) struct LazyImages {
    host: String,
    aws: Aws,
    folder: PathBuf,
    logins: Option<PathBuf>,
    made: OnceCell<ImageBuilder>,
}

impl LazyImages {
    pub(super) fn new(environment: &Environment, folders: &StateFolders, aws: Aws) -> Self {
        let host = environment.docker_host.clone().unwrap_or_else(|| DockerConfig::default().host);
        Self { host, aws, folder: folders.images(), logins: environment.docker_config(), made: OnceCell::new() }
    }

    async fn made(&self) -> Result<&ImageBuilder, Fault> {
        self.made
            .get_or_try_init(|| async {
                let address = EngineAddress::parse(&self.host)?;
                let docker = crate::engine::docker::connect(&self.host)?;
                ImageBuilder::new(docker, address, self.aws.clone(), self.folder.clone(), self.logins.clone())
            })
            .await
    }
}

#[async_trait]
impl Images for LazyImages {
    async fn build(&self, order: &ImageOrder, progress: &Progress, cancel: &Cancel) -> Result<ImageOutcome, Fault> {
        self.made().await?.build(order, progress, cancel).await
    }
}

#[async_trait]
impl RegistryLogins for LazyImages {
    async fn login(&self, host: &str) -> Result<Option<RegistryLogin>, Fault> {
        let pair = self.made().await?.registry_credentials(host).await?;
        Ok(pair.map(|pair| RegistryLogin { user: pair.user, password: SecretText::new(pair.password) }))
    }
}
