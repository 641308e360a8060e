//! What a run does besides its builds, as lines that are stable enough to search for.

use crate::cancel::Reason;
use crate::event::{Event, Outcome, Slot, What};

/// The lines of an event; builds have CodeBuild's wording instead.
#[must_use]
pub fn lines(event: &Event) -> Vec<String> {
    let line = match &event.what {
        What::RunStarted { run, pipeline, plan, .. } => {
            format!("Run {run} of {pipeline} (plan {})", &plan[..plan.len().min(12)])
        }
        What::RunResumed {} => "Run resumed".to_owned(),
        What::SourceStarted { from } => format!("Source {from}"),
        What::SourceFinished { outcome, revision } => {
            match revision.as_ref().and_then(|revision| revision.commit.as_ref()) {
                Some(commit) => format!("Source at {commit}"),
                None => format!("Source {}", ended(outcome)),
            }
        }
        What::StageStarted { stage } => format!("Stage {stage} started"),
        What::StageFinished { stage, outcome } => format!("Stage {stage} {}", ended(outcome)),
        What::GateStarted { stage, slot, rules } => format!("Gate {stage} {}: {}", slot_text(*slot), rules.join("; ")),
        What::GateWaiting { stage, slot, why, .. } => format!("Gate {stage} {} waits: {why}", slot_text(*slot)),
        What::ApprovalGiven { stage, decision, .. } => {
            let word = if decision.approved { "approved" } else { "rejected" };
            let comment = decision.comment.as_ref().map(|comment| format!(": {comment}")).unwrap_or_default();
            format!("Gate {stage} {word} by {}{comment}", decision.by)
        }
        What::GateFinished { stage, slot, outcome, why } => {
            format!("Gate {stage} {} {}: {}", slot_text(*slot), ended(outcome), why.join("; "))
        }
        What::ActionStarted { action, .. } => format!("Action {action} started"),
        What::ActionFinished { action, outcome } => format!("Action {action} {}", ended(outcome)),
        What::ImagePushed { image, .. } => format!("Image {} pushed (tags: {})", image.uri, image.tags.join(", ")),
        What::DeploymentBegun { deployment, .. } => format!("Deployment {} of {}", deployment.id, deployment.revision),
        What::RollbackStarted { to, .. } => format!("Rolling back to {}", to.as_deref().unwrap_or("nothing")),
        What::RollbackFinished { outcome, .. } => format!("Rolling back {}", ended(outcome)),
        What::ArtifactStored { path, files, .. } => format!("Artifact {path} ({files} files)"),
        What::ReportRead { report, .. } => {
            format!("Report {}: {} of {} tests passed", report.group, report.passed, report.total)
        }
        What::VariableExported { name, value, .. } => format!("Exported {name}={value}"),
        What::BuildAdopted { .. } => "Build found running and followed from its beginning".to_owned(),
        What::StopRequested { reason, .. } => format!("Stopping: {}", reason_text(*reason)),
        What::Notice { text, warning, .. } => format!("{}: {text}", if *warning { "Warning" } else { "Note" }),
        What::Doing { text, .. } => text.clone(),
        _ => return Vec::new(),
    };
    vec![line]
}

fn ended(outcome: &Outcome) -> String {
    match outcome.message() {
        "" => outcome.word().to_owned(),
        message => format!("{}: {message}", outcome.word()),
    }
}

fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::Sibling => "another action failed",
        Reason::TimedOut => "out of time",
        Reason::Stopped => "asked to",
        Reason::Killed => "asked to do it at once",
        Reason::Lost => "lost to another worker",
    }
}

fn slot_text(slot: Slot) -> &'static str {
    match slot {
        Slot::BeforeEntry => "before entry",
        Slot::OnSuccess => "on success",
    }
}
