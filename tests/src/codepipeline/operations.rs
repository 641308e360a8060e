//! The operations: a request in, an answer or a refusal out, all on the state and without I/O. One file a family.

use serde_json::Value;

use super::error::ApiError;
use super::json::without_nulls;
use super::model::Model;
use super::state::State;
use super::state::ledger::{Call, Crime, Entry};

mod action_type;
mod execution;
mod history;
mod job;
mod pipeline;
mod pipeline_state;
mod tag;

/// The five calls of a worker. A request of these that cannot be right is a worker's mistake.
pub(super) const OF_WORKERS: &[&str] =
    &["PollForJobs", "AcknowledgeJob", "GetJobDetails", "PutJobSuccessResult", "PutJobFailureResult"];

/// Answers a call, and writes it into the ledger.
///
/// # Errors
/// What AWS answers instead.
pub(super) fn answer(state: &mut State, model: &Model, call: &Call, input: Value) -> Result<Value, ApiError> {
    let input = without_nulls(input);
    state.tick(call.at);
    let answer = model.check(&call.operation, &input).and_then(|()| carry_out(state, call, &input));
    if let Err(error) = &answer
        && OF_WORKERS.contains(&call.operation.as_str())
        && matches!(error.code, "ValidationException" | "SerializationException")
    {
        let job = input.get("jobId").and_then(Value::as_str);
        state.ledger.accuse(Crime::Invalid, call, job, error.message.clone());
    }
    record(state, call, input, answer.as_ref().err().map(|error| error.code));
    answer
}

/// Writes a call into the ledger.
pub(super) fn record(state: &mut State, call: &Call, input: Value, error: Option<&str>) {
    state.ledger.entries.push(Entry { call: call.clone(), input, error: error.map(str::to_owned) });
}

fn carry_out(state: &mut State, call: &Call, input: &Value) -> Result<Value, ApiError> {
    match call.operation.as_str() {
        "CreateCustomActionType" => action_type::create(state, input),
        "DeleteCustomActionType" => action_type::delete(state, input),
        "ListActionTypes" => action_type::list(state, input),
        "CreatePipeline" => pipeline::create(state, call, input),
        "GetPipeline" => pipeline::get(state, input),
        "UpdatePipeline" => pipeline::update(state, call, input),
        "DeletePipeline" => pipeline::delete(state, input),
        "ListPipelines" => pipeline::list_all(state, input),
        "GetPipelineState" => pipeline_state::get(state, input),
        "StartPipelineExecution" => execution::start(state, call, input),
        "StopPipelineExecution" => execution::stop(state, call, input),
        "RetryStageExecution" => execution::retry(state, call, input),
        "GetPipelineExecution" => execution::get(state, input),
        "ListPipelineExecutions" => execution::list_all(state, input),
        "ListActionExecutions" => history::list_all(state, input),
        "PollForJobs" => state.poll(call, input),
        "AcknowledgeJob" => state.acknowledge(call, input),
        "GetJobDetails" => state.job_details(call, input),
        "PutJobSuccessResult" => job::success(state, call, input),
        "PutJobFailureResult" => job::failure(state, call, input),
        "ListTagsForResource" => tag::list_all(state, input),
        "TagResource" => tag::add(state, input),
        "UntagResource" => tag::remove(state, input),
        other => Err(ApiError::new("UnknownOperationException", format!("{other} is not known here"))),
    }
}
