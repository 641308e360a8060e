//! Images: build with BuildKit, push to a registry, wait for the scan. This module does not know pipelines.

mod build;
mod builder;
mod challenge;
mod context;
mod credentials;
mod dockerignore;
mod ecr;
mod export;
mod gzip;
mod push;
mod record;
mod registry;
mod scan;
mod session;
mod shelf;
mod socket;
mod transcript;
mod upload;

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::fault::Fault;
use crate::progress::Progress;
use crate::secret::SecretText;

pub use builder::ImageBuilder;
pub use credentials::UserPassword;
pub use shelf::OldBuilds;
pub use socket::EngineAddress;

/// An image to build and push, with every reference filled in.
#[derive(Clone, Default)]
pub struct ImageOrder {
    /// The context folder on this machine.
    pub context: PathBuf,
    /// The Dockerfile, relative to the context.
    pub dockerfile: String,
    /// The stage to build.
    pub target: Option<String>,
    /// Build arguments.
    pub build_args: BTreeMap<String, String>,
    /// Secrets by mount id.
    pub secrets: BTreeMap<String, SecretText>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The platform.
    pub platform: Option<String>,
    /// The registry's host; `None` is the caller's own ECR registry.
    pub registry: Option<String>,
    /// The repository in it.
    pub repository: String,
    /// Tags, at least one.
    pub tags: Vec<String>,
    /// Create a missing repository.
    pub create_repository: bool,
    /// The scan to wait for.
    pub scan: Option<pipeline_spec::plan::Scan>,
    /// A role to assume for the registry.
    pub role: Option<String>,
    /// The registry's Region.
    pub region: Option<String>,
}

/// An image in a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PushedImage {
    /// `host/repository@sha256:…`: what everything after this uses.
    pub uri: String,
    /// `sha256:…`
    pub digest: String,
    /// `host/repository`
    pub repository: String,
    /// The tags that now mean this digest.
    pub tags: Vec<String>,
    /// Bytes sent to the registry; 0 when it had everything.
    pub pushed_bytes: u64,
}

/// What came of an order: the image, or the failure of the build or the scan, which is the user's and no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageOutcome {
    /// It is in the registry.
    Pushed(PushedImage),
    /// The Dockerfile failed, or the scan found too much; in one sentence.
    Failed(String),
}

/// What builds and pushes images. Different orders may run at the same time; the same order again builds from the
/// cache and pushes nothing.
#[async_trait]
pub trait Images: Send + Sync {
    /// Builds, pushes, scans.
    async fn build(&self, order: &ImageOrder, progress: &Progress, cancel: &Cancel) -> Result<ImageOutcome, Fault>;
}
