//! What references stand for, from the plan and the state of the run.

use std::collections::BTreeMap;

use pipeline_spec::plan::{Plan, Reference, Template};

use super::Run;
use crate::fault::Fault;
use crate::state::{ActionState, RunState};

/// How many characters a short commit has.
const SHORT: usize = 7;

impl Run {
    /// The text of a template.
    ///
    /// # Errors
    /// A `Configuration` fault for a value that the run does not have, such as the commit of a plain folder.
    pub(super) fn render(&self, template: &Template) -> Result<String, Fault> {
        self.with_values(|value_of| template.render(value_of))
    }

    /// Fills references in by any means that needs a function from a reference to its value.
    pub(super) fn with_values<T>(
        &self,
        fill: impl FnOnce(&dyn Fn(&Reference) -> Option<String>) -> Result<T, Reference>,
    ) -> Result<T, Fault> {
        let filled = self.recorder.with(|state| {
            let filled = fill(&|reference| value_of(&self.plan, state, reference));
            filled.map_err(|reference| (is_withheld(state, &reference), reference))
        });
        filled.map_err(|(withheld, reference)| match withheld {
            true => Fault::configuration(format!("the value of {reference} is not in the record: a secret is in it"))
                .hint("the process that knew it is gone: start the run anew"),
            false => Fault::configuration(format!("{reference} has no value in this run")).hint(hint_for(&reference)),
        })
    }

    /// The texts of a map of templates.
    pub(super) fn render_all(&self, map: &BTreeMap<String, Template>) -> Result<BTreeMap<String, String>, Fault> {
        map.iter().map(|(name, template)| Ok((name.clone(), self.render(template)?))).collect()
    }

    /// The text of a template that may be left out.
    pub(super) fn render_option(&self, template: Option<&Template>) -> Result<Option<String>, Fault> {
        template.map(|template| self.render(template)).transpose()
    }
}

fn hint_for(reference: &Reference) -> String {
    match reference.path.first().map(String::as_str) {
        Some("source") => "the source is no Git work tree, or has no such thing".to_owned(),
        Some(action) => format!("the action {action} ended without it"),
        None => String::new(),
    }
}

/// Whether it is a variable whose value an earlier process had to keep to itself.
fn is_withheld(state: &RunState, reference: &Reference) -> bool {
    let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [action, "variables", name] => state.action(action).is_some_and(|action| action.withheld.contains(*name)),
        _ => false,
    }
}

/// The value of one reference.
fn value_of(plan: &Plan, state: &RunState, reference: &Reference) -> Option<String> {
    let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["variables", name] => plan.variables.get(*name).cloned(),
        ["pipeline", "name"] => Some(plan.name.clone()),
        ["run", "id"] => Some(state.run.clone()),
        ["source", name] => source_value(state, name),
        [action, rest @ ..] => action_value(state.action(action)?, rest),
        [] => None,
    }
}

fn source_value(state: &RunState, name: &str) -> Option<String> {
    let revision = state.revision.as_ref()?;
    match name {
        "commit" => revision.commit.clone(),
        "short-commit" => revision.commit.as_ref().map(|commit| commit.chars().take(SHORT).collect()),
        "branch" => revision.branch.clone(),
        "message" => revision.message.clone(),
        "author" => revision.author.clone(),
        "repository" => Some(revision.repository.clone()),
        _ => None,
    }
}

fn action_value(action: &ActionState, path: &[&str]) -> Option<String> {
    match (path, &action.image) {
        (["uri"], Some(image)) => Some(image.uri.clone()),
        (["digest"], Some(image)) => Some(image.digest.clone()),
        (["repository"], Some(image)) => Some(image.repository.clone()),
        (["tag"], Some(image)) => image.tags.first().cloned(),
        (["variables", name], _) if action.withheld.contains(*name) => None,
        (["variables", name], _) => action.variables.get(*name).cloned(),
        _ => None,
    }
}
