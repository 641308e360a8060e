//! An action: told when it starts and when it ends, whatever comes in between.

use pipeline_spec::plan::{Action, Work};

use super::Run;
use crate::event::{ActionKind, Outcome, What};
use crate::store::new_action_id;

impl Run {
    /// Carries an action out. One that is over already is not repeated.
    pub(super) async fn action(&self, stage: &str, action: &Action) -> Outcome {
        let known = self.recorder.with(|state| state.action(&action.name).map(|known| known.span.outcome.clone()));
        match known {
            Some(Some(outcome)) => return outcome,
            Some(None) => {}
            None => {
                self.tell_start(stage, action);
                for warning in self.options.warnings.get(&action.name).into_iter().flatten() {
                    self.notice(&action.name, true, warning);
                }
            }
        }
        let worked = match (self.stop_fault(), &action.work) {
            (Err(stopped), _) => Err(stopped),
            (Ok(()), Work::Build(build)) => self.build(&action.name, build).await,
            (Ok(()), Work::Image(image)) => self.image(&action.name, image).await,
            (Ok(()), Work::Deploy(deploy)) => self.deploy(&action.name, deploy).await,
        };
        let outcome = worked.unwrap_or_else(Outcome::from);
        self.recorder.tell(What::ActionFinished { action: action.name.clone(), outcome: outcome.clone() });
        // Not before: whoever goes on with a build whose end was not told collects once more what it leaves.
        self.remove_meanwhile(&action.name);
        outcome
    }

    fn tell_start(&self, stage: &str, action: &Action) {
        let (stage, kind) = (stage.to_owned(), kind(&action.work));
        let log = (kind != ActionKind::Build).then(|| format!("{}:{}", self.plan.name, new_action_id()));
        self.recorder.tell(What::ActionStarted { stage, action: action.name.clone(), kind, log });
    }

    /// Tells something that a person should know.
    pub(super) fn notice(&self, action: &str, warning: bool, text: impl Into<String>) {
        self.recorder.tell(What::Notice { action: Some(action.to_owned()), warning, text: text.into() });
    }
}

fn kind(work: &Work) -> ActionKind {
    match work {
        Work::Build(_) => ActionKind::Build,
        Work::Image(_) => ActionKind::Image,
        Work::Deploy(_) => ActionKind::Deploy,
    }
}
