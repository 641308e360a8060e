//! The start of an execution, and of each of its actions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::execution::{ActionRun, ActionStatus, Artifact, Execution, Status};
use super::pipeline::{Action, queryable};
use super::{Order, State, Work};
use crate::codepipeline::error::ApiError;
use crate::codepipeline::json::{list, required, text};

/// The most characters of a configuration's value.
const LONGEST: usize = 1000;

impl State {
    /// Starts an execution of a pipeline's newest version, and gives its id.
    ///
    /// # Errors
    /// When there is no such pipeline, or its variables are not these.
    pub fn start_execution(&mut self, input: &Value, now: Timestamp) -> Result<String, ApiError> {
        let pipeline = self.pipeline(text(input, "name").unwrap_or_default())?;
        let token = text(input, "clientRequestToken").map(str::to_owned);
        if !list(input, "sourceRevisions").is_empty() {
            return Err(ApiError::validation("Overrides of source revisions are not known to this service"));
        }
        let variables = variables_of(pipeline.versions.last().unwrap_or(&Value::Null), list(input, "variables"))?;
        let name = required(input, "name");
        let same = |one: &&Execution| one.pipeline == name && one.token == token;
        if let Some(started) = self.executions.iter().find(same).filter(|_| token.is_some()) {
            return Ok(started.id.clone());
        }
        let (version, stages, store) = (pipeline.versions.len(), pipeline.stages.clone(), pipeline.store.clone());
        let id = self.id();
        self.executions.push(Execution {
            id: id.clone(),
            pipeline: name,
            version,
            stages,
            store,
            status: Status::InProgress,
            started: now,
            updated: now,
            variables,
            at: 0,
            stage_status: vec![Status::InProgress],
            runs: Vec::new(),
            revisions: Vec::new(),
            token,
            stop: None,
        });
        let at = self.executions.len() - 1;
        self.tell_pipeline(at, "STARTED", now);
        self.tell_stage(at, "STARTED", now);
        self.go_on(at, now);
        Ok(id)
    }

    /// Starts an action. What its configuration refers to must be known by now, else it fails at once.
    pub(super) fn start_run(&mut self, at: usize, stage: usize, action: usize, now: Timestamp) {
        let declared = self.executions[at].stages[stage].actions[action].clone();
        let id = self.id();
        let outputs = declared.outputs.iter().map(|name| self.new_place(at, name)).collect();
        let execution = &self.executions[at];
        let inputs = declared.inputs.iter().filter_map(|name| execution.artifact(name).cloned()).collect();
        let (configuration, error) = match self.resolved(at, &declared) {
            Ok(configuration) => (configuration, None),
            Err(error) => (declared.configuration.clone(), Some(error)),
        };
        self.executions[at].runs.push(ActionRun {
            id,
            stage,
            action,
            replaced: false,
            status: ActionStatus::InProgress,
            started: now,
            updated: now,
            summary: None,
            external_id: None,
            percent: None,
            error: None,
            configuration,
            inputs,
            outputs,
            variables: BTreeMap::new(),
        });
        let run = self.executions[at].runs.len() - 1;
        self.tell_action(at, run, "STARTED", now);
        match error {
            Some(error) => self.settle_run(at, run, Err(("InvalidConfiguration".to_owned(), error)), now),
            None => self.begin_work(at, run, &declared, now),
        }
    }

    /// A custom action becomes a job; what the service does by itself becomes an order.
    fn begin_work(&mut self, at: usize, run: usize, action: &Action, now: Timestamp) {
        let ActionRun { id, configuration, inputs, outputs, .. } = self.executions[at].runs[run].clone();
        let execution = self.executions[at].id.clone();
        let known = self.action_type(&action.type_id).map(|known| known.id.clone());
        let work = match (known, outputs.first()) {
            (None, _) => Err(format!("the action type {} is not there any more", action.type_id.shown())),
            (Some(known), _) if known.owner == "Custom" => return self.add_job(&execution, &id, known, None, now),
            (Some(known), Some(output)) if known.category == "Source" => {
                let given = self.given.get(&(self.executions[at].pipeline.clone(), action.name.clone()));
                match (given, configuration.get("S3Bucket"), configuration.get("S3ObjectKey")) {
                    (Some(given), _, _) => Ok(Work::Put(given.clone(), output.clone())),
                    (None, Some(bucket), Some(key)) => Ok(Work::Copy(bucket.clone(), key.clone(), output.clone())),
                    _ => Err("the source has no revision: a test gives one".to_owned()),
                }
            }
            _ if configuration.get("Outcome").is_some_and(|outcome| outcome == "Failed") => {
                Err("the configuration says so".to_owned())
            }
            _ => Ok(Work::StandIn(inputs, outputs)),
        };
        match work {
            Ok(work) => self.orders.push(Order { execution, run: id, work }),
            Err(why) => self.settle_run(at, run, Err(("ActionFailed".to_owned(), why)), now),
        }
    }

    /// The configuration with the values of its variables.
    fn resolved(&self, at: usize, action: &Action) -> Result<BTreeMap<String, String>, String> {
        let by_query = self.action_type(&action.type_id).and_then(|known| known.queryable().map(str::to_owned));
        let mut resolved = BTreeMap::new();
        for (key, value) in &action.configuration {
            let value = self.resolve(at, value)?;
            if value.chars().count() > LONGEST || value.is_empty() {
                return Err(format!("the value of '{key}' has {} characters", value.chars().count()));
            }
            if by_query.as_ref() == Some(key) && !queryable(&value) {
                return Err(format!("the value of the queryable '{key}' does not fit: {value}"));
            }
            resolved.insert(key.clone(), value);
        }
        Ok(resolved)
    }

    /// `<pipeline>/<the name's first ten characters>/<random>`, with or without `.zip`.
    fn new_place(&mut self, at: usize, name: &str) -> Artifact {
        let random = self.letters(7);
        let ending = if self.chance(0.5) { ".zip" } else { "" };
        let execution = &self.executions[at];
        let short: String = name.chars().take(10).collect();
        let key = format!("{}/{short}/{random}{ending}", execution.pipeline);
        Artifact { name: name.to_owned(), revision: None, bucket: execution.store.bucket.clone(), key }
    }
}

/// The pipeline's variables: what the request gives, else their defaults.
fn variables_of(declared: &Value, given: &[Value]) -> Result<BTreeMap<String, String>, ApiError> {
    let known = list(declared, "variables");
    let named = |variables: &[Value], name: &str| variables.iter().any(|one| text(one, "name") == Some(name));
    if let Some(other) = given.iter().find(|one| !named(known, text(one, "name").unwrap_or_default())) {
        let text = format!("The pipeline does not declare the variable {}", required(other, "name"));
        return Err(ApiError::validation(text));
    }
    let mut variables = BTreeMap::new();
    for variable in known {
        let name = required(variable, "name");
        let given = given.iter().find(|one| text(one, "name") == Some(&name)).and_then(|one| text(one, "value"));
        let Some(value) = given.or_else(|| text(variable, "defaultValue")) else {
            return Err(ApiError::validation(format!("The variable {name} has no value")));
        };
        variables.insert(name, value.to_owned());
    }
    Ok(variables)
}
