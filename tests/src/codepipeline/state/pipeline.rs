//! Pipelines as they are declared, and what CodePipeline does not let pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::State;
use super::action_type::TypeId;
use crate::codepipeline::error::ApiError;
use crate::codepipeline::json::{list, map, required, text};

/// The most characters of a queryable property's value.
const QUERYABLE: usize = 20;
/// What a secret value looks like in an answer. Sent back, it means the value of before.
pub(in crate::codepipeline) const HIDDEN: &str = "****";

/// An action as declared.
#[derive(Clone, Debug)]
pub struct Action {
    /// Its name in its stage.
    pub name: String,
    /// Its type.
    pub type_id: TypeId,
    /// Actions of the same order start together.
    pub run_order: u64,
    /// Its configuration, with variables as they are written.
    pub configuration: BTreeMap<String, String>,
    /// The names of its input artifacts.
    pub inputs: Vec<String>,
    /// The names of its output artifacts.
    pub outputs: Vec<String>,
    /// The namespace of its output variables.
    pub namespace: Option<String>,
}

/// A stage as declared.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Its actions.
    pub actions: Vec<Action>,
}

/// Where artifacts are kept.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// The bucket.
    pub bucket: String,
    /// The KMS key, when it is not AWS's own.
    pub key: Option<String>,
}

