//! Executions as they stand: which stage they are in, and each time that an action ran.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::State;
use super::pipeline::{Action, Stage, Store};
use crate::codepipeline::error::ApiError;

/// How an execution or a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// At work.
    InProgress,
    /// At work until its running actions have ended.
    Stopping,
    /// Ended by a request.
    Stopped,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
}

impl Status {
    /// Whether something may still happen.
    #[must_use]
    pub fn is_over(self) -> bool {
        !matches!(self, Self::InProgress | Self::Stopping)
    }

    /// As the API has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// How one execution of an action stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionStatus {
    /// At work.
    InProgress,
    /// Given up by a request; whoever works on it was not told.
    Abandoned,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
}

impl ActionStatus {
    /// As the API has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Abandoned => "Abandoned",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// An artifact at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Its name in the pipeline.
    pub name: String,
    /// Its revision, when a source gave it one.
    pub revision: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
}

impl Artifact {
    /// As a job has it.
    #[must_use]
    pub fn json(&self) -> Value {
        let place = json!({ "bucketName": self.bucket, "objectKey": self.key });
        let mut shown = json!({ "name": self.name, "location": { "type": "S3", "s3Location": place } });
        if let Some(revision) = &self.revision {
            shown["revision"] = revision.as_str().into();
        }
        shown
    }

    /// As a list of action executions has it.
    #[must_use]
    pub fn detail(&self) -> Value {
        json!({ "name": self.name, "s3location": { "bucket": self.bucket, "key": self.key } })
    }
}

/// One execution of an action.
#[derive(Clone, Debug)]
pub struct ActionRun {
    /// Its id, which a retry does not share.
    pub id: String,
    /// The stage's place.
    pub stage: usize,
    /// The action's place in its stage.
    pub action: usize,
    /// Whether a retry of its stage has taken its place.
    pub replaced: bool,
    /// How it stands.
    pub status: ActionStatus,
    /// When it started.
    pub started: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// What it says of itself.
    pub summary: Option<String>,
    /// Its name elsewhere.
    pub external_id: Option<String>,
    /// How far it says it is.
    pub percent: Option<u64>,
    /// Code and text of what went wrong.
    pub error: Option<(String, String)>,
    /// Its configuration, with the values of variables.
    pub configuration: BTreeMap<String, String>,
    /// What it reads.
    pub inputs: Vec<Artifact>,
    /// Where it writes.
    pub outputs: Vec<Artifact>,
    /// Its output variables.
    pub variables: BTreeMap<String, String>,
}

/// A revision that a source has found.
#[derive(Clone, Debug)]
pub struct Revision {
    /// The source action's name.
    pub action: String,
    /// The artifact's name.
    pub artifact: String,
    /// The revision.
    pub id: String,
    /// What is said of it.
    pub summary: String,
    /// When it was found.
    pub created: Timestamp,
}

/// One execution of a pipeline.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Its id.
    pub id: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The version of the pipeline that it began with, and keeps.
    pub version: usize,
    /// That version's stages.
    pub stages: Arc<[Stage]>,
    /// That version's artifact bucket.
    pub store: Store,
    /// How it stands.
    pub status: Status,
    /// When it started.
    pub started: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// The pipeline's variables.
    pub variables: BTreeMap<String, String>,
    /// The stage that it is in.
    pub at: usize,
    /// How each stage stands that it has entered.
    pub stage_status: Vec<Status>,
    /// Every execution of an action, in the order of their starts.
    pub runs: Vec<ActionRun>,
    /// What sources have found.
    pub revisions: Vec<Revision>,
    /// The token of the request that started it.
    pub token: Option<String>,
    /// Why it was asked to stop.
    pub stop: Option<Stop>,
}

/// A request to stop.
#[derive(Clone, Debug)]
pub struct Stop {
    /// Whether running actions were given up.
    pub abandon: bool,
    /// What the request says.
    pub reason: Option<String>,
    /// When it was made.
    pub at: Timestamp,
}

impl Execution {
    /// The action that a run is of.
    #[must_use]
    pub fn action(&self, run: &ActionRun) -> &Action {
        &self.stages[run.stage].actions[run.action]
    }

    /// The run that counts of an action.
    #[must_use]
    pub fn latest(&self, stage: usize, action: usize) -> Option<&ActionRun> {
        let mut runs = self.runs.iter().rev();
        runs.find(|run| run.stage == stage && run.action == action && !run.replaced)
    }

    /// Where an artifact of this name was put.
    #[must_use]
    pub fn artifact(&self, name: &str) -> Option<&Artifact> {
        let done = self.runs.iter().rev().filter(|run| run.status == ActionStatus::Succeeded);
        done.flat_map(|run| &run.outputs).find(|artifact| artifact.name == name)
    }
}

impl State {
    /// An execution of a pipeline.
    ///
    /// # Errors
    /// `PipelineNotFoundException` and `PipelineExecutionNotFoundException`.
    pub fn execution_of(&self, pipeline: &str, id: &str) -> Result<usize, ApiError> {
        self.pipeline(pipeline)?;
        let found = self.executions.iter().position(|execution| execution.id == id && execution.pipeline == pipeline);
        let text = || format!("The pipeline execution could not be found: {id}");
        found.ok_or_else(|| ApiError::new("PipelineExecutionNotFoundException", text()))
    }

    /// An execution by its id.
    #[must_use]
    pub fn execution(&self, id: &str) -> Option<&Execution> {
        self.executions.iter().find(|execution| execution.id == id)
    }

    /// An execution of an action.
    #[must_use]
    pub fn run(&self, execution: &str, id: &str) -> Option<&ActionRun> {
        self.execution(execution)?.runs.iter().find(|run| run.id == id)
    }

    /// The places of an execution and of one of its runs.
    pub(super) fn place(&self, execution: &str, run: &str) -> Option<(usize, usize)> {
        let at = self.executions.iter().position(|one| one.id == execution)?;
        Some((at, self.executions[at].runs.iter().position(|one| one.id == run)?))
    }
}
