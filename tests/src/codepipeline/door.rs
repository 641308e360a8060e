//! The HTTP door: JSON 1.1 for CodePipeline, and everything else to the guard before the emulator.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use super::connection::Cut;
use super::disturbance::Disturbance;
use super::error::ApiError;
use super::operations;
use super::service::Service;
use super::state::ledger::{Call, Crime};
use super::{control, guard, work};
use crate::signature::{Signed, header};

/// What names an operation of this version of the API.
const TARGET: &str = "CodePipeline_20150709.";

/// Answers a request.
pub(super) async fn answer(
    State(service): State<Arc<Service>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if let Some(path) = parts.uri.path().strip_prefix("/_codepipeline/") {
        return control::answer(&service, path, &body);
    }
    match header(&parts, "x-amz-target").and_then(|target| target.strip_prefix(TARGET)) {
        Some(operation) => {
            let operation = operation.to_owned();
            codepipeline(&service, &cut, &parts, operation, &body).await
        }
        None => guard::answer(&service, &cut, parts, body).await,
    }
}

async fn codepipeline(
    service: &Arc<Service>,
    cut: &Cut,
    parts: &Parts,
    operation: String,
    body: &[u8],
) -> Response<Body> {
    let disturbance = service.disturbances.of(&operation);
    let call = call_of(service, parts, operation, disturbance);
    match disturbance {
        Some(Disturbance::CloseBefore) => return cut_off(cut),
        Some(Disturbance::Throttle) => {
            return refuse(service, &call, &ApiError::new("ThrottlingException", "Rate exceeded"));
        }
        Some(Disturbance::InternalError) => {
            return refuse(service, &call, &ApiError::new("InternalFailure", "The service has failed"));
        }
        Some(Disturbance::CloseAfter | Disturbance::Delay(_)) | None => {}
    }
    if let Err(error) = check_signer(service, parts) {
        return refuse(service, &call, &error);
    }
    let answered = match serde_json::from_slice::<Value>(body) {
        Ok(input) if input.is_object() => carry_out(service, &call, input).await,
        _ => Err(ApiError::new("SerializationException", "The request is no JSON object")),
    };
    match disturbance {
        Some(Disturbance::CloseAfter) => return cut_off(cut),
        Some(Disturbance::Delay(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    match answered {
        Ok(value) => json_response(StatusCode::OK, &value),
        Err(error) => error_response(&error),
    }
}

/// Before a success counts, the artifacts that it promises are looked at: the state itself cannot.
async fn carry_out(service: &Arc<Service>, call: &Call, input: Value) -> Result<Value, ApiError> {
    let due = if call.operation == "PutJobSuccessResult" { service.look().outputs_due(&input) } else { Vec::new() };
    let mut wrong = Vec::new();
    for artifact in due {
        match work::get(service, &artifact).await {
            Err(why) => wrong.push((Crime::OutputMissing, why)),
            Ok(bytes) => wrong.extend(work::check_zip(&bytes).err().map(|why| (Crime::OutputNotZip, why))),
        }
    }
    service.apply(|state, _| {
        let job = input["jobId"].as_str().map(str::to_owned);
        let answer = operations::answer(state, &service.model, call, input);
        for (crime, why) in wrong.into_iter().filter(|_| answer.is_ok()) {
            state.ledger.accuse(crime, call, job.as_deref(), why);
        }
        answer
    })
}

fn refuse(service: &Arc<Service>, call: &Call, error: &ApiError) -> Response<Body> {
    service.apply(|state, _| operations::record(state, call, Value::Null, Some(error.code)));
    error_response(error)
}

/// A call has to be signed for this service and this Region. Whose secret it was signed with is not asked: a test's
/// callers have any.
fn check_signer(service: &Service, parts: &Parts) -> Result<(), ApiError> {
    let Some(signed) = Signed::of(parts) else {
        return Err(ApiError::new("MissingAuthenticationTokenException", "Missing Authentication Token"));
    };
    let region = service.look().settings.region.clone();
    if signed.service == "codepipeline" && signed.region == region {
        return Ok(());
    }
    let text = format!("Credential should be scoped to service 'codepipeline' and region '{region}'");
    Err(ApiError::new("InvalidSignatureException", text))
}

/// Who calls, by the headers that every SDK sends.
pub(super) fn call_of(service: &Service, parts: &Parts, operation: String, disturbance: Option<Disturbance>) -> Call {
    let key = Signed::of(parts).map_or_else(|| "nobody".to_owned(), |signed| signed.key);
    let agent = ["x-amz-user-agent", "user-agent"].iter().filter_map(|name| header(parts, name));
    let mut words = agent.flat_map(str::split_whitespace);
    let caller = match words.find_map(|word| word.strip_prefix("app/")) {
        Some(app) => format!("{key}/{app}"),
        None => key,
    };
    Call {
        at: service.now(),
        caller,
        invocation: header(parts, "amz-sdk-invocation-id").map(str::to_owned),
        operation,
        answer_lost: disturbance.is_some_and(Disturbance::loses_answer),
    }
}

/// The connection ends without an answer.
pub(super) fn cut_off(cut: &Cut) -> Response<Body> {
    cut.cut();
    Response::new(Body::empty())
}

fn error_response(error: &ApiError) -> Response<Body> {
    let status = if error.code == "InternalFailure" { 500 } else { 400 };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    json_response(status, &json!({ "__type": error.code, "message": error.message }))
}

/// An answer in JSON 1.1. An operation without output answers with nothing at all, as AWS does.
pub(super) fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    let body = if *value == json!({}) { String::new() } else { value.to_string() };
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amzn-requestid", uuid::Uuid::new_v4().to_string());
    response.body(Body::from(body)).unwrap_or_default()
}
