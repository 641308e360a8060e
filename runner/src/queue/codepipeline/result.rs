//! A result in CodePipeline's words, within its limits. What is too long is cut on a character's border, with a sign
//! that it was; a result that the service would refuse is never lost for that.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_codepipeline::error::BuildError;
use aws_sdk_codepipeline::types::{ExecutionDetails, FailureDetails, FailureType};

use crate::fault::Fault;
use crate::queue::{FailureKind, JobResult};

/// The longest message of a failure, in characters.
const MESSAGE: usize = 5000;
/// The longest summary, in characters.
const SUMMARY: usize = 2048;
/// The longest external execution id, in characters.
const EXTERNAL_ID: usize = 1500;

/// What is put.
#[derive(Debug, PartialEq)]
pub(super) enum Put {
    Success { details: ExecutionDetails, variables: HashMap<String, String> },
    Failure(FailureDetails),
}

/// The call that a result becomes.
pub(super) fn of(result: &JobResult) -> Result<Put, Fault> {
    let external = result.external_id.as_deref().filter(|id| !id.is_empty()).map(|id| cut(id, EXTERNAL_ID));
    let failed = |kind, message: &str| failure(kind, message, external.clone());
    if let Some(refusal) = &result.failure {
        return failed(refusal.kind, &refusal.message);
    }
    if let Some(wrong) = wrong_name(&result.variables).or_else(|| result.excess()) {
        return failed(FailureKind::ConfigurationError, &wrong);
    }
    let summary = Some(cut(&result.summary, SUMMARY)).filter(|summary| !summary.is_empty());
    let details = ExecutionDetails::builder().set_summary(summary).set_external_execution_id(external);
    let variables = result.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Ok(Put::Success { details: details.percent_complete(100).build(), variables })
}

/// What is put in the place of a result that the service has refused for what it says, one after the other: why, and at
/// last no more than that there was one.
pub(super) fn instead(result: &JobResult, why: &str) -> Result<Vec<Put>, Fault> {
    let plain = "CodePipeline refuses the result of the job; the worker's log says why";
    Ok(match &result.failure {
        None => vec![
            failure(FailureKind::ConfigurationError, &format!("CodePipeline refuses the result: {why}"), None)?,
            failure(FailureKind::ConfigurationError, plain, None)?,
        ],
        Some(refusal) => vec![failure(refusal.kind, plain, None)?],
    })
}

fn failure(kind: FailureKind, message: &str, external: Option<String>) -> Result<Put, Fault> {
    let kind = match kind {
        FailureKind::JobFailed => FailureType::JobFailed,
        FailureKind::ConfigurationError => FailureType::ConfigurationError,
        FailureKind::PermissionError => FailureType::PermissionError,
        FailureKind::RevisionOutOfSync => FailureType::RevisionOutOfSync,
        FailureKind::RevisionUnavailable => FailureType::RevisionUnavailable,
        FailureKind::SystemUnavailable => FailureType::SystemUnavailable,
    };
    // The service takes no failure without a message.
    let message = if message.trim().is_empty() { "no reason was given" } else { message };
    let details = FailureDetails::builder().r#type(kind).message(cut(message, MESSAGE));
    let details = details.set_external_execution_id(external).build();
    Ok(Put::Failure(details.map_err(|error: BuildError| Fault::system(format!("the failure's details: {error}")))?))
}

/// The first variable whose name the service would refuse, in words.
fn wrong_name(variables: &BTreeMap<String, String>) -> Option<String> {
    let fits = |character: char| character.is_ascii_alphanumeric() || "@-_".contains(character);
    let name = variables.keys().find(|name| name.is_empty() || !name.chars().all(fits))?;
    Some(format!("exported variable {name:?} cannot be an output variable: its name may have A-Z a-z 0-9 @ - _"))
}

/// At most so many characters, with `…` at the end of what was cut.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Refusal;

    fn failed(message: &str) -> JobResult {
        let failure = Some(Refusal { kind: FailureKind::JobFailed, message: message.to_owned() });
        JobResult { failure, summary: String::new(), external_id: None, variables: BTreeMap::new() }
    }

    fn message(result: &JobResult) -> String {
        match of(result).unwrap() {
            Put::Failure(details) => details.message().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_long_message_is_cut_on_a_characters_border_and_an_empty_one_is_filled() {
        let cut = message(&failed(&"ü".repeat(6000)));
        assert_eq!((cut.chars().count(), cut.ends_with("ü…")), (5000, true));
        assert_eq!(message(&failed(&"x".repeat(5000))).len(), 5000);
        assert_eq!(message(&failed(" ")), "no reason was given");
    }

    #[test]
    fn variables_that_the_service_would_refuse_fail_the_action_with_a_reason() {
        let with = |name: &str, value: String| JobResult {
            failure: None,
            summary: "ok".to_owned(),
            external_id: Some("u".to_owned()),
            variables: BTreeMap::from([(name.to_owned(), value)]),
        };
        assert!(matches!(of(&with("A-b_c@9", "x".repeat(122_873))).unwrap(), Put::Success { .. }));
        assert_eq!(
            message(&with("A", "x".repeat(122_880))),
            "the exported variables are 122881 bytes; CodePipeline takes 122880"
        );
        assert!(message(&with("a.b", String::new())).starts_with("exported variable \"a.b\" cannot be"));
    }
}
