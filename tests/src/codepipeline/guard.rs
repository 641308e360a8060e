//! The guard before the emulator's S3. Who has the credentials of a job may read the artifact bucket and put the job's
//! output artifacts there, encrypted; nobody else comes near the bucket. All other requests go through, unless a test
//! asks for a fault.

use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode};
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::connection::Cut;
use super::disturbance::Disturbance;
use super::door::{call_of, cut_off, json_response};
use super::operations::record;
use super::service::Service;
use super::state::State;
use super::state::key::TemporaryKey;
use super::state::ledger::{Call, Crime};
use super::upstream;
use crate::signature::{Signed, fresh, header};

/// A refusal of S3: status, code, text.
type Refusal = (u16, &'static str, String);

/// What is asked of S3.
struct Asked {
    operation: &'static str,
    bucket: String,
    key: String,
}

/// Answers a request that is not for CodePipeline.
pub(super) async fn answer(service: &Arc<Service>, cut: &Cut, parts: Parts, body: Bytes) -> Response<Body> {
    let asked = asked(&parts);
    let signed = Signed::of(&parts);
    let of_job = signed.as_ref().is_some_and(|signed| service.look().key(&signed.key).is_some());
    let guarded = of_job || service.look().keeps_artifacts(&asked.bucket);
    if !guarded || signed.as_ref().is_some_and(|signed| signed.service != "s3") {
        return past(service, cut, parts, body).await;
    }
    let operation = format!("s3:{}", asked.operation);
    let disturbance = service.disturbances.of(&operation);
    let call = call_of(service, &parts, operation, disturbance);
    let refusal = match disturbance {
        Some(Disturbance::CloseBefore) => return cut_off(cut),
        Some(Disturbance::Throttle) => Some((503, "SlowDown", "Please reduce your request rate.".to_owned())),
        Some(Disturbance::InternalError) => {
            Some((500, "InternalError", "We encountered an internal error.".to_owned()))
        }
        _ => service.apply(|state, _| check(state, &call, &asked, &parts, &body).err()),
    };
    let named = json!({ "bucket": asked.bucket, "key": asked.key });
    service.apply(|state, _| record(state, &call, named, refusal.as_ref().map(|(_, code, _)| *code)));
    let response = match refusal {
        Some(refusal) => refused(refusal, parts.method == axum::http::Method::HEAD),
        None => {
            let account = service.look().settings.account.clone();
            through(service, under_account(parts, &account), body).await
        }
    };
    match disturbance {
        Some(Disturbance::CloseAfter) => cut_off(cut),
        Some(Disturbance::Delay(time)) => {
            tokio::time::sleep(time).await;
            response
        }
        _ => response,
    }
}

fn check(state: &mut State, call: &Call, asked: &Asked, parts: &Parts, body: &[u8]) -> Result<(), Refusal> {
    let signed = Signed::of(parts);
    let Some(signed) = signed.filter(|signed| state.key(&signed.key).is_some()) else {
        state.ledger.accuse(Crime::ForeignCredentials, call, None, format!("{}/{}", asked.bucket, asked.key));
        return Err(denied());
    };
    let key = state.key(&signed.key).cloned().ok_or_else(denied)?;
    check_signature(&signed, &key, call, parts, body)?;
    if let Some(job) = state.jobs().iter().position(|job| job.id == key.job) {
        state.check_abandoned(job, call);
    }
    check_place(state, &key, call, asked)?;
    check_encryption(state, &key, call, asked, parts)
}

fn check_signature(
    signed: &Signed,
    key: &TemporaryKey,
    call: &Call,
    parts: &Parts,
    body: &[u8],
) -> Result<(), Refusal> {
    let refuse = |status, code, text: &str| Err((status, code, text.to_owned()));
    if header(parts, "x-amz-security-token") != Some(key.token.as_str()) {
        return refuse(400, "InvalidToken", "The provided token is malformed or otherwise invalid.");
    }
    if call.at >= key.expires {
        return refuse(400, "ExpiredToken", "The provided token has expired.");
    }
    if !fresh(header(parts, "x-amz-date").unwrap_or_default()) {
        return refuse(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        );
    }
    if !signed.is_by(&key.secret, parts) {
        let text = "The request signature we calculated does not match the signature you provided.";
        return refuse(403, "SignatureDoesNotMatch", text);
    }
    let payload = header(parts, "x-amz-content-sha256").unwrap_or_default();
    let is_digest = payload.len() == 64;
    if is_digest && payload != hex::encode(Sha256::digest(body)) {
        let text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return refuse(400, "XAmzContentSHA256Mismatch", text);
    }
    Ok(())
}

/// A job reads in its artifact bucket, and writes where its output artifacts belong.
fn check_place(state: &mut State, key: &TemporaryKey, call: &Call, asked: &Asked) -> Result<(), Refusal> {
    let job = state.jobs().iter().find(|job| job.id == key.job).ok_or_else(denied)?;
    let (execution, run) = (state.execution(&job.execution), state.run(&job.execution, &job.run));
    let (bucket, run) = execution.map(|one| one.store.bucket.as_str()).zip(run).ok_or_else(denied)?;
    let at = format!("{} {}/{}", asked.operation, asked.bucket, asked.key);
    let crime = match asked.operation {
        _ if asked.bucket != bucket => Crime::OutsideBucket,
        "GetObject" | "HeadObject" => return Ok(()),
        "PutObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "CompleteMultipartUpload"
        | "AbortMultipartUpload"
        | "ListParts"
            if run.outputs.iter().any(|output| output.key == asked.key) =>
        {
            return Ok(());
        }
        _ => Crime::OutsideOutputs,
    };
    state.ledger.accuse(crime, call, Some(&key.job), at);
    Err(denied())
}

/// The policy that CodePipeline gives an artifact bucket denies what is not encrypted with KMS.
fn check_encryption(
    state: &mut State,
    key: &TemporaryKey,
    call: &Call,
    asked: &Asked,
    parts: &Parts,
) -> Result<(), Refusal> {
    if !matches!(asked.operation, "PutObject" | "CreateMultipartUpload") {
        return Ok(());
    }
    let job = state.jobs().iter().find(|job| job.id == key.job);
    let wanted =
        job.and_then(|job| state.execution(&job.execution)).and_then(|execution| execution.store.key.as_deref());
    let given = header(parts, "x-amz-server-side-encryption-aws-kms-key-id");
    let kms = header(parts, "x-amz-server-side-encryption") == Some("aws:kms");
    if kms && (wanted.is_none() || given == wanted) {
        return Ok(());
    }
    let detail = format!("{}: aws:kms {kms}, key {given:?} instead of {wanted:?}", asked.key);
    state.ledger.accuse(Crime::NotEncrypted, call, Some(&key.job), detail);
    Err(denied())
}

/// What a request asks for; buckets are in the path, as they are for every endpoint that is an address.
fn asked(parts: &Parts) -> Asked {
    let path = parts.uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let query = parts.uri.query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|part| part.split('=').next() == Some(name));
    let copies = parts.headers.contains_key("x-amz-copy-source");
    let operation = match (parts.method.as_str(), key.is_empty()) {
        (_, true) => "Bucket",
        ("GET", _) if has("uploadId") => "ListParts",
        ("GET", _) => "GetObject",
        ("HEAD", _) => "HeadObject",
        ("PUT", _) if copies => "CopyObject",
        ("PUT", _) if has("partNumber") => "UploadPart",
        ("PUT", _) => "PutObject",
        ("POST", _) if has("uploads") => "CreateMultipartUpload",
        ("POST", _) if has("uploadId") => "CompleteMultipartUpload",
        ("DELETE", _) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", _) => "DeleteObject",
        _ => "Other",
    };
    Asked { operation, bucket: bucket.to_owned(), key: decoded(key) }
}

