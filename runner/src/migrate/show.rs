//! A change as people read it: action by action, and as a unified diff of the structure.

use std::fmt::Write as _;

use serde_json::Value;

use super::diff::unified;
use super::finding::{Finding, Weight};
use super::pipeline::{Described, actions, configuration, type_of};
use super::{ActionChange, Change};

/// The change of a pipeline, as text.
#[must_use]
pub fn shown(described: &Described, change: &Change) -> String {
    let mut out = format!("pipeline {}, version {}", described.name(), described.version());
    if let (Some(region), Some(account)) = (described.region(), described.account()) {
        let _ = write!(out, ", {region}, account {account}");
    }
    out.push('\n');
    for finding in &change.findings {
        told(&mut out, finding);
    }
    let before = actions(&described.pipeline);
    for action in &change.actions {
        let old = before.iter().find(|(place, _)| *place == action.place).map(|(_, old)| *old);
        one(&mut out, old.unwrap_or(&Value::Null), action);
    }
    if change.actions.is_empty() {
        out.push_str("\nno action to swap\n");
    }
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let names =
        (format!("{} version {}", described.name(), described.version()), format!("{} changed", described.name()));
    let diff = unified((&names.0, &pretty(&described.pipeline)), (&names.1, &pretty(&change.pipeline)));
    if !diff.is_empty() {
        let _ = write!(out, "\n{diff}");
    }
    out
}

fn one(out: &mut String, old: &Value, action: &ActionChange) {
    let ActionChange { place, after, .. } = action;
    let Some(new) = after else {
        let _ = writeln!(out, "\n{place}: {}, left as it is", type_of(old));
        action.findings.iter().for_each(|finding| told(out, finding));
        return;
    };
    let _ = writeln!(out, "\n{place}: {} -> {}", type_of(old), type_of(new));
    let (was, is) = (configuration(old), configuration(new));
    for (word, value) in was.iter().filter(|(word, value)| is.get(*word) != Some(value)) {
        let _ = writeln!(out, "  - {word}: {}", line(value));
    }
    for (word, value) in &is {
        let sign = if was.get(word) == Some(value) { ' ' } else { '+' };
        let _ = writeln!(out, "  {sign} {word}: {}", line(value));
    }
    action.findings.iter().for_each(|finding| told(out, finding));
}

/// A value on one line.
fn line(value: &Value) -> String {
    match value.as_str() {
        Some(text) if !text.contains(['\n', '\r']) => text.to_owned(),
        _ => value.to_string(),
    }
}

fn told(out: &mut String, finding: &Finding) {
    let Finding { name, weight, text, hint } = finding;
    let word = match weight {
        Weight::Note => "note",
        Weight::Ask => "not without --accept",
        Weight::Refused => "refused",
    };
    let _ = writeln!(out, "  {word} {name}: {text}");
    if let Some(hint) = hint {
        let _ = writeln!(out, "    hint: {hint}");
    }
}
