//! `ListActionExecutions`: each time that an action ran.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::pipeline::page_of;
use crate::codepipeline::error::ApiError;
use crate::codepipeline::json::{text, time};
use crate::codepipeline::state::State;
use crate::codepipeline::state::execution::{ActionRun, Artifact, Execution};
use crate::codepipeline::state::pipeline::HIDDEN;

/// The newest comes first.
pub(super) fn list_all(state: &State, input: &Value) -> Result<Value, ApiError> {
    let name = text(input, "pipelineName").unwrap_or_default();
    state.pipeline(name)?;
    let filter = &input["filter"];
    let wanted =
        text(filter, "pipelineExecutionId").or(text(&filter["latestInPipelineExecution"], "pipelineExecutionId"));
    if let Some(id) = wanted {
        state.execution_of(name, id)?;
    }
    let latest = text(&filter["latestInPipelineExecution"], "startTimeRange") == Some("Latest");
    let own = state.executions.iter().rev().filter(|one| one.pipeline == name && wanted.is_none_or(|id| one.id == id));
    let runs = own.flat_map(|execution| execution.runs.iter().rev().map(move |run| (execution, run)));
    let runs = runs.filter(|(_, run)| !latest || !run.replaced);
    page_of("actionExecutionDetails", runs.map(|(execution, run)| detail(state, execution, run)).collect(), input)
}

fn detail(state: &State, execution: &Execution, run: &ActionRun) -> Value {
    let action = execution.action(run);
    let artifacts = |all: &[Artifact]| all.iter().map(Artifact::detail).collect::<Value>();
    let hidden = |configuration: &BTreeMap<String, String>| {
        let hides = |key: &str| state.types.iter().any(|known| known.id == action.type_id && known.hides(key));
        let shown = |(key, value): (&String, &String)| {
            let value = if hides(key) { HIDDEN } else { value.as_str() };
            (key.clone(), value.to_owned())
        };
        configuration.iter().map(shown).collect::<BTreeMap<_, _>>()
    };
    let mut asked = json!({
        "actionTypeId": action.type_id.json(),
        "configuration": hidden(&action.configuration),
        "resolvedConfiguration": hidden(&run.configuration),
        "region": state.settings.region,
        "inputArtifacts": artifacts(&run.inputs),
    });
    if let Some(namespace) = &action.namespace {
        asked["namespace"] = namespace.as_str().into();
    }
    json!({
        "pipelineExecutionId": execution.id,
        "actionExecutionId": run.id,
        "pipelineVersion": execution.version,
        "stageName": execution.stages[run.stage].name,
        "actionName": action.name,
        "startTime": time(run.started),
        "lastUpdateTime": time(run.updated),
        "status": run.status.name(),
        "input": asked,
        "output": {
            "outputArtifacts": artifacts(&run.outputs),
            "executionResult": result(run),
            "outputVariables": run.variables,
        },
    })
}

fn result(run: &ActionRun) -> Value {
    let mut result = json!({});
    if let Some(id) = &run.external_id {
        result["externalExecutionId"] = id.as_str().into();
    }
    if let Some(summary) = &run.summary {
        result["externalExecutionSummary"] = summary.as_str().into();
    }
    if let Some((code, message)) = &run.error {
        result["errorDetails"] = json!({ "code": code, "message": message });
    }
    result
}
