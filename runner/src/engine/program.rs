//! The program of a sandbox: sections of steps, with what a failure does. It needs nobody to go on.

use serde::{Deserialize, Serialize};

/// A whole program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The interpreter of every step.
    pub shell: ShellKind,
    /// Whether variables and directory carry over from one step to the next, also between sections.
    pub carries_state: bool,
    /// The directory of the first step (and of every step when nothing carries over).
    pub directory: String,
    /// The sections, in order.
    pub sections: Vec<Section>,
    /// Variables whose values are told at the end.
    pub exported: Vec<String>,
    /// Shell texts that are expanded at the end.
    pub expansions: Vec<Expansion>,
}

/// The interpreters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShellKind {
    /// `/bin/sh`
    Sh,
    /// `bash`
    Bash,
}

/// Steps that succeed or fail together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Its name, for people.
    pub name: String,
    /// The user of its steps; `None` is root.
    pub user: Option<String>,
    /// Run one at a time; the first that fails ends the list.
    pub steps: Vec<Step>,
    /// Run after them in any case, also when the sandbox is being stopped; each one, up to the first that fails.
    pub finally: Vec<Step>,
    /// When a failed section runs again.
    pub retry: Option<Retry>,
    /// Where its failure leads.
    pub on_failure: NextSection,
}

/// One script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its text; only its last exit status counts.
    pub text: String,
    /// Exit statuses after which [`Section::retry`] applies. Empty: all of them.
    pub retry_statuses: Vec<u8>,
}

/// A retry of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How often at the most.
    pub count: u32,
}

/// Where a failed section leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NextSection {
    /// To the end of the program.
    End,
    /// To the next section.
    Next,
}

/// A shell text that is expanded in the environment that the last section left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expansion {
    /// What it is known by. `[a-z0-9-]`.
    pub name: String,
    /// The text, expanded as inside double quotes.
    pub text: String,
}
