//! The logs of builds on their way out: says when one begins, and when it is whole. It sends nothing itself.

use super::Sink;
use crate::clock;
use crate::event::{Event, What};
use crate::fault::Fault;
use crate::logs::{LogTargets, Shipping};
use crate::state::RunState;
use crate::store::RunFolders;

/// Opens a shipment for each build. It comes after [`super::LogFiles`] in the list of sinks: what it calls whole must be
/// in the file.
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

    /// Ends the shipments of all actions of a run that are over. For a process that starts: the one before it may have
    /// died between writing an end into the record and telling it here.
    ///
    /// # Errors
    /// A `System` fault when it cannot be written down.
    pub fn reconcile(shipping: &Shipping, run: &str, state: &RunState) -> Result<(), Fault> {
        let over = |span: &crate::state::Span| span.outcome.is_some();
        // Nobody goes on with a run that is over, whatever its actions say.
        let mut ended = state.actions.iter().filter(|action| over(&action.span) || over(&state.span));
        ended.try_for_each(|action| shipping.end(run, &action.name))
    }

    fn open(&self, action: &str, build: &str) -> Result<(), Fault> {
        let file = self.folders.log(action);
        self.shipping.open(&self.targets.shipment(&self.run, action, build, file, clock::now()))
    }
}

impl Sink for Shipments {
    fn take(&mut self, event: &Event, state: &RunState) -> Result<(), Fault> {
        match &event.what {
            What::BuildStarted { action, build, .. } => self.open(action, build),
            What::BuildAdopted { action } => {
                self.shipping.rewritten(&self.run, action);
                let build = state.action(action).and_then(|known| known.build.as_ref());
                build.map_or(Ok(()), |build| self.open(action, &build.id))
            }
            What::ActionFinished { action, .. } => self.shipping.end(&self.run, action),
            What::RunResumed {} | What::RunFinished { .. } => Self::reconcile(&self.shipping, &self.run, state),
            _ => Ok(()),
        }
    }
}
