//! Looks in, lines and verdict out.

use super::*;

const OURS: &str = "ecs-svc/2";

fn rollout(id: &str, revision: u32, primary: bool, progress: RolloutState, reason: &str) -> Rollout {
    let revision = format!("arn:aws:ecs:eu-west-1:111111111111:task-definition/web:{revision}");
    let number: i64 = id.rsplit('/').next().unwrap().parse().unwrap();
    let (id, reason, created) = (id.to_owned(), reason.to_owned(), number * 1000);
    Rollout { id, primary, revision, progress, reason, desired: 2, created, ..Rollout::default() }
}

fn look(rollouts: Vec<Rollout>) -> Look {
    Look { rollouts, events: Vec::new(), notices: true, rolls_back: true }
}

fn with(mut rollout: Rollout, running: i32, pending: i32, failed: i32) -> Rollout {
    (rollout.running, rollout.pending, rollout.failed) = (running, pending, failed);
    rollout
}

use RolloutState::{Completed, Failed, InProgress};

fn outcomes(looks: &[Look]) -> Vec<Option<String>> {
    let mut following = Following::new(OURS);
    let told = |outcome| match outcome {
        DeploymentOutcome::Succeeded => "succeeded".to_owned(),
        DeploymentOutcome::Failed(why) | DeploymentOutcome::TimedOut(why) => why,
    };
    looks.iter().map(|look| following.look(look).outcome.map(told)).collect()
}

#[track_caller]
fn ends(looks: &[Look], expected: &str) {
    let outcomes = outcomes(looks);
    let (last, before) = outcomes.split_last().unwrap();
    assert_eq!(last.as_deref(), Some(expected));
    assert!(before.iter().all(Option::is_none), "it was told too early: {before:?}");
}

#[test]
fn a_deployment_succeeds_when_it_is_the_primary_one_and_completed() {
    let old = rollout("ecs-svc/1", 1, false, Completed, "");
    ends(
        &[
            look(vec![rollout(OURS, 2, true, InProgress, ""), old.clone()]),
            look(vec![rollout(OURS, 2, true, Completed, ""), old]),
        ],
        "succeeded",
    );
}

#[test]
fn a_deployment_that_is_not_listed_yet_is_waited_for() {
    let before = look(vec![rollout("ecs-svc/1", 1, true, Completed, "")]);
    let listed = look(vec![rollout(OURS, 2, true, Completed, "")]);
    ends(&[before.clone(), before, listed], "succeeded");
}

#[test]
fn a_rolled_back_service_is_stable_and_the_deployment_failed_all_the_same() {
    let broken = rollout(OURS, 2, false, Failed, "the breaker was triggered.");
    ends(
        &[
            look(vec![rollout(OURS, 2, true, InProgress, ""), rollout("ecs-svc/1", 1, false, Completed, "")]),
            look(vec![broken, rollout("ecs-svc/3", 1, true, InProgress, "rolling back")]),
            // ECS forgets a failed deployment once its tasks are gone.
            look(vec![rollout("ecs-svc/3", 1, true, Completed, "done")]),
        ],
        "deployment ecs-svc/2 of web:2 failed: the breaker was triggered; rolled back to web:1",
    );
}

#[test]
fn a_failed_deployment_that_nobody_takes_back_is_told_so() {
    let broken = look(vec![rollout(OURS, 2, true, Failed, "the breaker was triggered")]);
    let left = Look { rolls_back: false, ..broken.clone() };
    ends(
        &[left],
        "deployment ecs-svc/2 of web:2 failed: the breaker was triggered; not rolled back: the service does not ask ECS to",
    );
    ends(
        &vec![broken; 4],
        "deployment ecs-svc/2 of web:2 failed: the breaker was triggered; ECS found nothing to roll back to",
    );
    let worse = look(vec![
        rollout(OURS, 2, false, Failed, "the breaker was triggered"),
        rollout("ecs-svc/3", 1, true, Failed, "no capacity"),
    ]);
    ends(
        &[worse],
        "deployment ecs-svc/2 of web:2 failed: the breaker was triggered; the roll-back to web:1 failed too: no capacity",
    );
}

#[test]
fn a_deployment_that_another_one_replaced_has_failed() {
    let other = rollout("ecs-svc/3", 5, true, InProgress, "");
    let expected = "deployment ecs-svc/2 of web:2 was replaced by deployment ecs-svc/3 of web:5";
    ends(&[look(vec![other.clone(), rollout(OURS, 2, false, InProgress, "")])], expected);
    ends(&[look(vec![rollout(OURS, 2, true, InProgress, "")]), look(vec![other.clone()])], expected);
    // Also when it had completed: what the service runs is not ours.
    ends(&[look(vec![other.clone(), rollout(OURS, 2, false, Completed, "")])], expected);
    ends(&vec![look(vec![other]); 6], "deployment ecs-svc/2 was replaced by deployment ecs-svc/3 of web:5");
    ends(&vec![look(vec![]); 6], "deployment ecs-svc/2 is gone, and the service has no other");
}

#[test]
fn progress_is_told_as_it_changes_and_once() {
    let event = |id: &str, at, message: &str| ServiceEvent { id: id.to_owned(), at, message: message.to_owned() };
    let ours = rollout(OURS, 2, true, InProgress, "");
    let mut following = Following::new(OURS);
    let mut see = |running, pending, failed, events: Vec<ServiceEvent>| {
        let rollouts = vec![with(ours.clone(), running, pending, failed)];
        following.look(&Look { rollouts, events, notices: true, rolls_back: true }).lines
    };
    let before = event("a", 1999, "of another deployment");
    let started = event("b", 2000, "has started 1 tasks");
    let steady = event("c", 3000, "has reached a steady state");
    assert_eq!(see(0, 1, 0, vec![before.clone()]), ["0 of 2 tasks running, 1 pending"]);
    assert_eq!(see(0, 1, 0, vec![started.clone(), before.clone()]), ["has started 1 tasks"]);
    assert_eq!(see(0, 1, 0, vec![started.clone(), before.clone()]), [""; 0]);
    assert_eq!(
        see(1, 0, 1, vec![steady, started, before]),
        ["1 of 2 tasks running, 0 pending, 1 failed", "has reached a steady state"]
    );
}

#[test]
fn the_reasons_of_stopped_tasks_are_counted() {
    let task = |arn: &str, reason: &str| StoppedTask { arn: format!("arn:task/{arn}"), reason: reason.to_owned() };
    let mut following = Following::new(OURS);
    following.look(&look(vec![with(rollout(OURS, 2, true, InProgress, ""), 0, 1, 0)]));
    let crash = "essential container exited (app: exit code 3)";
    assert_eq!(following.stopped(&[task("a", crash)]), [format!("task a stopped: {crash}")]);
    let three = [task("a", crash), task("b", "cannot pull"), task("c", crash)];
    assert_eq!(
        following.stopped(&three),
        ["task b stopped: cannot pull".to_owned(), format!("task c stopped: {crash}")]
    );
    let expected = "deployment ecs-svc/2 of web:2 did not become stable in time: 0 of 2 tasks running, 1 pending; stopped \
                    tasks: 2 × essential container exited (app: exit code 3), 1 × cannot pull";
    assert_eq!(following.out_of_time(), expected);
}

#[test]
fn a_service_without_circuit_breaker_is_warned_of_once() {
    let mut following = Following::new(OURS);
    let blind = Look { notices: false, ..look(vec![rollout(OURS, 2, true, InProgress, "")]) };
    assert!(following.look(&blind).lines[0].starts_with("the service has no circuit breaker"));
    assert!(following.look(&blind).lines.is_empty());
}
