//! The list of the things that happen, each with all that is told of it.

use bytes::Bytes;
use jiff::Timestamp;
use pipeline_spec::plan::EnvironmentVariable;
use serde::{Deserialize, Serialize};

use super::{ActionKind, ListedPhase, Outcome, Slot};
use crate::cancel::Reason;
use crate::deploy::{Deployment, DeploymentOrder};
use crate::gate::{Decision, RuleKind};
use crate::image::PushedImage;
use crate::report::junit::TestReport;
use crate::source::Revision;

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
        /// What kind of rule it is: an approval waits for a person.
        kind: RuleKind,
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
        /// `project:uuid`, which its log is sent under. `None` for a build, whose own id that is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<String>,
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
        /// Where the buildspec was read from.
        buildspec: String,
        /// Its phases that have commands.
        phases: Vec<ListedPhase>,
    },
    /// A build that an earlier process started was found and is followed from its beginning: what was told of it
    /// before is told again.
    BuildAdopted {
        /// The action.
        action: String,
    },
    /// The secrets of a build were read.
    SecretsRead {
        /// The action.
        action: String,
        /// The variables that have them, and under which names these very values are found later. Never a value.
        versions: Vec<EnvironmentVariable>,
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
        #[serde(with = "super::output_text")]
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
        /// Whether something in it was masked: what is told is not what it is.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        withheld: bool,
    },
    /// The files of an artifact were looked for.
    ArtifactCollected {
        /// The action.
        action: String,
        /// `None` is the primary one.
        identifier: Option<String>,
        /// The base directory as the build sees it; `None` is the source directory.
        base: Option<String>,
        /// The patterns.
        patterns: Vec<String>,
        /// How many files they matched.
        found: u64,
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
