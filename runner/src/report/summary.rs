//! The summary of a run: a pure function of its state.

use comfy_table::{Cell, Table, presets};

use super::text::{bytes, duration, one_line};
use crate::event::{Outcome, Slot};
use crate::state::{ActionState, PhaseState, RunState, Span, StageState};

/// How many failed tests are named.
const TESTS: usize = 10;

/// The whole summary: what failed and why, phases and times, tests, artifacts, images, deployments.
#[must_use]
pub fn text(state: &RunState) -> String {
    let mut parts = vec![head(state), table(state)];
    parts.extend(state.actions.iter().map(details).filter(|text| !text.is_empty()));
    parts.extend(gates(state));
    if !state.notices.is_empty() {
        parts.push(state.notices.iter().map(|notice| format!("note: {notice}\n")).collect());
    }
    parts.push(end(state));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn head(state: &RunState) -> String {
    let mut text = format!("run {}  {}  started by {}\n", state.run, state.pipeline, state.initiator);
    if let Some(revision) = &state.revision {
        let commit = revision.commit.as_deref().map_or("no commit", |commit| &commit[..commit.len().min(12)]);
        let branch = revision.branch.as_ref().map(|branch| format!(" ({branch})")).unwrap_or_default();
        let dirty = if revision.dirty { ", with uncommitted changes" } else { "" };
        let message =
            revision.message.as_ref().map(|message| format!(": {}", one_line(message, 72))).unwrap_or_default();
        text.push_str(&format!("source {}{branch}{dirty}{message}\n", commit));
    }
    text
}

fn table(state: &RunState) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["STAGE", "ACTION", "PHASE", "TIME", "STATUS"]);
    for stage in &state.stages {
        let mut shown = stage.name.as_str();
        for action in state.actions.iter().filter(|action| action.stage == stage.name) {
            row(&mut table, [std::mem::take(&mut shown), &action.name, ""], &action.span);
            for phase in action.build.iter().flat_map(|build| &build.phases).filter(|phase| is_worth_a_row(phase)) {
                row(&mut table, ["", "", &phase_name(phase)], &phase.span);
            }
        }
        if !shown.is_empty() {
            row(&mut table, [shown, "", ""], &stage.span);
        }
    }
    format!("{}\n", table.trim_fmt())
}

/// A phase without commands that went well is no news.
fn is_worth_a_row(phase: &PhaseState) -> bool {
    let quick = phase.span.duration().is_some_and(|time| time.as_millis() < 100);
    phase.commands > 0 || !quick || !phase.span.outcome.as_ref().is_none_or(Outcome::succeeded)
}

fn phase_name(phase: &PhaseState) -> String {
    if phase.attempt > 1 { format!("{} (attempt {})", phase.name, phase.attempt) } else { phase.name.clone() }
}

fn row(table: &mut Table, names: [&str; 3], span: &Span) {
    let time = span.duration().map(duration).unwrap_or_default();
    let status = span.outcome.as_ref().map_or("IN_PROGRESS", Outcome::word);
    table.add_row(names.into_iter().map(Cell::new).chain([Cell::new(time), Cell::new(status)]));
}

fn details(action: &ActionState) -> String {
    let mut lines = Vec::new();
    if let Some(phase) = action.build.iter().flat_map(|build| &build.phases).rfind(|phase| phase.failed.is_some())
        && let Some((command, status)) = &phase.failed
    {
        lines.push(format!("{}: failed command: {} (exit status {status})", action.name, one_line(command, 100)));
    }
    for report in &action.reports {
        lines.push(format!(
            "{}: tests {}: {} of {} passed, {} failed, {} skipped",
            action.name,
            report.group,
            report.passed,
            report.total,
            report.failed + report.errors,
            report.skipped
        ));
        for failure in report.failures.iter().take(TESTS) {
            lines.push(format!("  {} {}: {}", failure.suite, failure.name, one_line(&failure.message, 100)));
        }
    }
    for (identifier, artifact) in &action.artifacts {
        let name = if identifier.is_empty() { String::new() } else { format!(" {identifier}") };
        let (files, size) = (artifact.files, bytes(artifact.bytes));
        lines.push(format!("{}: artifact{name}: {} ({files} files, {size})", action.name, artifact.path));
    }
    if let Some(image) = &action.image {
        let tags = image.tags.join(", ");
        lines.push(format!(
            "{}: image {} (tags: {tags}; {} pushed)",
            action.name,
            image.uri,
            bytes(image.pushed_bytes)
        ));
    }
    if let Some(deployment) = &action.deployment {
        lines.push(format!("{}: deployment {} of {}", action.name, deployment.id, deployment.revision));
    }
    if let Some(rollback) = &action.rollback {
        let word = rollback.outcome.as_ref().map_or("IN_PROGRESS", Outcome::word);
        lines.push(format!("{}: rolled back: {word}", action.name));
    }
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

fn gates(state: &RunState) -> Vec<String> {
    let gate = |stage: &StageState| -> String {
        let slots = [(Slot::BeforeEntry, "before entry"), (Slot::OnSuccess, "on success")];
        let known = slots.iter().filter_map(|(slot, name)| stage.gates.get(slot).map(|gate| (name, gate)));
        known
            .map(|(name, gate)| {
                let word = gate.span.outcome.as_ref().map_or("WAITING", Outcome::word);
                let why: Vec<&str> = match gate.why.is_empty() {
                    true => gate.waiting.values().map(String::as_str).collect(),
                    false => gate.why.iter().map(String::as_str).collect(),
                };
                format!("{} gate ({name}): {word}: {}\n", stage.name, why.join("; "))
            })
            .collect()
    };
    state.stages.iter().map(gate).filter(|text| !text.is_empty()).collect()
}

fn end(state: &RunState) -> String {
    let time = state.span.duration().map(duration).unwrap_or_default();
    match &state.span.outcome {
        None => "IN_PROGRESS\n".to_owned(),
        Some(Outcome::Succeeded) => format!("SUCCEEDED in {time}\n"),
        Some(outcome) => {
            let hint = match outcome {
                Outcome::Faulted { hint: Some(hint), .. } => format!("hint: {hint}\n"),
                _ => String::new(),
            };
            format!("{} in {time}: {}\n{hint}", outcome.word(), outcome.message())
        }
    }
}
