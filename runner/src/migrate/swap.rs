//! CodeBuild's actions to ours: pure, and complete in what it says about an action that it leaves as it is.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::finding::Finding;
use super::pipeline::{Described, Place, actions, artifacts, configuration, is_codebuild, is_ours, put, text, type_of};
use super::project::{Carried, Project};
use super::words::SHARED;
use super::{ActionChange, Change};
use crate::fault::Fault;
use crate::queue::codepipeline::action_type::{
    BATCH_ENABLED, BUILDSPEC, COMBINE_ARTIFACTS, COMMIT_ID, IMAGE, MOST_CHARACTERS, OPTIONS, OWNER, POOL,
    PRIMARY_SOURCE, PROJECT_NAME, PROVIDER, VERSION,
};
use crate::queue::codepipeline::options::{EnvironmentVariable, Was};

/// What somebody asked for.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    /// The pool that the actions ask for.
    pub pool: String,
    /// The actions, as `STAGE/ACTION`; all of CodeBuild's when empty.
    pub actions: Vec<String>,
    /// The image of their builds, in the place of their projects'.
    pub image: Option<String>,
    /// Names of findings that are accepted.
    pub accepted: Vec<String>,
}

/// The projects that a pipeline's actions name, each once.
#[must_use]
pub fn project_names(described: &Described) -> Vec<String> {
    let builds = actions(&described.pipeline).into_iter().filter(|(_, action)| is_codebuild(action));
    let mut names: Vec<String> =
        builds.map(|(_, action)| text(&action["configuration"], PROJECT_NAME).to_owned()).collect();
    names.retain(|name| !name.is_empty() && !name.contains("#{"));
    names.sort_unstable();
    names.dedup();
    names
}

/// The pipeline with its actions swapped. Projects are known by name.
///
/// # Errors
/// A `Configuration` fault for an order that cannot be meant: an action that is not there, or not one of CodeBuild's.
pub fn swap(described: &Described, projects: &BTreeMap<String, Project>, orders: &Orders) -> Result<Change, Fault> {
    let mut change = Change { pipeline: described.pipeline.clone(), actions: Vec::new(), findings: Vec::new() };
    for (place, action) in chosen(described, &orders.actions)? {
        let mut changed = if is_ours(action) {
            let already = Finding::note("already", "an action of Sluice already");
            ActionChange { place, after: None, findings: vec![already] }
        } else {
            let (after, findings) = one(described, action, projects, orders);
            ActionChange { place, after, findings }
        };
        let accepted = changed.findings.into_iter().map(|finding| finding.accepting(&orders.accepted));
        changed.findings = accepted.collect();
        if changed.findings.iter().any(Finding::holds) {
            changed.after = None;
        }
        if let Some(after) = &changed.after {
            put(&mut change.pipeline, &changed.place, after.clone());
        }
        change.actions.push(changed);
    }
    change.findings.extend(masked(described, &orders.accepted));
    Ok(change)
}

/// The actions to look at: those that were named, or all that are CodeBuild's or were.
fn chosen<'a>(described: &'a Described, named: &[String]) -> Result<Vec<(Place, &'a Value)>, Fault> {
    let all = actions(&described.pipeline);
    let candidates = || all.iter().filter(|(_, action)| is_codebuild(action) || is_ours(action));
    for name in named {
        let Some((place, action)) = all.iter().find(|(place, _)| place.to_string() == *name) else {
            let known: Vec<String> = candidates().map(|(place, _)| place.to_string()).collect();
            return Err(Fault::configuration(format!("the pipeline {} has no action {name}", described.name()))
                .hint(format!("actions of CodeBuild: {}", known.join(", "))));
        };
        if !is_codebuild(action) && !is_ours(action) {
            return Err(Fault::configuration(format!(
                "{place} is an action {}, and not one of CodeBuild",
                type_of(action)
            )));
        }
    }
    let wanted = |place: &Place| named.is_empty() || named.contains(&place.to_string());
    Ok(candidates().filter(|(place, _)| wanted(place)).cloned().collect())
}

fn one(
    described: &Described,
    action: &Value,
    projects: &BTreeMap<String, Project>,
    orders: &Orders,
) -> (Option<Value>, Vec<Finding>) {
    let mut findings = elsewhere(described, action);
    let name = text(&action["configuration"], PROJECT_NAME);
    let Some(project) = projects.get(name) else {
        findings.push(no_project(name));
        return (None, findings);
    };
    let Carried { buildspec, image, mut options, findings: carried } = project.carried(orders.image.as_deref());
    findings.extend(carried);
    findings.extend(reference(&buildspec, &options.environment_variables));
    let mut was = Was {
        provider: text(&action["actionTypeId"], "provider").to_owned(),
        version: text(&action["actionTypeId"], "version").to_owned(),
        role_arn: action["roleArn"].as_str().map(str::to_owned),
        configuration: Map::new(),
    };
    let mut words = Map::new();
    for (word, value) in configuration(action) {
        if SHARED.contains(&word.as_str()) {
            words.insert(word, value);
        } else {
            findings.push(Finding::note(
                "word",
                format!("the word {word} of its configuration is kept for the way back, and means nothing to Sluice"),
            ));
            was.configuration.insert(word, value);
        }
    }
    options.was = Some(was);
    words.insert(POOL.to_owned(), orders.pool.clone().into());
    let commit = commit_id(described, action);
    for (word, value) in [(BUILDSPEC, Some(buildspec)), (IMAGE, image), (OPTIONS, options.text()), (COMMIT_ID, commit)]
    {
        words.extend(value.map(|value| (word.to_owned(), Value::from(value))));
    }
    findings.extend(too_long(&words));
    findings.extend(of_the_action(described, action));
    (Some(with(action, words)), findings)
}

