//! The state of a run: the fold of its events. Whoever has the same events has the same state.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deploy::{Deployment, DeploymentOrder};
use crate::event::{ActionKind, Event, Outcome, Slot, What};
use crate::gate::Decision;
use crate::image::PushedImage;
use crate::report::junit::TestReport;
use crate::source::Revision;

/// What is known of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct RunState {
    /// The run's id.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The plan's hash.
    pub plan: String,
    /// Who or what started it.
    pub initiator: String,
    /// When it, and what it is made of, started and ended.
    pub span: Span,
    /// What was fetched.
    pub revision: Option<Revision>,
    /// The fetching.
    pub source: Span,
    /// The stages that were reached, in order.
    pub stages: Vec<StageState>,
    /// The actions that were started, in order.
    pub actions: Vec<ActionState>,
    /// What a person should know.
    pub notices: Vec<String>,
    /// The number of the last event.
    pub sequence: u64,
}

/// From when to when, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Span {
    /// The start.
    pub started: Option<Timestamp>,
    /// The end.
    pub finished: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// What is known of a stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct StageState {
    /// Its name.
    pub name: String,
    /// When and how.
    pub span: Span,
    /// Its gates, by slot.
    pub gates: BTreeMap<Slot, GateState>,
}

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

/// What is known of an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ActionState {
    /// Its name.
    pub name: String,
    /// Its stage.
    pub stage: String,
    /// What it does.
    pub kind: ActionKind,
    /// When and how.
    pub span: Span,
    /// Its build.
    pub build: Option<BuildState>,
    /// Its exported variables.
    pub variables: BTreeMap<String, String>,
    /// Its artifacts: identifier (the primary one is empty) to path.
    pub artifacts: BTreeMap<String, ArtifactState>,
    /// Its test reports.
    pub reports: Vec<TestReport>,
    /// The image that it pushed.
    pub image: Option<PushedImage>,
    /// The deployment that it was going to make.
    pub order: Option<DeploymentOrder>,
    /// The deployment that it began.
    pub deployment: Option<Deployment>,
    /// How taking it back went.
    pub rollback: Option<Span>,
}

/// What is known of an artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ArtifactState {
    /// The file or folder on this machine.
    pub path: String,
    /// How many files.
    pub files: u64,
    /// How many bytes.
    pub bytes: u64,
}

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
    /// Its phases so far; a retried one comes more than once.
    pub phases: Vec<PhaseState>,
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

impl Span {
    fn start(&mut self, at: Timestamp) {
        *self = Self { started: Some(at), finished: None, outcome: None };
    }

    fn finish(&mut self, at: Timestamp, outcome: &Outcome) {
        self.finished = Some(at);
        self.outcome = Some(outcome.clone());
    }

    /// How long it took; `None` while it goes on or when it never started.
    #[must_use]
    pub fn duration(&self) -> Option<jiff::SignedDuration> {
        Some(self.finished?.duration_since(self.started?))
    }
}

