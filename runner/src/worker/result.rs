//! From how a run ended to what its queue is told. Pure.

use crate::event::Outcome;
use crate::fault::{Fault, FaultKind};
use crate::queue::{FailureKind, JobResult, Refusal};
use crate::report::text::duration;
use crate::state::{ActionState, RunState};

/// The result of a run; `links` lead to what it said.
pub(super) fn of(outcome: &Outcome, state: &RunState, links: &[String]) -> JobResult {
    let failure = match outcome {
        Outcome::Succeeded => None,
        Outcome::Failed { message } | Outcome::TimedOut { message } | Outcome::Skipped { message } => {
            Some(Refusal { kind: FailureKind::JobFailed, message: message.clone() })
        }
        // Whoever stopped the worker stopped the job with it, and nobody can say more about the job.
        Outcome::Stopped { message } => Some(Refusal {
            kind: FailureKind::SystemUnavailable,
            message: format!("the worker was stopped: {message}"),
        }),
        Outcome::Faulted { kind, message, hint } => Some(refusal(*kind, message, hint.as_deref())),
    };
    let failure = failure.map(|refusal| with_links(refusal, links));
    let summary = summary(state, links);
    JobResult { failure, summary, external_id: external_id(state), variables: variables(state) }
}

/// The longest text that is kept, in characters: more than any queue takes, and less than an entry of a ledger.
const TEXT: usize = 20_000;

/// The same result with room for it in every ledger. Nobody asks for the variables of a message.
pub(super) fn fitting(mut result: JobResult, is_message: bool) -> JobResult {
    let cut = |text: &mut String| {
        if let Some((end, _)) = text.char_indices().nth(TEXT) {
            text.truncate(end);
        }
    };
    cut(&mut result.summary);
    let excess = result.excess().filter(|_| !is_message);
    if is_message || excess.is_some() {
        result.variables.clear();
    }
    if let Some(message) = excess {
        result.failure.get_or_insert(Refusal { kind: FailureKind::ConfigurationError, message });
    }
    if let Some(failure) = &mut result.failure {
        cut(&mut failure.message);
    }
    result
}

/// The result of work that broke beside its run.
pub(super) fn of_fault(fault: &Fault, state: Option<&RunState>, links: &[String]) -> JobResult {
    let refusal = with_links(refusal(fault.kind, &fault.message, fault.hint.as_deref()), links);
    let known = state.map(|state| of(&Outcome::Succeeded, state, links)).unwrap_or_default();
    JobResult { failure: Some(refusal), ..known }
}

/// The links come last: a message that is too long is cut there.
fn with_links(refusal: Refusal, links: &[String]) -> Refusal {
    let links: String = links.iter().map(|link| format!("\n{link}")).collect();
    Refusal { message: format!("{}{links}", refusal.message), ..refusal }
}

fn refusal(kind: FaultKind, message: &str, hint: Option<&str>) -> Refusal {
    let kind = match kind {
        FaultKind::Configuration => FailureKind::ConfigurationError,
        FaultKind::Permission => FailureKind::PermissionError,
        FaultKind::Revision => FailureKind::RevisionUnavailable,
        FaultKind::System | FaultKind::Stopped => FailureKind::SystemUnavailable,
    };
    let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
    Refusal { kind, message: format!("{message}{hint}") }
}

/// One line: what was done, how long it took, how its tests went, where its logs are.
fn summary(state: &RunState, links: &[String]) -> String {
    let mut parts = Vec::new();
    for build in state.actions.iter().filter_map(|action| action.build.as_ref()) {
        parts.push(format!("build {} ({})", build.number, build.id));
    }
    if let (Some(from), Some(to)) = (state.span.started, state.span.finished) {
        parts.push(format!("took {}", duration(to.duration_since(from))));
    }
    let reports = || state.actions.iter().flat_map(|action| &action.reports);
    let tests: u64 = reports().map(|report| report.total).sum();
    let failed: u64 = reports().map(|report| report.failed + report.errors).sum();
    if tests > 0 {
        parts.push(format!("{tests} tests, {failed} failed"));
    }
    parts.extend(state.actions.iter().filter_map(|action| action.image.as_ref()).map(|image| image.uri.clone()));
    parts.extend(state.actions.iter().filter_map(deployed));
    parts.push(format!("run {}", state.run));
    parts.extend(links.iter().cloned());
    parts.join("; ")
}

/// What a deployment has left running, by the short name of its revision.
fn deployed(action: &ActionState) -> Option<String> {
    let deployment = action.deployment.as_ref()?;
    let revision = deployment.revision.rsplit('/').next().unwrap_or(&deployment.revision);
    let succeeded = action.span.outcome.as_ref().is_some_and(Outcome::succeeded);
    Some(if succeeded { format!("deployed {revision}") } else { format!("did not deploy {revision}") })
}

/// The uuid of the run's first build, to whose log the links of the action type lead; of a run without builds that of the
/// first action's log; of one without actions the run's id.
fn external_id(state: &RunState) -> Option<String> {
    let build = state.actions.iter().find_map(|action| action.build.as_ref()).map(|build| build.id.as_str());
    let log = build.or_else(|| state.actions.iter().find_map(ActionState::log_id));
    let id = log.and_then(|id| id.rsplit(':').next()).unwrap_or(&state.run);
    Some(id.to_owned()).filter(|id| !id.is_empty())
}

/// The exported variables of all actions; of two with one name, that of the later action.
fn variables(state: &RunState) -> std::collections::BTreeMap<String, String> {
    state.actions.iter().flat_map(|action| action.variables.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::VARIABLES;

    #[test]
    fn a_result_has_room_in_every_ledger() {
        let failure = Some(Refusal { kind: FailureKind::JobFailed, message: "ü".repeat(30_000) });
        let long = JobResult { failure, summary: "x".repeat(30_000), ..JobResult::default() };
        let fits = fitting(long, false);
        assert_eq!(fits.failure.unwrap().message.chars().count(), TEXT);
        assert_eq!(fits.summary.len(), TEXT);
        let variables = [("A".to_owned(), "x".repeat(VARIABLES))].into();
        let large = JobResult { variables, ..JobResult::default() };
        let of_action = fitting(large.clone(), false);
        assert!(of_action.variables.is_empty() && of_action.failure.unwrap().message.contains("122881 bytes"));
        assert_eq!(fitting(large, true), JobResult::default(), "nobody asks for those of a message");
    }
}
