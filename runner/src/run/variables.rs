//! The variables that a build sees, plain and secret, and what of them nobody else may see.

use std::time::Duration;

use pipeline_spec::plan::{Build, EnvironmentVariable, ValueSource};

use super::Run;
use super::environment::{Facts, variables};
use crate::event::What;
use crate::fault::{Fault, FaultKind};
use crate::retry;
use crate::secret::{SecretName, SecretText};
use crate::state::BuildState;

/// Between two attempts to learn the secrets of a build that runs.
const SECRETS: Duration = Duration::from_secs(15);

/// Variables of a build, plain and secret.
pub(super) type Environment = (Vec<(String, String)>, Vec<(String, SecretText)>);

impl Run {
    /// Whoever follows a build must know its secrets, to mask them. The build does without us meanwhile, so it is not
    /// given up because nobody can tell them at the moment.
    pub(super) async fn know_secrets(&self, action: &str, build: &Build, earlier: &BuildState) -> Result<(), Fault> {
        let mut told = false;
        loop {
            let fault = match self.environment(action, build, earlier, 0).await {
                Ok(_) => return Ok(()),
                Err(fault) => fault,
            };
            if !matches!(fault.kind, FaultKind::System | FaultKind::Permission) {
                return Err(fault);
            }
            if !told {
                self.notice(
                    action,
                    true,
                    format!("the build runs on, and is followed once its secrets are known: {fault}"),
                );
                told = true;
            }
            tokio::select! {
                () = tokio::time::sleep(SECRETS) => {}
                _ = self.cancel.requested() => return Err(fault),
            }
        }
    }

    /// CodeBuild's variables, then the plan's in rising precedence. Secret values are masked from here on.
    pub(super) async fn environment(
        &self,
        action: &str,
        build: &Build,
        state: &BuildState,
        start: i64,
    ) -> Result<Environment, Fault> {
        let revision = self.recorder.with(|state| state.revision.clone()).unwrap_or_default();
        let mut plain = variables(&Facts {
            uuid: state.id.rsplit(':').next().unwrap_or_default(),
            log_prefix: self.options.logs.stream.as_ref().and_then(|stream| stream.prefix.as_deref()),
            project: &build.project,
            number: state.number,
            image: &state.image,
            source_directory: &state.source_directory,
            initiator: &self.options.user,
            region: self.options.region.as_deref(),
            account: self.options.account.as_deref(),
            start,
            revision: &revision,
        });
        let mut names = Vec::new();
        for EnvironmentVariable { name, value } in winners(&build.environment) {
            match value {
                ValueSource::Plain(template) => {
                    plain.retain(|(known, _)| known != name);
                    plain.push((name.clone(), self.render(template)?));
                }
                ValueSource::ParameterStore(parameter) => {
                    names.push((name.clone(), SecretName::Parameter(parameter.clone())));
                }
                ValueSource::SecretsManager(reference) => {
                    names.push((name.clone(), SecretName::Secret(reference.clone())));
                }
            }
        }
        let (variables, names): (Vec<_>, Vec<_>) = names.into_iter().unzip();
        if names.is_empty() {
            return Ok((plain, Vec::new()));
        }
        self.recorder.progress(Some(action)).doing("reading secrets");
        let values = retry::while_away(self.patience(), &self.cancel, || self.ports.secrets.values(&names)).await?;
        self.mask(&variables, &values)?;
        Ok((plain, variables.into_iter().zip(values).collect()))
    }

    /// Masks values from here on, and passes on what the user should know about them.
    pub(super) fn mask(&self, names: &[String], values: &[SecretText]) -> Result<(), Fault> {
        let named: Vec<_> = names.iter().cloned().zip(values.iter().cloned()).collect();
        for text in self.recorder.mask(&named)? {
            self.recorder.tell(What::Notice { action: None, warning: true, text });
        }
        Ok(())
    }
}

/// Of several variables of one name the last one, in the order of the names' first appearance.
fn winners(all: &[EnvironmentVariable]) -> Vec<&EnvironmentVariable> {
    let mut winners: Vec<&EnvironmentVariable> = Vec::new();
    for variable in all {
        match winners.iter_mut().find(|known| known.name == variable.name) {
            Some(known) => *known = variable,
            None => winners.push(variable),
        }
    }
    winners
}