/// A pipeline: all its versions, and the newest taken apart.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Each version as it was declared; the first has the number 1.
    pub versions: Vec<Value>,
    /// The newest version's stages.
    pub stages: Arc<[Stage]>,
    /// The newest version's artifact bucket.
    pub store: Store,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl State {
    /// Creates a pipeline.
    ///
    /// # Errors
    /// What AWS's `CreatePipeline` answers to a declaration that does not hold together.
    pub fn create_pipeline(
        &mut self,
        declared: &Value,
        tags: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<Value, ApiError> {
        let name = required(declared, "name");
        if self.pipelines.contains_key(&name) {
            let text =
                format!("A pipeline with the name '{name}' already exists in account '{}'", self.settings.account);
            return Err(ApiError::new("PipelineNameInUseException", text));
        }
        let (stages, store) = self.take_apart(declared)?;
        let mut declared = declared.clone();
        declared["version"] = 1.into();
        let versions = vec![declared.clone()];
        self.pipelines.insert(name, Pipeline { versions, stages, store, created: now, updated: now, tags });
        Ok(self.hide_secrets(declared))
    }

    /// Gives a pipeline a new version.
    ///
    /// # Errors
    /// As in [`State::create_pipeline`], and when there is no such pipeline.
    pub fn update_pipeline(&mut self, declared: &Value, now: Timestamp) -> Result<Value, ApiError> {
        let name = required(declared, "name");
        let mut declared = declared.clone();
        restore_hidden(&mut declared, self.pipeline(&name)?.versions.last());
        let (stages, store) = self.take_apart(&declared)?;
        if let Some(pipeline) = self.pipelines.get_mut(&name) {
            declared["version"] = (pipeline.versions.len() + 1).into();
            pipeline.versions.push(declared.clone());
            (pipeline.stages, pipeline.store, pipeline.updated) = (stages, store, now);
        }
        Ok(self.hide_secrets(declared))
    }

    /// A pipeline.
    ///
    /// # Errors
    /// `PipelineNotFoundException`
    pub fn pipeline(&self, name: &str) -> Result<&Pipeline, ApiError> {
        let text = || format!("Account '{}' does not have a pipeline with name '{name}'", self.settings.account);
        self.pipelines.get(name).ok_or_else(|| ApiError::new("PipelineNotFoundException", text()))
    }

    /// A declaration as everybody but a job worker may see it.
    #[must_use]
    pub fn hide_secrets(&self, mut declared: Value) -> Value {
        for action in actions_of(&mut declared) {
            let id = TypeId::of(&action["actionTypeId"]);
            let Some(known) = self.types.iter().find(|known| known.id == id) else { continue };
            let configuration = action.get_mut("configuration").and_then(Value::as_object_mut);
            for (_, value) in configuration.into_iter().flatten().filter(|(key, _)| known.hides(key)) {
                *value = HIDDEN.into();
            }
        }
        declared
    }

    fn take_apart(&self, declared: &Value) -> Result<(Arc<[Stage]>, Store), ApiError> {
        let stages: Arc<[Stage]> = list(declared, "stages").iter().map(stage_of).collect();
        let structure = |text: String| Err(ApiError::new("InvalidStructureException", text));
        if stages.len() < 2 {
            return structure("Pipeline must have at least two stages".to_owned());
        }
        if let Some(name) = first_twice(stages.iter().map(|stage| &stage.name)) {
            return Err(ApiError::new("InvalidStageDeclarationException", format!("Stage name {name} is used twice")));
        }
        let (mut artifacts, mut namespaces) = (BTreeSet::new(), BTreeSet::new());
        for (at, stage) in stages.iter().enumerate() {
            if stage.actions.is_empty() {
                let text = format!("Stage {} has no actions", stage.name);
                return Err(ApiError::new("InvalidStageDeclarationException", text));
            }
            if let Some(name) = first_twice(stage.actions.iter().map(|action| &action.name)) {
                return refused(name, "is the name of two actions of its stage");
            }
            if stage.actions.iter().any(|action| (action.type_id.category == "Source") != (at == 0)) {
                return structure("Source actions stand in the first stage, and all others in later ones".to_owned());
            }
            let mut ordered: Vec<&Action> = stage.actions.iter().collect();
            ordered.sort_by_key(|action| action.run_order);
            for group in ordered.chunk_by(|one, two| one.run_order == two.run_order) {
                group.iter().try_for_each(|action| self.check_action(action, &artifacts))?;
                for action in group {
                    for name in &action.outputs {
                        if !artifacts.insert(name.clone()) {
                            return refused(&action.name, &format!("has the output artifact {name} of another action"));
                        }
                    }
                    if action.namespace.as_ref().is_some_and(|name| !namespaces.insert(name.clone())) {
                        return refused(&action.name, "has the namespace of another action");
                    }
                }
            }
        }
        Ok((stages, self.store_of(declared)?))
    }

    fn check_action(&self, action: &Action, artifacts: &BTreeSet<String>) -> Result<(), ApiError> {
        let Some(known) = self.action_type(&action.type_id) else {
            return refused(&action.name, &format!("has the unknown action type {}", action.type_id.shown()));
        };
        let within = |count: usize, (least, most)| (least..=most).contains(&(count as u64));
        if !within(action.inputs.len(), known.inputs) || !within(action.outputs.len(), known.outputs) {
            return refused(&action.name, "has a wrong number of input or output artifacts");
        }
        if let Some(name) = action.inputs.iter().find(|name| !artifacts.contains(*name)) {
            return refused(&action.name, &format!("has the input artifact {name}, which no earlier action puts out"));
        }
        let Some(properties) = &known.properties else { return Ok(()) };
        for property in properties {
            let Some(value) = action.configuration.get(&property.name) else {
                if property.required {
                    return refused(&action.name, &format!("lacks the required configuration key '{}'", property.name));
                }
                continue;
            };
            let fits = match property.kind.as_str() {
                _ if value.contains("#{") => true,
                "Number" => value.parse::<f64>().is_ok(),
                "Boolean" => matches!(value.as_str(), "true" | "false"),
                _ => !property.queryable || queryable(value),
            };
            if !fits {
                return refused(&action.name, &format!("has a value of '{}' that does not fit", property.name));
            }
        }
        match action.configuration.keys().find(|key| properties.iter().all(|property| property.name != **key)) {
            Some(key) => refused(&action.name, &format!("has the unknown configuration key '{key}'")),
            None => Ok(()),
        }
    }

    /// Custom actions are neither in another Region nor in another account, so the pipeline's own store is the only one.
    fn store_of(&self, declared: &Value) -> Result<Store, ApiError> {
        let structure = |text: &str| Err(ApiError::new("InvalidStructureException", text));
        let cross = |action: &&Value| {
            let elsewhere = text(action, "region").is_some_and(|region| region != self.settings.region);
            text(&action["actionTypeId"], "owner") == Some("Custom") && (elsewhere || action.get("roleArn").is_some())
        };
        let actions = list(declared, "stages").iter().flat_map(|stage| list(stage, "actions"));
        if let Some(action) = actions.into_iter().find(cross) {
            return refused(
                &required(action, "name"),
                "is a custom action, which has no Region and no role of its own",
            );
        }
        let stores = declared.get("artifactStores").map(|stores| &stores[self.settings.region.as_str()]);
        let store = match (declared.get("artifactStore"), stores) {
            (Some(store), None) | (None, Some(store)) if store.is_object() => store,
            _ => {
                return structure("Exactly one of artifactStore and artifactStores, with this Region in it, is needed");
            }
        };
        Ok(Store { bucket: required(store, "location"), key: text(&store["encryptionKey"], "id").map(str::to_owned) })
    }
}

/// Whether a value may be polled for.
pub(in crate::codepipeline) fn queryable(value: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    (1..=QUERYABLE).contains(&value.len()) && value.chars().all(plain)
}

fn refused<T>(action: &str, why: &str) -> Result<T, ApiError> {
    Err(ApiError::new("InvalidActionDeclarationException", format!("Action {action} {why}")))
}

fn first_twice<'a>(names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

fn stage_of(declared: &Value) -> Stage {
    let actions = list(declared, "actions").iter().map(|action| Action {
        name: required(action, "name"),
        type_id: TypeId::of(&action["actionTypeId"]),
        run_order: action["runOrder"].as_u64().unwrap_or(1),
        configuration: map(action, "configuration"),
        inputs: list(action, "inputArtifacts").iter().map(|artifact| required(artifact, "name")).collect(),
        outputs: list(action, "outputArtifacts").iter().map(|artifact| required(artifact, "name")).collect(),
        namespace: text(action, "namespace").map(str::to_owned),
    });
    Stage { name: required(declared, "name"), actions: actions.collect() }
}

fn actions_of(declared: &mut Value) -> impl Iterator<Item = &mut Value> {
    let stages = declared.get_mut("stages").and_then(Value::as_array_mut).into_iter().flatten();
    stages.flat_map(|stage| stage.get_mut("actions").and_then(Value::as_array_mut).into_iter().flatten())
}

/// A value that is hidden in the new declaration is the one of the old declaration's action of the same stage and name.
fn restore_hidden(declared: &mut Value, before: Option<&Value>) {
    let old: BTreeMap<String, Value> = before
        .map(|before| list(before, "stages").iter().flat_map(|stage| list(stage, "actions")))
        .into_iter()
        .flatten()
        .map(|action| (required(action, "name"), action["configuration"].clone()))
        .collect();
    for action in actions_of(declared) {
        let Some(old) = old.get(text(action, "name").unwrap_or_default()) else { continue };
        let configuration = action.get_mut("configuration").and_then(Value::as_object_mut);
        for (key, value) in configuration.into_iter().flatten().filter(|(_, value)| *value == HIDDEN) {
            *value = old.get(key).cloned().unwrap_or_else(|| value.clone());
        }
    }
}
