//! Gates: one file a rule, all of them pure. This module does not know how a stage works.
//!
//! A rule is asked again and again ([`evaluate`]) until it passes or fails; between two questions nothing of it lives
//! in memory, so a gate outlives the process that waits at it.

mod approval;
mod variable;
mod window;

use jiff::Timestamp;
use pipeline_spec::plan::{Reference, Rule, VariableOperator};
use serde::{Deserialize, Serialize};

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
