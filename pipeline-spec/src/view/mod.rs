//! Views of a plan: a tree for people, JSON for programs, graphs in Mermaid and Graphviz. Each is a pure function of
//! the plan, so that nothing is shown that will not happen.

mod describe;
mod dot;
mod graph;
mod mermaid;
mod text;

use std::collections::HashMap;

use crate::plan::{Action, Plan, Stage};

pub use dot::dot;
pub use mermaid::mermaid;
pub use text::text;

/// The plan as JSON, indented.
#[must_use]
pub fn json(plan: &Plan) -> String {
    serde_json::to_string_pretty(plan).unwrap_or_default()
}

/// The actions of a stage, each after all that it needs: first those that need nothing, then those that need only
/// them, and so on; otherwise as they are written.
#[must_use]
pub fn in_order(stage: &Stage) -> Vec<&Action> {
    let place: HashMap<&str, usize> =
        stage.actions.iter().enumerate().map(|(place, action)| (action.name.as_str(), place)).collect();
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); stage.actions.len()];
    // How many needs of each action are not placed yet, and in which round it can be placed itself.
    let mut open: Vec<usize> = vec![0; stage.actions.len()];
    // A valid plan has no cycle; what goes round in a circle in one made by hand is shown last.
    let mut rounds: Vec<usize> = vec![usize::MAX; stage.actions.len()];
    for (later, action) in stage.actions.iter().enumerate() {
        for earlier in action.needs.iter().filter_map(|need| place.get(need.as_str())) {
            needed_by[*earlier].push(later);
            open[later] += 1;
        }
    }
    let mut ready: Vec<usize> = (0..open.len()).filter(|place| open[*place] == 0).collect();
    let mut round = 0;
    while !ready.is_empty() {
        let mut next = Vec::new();
        for placed in ready {
            rounds[placed] = round;
            for later in &needed_by[placed] {
                open[*later] -= 1;
                if open[*later] == 0 {
                    next.push(*later);
                }
            }
        }
        ready = next;
        round += 1;
    }
    let mut ordered: Vec<(usize, &Action)> = rounds.into_iter().zip(&stage.actions).collect();
    ordered.sort_by_key(|(round, _)| *round);
    ordered.into_iter().map(|(_, action)| action).collect()
}
