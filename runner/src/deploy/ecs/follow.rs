//! What a rolling deployment has come to, read from one look at the service after the other. Pure.
//!
//! The verdict is about one deployment, ours, and never about the service: a service that the circuit breaker rolled
//! back is stable again, and runs the old images.

use std::collections::{BTreeMap, BTreeSet};

use super::task_definition::short;
use crate::deploy::DeploymentOutcome;

/// One look at a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Its deployments.
    pub(super) rollouts: Vec<Rollout>,
    /// Its latest events, the newest first.
    pub(super) events: Vec<ServiceEvent>,
    /// Whether ECS notices a failing deployment by itself (circuit breaker or alarms).
    pub(super) notices: bool,
    /// Whether ECS takes a failed deployment back by itself.
    pub(super) rolls_back: bool,
}

/// One deployment of the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rollout {
    /// `ecs-svc/…`
    pub(super) id: String,
    /// Whether it is the one that the service tries to run.
    pub(super) primary: bool,
    /// The ARN of its task definition.
    pub(super) revision: String,
    /// How far it is.
    pub(super) progress: RolloutState,
    /// Why it is so.
    pub(super) reason: String,
    /// Tasks that it should have.
    pub(super) desired: i32,
    /// Tasks that run.
    pub(super) running: i32,
    /// Tasks that start.
    pub(super) pending: i32,
    /// Tasks that failed, as the circuit breaker counts them.
    pub(super) failed: i32,
    /// When it was made, in milliseconds of Unix time.
    pub(super) created: i64,
}

/// ECS's `rolloutState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RolloutState {
    /// `IN_PROGRESS`
    #[default]
    InProgress,
    /// `COMPLETED`
    Completed,
    /// `FAILED`
    Failed,
}

/// One of the service's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceEvent {
    /// Unique in the service.
    pub(super) id: String,
    /// In milliseconds of Unix time.
    pub(super) at: i64,
    /// What ECS says.
    pub(super) message: String,
}

/// A task of ours that stopped and should not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoppedTask {
    /// Its ARN.
    pub(super) arn: String,
    /// Why, with the exit codes of its containers.
    pub(super) reason: String,
}

/// What one look tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// New lines for the log.
    pub(super) lines: Vec<String>,
    /// How it stands, in a few words.
    pub(super) standing: String,
    /// The end.
    pub(super) outcome: Option<DeploymentOutcome>,
}

/// How many looks a failed deployment is given to be taken back, before it counts as not taken back.
const LOOKS_UNTIL_ROLL_BACK: u32 = 4;

/// How many looks ECS is given to list the deployment that it has just made: its answers may be older than that.
const LOOKS_UNTIL_LISTED: u32 = 6;

/// What is remembered between looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Following {
    id: String,
    ours: Option<Rollout>,
    failed_looks: u32,
    looks: u32,
    told_counts: Option<(i32, i32, i32, i32)>,
    told_events: BTreeSet<String>,
    told_tasks: BTreeSet<String>,
    reasons: BTreeMap<String, u32>,
    last_event: Option<String>,
}

impl Following {
    /// Follows the deployment with that id.
    pub(super) fn new(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }

    /// Takes a look in.
    pub(super) fn look(&mut self, look: &Look) -> Seen {
        let first = self.told_counts.is_none();
        self.looks += 1;
        let mut lines = Vec::new();
        if let Some(ours) = look.rollouts.iter().find(|rollout| rollout.id == self.id) {
            self.ours = Some(ours.clone());
            if first && !look.notices && ours.progress == RolloutState::InProgress {
                lines.push(NOT_NOTICED.to_owned());
            }
            lines.extend(self.new_counts(ours));
        }
        lines.extend(self.new_events(look));
        Seen { lines, standing: self.standing(), outcome: self.outcome(look) }
    }

    /// Takes in why tasks of ours stopped; gives the lines that are new.
    pub(super) fn stopped(&mut self, tasks: &[StoppedTask]) -> Vec<String> {
        let new: Vec<&StoppedTask> = tasks.iter().filter(|task| self.told_tasks.insert(task.arn.clone())).collect();
        for task in &new {
            *self.reasons.entry(task.reason.clone()).or_default() += 1;
        }
        new.iter().map(|task| format!("task {} stopped: {}", short(&task.arn), task.reason)).collect()
    }

