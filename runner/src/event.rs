//! The vocabulary of what happens in a run.
//!
//! Whatever is shown, stored or reported is derived from the one ordered stream of these. This module knows nobody
//! who listens. `docs/events.md` is its reference for people.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cancel::Reason;
use crate::deploy::{Deployment, DeploymentOrder};
use crate::fault::{Fault, FaultKind};
use crate::gate::Decision;
use crate::image::PushedImage;
use crate::report::junit::TestReport;
use crate::source::Revision;

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

/// The things that happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum What {
    /// The run begins.
    RunStarted {
        /// The run's id.
        run: String,
        /// The pipeline's name.
        pipeline: String,
        /// The plan's hash.
        plan: String,
        /// Who or what started it.
        initiator: String,
    },
    /// A later process goes on with the run.
    RunResumed {},
    /// The revision is being fetched.
    SourceStarted {
        /// Where from, without credentials.
        from: String,
    },
    /// The revision is there, or cannot be had.
    SourceFinished {
        /// How it ended.
        outcome: Outcome,
        /// What was fetched.
        revision: Option<Revision>,
    },
    /// A stage is reached.
    StageStarted {
        /// Its name.
        stage: String,
    },
    /// A stage is over.
    StageFinished {
        /// Its name.
        stage: String,
        /// How it ended.
        outcome: Outcome,
    },
    /// A gate is reached.
    GateStarted {
        /// The stage.
        stage: String,
        /// Which of the stage's gates.
        slot: Slot,
        /// Its rules, for people.
        rules: Vec<String>,
    },
    /// A rule of a gate is not decided yet.
    GateWaiting {
        /// The stage.
        stage: String,
        /// Which of the stage's gates.
        slot: Slot,
        /// Index of the rule.
        rule: usize,
        /// What it waits for.
        why: String,
        /// When it looks again by itself, at the latest.
        until: Option<Timestamp>,
    },
    /// Somebody answered an approval.
    ApprovalGiven {
        /// The stage.
        stage: String,
        /// Which of the stage's gates.
        slot: Slot,
        /// Who, when, what.
        decision: Decision,
    },
    /// A gate is decided.
    GateFinished {
        /// The stage.
        stage: String,
        /// Which of the stage's gates.
        slot: Slot,
        /// How it ended.
        outcome: Outcome,
        /// What each rule said.
        why: Vec<String>,
    },
    /// An action starts.
    ActionStarted {
        /// Its stage.
        stage: String,
        /// Its name.
        action: String,
        /// What it does.
        kind: ActionKind,
    },
    /// An action is over.
    ActionFinished {
        /// Its name.
        action: String,
        /// How it ended.
        outcome: Outcome,
    },
    /// A build is about to start in its container.
    BuildStarted {
        /// The action.
        action: String,
        /// `project:uuid`, as `CODEBUILD_BUILD_ID`.
        build: String,
        /// The build's number in its project.
        number: u64,
        /// The image reference.
        image: String,
        /// The source directory in the container.
        source_directory: String,
    },
    /// A build that an earlier process started was found and is followed from its beginning: what was told of it
    /// before is told again.
    BuildAdopted {
        /// The action.
        action: String,
    },
    /// A phase begins.
    PhaseStarted {
        /// The action.
        action: String,
        /// Its name.
        phase: String,
        /// 1, and one more for each retry.
        attempt: u32,
        /// How many commands it has, those of `finally` included.
        commands: usize,
    },
    /// A phase is over.
    PhaseFinished {
        /// The action.
        action: String,
        /// Its name.
        phase: String,
        /// How it ended.
        outcome: Outcome,
    },
    /// A command begins.
    CommandStarted {
        /// The action.
        action: String,
        /// Its phase.
        phase: String,
        /// Its place in the list, from 0.
        index: usize,
        /// Whether the list is `finally`.
        finally: bool,
        /// Its text.
        command: String,
    },
    /// A command ended.
    CommandFinished {
        /// The action.
        action: String,
        /// Its phase.
        phase: String,
        /// Its place in the list, from 0.
        index: usize,
        /// Whether the list is `finally`.
        finally: bool,
        /// Its text.
        command: String,
        /// Its exit status.
        status: i32,
    },
    /// Output of an action, masked, in pieces of any size. Passing: the log file keeps it.
    Output {
        /// The action.
        action: String,
        /// The bytes.
        #[serde(with = "output_text")]
        text: Bytes,
    },
    /// What an action (or the run itself) is doing now. Passing.
    Doing {
        /// The action.
        action: Option<String>,
        /// In a few words.
        text: String,
    },
    /// How far a transfer is. Passing.
    Transferred {
        /// The action.
        action: Option<String>,
        /// `clone`, `pull`, `push`.
        transfer: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all, when known.
        total: Option<u64>,
    },
    /// An exported variable has its value.
    VariableExported {
        /// The action.
        action: String,
        /// Its name.
        name: String,
        /// Its value, masked.
        value: String,
    },
    /// An artifact is stored.
    ArtifactStored {
        /// The action.
        action: String,
        /// `None` is the primary one.
        identifier: Option<String>,
        /// The file or folder on this machine.
        path: String,
        /// How many files.
        files: u64,
        /// How many bytes.
        bytes: u64,
        /// The bundle's SHA-256, when it is one file.
        sha256: Option<String>,
    },
    /// Test reports were read.
    ReportRead {
        /// The action.
        action: String,
        /// What they say.
        report: TestReport,
    },
    /// An image is in its registry.
    ImagePushed {
        /// The action.
        action: String,
        /// Which.
        image: PushedImage,
    },
    /// A deployment is about to begin. Written before the target is touched, so that nothing is begun twice.
    DeploymentIntended {
        /// The action.
        action: String,
        /// All of it.
        order: DeploymentOrder,
    },
    /// The target has begun it.
    DeploymentBegun {
        /// The action.
        action: String,
        /// The target's word for it.
        deployment: Deployment,
    },
    /// A deployment is being taken back.
    RollbackStarted {
        /// The action.
        action: String,
        /// To what.
        to: Option<String>,
    },
    /// It was taken back, or could not be.
    RollbackFinished {
        /// The action.
        action: String,
        /// How it ended.
        outcome: Outcome,
    },
    /// Something that a person should know.
    Notice {
        /// The action.
        action: Option<String>,
        /// Whether it is a warning.
        warning: bool,
        /// The text.
        text: String,
    },
    /// Somebody, or a time-out, asked for a stop.
    StopRequested {
        /// The action; `None` is the run.
        action: Option<String>,
        /// Why.
        reason: Reason,
    },
    /// The run is over.
    RunFinished {
        /// How it ended.
        outcome: Outcome,
    },
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
            | Self::PhaseStarted { action, .. }
            | Self::PhaseFinished { action, .. }
            | Self::CommandStarted { action, .. }
            | Self::CommandFinished { action, .. }
            | Self::Output { action, .. }
            | Self::VariableExported { action, .. }
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

/// The gates of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// Before its first action.
    BeforeEntry,
    /// After its last.
    OnSuccess,
}

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

/// Output as JSON: text where it is UTF-8, and the replacement character where it is not; the log file has the bytes.
mod output_text {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        String::deserialize(deserializer).map(Bytes::from)
    }
}
