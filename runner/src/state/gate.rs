//! What is known of a gate: what it waits for, and what was answered.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Span;
use crate::event::What;
use crate::gate::Decision;

/// What is known of a gate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct GateState {
    /// When and how.
    pub span: Span,
    /// What it waits for, by rule.
    pub waiting: BTreeMap<usize, String>,
    /// The answers to its approvals.
    pub decisions: Vec<Decision>,
    /// What each rule said.
    pub why: Vec<String>,
}

impl GateState {
    pub(super) fn apply(&mut self, what: &What, at: Timestamp) {
        match what {
            What::GateStarted { .. } => self.span.start(at),
            What::GateWaiting { rule, why, .. } => {
                self.waiting.insert(*rule, why.clone());
            }
            What::ApprovalGiven { decision, .. } => self.decisions.push(decision.clone()),
            What::GateFinished { outcome, why, .. } => {
                self.waiting.clear();
                self.why.clone_from(why);
                self.span.finish(at, outcome);
            }
            _ => {}
        }
    }
}
