//! `GetPipelineState`: the newest of each stage and each action.

use serde_json::{Value, json};

use crate::codepipeline::error::ApiError;
use crate::codepipeline::json::{text, time};
use crate::codepipeline::state::State;
use crate::codepipeline::state::action_type::ActionType;
use crate::codepipeline::state::execution::{ActionRun, Execution};
use crate::codepipeline::state::pipeline::{Action, Stage};

pub(super) fn get(state: &State, input: &Value) -> Result<Value, ApiError> {
    let name = text(input, "name").unwrap_or_default();
    let pipeline = state.pipeline(name)?;
    Ok(json!({
        "pipelineName": name,
        "pipelineVersion": pipeline.versions.len(),
        "stageStates": pipeline.stages.iter().map(|stage| stage_state(state, name, stage)).collect::<Value>(),
        "created": time(pipeline.created),
        "updated": time(pipeline.updated),
    }))
}

fn stage_state(state: &State, pipeline: &str, stage: &Stage) -> Value {
    let place = |execution: &Execution| {
        let at = execution.stages.iter().position(|one| one.name == stage.name)?;
        (at < execution.stage_status.len()).then_some(at)
    };
    let newest = state.executions.iter().rev().filter(|one| one.pipeline == pipeline);
    let newest = newest.filter_map(|execution| Some((execution, place(execution)?))).next();
    let actions = stage.actions.iter().map(|action| action_state(state, pipeline, &stage.name, action));
    let mut shown = json!({
        "stageName": stage.name,
        "inboundTransitionState": { "enabled": true },
        "actionStates": actions.collect::<Value>(),
    });
    if let Some((execution, at)) = newest {
        let status = execution.stage_status[at].name();
        shown["latestExecution"] = json!({ "pipelineExecutionId": execution.id, "status": status, "type": "STANDARD" });
    }
    shown
}

fn action_state(state: &State, pipeline: &str, stage: &str, action: &Action) -> Value {
    let own = |execution: &Execution, run: &ActionRun| {
        execution.stages[run.stage].name == stage && execution.action(run).name == action.name
    };
    let executions = state.executions.iter().rev().filter(|one| one.pipeline == pipeline);
    let mut runs = executions.flat_map(|execution| execution.runs.iter().rev().map(move |run| (execution, run)));
    let known = state.types.iter().find(|known| known.id == action.type_id);
    let mut shown = json!({ "actionName": action.name });
    if let Some(url) = known.and_then(|known| url(known, "entityUrlTemplate", action, None)) {
        shown["entityUrl"] = url.into();
    }
    let Some((execution, run)) = runs.find(|(execution, run)| own(execution, run)) else { return shown };
    let mut latest = json!({
        "actionExecutionId": run.id,
        "status": run.status.name(),
        "lastStatusChange": time(run.updated),
    });
    for (member, value) in [("summary", &run.summary), ("externalExecutionId", &run.external_id)] {
        if let Some(value) = value {
            latest[member] = value.as_str().into();
        }
    }
    if let Some(percent) = run.percent {
        latest["percentComplete"] = percent.into();
    }
    if let Some(url) = known.and_then(|known| url(known, "executionUrlTemplate", action, run.external_id.as_deref())) {
        latest["externalExecutionUrl"] = url.into();
    }
    if let Some((code, message)) = &run.error {
        latest["errorDetails"] = json!({ "code": code, "message": message });
    }
    shown["latestExecution"] = latest;
    let found = execution.revisions.iter().find(|revision| revision.action == action.name);
    if let Some(revision) = found.filter(|_| action.type_id.category == "Source") {
        let (id, created) = (&revision.id, time(revision.created));
        shown["currentRevision"] = json!({ "revisionId": id, "revisionChangeId": id, "created": created });
    }
    shown
}

/// A URL of a template. One that needs an external id has no value before there is one.
fn url(known: &ActionType, template: &str, action: &Action, external_id: Option<&str>) -> Option<String> {
    let mut url = text(&known.declared["settings"], template)?.to_owned();
    for (key, value) in &action.configuration {
        url = url.replace(&format!("{{Config:{key}}}"), value);
    }
    if url.contains("{ExternalExecutionId}") {
        url = url.replace("{ExternalExecutionId}", external_id?);
    }
    Some(url)
}
