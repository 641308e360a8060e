//! Gates: one file a rule, all of them pure. This module does not know how a stage works.
//!
//! A rule is asked again and again ([`evaluate`]) until it passes or fails; between two questions nothing of it lives
//! in memory, so a gate outlives the process that waits at it.

mod approval;
mod variable;
mod window;

use jiff::Timestamp;
use pipeline_spec::plan::{Plan, Reference, Rule, VariableOperator};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;

pub use approval::may_decide;
pub use variable::check_pattern;
pub use window::check_window;

/// Somebody's answer to an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decision {
    /// Index of the rule in its gate.
    pub rule: usize,
    /// Who.
    pub by: String,
    /// The groups that they were in when they answered.
    #[serde(default)]
    pub groups: Vec<String>,
    /// When.
    pub at: Timestamp,
    /// Yes or no.
    pub approved: bool,
    /// Why.
    pub comment: Option<String>,
}

/// A [`Rule`] with every reference filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RenderedRule {
    /// A person says yes.
    Approval {
        /// Who may: user or group names; empty is anyone.
        approvers: Vec<String>,
        /// In seconds from the entry into the gate.
        timeout_seconds: u64,
        /// What the person is asked.
        message: String,
    },
    /// The clock says yes.
    DeploymentWindow {
        /// Five cron fields, or CodePipeline's six and a year.
        cron: String,
        /// An IANA time zone name.
        time_zone: String,
        /// In seconds from the entry into the gate.
        timeout_seconds: u64,
    },
    /// A value says yes.
    VariableCheck {
        /// The value.
        variable: String,
        /// How it is compared.
        operator: VariableOperator,
        /// With what.
        value: String,
    },
}

/// The kinds of rules, in the words of `pipeline.yml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleKind {
    /// [`RenderedRule::Approval`]
    Approval,
    /// [`RenderedRule::DeploymentWindow`]
    DeploymentWindow,
    /// [`RenderedRule::VariableCheck`]
    VariableCheck,
}

impl RenderedRule {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> RuleKind {
        match self {
            Self::Approval { .. } => RuleKind::Approval,
            Self::DeploymentWindow { .. } => RuleKind::DeploymentWindow,
            Self::VariableCheck { .. } => RuleKind::VariableCheck,
        }
    }
}

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Go on.
    Passed {
        /// In one sentence.
        why: String,
    },
    /// Ask again.
    Waiting {
        /// What for, in one sentence.
        why: String,
        /// When the answer can change at the earliest without anybody's doing.
        until: Option<Timestamp>,
    },
    /// The gate is shut.
    Failed {
        /// In one sentence.
        why: String,
    },
}

/// Whether every rule of the plan can pass at all: a window that never opens again is known before the run starts.
///
/// # Errors
/// A `Configuration` fault that names the stage.
pub fn check(plan: &Plan, now: Timestamp) -> Result<(), Fault> {
    for stage in &plan.stages {
        for rule in stage.before_entry.iter().chain(&stage.on_success) {
            let checked = match rule {
                Rule::DeploymentWindow { cron, time_zone, .. } => check_window(cron, time_zone, now),
                // A pattern with references in it is known only when the gate is reached.
                Rule::VariableCheck { operator: VariableOperator::Matches, value, .. } => {
                    value.render(|_| None).map_or(Ok(()), |pattern| check_pattern(&pattern))
                }
                Rule::VariableCheck { .. } | Rule::Approval { .. } => Ok(()),
            };
            checked.map_err(|why| Fault::configuration(format!("stage {}: {why}", stage.name)))?;
        }
    }
    Ok(())
}

/// Fills the references in.
///
/// # Errors
/// The first reference that `value_of` has no value for.
pub fn render(rule: &Rule, value_of: impl Fn(&Reference) -> Option<String>) -> Result<RenderedRule, Reference> {
    Ok(match rule {
        Rule::Approval { approvers, timeout_seconds, message } => RenderedRule::Approval {
            approvers: approvers.clone(),
            timeout_seconds: *timeout_seconds,
            message: message.render(value_of)?,
        },
        Rule::DeploymentWindow { cron, time_zone, timeout_seconds } => RenderedRule::DeploymentWindow {
            cron: cron.clone(),
            time_zone: time_zone.clone(),
            timeout_seconds: *timeout_seconds,
        },
        Rule::VariableCheck { variable, operator, value } => RenderedRule::VariableCheck {
            variable: variable.render(&value_of)?,
            operator: *operator,
            value: value.render(&value_of)?,
        },
    })
}

