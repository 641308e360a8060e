//! Buckets in S3, with credentials that are asked for anew before every transfer.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_types::SdkConfig;

use super::upload::{Sizes, Upload};
use super::{Buckets, Keeping, Object, download};
use crate::cancel::Cancel;
use crate::fault::Fault;
use crate::progress::Progress;

/// Who may read and write. Asked before every transfer, since the credentials of a job live for a quarter of an hour.
#[async_trait]
pub trait Access: Send + Sync {
    /// A configuration whose credentials are good for a while.
    async fn config(&self) -> Result<SdkConfig, Fault>;
}

/// Buckets in S3.
pub struct S3 {
    access: Arc<dyn Access>,
    sizes: Sizes,
}

impl S3 {
    /// With the rights of `access`.
    #[must_use]
    pub fn new(access: Arc<dyn Access>) -> Self {
        Self { access, sizes: Sizes::default() }
    }

    /// The same, with files that are larger than that put in parts of at least that size. S3 takes none under 5 MiB but
    /// the last.
    #[must_use]
    pub fn in_parts_of(self, part: u64) -> Self {
        Self { sizes: Sizes { single: part, part }, ..self }
    }

    async fn client(&self) -> Result<Client, Fault> {
        Ok(Client::new(&self.access.config().await?))
    }
}

#[async_trait]
impl Buckets for S3 {
    async fn get(&self, object: &Object, file: &Path, progress: &Progress, cancel: &Cancel) -> Result<(), Fault> {
        let client = self.client().await?;
        tokio::select! {
            got = download::download(&client, object, file, progress) => got,
            reason = cancel.requested() => Err(Fault::stopped(format!("{object}: {reason:?}"))),
        }
    }

    async fn put(
        &self,
        file: &Path,
        object: &Object,
        keeping: &Keeping,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<(), Fault> {
        let client = self.client().await?;
        Upload { client: &client, file, object, keeping, progress }.put(self.sizes, cancel).await
    }
}
