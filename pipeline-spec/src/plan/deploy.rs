//! A deployment as planned.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Template;

/// A deploy action: who acts, where, and on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Deploy {
    /// A role to assume, usually in the environment's own account.
    pub role: Option<Template>,
    /// The Region; `None` is the caller's.
    pub region: Option<String>,
    /// What is deployed to.
    pub target: DeployTarget,
    /// How long it may take, in seconds.
    pub timeout_seconds: u64,
}

/// The deployment targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeployTarget {
    /// An Amazon ECS service, rolled over to new images.
    Ecs(EcsService),
}

/// A rolling deployment of one ECS service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EcsService {
    /// The cluster's name or ARN.
    pub cluster: Template,
    /// The service's name.
    pub service: Template,
    /// Container name to image reference; each must be a container of the task definition.
    pub images: BTreeMap<String, Template>,
    /// Variables set in the containers: container name to name to value.
    pub environment: BTreeMap<String, BTreeMap<String, Template>>,
    /// The desired count to set; `None` leaves it.
    pub desired_count: Option<u32>,
}
