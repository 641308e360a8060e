//! A plan as boxes and arrows, for both graph languages.

use super::{describe, in_order};
use crate::plan::{Plan, Rule};

/// A stage as a box of boxes.
pub(super) struct StageBox {
    /// Its heading.
    pub(super) name: String,
    /// The lines of the gate before it.
    pub(super) entry: Vec<String>,
    /// Its actions, each after all that it needs.
    pub(super) actions: Vec<ActionBox>,
    /// Arrows from action to action: places in `actions`.
    pub(super) arrows: Vec<(usize, usize)>,
    /// The lines of the gate after it.
    pub(super) exit: Vec<String>,
}

/// An action as a box of lines.
pub(super) struct ActionBox {
    /// Its name, its kind of work.
    pub(super) lines: [String; 2],
}

/// The stages, in order.
pub(super) fn stages(plan: &Plan) -> Vec<StageBox> {
    plan.stages
        .iter()
        .map(|stage| {
            let ordered = in_order(stage);
            let place: std::collections::BTreeMap<&str, usize> =
                ordered.iter().enumerate().map(|(place, action)| (action.name.as_str(), place)).collect();
            let arrows = ordered.iter().enumerate().flat_map(|(to, action)| {
                let place = &place;
                action.needs.iter().filter_map(move |need| place.get(need.as_str()).map(|from| (*from, to)))
            });
            StageBox {
                name: stage.name.clone(),
                entry: stage.before_entry.iter().map(rule_line).collect(),
                arrows: arrows.collect(),
                actions: ordered
                    .iter()
                    .map(|action| ActionBox {
                        lines: [action.name.clone(), describe::work_key(&action.work).to_owned()],
                    })
                    .collect(),
                exit: stage.on_success.iter().map(rule_line).collect(),
            }
        })
        .collect()
}

/// A rule in so few words that it fits into a diamond.
fn rule_line(rule: &Rule) -> String {
    match rule {
        Rule::DeploymentWindow { cron, .. } => format!("{} {cron}", describe::rule_key(rule)),
        Rule::VariableCheck { variable, .. } => format!("{} {variable}", describe::rule_key(rule)),
        Rule::Approval { .. } => describe::rule_key(rule).to_owned(),
    }
}