    /// What to say when time runs out.
    pub(super) fn out_of_time(&self) -> String {
        let event = self.last_event.as_ref().map_or_else(String::new, |event| format!("; ECS said last: {event}"));
        format!("{} did not become stable in time: {}{}{event}", self.name(), self.standing(), self.tasks())
    }

    fn outcome(&mut self, look: &Look) -> Option<DeploymentOutcome> {
        let primary = look.rollouts.iter().find(|rollout| rollout.primary);
        let listed = look.rollouts.iter().any(|rollout| rollout.id == self.id);
        let state = self.ours.as_ref().map(|ours| (ours.progress, ours.primary && listed));
        match state {
            Some((RolloutState::Completed, true)) => Some(DeploymentOutcome::Succeeded),
            Some((RolloutState::InProgress, true)) => None,
            Some((RolloutState::Failed, _)) => self.after_failure(look, primary),
            None if self.looks < LOOKS_UNTIL_LISTED => None,
            Some(_) | None => Some(DeploymentOutcome::Failed(self.replaced(primary))),
        }
    }

    /// A failure is told when it is known what the service runs instead.
    fn after_failure(&mut self, look: &Look, primary: Option<&Rollout>) -> Option<DeploymentOutcome> {
        self.failed_looks += 1;
        let end = match primary.filter(|primary| primary.id != self.id) {
            Some(back) => match back.progress {
                RolloutState::Completed => format!("rolled back to {}", short(&back.revision)),
                RolloutState::Failed => {
                    format!("the roll-back to {} failed too: {}", short(&back.revision), back.reason)
                }
                RolloutState::InProgress => return None,
            },
            None if look.rolls_back && self.failed_looks < LOOKS_UNTIL_ROLL_BACK => return None,
            None if look.rolls_back => "ECS found nothing to roll back to".to_owned(),
            None => "not rolled back: the service does not ask ECS to".to_owned(),
        };
        let reason = self.ours.as_ref().map(|ours| ours.reason.trim_end_matches('.')).unwrap_or_default();
        Some(DeploymentOutcome::Failed(format!("{} failed: {reason}{}; {end}", self.name(), self.tasks())))
    }

    fn replaced(&self, primary: Option<&Rollout>) -> String {
        match primary {
            None => format!("{} is gone, and the service has no other", self.name()),
            Some(primary) => {
                let reason = if primary.reason.is_empty() { String::new() } else { format!(" ({})", primary.reason) };
                format!(
                    "{} was replaced by deployment {} of {}{reason}",
                    self.name(),
                    primary.id,
                    short(&primary.revision)
                )
            }
        }
    }

    fn name(&self) -> String {
        match &self.ours {
            Some(ours) => format!("deployment {} of {}", self.id, short(&ours.revision)),
            None => format!("deployment {}", self.id),
        }
    }

    fn standing(&self) -> String {
        self.ours.as_ref().map_or_else(String::new, counts)
    }

    /// `: 3 × exit code 1, …`, the most frequent reasons first.
    fn tasks(&self) -> String {
        let mut reasons: Vec<(&String, &u32)> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let said: Vec<String> = reasons.iter().take(3).map(|(reason, count)| format!("{count} × {reason}")).collect();
        if said.is_empty() { String::new() } else { format!("; stopped tasks: {}", said.join(", ")) }
    }

    fn new_counts(&mut self, ours: &Rollout) -> Option<String> {
        let now = (ours.running, ours.pending, ours.desired, ours.failed);
        (self.told_counts.replace(now) != Some(now)).then(|| counts(ours))
    }

    /// Events of our time that were not told, in their order. Whatever came before our deployment is not its affair.
    fn new_events(&mut self, look: &Look) -> Vec<String> {
        let Some(since) = self.ours.as_ref().map(|ours| ours.created) else { return Vec::new() };
        let mut lines = Vec::new();
        for event in look.events.iter().rev().filter(|event| event.at >= since) {
            if self.told_events.insert(event.id.clone()) {
                lines.push(event.message.clone());
                self.last_event = Some(event.message.clone());
            }
        }
        lines
    }
}

const NOT_NOTICED: &str = "the service has no circuit breaker: a roll-out whose tasks fail goes on until its time-out \
                           (hint: enable deploymentCircuitBreaker with rollback)";

fn counts(ours: &Rollout) -> String {
    let failed = if ours.failed > 0 { format!(", {} failed", ours.failed) } else { String::new() };
    format!("{} of {} tasks running, {} pending{failed}", ours.running, ours.desired, ours.pending)
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
