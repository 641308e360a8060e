//! The lines around a build's output, from its events: CodeBuild's words at the times of the events.

use super::codebuild_log::{Line, collecting, line, of_event, opening};
use crate::event::{Event, What};
use crate::state::{BuildState, RunState};

/// The lines of an event, without newlines; none for what is not about a build.
#[must_use]
pub fn lines(event: &Event, state: &RunState) -> Vec<String> {
    let action = event.what.action().and_then(|name| state.action(name));
    let build = action.and_then(|action| action.build.as_ref());
    let said = match (&event.what, build) {
        (What::BuildStarted { .. }, _) => vec![Line::WaitingForAgent, Line::WaitingForSource],
        (What::PhaseStarted { phase, .. }, _) if phase == SOURCE => vec![Line::PhaseIs(SOURCE)],
        (What::PhaseFinished { phase, outcome, .. }, Some(build)) if phase == SOURCE && outcome.succeeded() => {
            opened(build).into_iter().chain(of_event(&event.what)).collect()
        }
        // CodeBuild's container does not see itself being made; only that it could not be made is worth a line.
        (What::PhaseFinished { phase, outcome, .. }, _) if phase == "PROVISIONING" && outcome.succeeded() => Vec::new(),
        (What::PhaseStarted { phase, .. }, _) if OURS.contains(&phase.as_str()) => Vec::new(),
        (What::ArtifactCollected { base, patterns, found, .. }, _) => collecting(base.as_deref(), patterns, *found),
        (what, _) => of_event(what),
    };
    said.into_iter().map(|said| line(event.at, said).trim_end_matches('\n').to_owned()).collect()
}

/// The line of a warning that belongs in an action's log, without a newline.
#[must_use]
pub fn warning(event: &Event) -> Option<String> {
    let What::Notice { action: Some(_), warning: true, text } = &event.what else { return None };
    Some(line(event.at, Line::Warning(text)).trim_end_matches('\n').to_owned())
}

const SOURCE: &str = "DOWNLOAD_SOURCE";

/// The phases that have no commands of the user's.
const OURS: [&str; 2] = ["PROVISIONING", "UPLOAD_ARTIFACTS"];

fn opened(build: &BuildState) -> Vec<Line<'_>> {
    let phases: Vec<_> = build.listed.iter().map(|phase| (phase.name.as_str(), phase.commands)).collect();
    opening(&build.source_directory, &build.buildspec, &phases)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::codebuild_log::command_error;

    /// The log of a build in which this happened.
    fn log(events: &[serde_json::Value]) -> String {
        let mut state = RunState::default();
        let mut log = String::new();
        for event in events {
            let mut event = event.clone();
            let fixed = json!({"sequence": 1, "at": "2026-07-14T09:57:49.017319Z", "action": "a"});
            event.as_object_mut().unwrap().extend(fixed.as_object().unwrap().clone());
            let event: Event = serde_json::from_value(event).unwrap();
            state.apply(&event);
            log.extend(lines(&event, &state).iter().map(|line| format!("{line}\n")));
        }
        log.replace("[Container] 2026/07/14 09:57:49.017319", "TIME")
    }

    fn started() -> [serde_json::Value; 2] {
        let phases = json!([{"name": "BUILD", "commands": 7}]);
        let source = "/codebuild/output/src1/src";
        [
            json!({"type": "action-started", "stage": "s", "kind": "build"}),
            json!({"type": "build-started", "build": "p:1", "number": 1, "image": "i", "source-directory": source,
                   "buildspec": "buildspec.yml", "phases": phases}),
        ]
    }

    #[test]
    fn a_build_that_fails_is_logged_as_codebuild_logs_it() {
        let command = "make check\nmake package";
        let begins = |phase: &str| json!({"type": "phase-started", "phase": phase, "attempt": 1, "commands": 0});
        let ends = |phase: &str| json!({"type": "phase-finished", "phase": phase, "outcome": {"status": "succeeded"}});
        let failure = json!({"status": "failed", "message": command_error(command, 1)});
        let mut events = started().to_vec();
        events.extend([
            begins("DOWNLOAD_SOURCE"),
            ends("DOWNLOAD_SOURCE"),
            begins("PROVISIONING"),
            ends("PROVISIONING"),
            begins("BUILD"),
            json!({"type": "command-started", "phase": "BUILD", "index": 0, "finally": false, "command": command}),
            json!({"type": "command-finished", "phase": "BUILD", "index": 0, "finally": false, "command": command, "status": 1}),
            json!({"type": "phase-finished", "phase": "BUILD", "outcome": failure}),
            begins("POST_BUILD"),
            json!({"type": "command-finished", "phase": "POST_BUILD", "index": 0, "finally": false, "command": "true", "status": 0}),
            ends("POST_BUILD"),
            begins("UPLOAD_ARTIFACTS"),
            json!({"type": "artifact-collected", "identifier": null, "base": null, "patterns": ["**/*"], "found": 12}),
            ends("UPLOAD_ARTIFACTS"),
        ]);
        assert_eq!(log(&events), include_str!("build_log.golden"));
    }

    #[test]
    fn a_build_that_is_adopted_says_nothing_again_and_one_that_cannot_be_provisioned_says_so() {
        let failure = json!({"status": "failed", "message": "no such image"});
        let [action, build] = started();
        let begun = log(&[action.clone(), build.clone()]);
        let adopted = log(&[action.clone(), build.clone(), json!({"type": "build-adopted"})]);
        assert_eq!(adopted, begun, "the log keeps its beginning, so nothing of it is said twice");
        let failed =
            log(&[action, build, json!({"type": "phase-finished", "phase": "PROVISIONING", "outcome": failure})]);
        assert!(failed.contains("TIME Phase complete: PROVISIONING State: FAILED"), "{failed}");
    }
}
