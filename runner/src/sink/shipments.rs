//! The logs of actions on their way out: says when one begins, and when it is whole. It sends nothing itself.

use super::Sink;
use crate::clock;
use crate::event::{ActionKind, Event, What};
use crate::fault::Fault;
use crate::logs::{LogTargets, Shipping};
use crate::state::{ActionState, RunState, Span};
use crate::store::RunFolders;

/// Opens a shipment for each build, image and deployment. It comes after [`super::LogFiles`] in the list of sinks: what it
/// calls whole must be in the file.
pub struct Shipments {
    shipping: Shipping,
    targets: LogTargets,
    run: String,
    folders: RunFolders,
}

impl Shipments {
    /// For that run.
    #[must_use]
    pub fn new(shipping: Shipping, targets: LogTargets, run: &str, folders: RunFolders) -> Self {
        Self { shipping, targets, run: run.to_owned(), folders }
    }

    /// Ends the shipments of all actions of a run whose logs are whole. For a process that starts: the one before it may
    /// have died between writing an end into the record and telling it here.
    ///
    /// # Errors
    /// A `System` fault when it cannot be written down.
    pub fn reconcile(shipping: &Shipping, run: &str, state: &RunState) -> Result<(), Fault> {
        end(shipping, run, state, |_| true)
    }

    fn open(&self, action: &str, id: &str) -> Result<(), Fault> {
        let file = self.folders.log(action);
        self.shipping.open(&self.targets.shipment(&self.run, action, id, file, clock::now()))
    }

    /// Goes on with the log of an action.
    fn reopen(&self, action: &ActionState) -> Result<(), Fault> {
        action.log_id().map_or(Ok(()), |id| self.open(&action.name, id))
    }
}

/// Ends the shipments of those actions, if their logs are whole.
fn end(shipping: &Shipping, run: &str, state: &RunState, which: impl Fn(&ActionState) -> bool) -> Result<(), Fault> {
    let mut whole = state.actions.iter().filter(|action| which(action) && is_whole(action, state));
    whole.try_for_each(|action| shipping.end(run, &action.name))
}

/// Whether nothing more is said in the log of an action. A deployment may be taken back until its stage is over; nobody goes
/// on with a run that is over, whatever its actions say.
fn is_whole(action: &ActionState, state: &RunState) -> bool {
    let in_stage = state.stage(&action.stage).is_some_and(|stage| !is_over(&stage.span));
    let may_be_taken_back = action.kind == ActionKind::Deploy && in_stage;
    is_over(&state.span) || (is_over(&action.span) && !may_be_taken_back)
}

fn is_over(span: &Span) -> bool {
    span.outcome.is_some()
}

impl Sink for Shipments {
    fn take(&mut self, event: &Event, state: &RunState) -> Result<(), Fault> {
        match &event.what {
            What::ActionStarted { action, log: Some(log), .. } => self.open(action, log),
            What::BuildStarted { action, build, .. } => self.open(action, build),
            What::BuildAdopted { action } => {
                self.shipping.rewritten(&self.run, action);
                state.action(action).map_or(Ok(()), |known| self.reopen(known))
            }
            // Its log may have begun on another machine.
            What::RollbackStarted { action, .. } => state.action(action).map_or(Ok(()), |known| self.reopen(known)),
            What::ActionFinished { action, .. } => end(&self.shipping, &self.run, state, |known| known.name == *action),
            What::StageFinished { stage, .. } => end(&self.shipping, &self.run, state, |known| known.stage == *stage),
            What::RunFinished { .. } => Self::reconcile(&self.shipping, &self.run, state),
            What::RunResumed {} => {
                Self::reconcile(&self.shipping, &self.run, state)?;
                // A build says by itself that it goes on.
                let mut begun = state.actions.iter().filter(|action| action.log.is_some() && !is_over(&action.span));
                begun.try_for_each(|action| self.reopen(action))
            }
            _ => Ok(()),
        }
    }
}
