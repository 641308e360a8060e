//! Tags of pipelines.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::pipeline::page_of;
use crate::codepipeline::error::ApiError;
use crate::codepipeline::json::{list, required, text};
use crate::codepipeline::state::State;

/// Tags that a resource may have.
const MOST: usize = 50;

pub(super) fn list_all(state: &mut State, input: &Value) -> Result<Value, ApiError> {
    let all = tags(state, input)?.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    page_of("tags", all, input)
}

pub(super) fn add(state: &mut State, input: &Value) -> Result<Value, ApiError> {
    let tags = tags(state, input)?;
    let mut new = tags.clone();
    new.extend(list(input, "tags").iter().map(|tag| (required(tag, "key"), required(tag, "value"))));
    if new.len() > MOST {
        return Err(ApiError::new("TooManyTagsException", format!("A resource has at most {MOST} tags")));
    }
    *tags = new;
    Ok(json!({}))
}

pub(super) fn remove(state: &mut State, input: &Value) -> Result<Value, ApiError> {
    let tags = tags(state, input)?;
    for key in list(input, "tagKeys").iter().filter_map(Value::as_str) {
        tags.remove(key);
    }
    Ok(json!({}))
}

fn tags<'a>(state: &'a mut State, input: &Value) -> Result<&'a mut BTreeMap<String, String>, ApiError> {
    let arn = text(input, "resourceArn").unwrap_or_default();
    let name = arn.rsplit(':').next().unwrap_or_default().to_owned();
    let missing = || ApiError::new("ResourceNotFoundException", format!("{arn} does not exist"));
    if state.arn(&name) != arn {
        return Err(missing());
    }
    state.pipelines.get_mut(&name).map(|pipeline| &mut pipeline.tags).ok_or_else(missing)
}