impl RunState {
    /// The state after those events.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// The action of that name.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&ActionState> {
        self.actions.iter().find(|action| action.name == name)
    }

    /// The stage of that name.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<&StageState> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// Takes one event in.
    pub fn apply(&mut self, event: &Event) {
        self.sequence = event.sequence;
        let at = event.at;
        match &event.what {
            What::RunStarted { run, pipeline, plan, initiator } => {
                self.run.clone_from(run);
                self.pipeline.clone_from(pipeline);
                self.plan.clone_from(plan);
                self.initiator.clone_from(initiator);
                self.span.start(at);
            }
            What::RunResumed {} => (self.span.finished, self.span.outcome) = (None, None),
            What::RunFinished { outcome } => self.span.finish(at, outcome),
            What::SourceStarted { .. } => self.source.start(at),
            What::SourceFinished { outcome, revision } => {
                self.source.finish(at, outcome);
                self.revision.clone_from(revision);
            }
            What::Notice { text, .. } => self.notices.push(text.clone()),
            What::StageStarted { stage } => match self.stage_mut(stage) {
                Some(known) => known.span.start(at),
                None => {
                    let mut state = StageState { name: stage.clone(), ..StageState::default() };
                    state.span.start(at);
                    self.stages.push(state);
                }
            },
            What::StageFinished { stage, outcome } => {
                if let Some(stage) = self.stage_mut(stage) {
                    stage.span.finish(at, outcome);
                }
            }
            What::ActionStarted { stage, action, kind } => self.start_action(stage, action, *kind, at),
            other => {
                self.apply_gate(other, at);
                self.apply_action(other, at);
            }
        }
    }

    fn start_action(&mut self, stage: &str, name: &str, kind: ActionKind, at: Timestamp) {
        if let Some(known) = self.action_mut(name) {
            known.span.start(at);
            return;
        }
        let mut span = Span::default();
        span.start(at);
        self.actions.push(ActionState {
            name: name.to_owned(),
            stage: stage.to_owned(),
            kind,
            span,
            build: None,
            variables: BTreeMap::new(),
            artifacts: BTreeMap::new(),
            reports: Vec::new(),
            image: None,
            order: None,
            deployment: None,
            rollback: None,
        });
    }

    fn apply_gate(&mut self, what: &What, at: Timestamp) {
        let (What::GateStarted { stage, slot, .. }
        | What::GateWaiting { stage, slot, .. }
        | What::ApprovalGiven { stage, slot, .. }
        | What::GateFinished { stage, slot, .. }) = what
        else {
            return;
        };
        let Some(stage) = self.stage_mut(stage) else { return };
        let gate = stage.gates.entry(*slot).or_default();
        match what {
            What::GateStarted { .. } => gate.span.start(at),
            What::GateWaiting { rule, why, .. } => {
                gate.waiting.insert(*rule, why.clone());
            }
            What::ApprovalGiven { decision, .. } => gate.decisions.push(decision.clone()),
            What::GateFinished { outcome, why, .. } => {
                gate.waiting.clear();
                gate.why.clone_from(why);
                gate.span.finish(at, outcome);
            }
            _ => {}
        }
    }

    fn apply_action(&mut self, what: &What, at: Timestamp) {
        let Some(action) = what.action().and_then(|name| self.action_mut(name)) else { return };
        match what {
            What::ActionFinished { outcome, .. } => action.span.finish(at, outcome),
            What::BuildStarted { build, number, image, source_directory, .. } => {
                action.build = Some(BuildState {
                    id: build.clone(),
                    number: *number,
                    image: image.clone(),
                    source_directory: source_directory.clone(),
                    phases: Vec::new(),
                });
            }
            What::VariableExported { name, value, .. } => {
                action.variables.insert(name.clone(), value.clone());
            }
            What::ArtifactStored { identifier, path, files, bytes, .. } => {
                let artifact = ArtifactState { path: path.clone(), files: *files, bytes: *bytes };
                action.artifacts.insert(identifier.clone().unwrap_or_default(), artifact);
            }
            What::ReportRead { report, .. } => action.reports.push(report.clone()),
            What::ImagePushed { image, .. } => action.image = Some(image.clone()),
            What::DeploymentIntended { order, .. } => action.order = Some(order.clone()),
            What::DeploymentBegun { deployment, .. } => action.deployment = Some(deployment.clone()),
            What::RollbackStarted { .. } => {
                action.rollback = Some(Span { started: Some(at), ..Span::default() });
            }
            What::RollbackFinished { outcome, .. } => {
                if let Some(rollback) = &mut action.rollback {
                    rollback.finish(at, outcome);
                }
            }
            other => {
                if let Some(build) = &mut action.build {
                    build.apply(other, at);
                }
            }
        }
    }

    fn stage_mut(&mut self, name: &str) -> Option<&mut StageState> {
        self.stages.iter_mut().find(|stage| stage.name == name)
    }

    fn action_mut(&mut self, name: &str) -> Option<&mut ActionState> {
        self.actions.iter_mut().find(|action| action.name == name)
    }
}

impl BuildState {
    fn apply(&mut self, what: &What, at: Timestamp) {
        match what {
            What::BuildAdopted { .. } => self.phases.clear(),
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
