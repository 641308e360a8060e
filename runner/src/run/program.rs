//! From a build of the plan to the program of a sandbox.

use pipeline_spec::plan::{Artifacts, Build, CommandPlan, NextAfterFailure, Phase, Shell};
use regex::Regex;

use crate::engine::{Expansion, NextSection, Program, Retry, Section, ShellKind, Step};
use crate::report::codebuild_log::command_error;

/// No command fails with it, so a retry that names only this one never applies.
const NEVER: u8 = 0;

/// The program of a build whose source is at `directory`.
pub(super) fn program(build: &Build, directory: &str) -> Program {
    Program {
        shell: match build.shell {
            Shell::Sh => ShellKind::Sh,
            Shell::Bash => ShellKind::Bash,
        },
        carries_state: build.carries_state,
        directory: directory.to_owned(),
        sections: build.phases.iter().map(section).collect(),
        exported: build.exported_variables.clone(),
        expansions: expansions(build),
    }
}

fn section(phase: &Phase) -> Section {
    let pattern = phase.retry.as_ref().and_then(|retry| Regex::new(&retry.pattern).ok());
    let steps = |commands: &[CommandPlan]| commands.iter().map(|command| step(command, pattern.as_ref())).collect();
    Section {
        name: phase.name.clone(),
        user: phase.run_as.clone(),
        steps: steps(&phase.commands),
        finally: steps(&phase.finally),
        retry: phase.retry.as_ref().map(|retry| Retry { count: retry.count }),
        on_failure: match phase.on_failure {
            NextAfterFailure::End => NextSection::End,
            NextAfterFailure::NextPhase => NextSection::Next,
        },
    }
}

/// The message of a failure is known but for its status, so which statuses match can be said before the run.
fn step(command: &CommandPlan, pattern: Option<&Regex>) -> Step {
    let retry_statuses = pattern.map_or_else(Vec::new, |pattern| {
        let matching: Vec<u8> = (1..=u8::MAX)
            .filter(|status| pattern.is_match(&command_error(&command.text, i32::from(*status))))
            .collect();
        match matching.len() {
            0 => vec![NEVER],
            255 => Vec::new(),
            _ => matching,
        }
    });
    Step { text: command.text.clone(), retry_statuses }
}

/// The shell texts that the end of a build needs, by name.
fn expansions(build: &Build) -> Vec<Expansion> {
    let mut all = Vec::new();
    let mut add = |name: String, text: &Option<String>| {
        if let Some(text) = text {
            all.push(Expansion { name, text: text.clone() });
        }
    };
    let mut artifacts = |index: usize, artifacts: &Artifacts| {
        add(base_of_artifacts(index), &artifacts.base_directory);
        add(name_of_artifacts(index), &artifacts.name);
    };
    build.artifacts.iter().for_each(|primary| artifacts(0, primary));
    build.secondary_artifacts.iter().zip(1..).for_each(|(one, index)| artifacts(index, &one.artifacts));
    for (index, group) in build.reports.iter().enumerate() {
        add(name_of_report(index), &Some(group.name.clone()));
        add(base_of_report(index), &group.base_directory);
    }
    all
}

/// The expansion of an artifact's base directory; 0 is the primary artifact.
pub(super) fn base_of_artifacts(index: usize) -> String {
    format!("artifacts-{index}-base")
}

/// The expansion of an artifact's name.
pub(super) fn name_of_artifacts(index: usize) -> String {
    format!("artifacts-{index}-name")
}

/// The expansion of a report group's name.
pub(super) fn name_of_report(index: usize) -> String {
    format!("report-{index}-name")
}

/// The expansion of a report group's base directory.
pub(super) fn base_of_report(index: usize) -> String {
    format!("report-{index}-base")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(pattern: &str) -> Vec<u8> {
        let command = CommandPlan { text: "make".to_owned(), line: 0 };
        step(&command, Regex::new(pattern).ok().as_ref()).retry_statuses
    }

    #[test]
    fn a_retry_pattern_becomes_the_statuses_that_it_matches() {
        assert_eq!(statuses(".*"), Vec::<u8>::new());
        assert_eq!(statuses("exit status 2$"), vec![2]);
        assert_eq!(statuses("connection timed out"), vec![NEVER]);
    }
}
