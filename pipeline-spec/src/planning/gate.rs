//! Rules of gates, with their defaults.

use crate::pipeline::Rule as Written;
use crate::plan::{Rule, Template};
use crate::validate::Known;

/// A rule waits for a week unless it says otherwise: CodePipeline's default for approvals.
const TIMEOUT: u64 = 7 * 86_400;

pub(super) fn rules(written: &[Written], known: &Known<'_>) -> Option<Vec<Rule>> {
    written.iter().map(|written| rule(written, known)).collect()
}

fn rule(written: &Written, known: &Known<'_>) -> Option<Rule> {
    Some(match written {
        Written::Approval { approvers, timeout, message } => Rule::Approval {
            approvers: approvers.iter().map(|text| known.text(text)).collect::<Option<_>>()?,
            timeout_seconds: timeout.unwrap_or(TIMEOUT),
            message: message.as_ref().map_or_else(Template::default, |text| known.fill(text)),
        },
        Written::Window { cron, time_zone, timeout } => Rule::DeploymentWindow {
            cron: cron.as_ref()?.value.clone(),
            time_zone: time_zone.as_ref().map_or_else(|| "UTC".to_owned(), |zone| zone.value.clone()),
            timeout_seconds: timeout.unwrap_or(TIMEOUT),
        },
        Written::Check { variable, operator, value } => Rule::VariableCheck {
            variable: known.fill(variable.as_ref()?),
            operator: *operator,
            value: known.fill(value.as_ref()?),
        },
    })
}
