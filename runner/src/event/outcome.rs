//! How a piece of work ended. A failed build is a value here; a fault becomes one when it ends what was going on.

use serde::{Deserialize, Serialize};

use crate::fault::{Fault, FaultKind};

/// How a piece of work ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Outcome {
    /// All went well.
    Succeeded,
    /// The user's work failed.
    Failed {
        /// Why, in a sentence.
        message: String,
    },
    /// A time-out of the plan ran out.
    TimedOut {
        /// Which.
        message: String,
    },
    /// Somebody stopped it.
    Stopped {
        /// Who or what.
        message: String,
    },
    /// It never ran.
    Skipped {
        /// Why not.
        message: String,
    },
    /// We broke, or what we stand on did.
    Faulted {
        /// Whose turn it is.
        kind: FaultKind,
        /// What happened.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl Outcome {
    /// A [`Outcome::Failed`].
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into() }
    }

    /// Whether all went well.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        *self == Self::Succeeded
    }

    /// CodeBuild's word for it: `SUCCEEDED`, `FAILED`, `TIMED_OUT`, `STOPPED`, `FAULT`, and our `SKIPPED`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Failed { .. } => "FAILED",
            Self::TimedOut { .. } => "TIMED_OUT",
            Self::Stopped { .. } => "STOPPED",
            Self::Skipped { .. } => "SKIPPED",
            Self::Faulted { .. } => "FAULT",
        }
    }

    /// Why; empty for a success.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Succeeded => "",
            Self::Failed { message }
            | Self::TimedOut { message }
            | Self::Stopped { message }
            | Self::Skipped { message }
            | Self::Faulted { message, .. } => message,
        }
    }

    /// How bad it is, to tell the run's outcome from those of its parts.
    #[must_use]
    pub fn severity(&self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::Skipped { .. } => 1,
            Self::Failed { .. } => 2,
            Self::TimedOut { .. } => 3,
            Self::Faulted { .. } => 4,
            Self::Stopped { .. } => 5,
        }
    }
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::Stopped => Self::Stopped { message: fault.message },
            kind => Self::Faulted { kind, message: fault.message, hint: fault.hint },
        }
    }
}
