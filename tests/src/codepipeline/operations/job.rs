//! The results of jobs, which have no answer.

use serde_json::{Value, json};

use crate::codepipeline::error::ApiError;
use crate::codepipeline::state::State;
use crate::codepipeline::state::ledger::Call;

pub(super) fn success(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    state.put_success(call, input).map(|()| json!({}))
}

pub(super) fn failure(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    state.put_failure(call, input).map(|()| json!({}))
}
