//! `phases`: what is run.

use super::UNSUPPORTED;
use super::on_failure::{self, OnFailure};
use crate::diagnostic::{Diagnostics, Severity, did_you_mean, shortened};
use crate::fields::{Fields, text_of, wrong_type};
use crate::plan::{PhaseRule, phases};
use crate::yaml::{Entry, Node, Value};

/// A phase as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Which of the four it is.
    pub rule: &'static PhaseRule,
    /// Its own user.
    pub run_as: Option<String>,
    /// What a failure leads to.
    pub on_failure: Option<OnFailure>,
    /// Runtimes and versions that the build image is asked for.
    pub runtime_versions: Vec<(String, String)>,
    /// Its commands.
    pub commands: Vec<Command>,
    /// Its commands that run in any case.
    pub finally: Vec<Command>,
}

/// One command and the line that it starts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The script.
    pub text: String,
    /// Its first line in the file, from 1.
    pub line: u32,
}

/// Reads `phases`. A file with a batch may do without.
pub(super) fn read(fields: &mut Fields<'_>, has_batch: bool, d: &mut Diagnostics) -> Vec<Phase> {
    let entry = if has_batch { fields.entry("phases") } else { fields.required("phases", d) };
    let Some(entry) = entry else { return Vec::new() };
    let Some(entries) = entry.value.as_map() else {
        wrong_type(&entry.value, "phases", "a mapping of phases", entry.key_span, d);
        return Vec::new();
    };
    let mut read: Vec<Phase> = Vec::new();
    for entry in entries {
        let Some(rule) = rule_of_key(entry, d) else { continue };
        if read.iter().any(|phase| phase.rule == rule) {
            d.error("duplicate-key", entry.key_span, format!("the phase `{}` is written twice", rule.key));
            continue;
        }
        if let Some(phase) = phase(rule, entry, d) {
            read.push(phase);
        }
    }
    read
}

/// The phase of that key. CodeBuild compares in capitals: its message for `postbuild` is "Invalid buildspec phase name:
/// POSTBUILD. Expecting: BUILD,INSTALL,POST_BUILD,PRE_BUILD".
fn rule_of_key(entry: &Entry, d: &mut Diagnostics) -> Option<&'static PhaseRule> {
    let rule = phases().iter().find(|rule| rule.name.eq_ignore_ascii_case(&entry.key));
    if rule.is_none() {
        let keys: Vec<&str> = phases().iter().map(|rule| rule.key).collect();
        let message = format!("there is no phase `{}`", shortened(&entry.key));
        let hint = match &*entry.key {
            "commands" | "finally" | "runtime-versions" => "it belongs to a phase: indent it below one".to_owned(),
            key => did_you_mean(key, &keys),
        };
        d.error("unknown-phase", entry.key_span, message).hint(hint);
    }
    rule
}

fn phase(rule: &'static PhaseRule, entry: &Entry, d: &mut Diagnostics) -> Option<Phase> {
    let what = format!("the phase `{}`", rule.key);
    let mut phase = Phase {
        rule,
        run_as: None,
        on_failure: None,
        runtime_versions: Vec::new(),
        commands: Vec::new(),
        finally: Vec::new(),
    };
    if entry.value.is_null() {
        d.warning("empty", entry.key_span, format!("{what} is empty"));
        return Some(phase);
    }
    let mut fields = Fields::of(&entry.value, &*what, entry.key_span, d)?;
    phase.run_as = fields.text("run-as", d).map(|user| user.value);
    phase.on_failure = fields.text("on-failure", d).and_then(|text| on_failure::read(&text, d));
    if rule.key == "install"
        && let Some(entry) = fields.entry("runtime-versions")
    {
        phase.runtime_versions = runtime_versions(entry, d);
    }
    let commands = fields.entry("commands");
    if commands.is_none() && rule.key != "install" {
        d.warning("empty", entry.key_span, format!("{what} has no commands"));
    }
    phase.commands = commands.map(|entry| read_commands(entry, d)).unwrap_or_default();
    phase.finally = fields.entry("finally").map(|entry| read_commands(entry, d)).unwrap_or_default();
    fields.finish(Severity::Warning, d);
    Some(phase)
}

/// A list of commands, or one command as a text.
fn read_commands(entry: &Entry, d: &mut Diagnostics) -> Vec<Command> {
    match &entry.value.value {
        Value::List(items) => items.iter().filter_map(|item| command(item, d)).collect(),
        Value::Scalar(_) => command(&entry.value, d).into_iter().collect(),
        Value::Map(_) => {
            wrong_type(&entry.value, &entry.key, "a list of commands", entry.key_span, d);
            Vec::new()
        }
    }
}

fn command(node: &Node, d: &mut Diagnostics) -> Option<Command> {
    if node.is_null() {
        // Usually a command that was commented out behind its dash.
        d.warning("empty", node.span, "an empty command does nothing");
        return None;
    }
    if node.as_map().is_some() {
        let message = "a command must be a text; the `: ` in it makes it a mapping";
        d.error("wrong-type", node.span, message).hint("put the whole command in quotes, or below a `|`");
        return None;
    }
    let text = text_of(node, "a command", node.span, d)?;
    Some(Command { text: text.value, line: node.span.line })
}

fn runtime_versions(entry: &Entry, d: &mut Diagnostics) -> Vec<(String, String)> {
    let Some(entries) = entry.value.as_map() else {
        wrong_type(&entry.value, "runtime-versions", "a mapping of runtimes", entry.key_span, d);
        return Vec::new();
    };
    let message = "runtime versions are not selected yet: what the build image has is used";
    d.warning(UNSUPPORTED, entry.key_span, message).hint("choose an image that has these versions");
    entries
        .iter()
        .filter_map(|version| {
            let text = text_of(&version.value, &version.key, version.key_span, d)?;
            Some((version.key.clone(), text.value))
        })
        .collect()
}
