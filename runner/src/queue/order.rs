//! What a job asks for, as plain data without credentials.

use std::collections::BTreeMap;

use pipeline_spec::plan::{EnvironmentVariable, Source};
use serde::{Deserialize, Serialize};

use crate::bucket::Object;

/// Everything that a job asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JobOrder {
    /// The same for every attempt at the same work, and for no other work.
    pub key: String,
    /// The pool of machines that it is for.
    pub pool: String,
    /// The project: it names builds, their numbers and their logs.
    pub project: String,
    /// Where in a pipeline it stands.
    pub place: Place,
    /// The revision that it works on.
    pub source: Source,
    /// Further inputs.
    pub inputs: Vec<Input>,
    /// What is to be done.
    pub work: Work,
    /// Where results go.
    pub outputs: Vec<Output>,
    /// The key that results are encrypted with; `None` is the account's own for S3.
    pub encryption_key: Option<String>,
    /// Which others it must wait for; `None`: CodePipeline has seen to that, or it runs beside all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
}

/// A job's place among those of its group, of which one is worked on at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Turn {
    /// The group: a pipeline and a branch.
    pub group: String,
    /// What becomes of those that wait.
    pub order: Order,
    /// When it was sent, as text that sorts.
    pub sent: String,
    /// Whether its turn has come: what is begun is not superseded any more.
    #[serde(default)]
    pub begun: bool,
}

/// CodePipeline's execution modes that let one execution at a time into a stage (API reference, `executionMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Of those that wait only the newest is worked on.
    Superseded,
    /// Each is worked on, in the order in which they were sent.
    Queued,
}

/// Where a job stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Place {
    /// The pipeline.
    pub pipeline: String,
    /// Its execution; empty without one.
    pub execution: String,
    /// The stage.
    pub stage: String,
    /// The action.
    pub action: String,
    /// The branch, where it is known.
    pub branch: Option<String>,
}

/// What is to be done with the revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// What a spec file says.
    Spec(Box<Spec>),
    /// A roll-out of the images that a file of the revision names.
    Deployment(Box<Deployment>),
}

/// A spec, and what is laid over it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Spec {
    /// Its path in the revision; `None`: `pipeline.yml` or `buildspec.yml`, whichever is there.
    pub path: Option<String>,
    /// Its text, in the place of a path.
    pub inline: Option<String>,
    /// The build image where the spec names none.
    pub image: Option<String>,
    /// Variables of every build. They win over the spec's.
    pub environment: Vec<EnvironmentVariable>,
    /// Values of a pipeline's own variables.
    pub variables: BTreeMap<String, String>,
    /// Seconds that a build may take.
    pub timeout_seconds: Option<u64>,
}

/// A roll-out to an ECS service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Deployment {
    /// The cluster.
    pub cluster: String,
    /// The service.
    pub service: String,
    /// The file of container names and images.
    pub file: String,
    /// Seconds until it counts as failed.
    pub timeout_seconds: Option<u64>,
    /// The role that deploys.
    pub role: Option<String>,
    /// The service's Region.
    pub region: Option<String>,
}

/// A further input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Input {
    /// Its name, as in `CODEBUILD_SRC_DIR_<name>`.
    pub name: String,
    /// Where it is.
    pub source: Source,
}

/// A result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Output {
    /// Its name: the identifier of a secondary artifact, where there are several results.
    pub name: String,
    /// Where it goes.
    pub object: Object,
}
