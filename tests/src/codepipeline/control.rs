//! The door for whoever drives this CodePipeline as a process: faults, revisions, time, the ledger. Not a part of AWS.
//!
//! `POST give`, `POST disturb`, `POST advance`, `POST expire-credentials`; `GET crimes`, `GET calls`, `GET events`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use base64::Engine as _;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::disturbance::Disturbance;
use super::door::json_response;
use super::json::{map, required, text};
use super::service::Service;
use super::state::Given;

/// Answers a request for `/_codepipeline/<path>`.
pub(super) fn answer(service: &Arc<Service>, path: &str, body: &[u8]) -> Response<Body> {
    let input: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let answered = match path {
        "give" => give(service, &input),
        "disturb" => disturb(service, &input),
        "advance" => {
            service.advance(SignedDuration::from_secs(input["seconds"].as_i64().unwrap_or(0)));
            Ok(json!({ "now": service.now().to_string() }))
        }
        "expire-credentials" => {
            service.apply(super::state::State::expire_credentials);
            Ok(json!({ "expired": true }))
        }
        "crimes" => Ok(crimes(service)),
        "calls" => Ok(calls(service)),
        "events" => Ok(json!({ "events": service.look().events.clone() })),
        other => Err(format!("there is no {other}")),
    };
    match answered {
        Ok(value) => json_response(StatusCode::OK, &value),
        Err(why) => json_response(StatusCode::BAD_REQUEST, &json!({ "message": why })),
    }
}

/// `{"pipeline", "action", "revision", "zip": {path: text} | "base64" and "contentType" | "clone": {…}, "variables"}`
fn give(service: &Arc<Service>, input: &Value) -> Result<Value, String> {
    let revision = text(input, "revision").ok_or("a revision is needed")?;
    let files = map(input, "zip");
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let mut given = if let Some(clone) = input.get("clone") {
        let of = |member| text(clone, member).unwrap_or_default();
        Given::clone_ref(of("AccountId"), of("FullRepositoryName"), of("CloneUrl"), revision, of("BranchName"))
    } else if let Some(encoded) = text(input, "base64") {
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).map_err(|error| error.to_string())?;
        let kinds = ["application/zip", "application/x-tar", "application/gzip", "application/json"];
        let asked = text(input, "contentType").unwrap_or("application/zip");
        let kind = kinds.into_iter().find(|kind| *kind == asked).ok_or("an unknown contentType")?;
        Given::bytes(revision, bytes, kind)
    } else {
        Given::zip(revision, &files)
    };
    given.variables.extend(map(input, "variables"));
    service.look().give(&required(input, "pipeline"), &required(input, "action"), given);
    Ok(json!({ "given": revision }))
}

/// `{"operation"?, "fault": "throttle" | …, "milliseconds"?, "next": n | "share": p, "seed"}`; without a fault, none.
fn disturb(service: &Arc<Service>, input: &Value) -> Result<Value, String> {
    let disturbance = match text(input, "fault") {
        None => {
            service.disturbances.clear();
            return Ok(json!({ "faults": "none" }));
        }
        Some("throttle") => Disturbance::Throttle,
        Some("internal-error") => Disturbance::InternalError,
        Some("close-before") => Disturbance::CloseBefore,
        Some("close-after") => Disturbance::CloseAfter,
        Some("delay") => Disturbance::Delay(Duration::from_millis(input["milliseconds"].as_u64().unwrap_or(0))),
        Some(other) => return Err(format!("there is no fault {other}")),
    };
    let operation = text(input, "operation");
    match (input["next"].as_u64(), input["share"].as_f64()) {
        (Some(count), _) => {
            service.disturbances.next(operation, usize::try_from(count).unwrap_or(usize::MAX), disturbance);
        }
        (None, Some(share)) => {
            service.disturbances.share(operation, share, input["seed"].as_u64().unwrap_or(0), disturbance);
        }
        (None, None) => return Err("either next or share is needed".to_owned()),
    }
    Ok(json!({ "faults": format!("{disturbance:?}") }))
}

fn crimes(service: &Arc<Service>) -> Value {
    let state = service.look();
    let all = state.ledger.offences.iter().map(|offence| {
        json!({
            "crime": format!("{:?}", offence.crime),
            "caller": offence.call.caller,
            "operation": offence.call.operation,
            "at": offence.call.at.to_string(),
            "job": offence.job,
            "detail": offence.detail,
        })
    });
    json!({ "crimes": all.collect::<Value>() })
}

fn calls(service: &Arc<Service>) -> Value {
    let state = service.look();
    let all = state.ledger.entries.iter().map(|entry| {
        json!({
            "at": entry.call.at.to_string(),
            "caller": entry.call.caller,
            "operation": entry.call.operation,
            "input": entry.input,
            "error": entry.error,
        })
    });
    json!({ "calls": all.collect::<Value>() })
}
