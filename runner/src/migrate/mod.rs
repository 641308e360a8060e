//! From CodeBuild's actions to ours and back: what a pipeline would be is a pure function of what it is and of its
//! projects; `calls` reads and writes, `saved` keeps what was. This module knows no terminal and runs no build.
//!
//! Two ways lead back. The structure as it was is kept in the state directory. And a swapped action tells itself what it
//! was: it keeps the words that it had, and its `Options` hold the rest, so that any machine can swap it back, also when
//! the pipeline has been edited since.

mod apply;
mod calls;
mod diff;
mod finding;
mod pipeline;
mod project;
mod revert;
mod saved;
mod show;
mod swap;
mod words;

#[cfg(test)]
mod tests;

pub use apply::{Applied, apply, expect};
pub use calls::Calls;
pub use finding::{ACCEPTABLE, Finding, Weight};
pub use pipeline::{Described, Place};
pub use project::Project;
pub use revert::revert;
pub use saved::Saved;
pub use show::shown;
pub use swap::{Orders, project_names, swap};

use serde_json::Value;

/// A pipeline as it would be.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its structure.
    pub pipeline: Value,
    /// What became of the actions that were looked at, in the pipeline's order.
    pub actions: Vec<ActionChange>,
    /// What is to be said of the pipeline as a whole.
    pub findings: Vec<Finding>,
}

/// What becomes of one action.
#[derive(Clone, Debug)]
pub struct ActionChange {
    /// Which one.
    pub place: Place,
    /// The action as it would be; nothing when it is left as it is.
    pub after: Option<Value>,
    /// What is to be said of it.
    pub findings: Vec<Finding>,
}

impl Change {
    /// Whether there is anything to apply.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.actions.iter().any(|action| action.after.is_some())
    }

    /// Whether an action that should have been changed is left as it is.
    #[must_use]
    pub fn leaves(&self) -> bool {
        self.actions.iter().any(|action| action.findings.iter().any(Finding::holds))
    }
}
