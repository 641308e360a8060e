//! The state of a run: the fold of its events. Whoever has the same events has the same state.

mod action;
mod build;
mod gate;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{ActionKind, Event, Outcome, Slot, What};
use crate::source::Revision;

pub use action::{ActionState, ArtifactState};
pub use build::{BuildState, PhaseState};
pub use gate::GateState;

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
            What::ActionStarted { stage, action, kind, log } => {
                let state = self.start_action(stage, action, *kind);
                state.span.start(at);
                state.log.clone_from(log);
            }
            What::GateStarted { stage, slot, .. }
            | What::GateWaiting { stage, slot, .. }
            | What::ApprovalGiven { stage, slot, .. }
            | What::GateFinished { stage, slot, .. } => {
                if let Some(stage) = self.stage_mut(stage) {
                    stage.gates.entry(*slot).or_default().apply(&event.what, at);
                }
            }
            other => {
                if let Some(action) = other.action().and_then(|name| self.action_mut(name)) {
                    action.apply(other, at);
                }
            }
        }
    }

    fn start_action(&mut self, stage: &str, name: &str, kind: ActionKind) -> &mut ActionState {
        let known = self.actions.iter().position(|action| action.name == name);
        let index = known.unwrap_or(self.actions.len());
        if known.is_none() {
            self.actions.push(ActionState::new(stage, name, kind));
        }
        &mut self.actions[index]
    }

    fn stage_mut(&mut self, name: &str) -> Option<&mut StageState> {
        self.stages.iter_mut().find(|stage| stage.name == name)
    }

    fn action_mut(&mut self, name: &str) -> Option<&mut ActionState> {
        self.actions.iter_mut().find(|action| action.name == name)
    }
}
