//! What is known of a build: its phases and their commands.

use jiff::Timestamp;
use pipeline_spec::plan::EnvironmentVariable;
use serde::{Deserialize, Serialize};

use super::Span;
use crate::cancel::Reason;
use crate::event::{ListedPhase, What};

/// What is known of a build.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct BuildState {
    /// `project:uuid`.
    pub id: String,
    /// Its number in its project.
    pub number: u64,
    /// Its image.
    pub image: String,
    /// The source directory in the container.
    pub source_directory: String,
    /// Where the buildspec was read from.
    pub buildspec: String,
    /// Its phases that have commands.
    pub listed: Vec<ListedPhase>,
    /// Its secret variables, each by the version that it was given.
    pub secrets: Vec<EnvironmentVariable>,
    /// Its phases so far; a retried one comes more than once.
    pub phases: Vec<PhaseState>,
    /// Why its first stop was asked for, and when: whoever goes on with it must know that its end is not its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<(Reason, Timestamp)>,
}

/// What is known of a phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct PhaseState {
    /// Its name.
    pub name: String,
    /// 1, and one more for each retry.
    pub attempt: u32,
    /// When and how.
    pub span: Span,
    /// How many commands it has.
    pub commands: usize,
    /// The command that runs, or ran last.
    pub command: Option<String>,
    /// The command that failed and its exit status.
    pub failed: Option<(String, i32)>,
}

impl BuildState {
    pub(super) fn apply(&mut self, what: &What, at: Timestamp) {
        match what {
            What::BuildAdopted { .. } => self.phases.clear(),
            What::StopRequested { reason, .. } => {
                self.stopped.get_or_insert((*reason, at));
            }
            What::SecretsRead { versions, .. } => self.secrets.clone_from(versions),
            What::PhaseStarted { phase, attempt, commands, .. } => {
                let mut state =
                    PhaseState { name: phase.clone(), attempt: *attempt, commands: *commands, ..PhaseState::default() };
                state.span.start(at);
                self.phases.push(state);
            }
            What::PhaseFinished { phase, outcome, .. } => {
                if let Some(state) = self.phases.iter_mut().rfind(|state| state.name == *phase) {
                    state.span.finish(at, outcome);
                }
            }
            What::CommandStarted { command, .. } => {
                if let Some(state) = self.phases.last_mut() {
                    state.command = Some(command.clone());
                }
            }
            What::CommandFinished { command, status, .. } if *status != 0 => {
                if let Some(state) = self.phases.last_mut() {
                    state.failed.get_or_insert_with(|| (command.clone(), *status));
                }
            }
            _ => {}
        }
    }
}
