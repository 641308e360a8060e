//! The lines around a build's output, from its events: CodeBuild's words at the times of the events.

use super::codebuild_log::{Line, line, of_event};
use crate::event::{Event, What};

/// The lines of an event, without newlines; none for what is not about a build.
#[must_use]
pub fn lines(event: &Event) -> Vec<String> {
    let said = match &event.what {
        What::BuildStarted { source_directory, .. } => {
            vec![Line::WaitingForAgent, Line::WaitingForSource, Line::SourceDirectory(source_directory)]
        }
        What::PhaseStarted { phase, commands: 0, .. } if is_ours(phase) => vec![Line::PhaseIs(phase)],
        what => of_event(what),
    };
    said.into_iter().map(|said| line(event.at, said).trim_end_matches('\n').to_owned()).collect()
}

/// Whether a phase has no commands of the user's.
fn is_ours(phase: &str) -> bool {
    ["PROVISIONING", "DOWNLOAD_SOURCE", "UPLOAD_ARTIFACTS"].contains(&phase)
}