/// A key without its percent signs.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|code| hex::decode(code).ok());
        bytes.push(code.as_ref().map_or(*first, |code| code[0]));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The emulator takes an access key of twelve digits as the account's id, and knows nothing of a job's credentials. Nor
/// does it know the key that AWS has for `aws:kms` without a key's id, so encryption ends here, where it was checked.
fn under_account(mut parts: Parts, account: &str) -> Parts {
    for name in ["x-amz-security-token", "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"]
    {
        parts.headers.remove(name);
    }
    let text = header(&parts, "authorization").unwrap_or_default().to_owned();
    let own = text.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
    if let Ok(value) = HeaderValue::from_str(&text.replacen(own, account, 1)) {
        parts.headers.insert("authorization", value);
    }
    parts
}

/// What the targets of requests in JSON begin with, and what this harness calls their service.
const OTHERS: &[(&str, &str)] = &[
    ("AmazonEC2ContainerServiceV20141113", "ecs"),
    ("AmazonSQS", "sqs"),
    ("DynamoDB_20120810", "dynamodb"),
    ("Logs_20140328", "logs"),
];

/// A request that is none of this service's, with what a test wants to go wrong with it. Those of other services are
/// named `dynamodb:UpdateItem` and so on. What changes an ECS service is in the ledger too.
async fn past(service: &Arc<Service>, cut: &Cut, parts: Parts, body: Bytes) -> Response<Body> {
    let Some(operation) = operation(&parts) else { return through(service, parts, body).await };
    let disturbance = service.disturbances.of(&operation);
    let (status, code) = match disturbance {
        Some(Disturbance::Throttle) => (StatusCode::BAD_REQUEST, "ThrottlingException"),
        Some(Disturbance::InternalError) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
        Some(Disturbance::CloseBefore) => return cut_off(cut),
        Some(Disturbance::CloseAfter | Disturbance::Delay(_)) | None => {
            if operation == "ecs:UpdateService" {
                let call = call_of(service, &parts, operation, disturbance);
                let input = serde_json::from_slice(&body).unwrap_or_default();
                service.apply(|state, _| record(state, &call, input, None));
            }
            let response = through(service, parts, body).await;
            return match disturbance {
                Some(Disturbance::CloseAfter) => cut_off(cut),
                Some(Disturbance::Delay(time)) => {
                    tokio::time::sleep(time).await;
                    response
                }
                _ => response,
            };
        }
    };
    json_response(status, &json!({ "__type": code, "message": "not now" }))
}

/// What a request in JSON to another service asks for.
fn operation(parts: &Parts) -> Option<String> {
    let (service, operation) = header(parts, "x-amz-target")?.split_once('.')?;
    let (_, name) = OTHERS.iter().find(|(target, _)| *target == service)?;
    Some(format!("{name}:{operation}"))
}

async fn through(service: &Service, parts: Parts, body: Bytes) -> Response<Body> {
    let answer = upstream::send(&service.upstream, &parts, &body).await;
    answer.unwrap_or_else(|error| refused((502, "BadGateway", error.to_string()), false))
}

fn denied() -> Refusal {
    (403, "AccessDenied", "Access Denied".to_owned())
}

/// An error as S3 writes it; an answer to `HEAD` has no body.
fn refused((status, code, text): Refusal, head: bool) -> Response<Body> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{text}</Message></Error>"
    );
    let response = Response::builder().status(status).header("content-type", "application/xml");
    response.body(if head { Body::empty() } else { Body::from(xml) }).unwrap_or_default()
}
