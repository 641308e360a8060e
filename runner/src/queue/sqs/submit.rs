//! Puts a request for a run into a queue.

use aws_types::SdkConfig;
use sha2::{Digest as _, Sha256};

use super::mailbox::Mailbox;
use super::request::{ExecutionMode, RunRequest};
use crate::fault::Fault;

/// Asks for a run; the message's id.
///
/// A FIFO queue hands out one message of a group at a time. That is right for runs that wait for each other in order; the
/// others must be seen at the same time, so each of them is a group of its own.
///
/// # Errors
/// As the call's.
pub async fn submit(aws: &SdkConfig, queue: &str, request: &RunRequest) -> Result<String, Fault> {
    let body = serde_json::to_string(request).map_err(|error| Fault::system(format!("the request: {error}")))?;
    // The SDK sends a call that it repeats with the same one. A second call is a second request, also with the same text:
    // the branch that it names may have moved.
    let once = uuid::Uuid::new_v4().to_string();
    let group = match request.mode {
        ExecutionMode::Queued => group_id(&request.group()),
        ExecutionMode::Superseded | ExecutionMode::Parallel => once.clone(),
    };
    Mailbox::new(aws, queue.to_owned()).send(&body, &group, &once).await
}

/// A group as SQS takes it: up to 128 letters, digits and punctuation (API reference, `MessageGroupId`).
fn group_id(group: &str) -> String {
    let fits = (1..=128).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { group.to_owned() } else { hex::encode(Sha256::digest(group)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_sqs_would_refuse_is_told_by_its_digest() {
        assert_eq!(group_id("billing/main"), "billing/main");
        assert_eq!(group_id("zahlung/größe").len(), 64);
        assert_eq!(group_id(&"x".repeat(129)).len(), 64);
    }
}
