//! Views of a plan: a tree for people, JSON for programs, graphs in Mermaid and Graphviz. Each is a pure function of
//! the plan, so that nothing is shown that will not happen.

mod describe;
mod dot;
mod graph;
mod mermaid;
mod text;

use std::collections::BTreeSet;

use crate::plan::{Action, Plan, Stage};

pub use dot::dot;
pub use mermaid::mermaid;
pub use text::text;

/// The plan as JSON, indented.
#[must_use]
pub fn json(plan: &Plan) -> String {
    serde_json::to_string_pretty(plan).unwrap_or_default()
}

/// The actions of a stage, each after all that it needs; otherwise as they are written.
#[must_use]
pub fn in_order(stage: &Stage) -> Vec<&Action> {
    let mut ordered: Vec<&Action> = Vec::with_capacity(stage.actions.len());
    let mut placed = BTreeSet::new();
    let mut waiting: Vec<&Action> = stage.actions.iter().collect();
    while !waiting.is_empty() {
        let is_ready = |action: &&Action| action.needs.iter().all(|need| placed.contains(need.as_str()));
        let (ready, later): (Vec<&Action>, Vec<&Action>) = waiting.into_iter().partition(is_ready);
        if ready.is_empty() {
            // A valid plan has no cycle; one made by hand is shown as it is.
            ordered.extend(later);
            break;
        }
        placed.extend(ready.iter().map(|action| action.name.as_str()));
        ordered.extend(ready);
        waiting = later;
    }
    ordered
}
