//! The rules of a stage's gates.

use serde::{Deserialize, Serialize};

use super::Template;

/// One rule of a gate. All rules of a gate must pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Rule {
    /// A person says yes.
    Approval {
        /// Who may: user or group names; empty is anyone who can reach the record.
        approvers: Vec<String>,
        /// Not answered by then, the rule fails. Seconds.
        timeout_seconds: u64,
        /// What the person is asked.
        message: Template,
    },
    /// The clock says yes: entry waits until the window is open.
    DeploymentWindow {
        /// Five cron fields, or CodePipeline's six or seven; the window is open in each minute that matches.
        cron: String,
        /// An IANA time zone name.
        time_zone: String,
        /// Not open by then, the rule fails. Seconds.
        timeout_seconds: u64,
    },
    /// A value says yes.
    VariableCheck {
        /// The value, usually one reference.
        variable: Template,
        /// How it is compared.
        operator: VariableOperator,
        /// With what; a regular expression for `Matches`.
        value: Template,
    },
}

/// CodePipeline's VariableCheck operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VariableOperator {
    /// `EQ`
    Equals,
    /// `NE`
    NotEquals,
    /// `CONTAINS`
    Contains,
    /// `MATCHES`: the whole value matches the regular expression.
    Matches,
}

/// What the failure of a stage leads to, besides the failure of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Nothing more.
    #[default]
    Fail,
    /// Deployments of the stage go back to what they found.
    Rollback,
}
