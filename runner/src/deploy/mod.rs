//! Deployments: one file a target. This module does not know how the artifact was built.
//!
//! A deployment is never repeated blindly. [`Deployer::begin`] is split from [`Deployer::follow`] so that the caller
//! can write down what was begun, and a caller that died in between asks the target before it begins again.

pub mod ecs;
pub mod handoff;
pub mod memory;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::fault::Fault;
use crate::progress::Progress;

/// A deployment to make, with every reference filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentOrder {
    /// The same for every attempt at the same deployment: run, action. `[A-Za-z0-9-]`, at most 64 characters.
    pub token: String,
    /// A role to assume.
    pub role: Option<String>,
    /// The Region.
    pub region: Option<String>,
    /// What is deployed to.
    pub target: TargetOrder,
}

/// The targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TargetOrder {
    /// A rolling deployment of an ECS service.
    Ecs {
        /// Name or ARN.
        cluster: String,
        /// Name.
        service: String,
        /// Container name to image reference.
        images: BTreeMap<String, String>,
        /// Container name to variable to value.
        environment: BTreeMap<String, BTreeMap<String, String>>,
        /// The desired count to set.
        desired_count: Option<u32>,
    },
}

/// A deployment that was begun. It is written to the record, and is all that is needed to follow it or to undo it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Deployment {
    /// The target's own id of it.
    pub id: String,
    /// What is running afterwards when it succeeds (a task definition ARN).
    pub revision: String,
    /// What was running before, to go back to.
    pub previous: Option<String>,
    /// The desired count before, when the deployment sets another one.
    #[serde(default)]
    pub previous_count: Option<u32>,
    /// A page that shows it.
    pub url: Option<String>,
}

/// What came of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeploymentOutcome {
    /// It is what the target runs now.
    Succeeded,
    /// It failed, was rolled back by the target, or was replaced; with the target's reason.
    Failed(String),
    /// Its follower was stopped by [`crate::cancel::Reason::TimedOut`]; with how it stood. The target goes on with it.
    TimedOut(String),
}

/// A target of deployments. Calls may be repeated; `begin` with a token that was begun before returns the same
/// deployment when the target still knows it.
#[async_trait]
pub trait Deployer: Send + Sync {
    /// Begins a deployment, or finds the one that the token began.
    async fn begin(&self, order: &DeploymentOrder, progress: &Progress) -> Result<Deployment, Fault>;

    /// Follows exactly this deployment to its end.
    async fn follow(
        &self,
        order: &DeploymentOrder,
        deployment: &Deployment,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<DeploymentOutcome, Fault>;

    /// Brings back what was there before, the desired count too where the deployment changed it, and follows that to
    /// its end. With nothing to go back to it is a `Failed`.
    async fn roll_back(
        &self,
        order: &DeploymentOrder,
        deployment: &Deployment,
        progress: &Progress,
    ) -> Result<DeploymentOutcome, Fault>;
}
