//! Pipelines: create, read, change, delete, list.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::codepipeline::error::ApiError;
use crate::codepipeline::json::{list, page, required, text, time};
use crate::codepipeline::state::State;
use crate::codepipeline::state::ledger::Call;

/// Entries of a page when the request does not say.
const PAGE: usize = 100;

pub(super) fn create(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    let tags: BTreeMap<String, String> =
        list(input, "tags").iter().map(|tag| (required(tag, "key"), required(tag, "value"))).collect();
    let mut answer = json!({ "pipeline": state.create_pipeline(&input["pipeline"], tags, call.at)? });
    if let Some(tags) = input.get("tags") {
        answer["tags"] = tags.clone();
    }
    Ok(answer)
}

pub(super) fn update(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    Ok(json!({ "pipeline": state.update_pipeline(&input["pipeline"], call.at)? }))
}

pub(super) fn get(state: &State, input: &Value) -> Result<Value, ApiError> {
    let name = text(input, "name").unwrap_or_default();
    let pipeline = state.pipeline(name)?;
    let newest = pipeline.versions.len();
    let version = input["version"].as_u64().map_or(newest, |version| usize::try_from(version).unwrap_or(0));
    let declared = version.checked_sub(1).and_then(|at| pipeline.versions.get(at)).ok_or_else(|| {
        ApiError::new("PipelineVersionNotFoundException", format!("Pipeline {name} has no version {version}"))
    })?;
    let metadata = json!({
        "pipelineArn": state.arn(name),
        "created": time(pipeline.created),
        "updated": time(pipeline.updated),
    });
    Ok(json!({ "pipeline": state.hide_secrets(declared.clone()), "metadata": metadata }))
}

/// Like in AWS, a pipeline that there is not is no error.
pub(super) fn delete(state: &mut State, input: &Value) -> Result<Value, ApiError> {
    state.pipelines.remove(text(input, "name").unwrap_or_default());
    Ok(json!({}))
}

pub(super) fn list_all(state: &State, input: &Value) -> Result<Value, ApiError> {
    let all = state.pipelines.iter().map(|(name, pipeline)| {
        json!({
            "name": name,
            "version": pipeline.versions.len(),
            "created": time(pipeline.created),
            "updated": time(pipeline.updated),
        })
    });
    page_of("pipelines", all.collect(), input)
}

/// A page of a list, under the member's name.
///
/// # Errors
/// `InvalidNextTokenException`
pub(super) fn page_of(member: &str, all: Vec<Value>, input: &Value) -> Result<Value, ApiError> {
    let (page, next) = page(all, input, PAGE).map_err(|token| {
        ApiError::new("InvalidNextTokenException", format!("The token {token} is not one of this list"))
    })?;
    let mut answer = json!({ member: page });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}
