//! The lines that CodeBuild's agent writes into a build's log, word for word: people and programs search for them.
//!
//! The words are those of real logs of July 2026; the time is UTC, to the microsecond. A command is printed as it
//! is written, with all its lines.

use std::fmt;

use jiff::Timestamp;

use crate::event::{Outcome, What};
use crate::fault::FaultKind;

/// Something that the agent says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The container is starting.
    WaitingForAgent,
    /// The source is awaited.
    WaitingForSource,
    /// A phase before the first command.
    PhaseIs(&'a str),
    /// The source directory in the container.
    SourceDirectory(&'a str),
    /// Where the buildspec was read from.
    YamlLocation(&'a str),
    /// References in `env` are being filled in.
    ProcessingVariables,
    /// The first directory of the commands.
    MovingTo(&'a str),
    /// The commands are about to start.
    Registering,
    /// How many phases the buildspec names.
    PhasesFound(usize),
    /// One of them, with the number of its commands.
    PhaseFound(&'a str, usize),
    /// A phase begins.
    EnteringPhase(&'a str),
    /// A command begins.
    RunningCommand(&'a str),
    /// A command failed, with its exit status.
    CommandFailed(&'a str, i32),
    /// A phase is over: its name and its state.
    PhaseComplete(&'a str, &'a str),
    /// Why: a code and a message, both empty when all went well.
    PhaseContext(&'a str, &'a str),
    /// Artifacts: the base directory is being looked for.
    ExpandingBase(&'a str),
    /// Artifacts: files are being looked for.
    AssemblingFiles,
    /// Artifacts: the files under a base directory are being looked for.
    ExpandingFiles(&'a str),
    /// Artifacts: one pattern.
    Expanding(&'a str),
    /// Artifacts: how many files it matched.
    FoundFiles(u64),
    /// Ours: something that is not as its author may think.
    Warning(&'a str),
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WaitingForAgent => f.write_str("Waiting for agent ping"),
            Self::WaitingForSource => f.write_str("Waiting for DOWNLOAD_SOURCE"),
            Self::PhaseIs(phase) => write!(f, "Phase is {phase}"),
            Self::SourceDirectory(path) => write!(f, "CODEBUILD_SRC_DIR={path}"),
            Self::YamlLocation(path) => write!(f, "YAML location is {path}"),
            Self::ProcessingVariables => f.write_str("Processing environment variables"),
            Self::MovingTo(path) => write!(f, "Moving to directory {path}"),
            Self::Registering => f.write_str("Registering with agent"),
            Self::PhasesFound(count) => write!(f, "Phases found in YAML: {count}"),
            Self::PhaseFound(phase, commands) => write!(f, " {phase}: {commands} commands"),
            Self::EnteringPhase(phase) => write!(f, "Entering phase {phase}"),
            Self::RunningCommand(command) => write!(f, "Running command {command}"),
            Self::CommandFailed(command, status) => {
                write!(f, "Command did not exit successfully {command} exit status {status}")
            }
            Self::PhaseComplete(phase, state) => write!(f, "Phase complete: {phase} State: {state}"),
            Self::PhaseContext(code, message) => write!(f, "Phase context status code: {code} Message: {message}"),
            Self::ExpandingBase(path) => write!(f, "Expanding base directory path: {path}"),
            Self::AssemblingFiles => f.write_str("Assembling file list"),
            Self::ExpandingFiles(path) => write!(f, "Expanding file paths for base directory {path}"),
            Self::Expanding(pattern) => write!(f, "Expanding {pattern}"),
            Self::FoundFiles(count) => write!(f, "Found {count} file(s)"),
            Self::Warning(text) => write!(f, "Warning: {text}"),
        }
    }
}

/// A line of the log, with its newline.
#[must_use]
pub fn line(at: Timestamp, line: Line<'_>) -> String {
    format!("[Container] {} {line}\n", at.strftime("%Y/%m/%d %H:%M:%S.%6f"))
}

/// What a failed command is called in the phase's context, and what `on-failure: RETRY` patterns are matched against.
#[must_use]
pub fn command_error(command: &str, status: i32) -> String {
    format!("Error while executing command: {command}. Reason: exit status {status}")
}

/// The lines between a source that is there and the first phase of the buildspec. `yaml` is where that was read from,
/// and `phases` are those that it names, with the number of their commands.
#[must_use]
pub fn opening<'a>(source_directory: &'a str, yaml: &'a str, phases: &[(&'a str, usize)]) -> Vec<Line<'a>> {
    let mut lines = vec![
        Line::SourceDirectory(source_directory),
        Line::YamlLocation(yaml),
        Line::ProcessingVariables,
        Line::MovingTo(source_directory),
        Line::Registering,
        Line::PhasesFound(phases.len()),
    ];
    lines.extend(phases.iter().map(|(phase, commands)| Line::PhaseFound(phase, *commands)));
    lines
}

/// The lines of collecting an artifact: its base directory as written, its patterns, and how many files were found.
#[must_use]
pub fn collecting<'a>(base: Option<&'a str>, patterns: &'a [String], found: u64) -> Vec<Line<'a>> {
    let base = base.unwrap_or(".");
    let mut lines = vec![
        Line::ExpandingBase(base),
        Line::AssemblingFiles,
        Line::Expanding(base),
        Line::ExpandingFiles(base),
        Line::AssemblingFiles,
    ];
    lines.extend(patterns.iter().map(|pattern| Line::Expanding(pattern)));
    lines.push(Line::FoundFiles(found));
    lines
}

/// The lines for something that happened in a build; none for what CodeBuild does not mention.
#[must_use]
pub fn of_event(what: &What) -> Vec<Line<'_>> {
    match what {
        What::PhaseStarted { phase, .. } => vec![Line::EnteringPhase(phase)],
        What::CommandStarted { command, .. } => vec![Line::RunningCommand(command)],
        What::CommandFinished { command, status, .. } if *status != 0 => vec![Line::CommandFailed(command, *status)],
        What::PhaseFinished { phase, outcome, .. } => phase_complete(phase, outcome).into(),
        _ => Vec::new(),
    }
}

/// The two lines at the end of a phase.
#[must_use]
pub fn phase_complete<'a>(phase: &'a str, outcome: &'a Outcome) -> [Line<'a>; 2] {
    let code = match outcome {
        Outcome::Succeeded | Outcome::Skipped { .. } | Outcome::Stopped { .. } => "",
        Outcome::Failed { .. } => code_of(phase),
        Outcome::TimedOut { .. } => "BUILD_TIMED_OUT",
        Outcome::Faulted { kind: FaultKind::System, .. } => "INTERNAL_SERVICE_ERROR",
        Outcome::Faulted { .. } => "CLIENT_ERROR",
    };
    [Line::PhaseComplete(phase, outcome.word()), Line::PhaseContext(code, outcome.message())]
}

/// What a failure is called, by its phase (user guide, "Troubleshooting").
fn code_of(phase: &str) -> &'static str {
    match phase {
        "DOWNLOAD_SOURCE" | "UPLOAD_ARTIFACTS" => "CLIENT_ERROR",
        _ => "COMMAND_EXECUTION_ERROR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_ends_of_a_phase_have_their_own_words() {
        let message = "disk full".to_owned();
        let text = |phase, outcome: Outcome| phase_complete(phase, &outcome).map(|line| line.to_string()).join(" | ");
        assert_eq!(
            text("UPLOAD_ARTIFACTS", Outcome::Failed { message: "no matching artifact paths found".into() }),
            "Phase complete: UPLOAD_ARTIFACTS State: FAILED | \
             Phase context status code: CLIENT_ERROR Message: no matching artifact paths found"
        );
        assert_eq!(
            text("BUILD", Outcome::Faulted { kind: FaultKind::System, message, hint: None }),
            "Phase complete: BUILD State: FAULT | \
             Phase context status code: INTERNAL_SERVICE_ERROR Message: disk full"
        );
        assert_eq!(
            text("BUILD", Outcome::TimedOut { message: "Build has timed out.".into() }),
            "Phase complete: BUILD State: TIMED_OUT | \
             Phase context status code: BUILD_TIMED_OUT Message: Build has timed out."
        );
    }
}