/// What the rule says now.
///
/// `index` is the rule's place in its gate, `entered_at` the first time that the run came to the gate, and `decisions`
/// all that were recorded for the gate. The same question always has the same answer.
#[must_use]
pub fn evaluate(
    index: usize,
    rule: &RenderedRule,
    now: Timestamp,
    entered_at: Timestamp,
    decisions: &[Decision],
) -> Verdict {
    match rule {
        RenderedRule::Approval { approvers, timeout_seconds, message } => {
            let own = decisions.iter().filter(|decision| decision.rule == index);
            approval::evaluate(approvers, deadline(entered_at, *timeout_seconds), message, now, own)
        }
        RenderedRule::DeploymentWindow { cron, time_zone, timeout_seconds } => {
            window::evaluate(cron, time_zone, deadline(entered_at, *timeout_seconds), now)
        }
        RenderedRule::VariableCheck { variable, operator, value } => variable::evaluate(variable, *operator, value),
    }
}

/// The moment that a rule has to pass before; the end of time when there is none so late.
fn deadline(entered_at: Timestamp, timeout_seconds: u64) -> Timestamp {
    let span = jiff::SignedDuration::from_secs(i64::try_from(timeout_seconds).unwrap_or(i64::MAX));
    entered_at.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// A moment to the minute, as sentences show it.
fn shown(at: Timestamp, time_zone: &jiff::tz::TimeZone) -> String {
    at.to_zoned(time_zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
}

#[cfg(test)]
mod tests {
    use pipeline_spec::plan::{OnFailure, Source, Stage, Template};

    use super::*;

    fn plan(rule: Rule) -> Plan {
        let stage = Stage {
            name: "Production".to_owned(),
            before_entry: vec![rule],
            actions: Vec::new(),
            on_success: Vec::new(),
            on_failure: OnFailure::Fail,
        };
        let source = Source::Folder { path: ".".to_owned() };
        Plan { name: "p".to_owned(), source, variables: Default::default(), stages: vec![stage] }
    }

    fn said(rule: Rule) -> Result<(), String> {
        check(&plan(rule), "2026-03-02T10:00:00Z".parse().unwrap()).map_err(|fault| fault.message)
    }

    #[test]
    fn rules_that_can_never_pass_are_known_before_the_run() {
        let window = |cron: &str| Rule::DeploymentWindow {
            cron: cron.to_owned(),
            time_zone: "Asia/Seoul".to_owned(),
            timeout_seconds: 60,
        };
        assert_eq!(said(window("* 9-17 * * MON-FRI")), Ok(()));
        assert_eq!(said(window("* 9 30 2 *")), Err("stage Production: the window `* 9 30 2 *` never opens".to_owned()));
        let matches = |value: &str| Rule::VariableCheck {
            variable: Template::literal("main"),
            operator: VariableOperator::Matches,
            value: Template::literal(value),
        };
        assert_eq!(said(matches("main|dev")), Ok(()));
        assert!(said(matches("(")).unwrap_err().starts_with("stage Production: the pattern `(` cannot be matched"));
    }

    #[test]
    fn an_answer_is_heard_by_its_own_rule_and_in_its_time() {
        let entered: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        let at = |seconds| entered + jiff::SignedDuration::from_secs(seconds);
        let rule = RenderedRule::Approval { approvers: Vec::new(), timeout_seconds: 60, message: "Go?".to_owned() };
        let answer = |rule, seconds| Decision {
            rule,
            by: "ann".to_owned(),
            groups: Vec::new(),
            at: at(seconds),
            approved: true,
            comment: None,
        };
        let passed =
            |index, decision| matches!(evaluate(index, &rule, at(30), entered, &[decision]), Verdict::Passed { .. });
        assert!(passed(1, answer(1, 10)));
        assert!(!passed(0, answer(1, 10)));
        assert!(!passed(1, answer(1, 60)));
        let forever =
            RenderedRule::Approval { approvers: Vec::new(), timeout_seconds: u64::MAX, message: String::new() };
        assert!(matches!(evaluate(0, &forever, at(30), entered, &[]), Verdict::Waiting { .. }));
    }
}
