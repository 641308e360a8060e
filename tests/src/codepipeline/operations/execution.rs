//! Executions: start, stop, retry, read, list.

use serde_json::{Value, json};

use super::pipeline::page_of;
use crate::codepipeline::error::ApiError;
use crate::codepipeline::json::{text, time};
use crate::codepipeline::state::State;
use crate::codepipeline::state::execution::Execution;
use crate::codepipeline::state::ledger::Call;

pub(super) fn start(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    Ok(json!({ "pipelineExecutionId": state.start_execution(input, call.at)? }))
}

pub(super) fn stop(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    Ok(json!({ "pipelineExecutionId": state.stop_execution(input, call.at)? }))
}

pub(super) fn retry(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    Ok(json!({ "pipelineExecutionId": state.retry_stage(input, call.at)? }))
}

pub(super) fn get(state: &State, input: &Value) -> Result<Value, ApiError> {
    let id = text(input, "pipelineExecutionId").unwrap_or_default();
    let at = state.execution_of(text(input, "pipelineName").unwrap_or_default(), id)?;
    let execution = &state.executions[at];
    let revisions = execution.revisions.iter().map(|revision| {
        json!({
            "name": revision.artifact,
            "revisionId": revision.id,
            "revisionSummary": revision.summary,
            "created": time(revision.created),
        })
    });
    let variables = execution.variables.iter().map(|(name, value)| json!({ "name": name, "resolvedValue": value }));
    Ok(json!({ "pipelineExecution": {
        "pipelineName": execution.pipeline,
        "pipelineVersion": execution.version,
        "pipelineExecutionId": execution.id,
        "status": execution.status.name(),
        "artifactRevisions": revisions.collect::<Value>(),
        "variables": variables.collect::<Value>(),
        "trigger": { "triggerType": "StartPipelineExecution", "triggerDetail": "" },
        "executionMode": "PARALLEL",
        "executionType": "STANDARD",
    } }))
}

/// The newest comes first.
pub(super) fn list_all(state: &State, input: &Value) -> Result<Value, ApiError> {
    let name = text(input, "pipelineName").unwrap_or_default();
    state.pipeline(name)?;
    let own = state.executions.iter().rev().filter(|execution| execution.pipeline == name);
    page_of("pipelineExecutionSummaries", own.map(summary).collect(), input)
}

fn summary(execution: &Execution) -> Value {
    let revisions = execution.revisions.iter().map(|revision| {
        json!({ "actionName": revision.action, "revisionId": revision.id, "revisionSummary": revision.summary })
    });
    let mut shown = json!({
        "pipelineExecutionId": execution.id,
        "status": execution.status.name(),
        "startTime": time(execution.started),
        "lastUpdateTime": time(execution.updated),
        "sourceRevisions": revisions.collect::<Value>(),
        "trigger": { "triggerType": "StartPipelineExecution", "triggerDetail": "" },
        "executionMode": "PARALLEL",
        "executionType": "STANDARD",
    });
    if let Some(reason) = execution.stop.as_ref().and_then(|stop| stop.reason.as_deref()) {
        shown["stopTrigger"] = json!({ "reason": reason });
    }
    shown
}
