//! A pipeline's structure as CodePipeline's API writes it. It is read and changed as JSON, so that what this version of
//! Sluice has never heard of goes back as it came.

use std::fmt;

use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::queue::codepipeline::action_type::{OWNER, PROVIDER};

/// What GetPipeline tells.
#[derive(Clone, Debug)]
pub struct Described {
    /// The structure.
    pub pipeline: Value,
    /// The pipeline's ARN; empty when it was not told.
    pub arn: String,
}

/// An action of a pipeline, by its stage and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The stage.
    pub stage: String,
    /// The action.
    pub action: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stage, self.action)
    }
}

impl Described {
    /// Reads the answer of GetPipeline, which is also what `aws codepipeline get-pipeline` prints.
    ///
    /// # Errors
    /// A `System` fault when it has no pipeline with stages in it.
    pub fn of(answer: &Value) -> Result<Self, Fault> {
        let pipeline = answer["pipeline"].clone();
        if !pipeline["stages"].is_array() || !pipeline["name"].is_string() {
            return Err(Fault::system("codepipeline:GetPipeline answered without a pipeline"));
        }
        let arn = answer["metadata"]["pipelineArn"].as_str().unwrap_or_default().to_owned();
        Ok(Self { pipeline, arn })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.pipeline["name"].as_str().unwrap_or_default()
    }

    /// The version of its structure, which each update makes one more.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.pipeline["version"].as_i64().unwrap_or_default()
    }

    /// Its Region, when the ARN tells it.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.arn.split(':').nth(3).filter(|region| !region.is_empty())
    }

    /// Its account, when the ARN tells it.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.arn.split(':').nth(4).filter(|account| !account.is_empty())
    }
}

/// All actions, in the order of the structure.
pub(super) fn actions(pipeline: &Value) -> Vec<(Place, &Value)> {
    let mut all = Vec::new();
    for stage in list(pipeline, "stages") {
        for action in list(stage, "actions") {
            all.push((
                Place { stage: text(stage, "name").to_owned(), action: text(action, "name").to_owned() },
                action,
            ));
        }
    }
    all
}

/// Puts an action where one is.
pub(super) fn put(pipeline: &mut Value, place: &Place, action: Value) {
    let stages = pipeline["stages"].as_array_mut().into_iter().flatten();
    for stage in stages.filter(|stage| text(stage, "name") == place.stage) {
        let actions = stage["actions"].as_array_mut().into_iter().flatten();
        for old in actions.filter(|old| text(old, "name") == place.action) {
            *old = action.clone();
        }
    }
}

/// An action's type, as CodePipeline's pages write it: `AWS/Build/CodeBuild/1`.
pub(super) fn type_of(action: &Value) -> String {
    let id = &action["actionTypeId"];
    ["owner", "category", "provider", "version"].map(|part| text(id, part)).join("/")
}

pub(super) fn is_codebuild(action: &Value) -> bool {
    let id = &action["actionTypeId"];
    text(id, "owner") == "AWS" && text(id, "provider") == "CodeBuild"
}

pub(super) fn is_ours(action: &Value) -> bool {
    let id = &action["actionTypeId"];
    text(id, "owner") == OWNER && text(id, "provider") == PROVIDER
}

pub(super) fn configuration(action: &Value) -> Map<String, Value> {
    action["configuration"].as_object().cloned().unwrap_or_default()
}

/// The names of an action's input or output artifacts.
pub(super) fn artifacts<'a>(action: &'a Value, side: &str) -> Vec<&'a str> {
    list(action, side).iter().map(|artifact| text(artifact, "name")).collect()
}

pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
