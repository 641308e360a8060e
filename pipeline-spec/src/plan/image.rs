//! An image as planned: what is built, where it is pushed, and what it must pass.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{SecretReference, Template};

/// An image action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Image {
    /// The build context, relative to the source directory.
    pub context: Template,
    /// The Dockerfile, relative to the context.
    pub dockerfile: String,
    /// The stage of the Dockerfile to build; `None` is the last.
    pub target: Option<String>,
    /// Build arguments.
    pub build_args: BTreeMap<String, Template>,
    /// Secrets for `RUN --mount=type=secret`.
    pub secrets: Vec<ImageSecret>,
    /// Labels put on the image.
    pub labels: BTreeMap<String, Template>,
    /// The platform, such as `linux/arm64`; `None` is the engine's own.
    pub platform: Option<String>,
    /// The repository's name in the registry, without the registry's host.
    pub repository: Template,
    /// The registry's host; `None` is the caller's own ECR registry.
    pub registry: Option<Template>,
    /// Tags, at least one.
    pub tags: Vec<Template>,
    /// Create the repository when it is missing.
    pub create_repository: bool,
    /// The scan to wait for after the push.
    pub scan: Option<Scan>,
    /// A role to assume for the registry.
    pub role: Option<Template>,
    /// The registry's Region; `None` is the caller's.
    pub region: Option<String>,
    /// How long it may take, in seconds.
    pub timeout_seconds: u64,
}

/// A secret for the image build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageSecret {
    /// The `id` of the mount.
    pub id: String,
    /// Where its value is; exactly one of the two is set.
    pub parameter_store: Option<String>,
    /// Where its value is; exactly one of the two is set.
    pub secrets_manager: Option<SecretReference>,
}

/// A scan gate: the image action fails when the scan finds something at least that severe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Scan {
    /// The least severity that fails.
    pub fail_on: Severity,
    /// How long to wait for findings, in seconds.
    pub timeout_seconds: u64,
    /// Whether an image that cannot be scanned (or a scan that does not end in time) passes.
    pub allow_unscanned: bool,
}

/// ECR's severities, from the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// `INFORMATIONAL`
    Informational,
    /// `LOW`
    Low,
    /// `MEDIUM`
    Medium,
    /// `HIGH`
    High,
    /// `CRITICAL`
    Critical,
}
