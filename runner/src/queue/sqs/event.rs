//! Events of AWS as EventBridge puts them into a queue: pushes to CodeCommit, and what happens to pipelines (CodeCommit
//! user guide, "Monitoring CodeCommit events"; CodePipeline user guide, "Monitoring CodePipeline events"). Pure.
//!
//! Fields that are not needed are not looked at: AWS adds some from time to time.

use jiff::Timestamp;
use pipeline_spec::plan::Source;
use serde::Deserialize;

use crate::queue::codepipeline::action_type::{OWNER, PROVIDER};
use crate::queue::{JobOrder, Order, Place, Says, Spec, Turn, Work};

/// What an event means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    /// A run of a revision. Its id, where it has one, is the same in every message about it; else each is one of its own.
    Run { id: Option<String>, order: Box<JobOrder> },
    /// News of pipelines.
    News(Says),
    /// Nothing to us.
    Nothing,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Event {
    id: String,
    detail_type: String,
    region: String,
    time: Timestamp,
    detail: serde_json::Value,
}

/// "CodeCommit Repository State Change".
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Push {
    event: String,
    repository_name: String,
    reference_type: String,
    reference_name: String,
    commit_id: Option<String>,
}

/// "CodePipeline … Execution State Change".
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Change {
    execution_id: String,
    state: String,
    r#type: Option<ActionType>,
    execution_result: Option<ExecutionResult>,
}

/// What a worker has reported of an action.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ExecutionResult {
    #[serde(default)]
    external_execution_id: String,
}

#[derive(Deserialize)]
struct ActionType {
    owner: String,
    provider: String,
}

/// What an event means; an error says why it cannot be understood. `sent` says when its message was, as text that sorts.
pub(super) fn meaning(text: &str, sent: &str) -> Result<Meaning, String> {
    let event: Event = serde_json::from_str(text).map_err(|error| format!("no event: {error}"))?;
    let wrong = |error: serde_json::Error| format!("no {}: {error}", event.detail_type);
    match event.detail_type.as_str() {
        "CodeCommit Repository State Change" => {
            let push: Push = serde_json::from_value(event.detail.clone()).map_err(wrong)?;
            Ok(pushed(&event, push, sent))
        }
        "CodePipeline Action Execution State Change" | "CodePipeline Pipeline Execution State Change" => {
            let change: Change = serde_json::from_value(event.detail.clone()).map_err(wrong)?;
            Ok(news(&event, change).map_or(Meaning::Nothing, Meaning::News))
        }
        other => Err(format!("events of the type {other:?} are not understood")),
    }
}

/// A branch that is new or has moved is a run of its newest commit; a tag, or a branch that is gone, is none.
fn pushed(event: &Event, push: Push, sent: &str) -> Meaning {
    let moved = matches!(push.event.as_str(), "referenceCreated" | "referenceUpdated");
    let Some(commit) = push.commit_id.filter(|_| moved && push.reference_type == "branch") else {
        return Meaning::Nothing;
    };
    let Push { repository_name: repository, reference_name: branch, .. } = push;
    let turn =
        Turn { group: format!("{repository}/{branch}"), order: Order::Superseded, sent: sent.to_owned(), begun: false };
    let url = format!("codecommit::{}://{repository}", event.region);
    let order = JobOrder {
        key: String::new(),
        pool: String::new(),
        project: repository.clone(),
        place: Place { pipeline: repository, branch: Some(branch), ..Place::default() },
        source: Source::Git { url, reference: Some(commit), depth: None, submodules: false },
        inputs: Vec::new(),
        work: Work::Spec(Box::<Spec>::default()),
        outputs: Vec::new(),
        encryption_key: None,
        turn: Some(turn),
    };
    Meaning::Run { id: Some(event.id.clone()), order: Box::new(order) }
}

fn news(event: &Event, change: Change) -> Option<Says> {
    let stopped = || Says::Stopped { execution: change.execution_id.clone(), at: event.time };
    // A failure that a worker has reported ends nothing that goes on.
    let reported = change.execution_result.as_ref().is_some_and(|result| !result.external_execution_id.is_empty());
    match (&change.r#type, change.state.as_str()) {
        (None, "STOPPING" | "STOPPED") => Some(stopped()),
        (Some(action), state) if action.owner == OWNER && action.provider == PROVIDER => match state {
            "STARTED" => Some(Says::Job { at: event.time }),
            "ABANDONED" => Some(stopped()),
            "FAILED" if !reported => Some(stopped()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn push(event: &str, reference_type: &str) -> Meaning {
        let event = json!({
            "version": "0", "id": "e1", "detail-type": "CodeCommit Repository State Change", "source": "aws.codecommit",
            "account": "111111111111", "time": "2026-06-12T10:23:43Z", "region": "eu-west-1", "resources": [],
            "detail": {
                "callerUserArn": "arn:aws:iam::111111111111:user/ann", "commitId": "3e5983", "event": event,
                "oldCommitId": "26a8f2", "referenceFullName": "refs/heads/main", "referenceName": "main",
                "referenceType": reference_type, "repositoryId": "12345678", "repositoryName": "billing",
            },
        });
        meaning(&event.to_string(), "5").unwrap()
    }

    fn action(state: &str, provider: &str) -> Meaning {
        action_with(state, provider, json!(null))
    }

    fn action_with(state: &str, provider: &str, result: serde_json::Value) -> Meaning {
        let event = json!({
            "id": "e2", "detail-type": "CodePipeline Action Execution State Change", "region": "eu-west-1",
            "time": "2026-06-12T10:23:43Z",
            "detail": {
                "pipeline": "app", "execution-id": "x", "version": 1.0, "state": state, "execution-result": result,
                "type": {"owner": "Custom", "provider": provider, "category": "Build", "version": "1"},
            },
        });
        meaning(&event.to_string(), "5").unwrap()
    }

    #[test]
    fn a_push_to_a_branch_is_a_run_of_its_commit_and_nothing_else_in_a_repository_is() {
        let Meaning::Run { id, order } = push("referenceUpdated", "branch") else { panic!() };
        assert_eq!((id.as_deref(), order.project.as_str()), (Some("e1"), "billing"));
        assert_eq!(order.turn.unwrap().group, "billing/main");
        let Source::Git { url, reference, .. } = order.source else { panic!() };
        assert_eq!((url.as_str(), reference.as_deref()), ("codecommit::eu-west-1://billing", Some("3e5983")));
        assert!(matches!(push("referenceCreated", "branch"), Meaning::Run { .. }));
        assert_eq!(push("referenceDeleted", "branch"), Meaning::Nothing);
        assert_eq!(push("referenceCreated", "tag"), Meaning::Nothing);
    }

    #[test]
    fn of_pipelines_only_what_starts_or_stops_our_actions_is_news() {
        assert!(matches!(action("STARTED", "Sluice"), Meaning::News(Says::Job { .. })));
        let stopped = |meaning| matches!(meaning, Meaning::News(Says::Stopped { execution, .. }) if execution == "x");
        assert!(stopped(action("ABANDONED", "Sluice")));
        assert!(stopped(action("FAILED", "Sluice")), "CodePipeline gave it up");
        let reported = json!({"external-execution-id": "0b1c", "error-code": "JobFailed"});
        assert_eq!(action_with("FAILED", "Sluice", reported), Meaning::Nothing);
        assert_eq!(action("FAILED", "Jenkins"), Meaning::Nothing);
        assert_eq!(action("SUCCEEDED", "Sluice"), Meaning::Nothing);
        assert_eq!(action("STARTED", "Jenkins"), Meaning::Nothing);
    }
}