/// CodePipeline puts values for `#{…}` in an action's configuration; in a project this was plain text.
fn reference(buildspec: &str, variables: &[EnvironmentVariable]) -> Option<Finding> {
    let holds = |text: &str| text.contains("#{");
    let variable = variables.iter().find(|variable| holds(&variable.value));
    let where_to = match variable {
        _ if holds(buildspec) => "the project's buildspec".to_owned(),
        Some(variable) => format!("the project's variable {}", variable.name),
        None => return None,
    };
    let text = format!("{where_to} holds `#{{`, which CodePipeline would take for a variable of its own");
    Some(Finding::refused("reference", text).hint("keep it in the repository's buildspec or in Parameter Store"))
}

/// The action with our type and these words, and everything else as it was.
fn with(action: &Value, words: Map<String, Value>) -> Value {
    let mut after = action.clone();
    let category = after["actionTypeId"]["category"].clone();
    after["actionTypeId"] = json!({ "category": category, "owner": OWNER, "provider": PROVIDER, "version": VERSION });
    after["configuration"] = Value::Object(words);
    if let Some(entries) = after.as_object_mut() {
        entries.shift_remove("roleArn");
    }
    after
}

/// Custom actions run in the pipeline's own Region and account.
fn elsewhere(described: &Described, action: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    let region = action["region"].as_str();
    if let (Some(region), Some(home)) = (region, described.region())
        && region != home
    {
        found.push(Finding::refused(
            "cross-region",
            format!("the action runs in {region} and the pipeline in {home}, and a custom action cannot"),
        ));
    }
    if let Some(role) = action["roleArn"].as_str() {
        let account = role.split(':').nth(4).unwrap_or_default();
        match described.account() {
            Some(home) if home != account => {
                found.push(Finding::refused("cross-account", format!("the action runs in the account {account} and the pipeline in {home}, and a custom action cannot")));
            }
            _ => found.push(Finding::note("role", format!("CodePipeline assumes {role} for the action; a custom action has no role, so it is kept for the way back"))),
        }
    }
    found
}

fn no_project(name: &str) -> Finding {
    if name.contains("#{") {
        return Finding::refused("project", format!("the project {name} is known only when the pipeline runs"));
    }
    Finding::refused("project", format!("there is no project {name}"))
}

/// What stands in the way in the action itself and in what comes before it.
fn of_the_action(described: &Described, action: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    for word in [BATCH_ENABLED, COMBINE_ARTIFACTS] {
        if text(&action["configuration"], word).eq_ignore_ascii_case("true") {
            found.push(Finding::refused("batch", format!("{word} is true, and Sluice runs no batches")));
        }
    }
    let inputs = artifacts(action, "inputArtifacts");
    for (place, source) in actions(&described.pipeline) {
        let format = text(&source["configuration"], "OutputArtifactFormat");
        let given = artifacts(source, "outputArtifacts").into_iter().find(|name| inputs.contains(name));
        if let Some(name) = given.filter(|_| format == "CODEBUILD_CLONE_REF") {
            found.push(
                Finding::ask("full-clone", format!("{place} hands {name} over as a reference for a full clone, and CodePipeline gives that to CodeBuild alone"))
                    .hint("set its OutputArtifactFormat to CODE_ZIP: Sluice clones by the commit"),
            );
        }
    }
    found
}

/// The commit of the primary source, when its action has variables to name it by.
fn commit_id(described: &Described, action: &Value) -> Option<String> {
    let inputs = artifacts(action, "inputArtifacts");
    let primary = match (action["configuration"][PRIMARY_SOURCE].as_str(), inputs.as_slice()) {
        (Some(named), _) => named,
        (None, [only]) => only,
        (None, _) => return None,
    };
    let commits = ["CodeCommit", "CodeStarSourceConnection", "GitHub"];
    let sources = actions(&described.pipeline);
    let (_, source) = sources.iter().find(|(_, source)| {
        commits.contains(&text(&source["actionTypeId"], "provider"))
            && artifacts(source, "outputArtifacts").contains(&primary)
    })?;
    source["namespace"].as_str().map(|namespace| format!("#{{{namespace}.CommitId}}"))
}

/// A value of a custom action's configuration has at most 1000 characters.
fn too_long(words: &Map<String, Value>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (word, value) in words {
        let length = value.as_str().unwrap_or_default().chars().count();
        if length > MOST_CHARACTERS {
            let hint = match word.as_str() {
                BUILDSPEC => "put the project's buildspec into the repository and name it by its path",
                OPTIONS => "move the project's environment variables into the buildspec or Parameter Store",
                _ => "move environment variables into the buildspec or Parameter Store",
            };
            let text = format!("{word} would have {length} characters, and CodePipeline takes {MOST_CHARACTERS}");
            found.push(Finding::refused("too-long", text).hint(hint));
        }
    }
    found
}

/// GetPipeline hides secrets behind asterisks, and nobody says what UpdatePipeline makes of these.
pub(super) fn masked(described: &Described, accepted: &[String]) -> Option<Finding> {
    let hidden = |action: &Value| configuration(action).values().any(|value| value.as_str() == Some("****"));
    let (place, _) = actions(&described.pipeline).into_iter().find(|(_, action)| hidden(action))?;
    let text = format!("{place} has a secret that CodePipeline hides, so that an update may overwrite it");
    let finding = Finding::ask("masked-secret", text)
        .hint("move it to a connection, or accept this and enter the secret once more afterwards");
    Some(finding.accepting(accepted))
}
