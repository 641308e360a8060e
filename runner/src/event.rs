//! The vocabulary of what happens in a run.
//!
//! Whatever is shown, stored or reported is derived from the one ordered stream of these. This module knows nobody
//! who listens. `docs/events.md` is its reference for people.

mod outcome;
mod output_text;
mod what;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use outcome::Outcome;
pub use what::What;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counts from 1 within the run, without gaps in what is stored. Passing events (see [`What::is_passing`]) have
    /// the number of the event before them.
    pub sequence: u64,
    /// When it was recorded; for what a sandbox did, when it did it.
    pub at: Timestamp,
    /// What it is.
    #[serde(flatten)]
    pub what: What,
}

impl What {
    /// Whether this is for the moment only: shown, and kept nowhere but in the log files.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Output { .. } | Self::Doing { .. } | Self::Transferred { .. })
    }

    /// The action that it is about.
    #[must_use]
    pub fn action(&self) -> Option<&str> {
        match self {
            Self::ActionStarted { action, .. }
            | Self::ActionFinished { action, .. }
            | Self::BuildStarted { action, .. }
            | Self::BuildAdopted { action }
            | Self::SecretsRead { action, .. }
            | Self::PhaseStarted { action, .. }
            | Self::PhaseFinished { action, .. }
            | Self::CommandStarted { action, .. }
            | Self::CommandFinished { action, .. }
            | Self::Output { action, .. }
            | Self::VariableExported { action, .. }
            | Self::ArtifactCollected { action, .. }
            | Self::ArtifactStored { action, .. }
            | Self::ReportRead { action, .. }
            | Self::ImagePushed { action, .. }
            | Self::DeploymentIntended { action, .. }
            | Self::DeploymentBegun { action, .. }
            | Self::RollbackStarted { action, .. }
            | Self::RollbackFinished { action, .. } => Some(action),
            Self::Doing { action, .. }
            | Self::Transferred { action, .. }
            | Self::Notice { action, .. }
            | Self::StopRequested { action, .. } => action.as_deref(),
            _ => None,
        }
    }
}

/// The kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// A build.
    Build,
    /// An image.
    Image,
    /// A deployment.
    Deploy,
}

/// A phase as the buildspec lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ListedPhase {
    /// Its name.
    pub name: String,
    /// How many commands it has, those of `finally` included.
    pub commands: usize,
}

/// The gates of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// Before its first action.
    BeforeEntry,
    /// After its last.
    OnSuccess,
}
