//! Our actions back to CodeBuild's: from what they say themselves, or else from the structure that was saved. What has
//! been edited since in the rest of an action and of the pipeline stays as it is.

use serde_json::{Value, json};

use super::finding::Finding;
use super::pipeline::{Described, actions, configuration, is_codebuild, is_ours, put, text, type_of};
use super::swap::{Orders, masked};
use super::words::OURS;
use super::{ActionChange, Change};
use crate::fault::Fault;
use crate::queue::codepipeline::action_type::OPTIONS;
use crate::queue::codepipeline::options::{Options, Was};

/// The pipeline with the named actions swapped back; all that were swapped when the orders name none. `saved` are structures
/// that it had, newest first.
///
/// # Errors
/// A `Configuration` fault for a named action that is not there.
pub fn revert(described: &Described, saved: &[Value], orders: &Orders) -> Result<Change, Fault> {
    let named = &orders.actions;
    let all = actions(&described.pipeline);
    for name in named {
        if !all.iter().any(|(place, _)| place.to_string() == *name) {
            return Err(Fault::configuration(format!("the pipeline {} has no action {name}", described.name())));
        }
    }
    let mut change = Change { pipeline: described.pipeline.clone(), actions: Vec::new(), findings: Vec::new() };
    for (place, action) in all {
        let asked = named.contains(&place.to_string());
        let wanted = if named.is_empty() { is_ours(action) } else { asked };
        if !wanted {
            continue;
        }
        let mut before =
            saved.iter().flat_map(actions).filter(|(known, before)| *known == place && is_codebuild(before));
        let (after, findings) = one(action, before.next().map(|(_, before)| before));
        if let Some(after) = &after {
            put(&mut change.pipeline, &place, after.clone());
        }
        change.actions.push(ActionChange { place, after, findings });
    }
    change.findings.extend(masked(described, &orders.accepted));
    Ok(change)
}

fn one(action: &Value, saved: Option<&Value>) -> (Option<Value>, Vec<Finding>) {
    if !is_ours(action) {
        return (None, vec![Finding::note("already", format!("an action {}", type_of(action)))]);
    }
    match (was(action), saved) {
        (Some(was), saved) => {
            let after = back(action, &was);
            let findings = saved
                .filter(|saved| **saved != after)
                .map(|_| Finding::note("edited", "it was edited since it was swapped: the edit is kept"));
            (Some(after), findings.into_iter().collect())
        }
        (None, Some(saved)) => {
            let mut after = action.clone();
            for key in ["actionTypeId", "configuration", "roleArn"] {
                if let Some(value) = saved.get(key) {
                    after[key] = value.clone();
                }
            }
            (
                Some(after),
                vec![Finding::note("saved", "its Options do not tell what it was: taken from the saved structure")],
            )
        }
        (None, None) => {
            let text = "its Options do not tell what it was, and this machine has no saved structure with it";
            (None, vec![Finding::refused("unknown", text)])
        }
    }
}

/// What the action says that it was.
fn was(action: &Value) -> Option<Was> {
    Options::parse(text(&action["configuration"], OPTIONS)).ok()?.was
}

fn back(action: &Value, was: &Was) -> Value {
    let mut after = action.clone();
    let category = after["actionTypeId"]["category"].clone();
    after["actionTypeId"] =
        json!({ "category": category, "owner": "AWS", "provider": was.provider, "version": was.version });
    let mut words = configuration(action);
    words.retain(|word, _| !OURS.contains(&word.as_str()));
    words.extend(was.configuration.clone());
    after["configuration"] = Value::Object(words);
    if let Some(role) = &was.role_arn {
        after["roleArn"] = role.as_str().into();
    }
    after
}
