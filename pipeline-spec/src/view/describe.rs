//! The words that all views share: one line for a rule, a source, a value's origin.

use crate::plan::{OnFailure, Rule, Source, ValueSource, VariableOperator, Work};
use crate::quantity::duration_text;

/// A rule of a gate.
pub(super) fn rule(rule: &Rule) -> String {
    match rule {
        Rule::Approval { approvers, timeout_seconds, message } => {
            let who = if approvers.is_empty() { "anyone".to_owned() } else { approvers.join(", ") };
            let question = message.to_string();
            let question = if question.is_empty() { question } else { format!(": {question}") };
            format!("approval by {who} within {}{question}", duration_text(*timeout_seconds))
        }
        Rule::DeploymentWindow { cron, time_zone, timeout_seconds } => {
            format!("deployment-window {cron} ({time_zone}) within {}", duration_text(*timeout_seconds))
        }
        Rule::VariableCheck { variable, operator, value } => {
            format!("variable-check {variable} {} {value}", self::operator(*operator))
        }
    }
}

/// The key of a rule.
pub(super) fn rule_key(rule: &Rule) -> &'static str {
    match rule {
        Rule::Approval { .. } => "approval",
        Rule::DeploymentWindow { .. } => "deployment-window",
        Rule::VariableCheck { .. } => "variable-check",
    }
}

fn operator(operator: VariableOperator) -> &'static str {
    match operator {
        VariableOperator::Equals => "equals",
        VariableOperator::NotEquals => "does not equal",
        VariableOperator::Contains => "contains",
        VariableOperator::Matches => "matches",
    }
}

/// What the failure of a stage leads to.
pub(super) fn on_failure(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Fail => "fail",
        OnFailure::Rollback => "rollback",
    }
}

/// Where the revision comes from.
pub(super) fn source(source: &Source) -> String {
    match source {
        Source::Folder { path } => format!("folder {path}"),
        Source::Git { url, reference, depth, submodules } => {
            let mut text = url.clone();
            if let Some(reference) = reference {
                text.push_str(&format!(" at {reference}"));
            }
            if let Some(depth) = depth {
                text.push_str(&format!(", depth {depth}"));
            }
            if *submodules {
                text.push_str(", with submodules");
            }
            text
        }
        Source::Artifact { bucket, key, .. } => format!("artifact s3://{bucket}/{key}"),
    }
}

/// Where a secret comes from; `None` for a plain value.
pub(super) fn secret(value: &ValueSource) -> Option<String> {
    match value {
        ValueSource::Plain(_) => None,
        ValueSource::ParameterStore(name) => Some(format!("parameter-store {name}")),
        ValueSource::SecretsManager(secret) => Some(format!("secrets-manager {}", secret_reference(secret))),
    }
}

/// A reference to Secrets Manager as a buildspec writes it.
pub(super) fn secret_reference(secret: &crate::plan::SecretReference) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let full = format!(
        "{}:{}:{}:{}",
        secret.secret_id,
        part(&secret.json_key),
        part(&secret.version_stage),
        part(&secret.version_id)
    );
    full.trim_end_matches(':').to_owned()
}

/// The key of a kind of work.
pub(super) fn work_key(work: &Work) -> &'static str {
    match work {
        Work::Build(_) => "build",
        Work::Image(_) => "image",
        Work::Deploy(_) => "deploy",
    }
}

/// `1 command`, `2 commands`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
