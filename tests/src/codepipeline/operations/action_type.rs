//! Custom action types.

use serde_json::{Value, json};

use super::pipeline::page_of;
use crate::codepipeline::error::ApiError;
use crate::codepipeline::json::text;
use crate::codepipeline::state::State;
use crate::codepipeline::state::action_type::TypeId;

pub(super) fn create(state: &mut State, input: &Value) -> Result<Value, ApiError> {
    let mut answer = json!({ "actionType": state.create_action_type(input)? });
    if let Some(tags) = input.get("tags") {
        answer["tags"] = tags.clone();
    }
    Ok(answer)
}

pub(super) fn delete(state: &mut State, input: &Value) -> Result<Value, ApiError> {
    state.delete_action_type(&TypeId { owner: "Custom".to_owned(), ..TypeId::of(input) });
    Ok(json!({}))
}

pub(super) fn list(state: &State, input: &Value) -> Result<Value, ApiError> {
    let owner = text(input, "actionOwnerFilter");
    let all = state.action_types().filter(|known| owner.is_none_or(|owner| known.id.owner == owner));
    page_of("actionTypes", all.map(|known| known.json()).collect(), input)
}
