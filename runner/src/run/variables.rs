//! The variables that a build sees, plain and secret, and what of them nobody else may see.

use std::time::Duration;

use pipeline_spec::plan::{Build, EnvironmentVariable, ValueSource};
use tokio::time::Instant;

use super::Run;
use super::environment::{Facts, variables};
use crate::event::What;
use crate::fault::{Fault, FaultKind};
use crate::retry;
use crate::secret::{SecretName, SecretText};
use crate::state::BuildState;

/// Between two attempts to learn the secrets of a build that runs.
const SECRETS: Duration = Duration::from_secs(15);

/// Variables of a build.
#[derive(Default)]
pub(super) struct Environment {
    pub(super) plain: Vec<(String, String)>,
    pub(super) secrets: Vec<(String, SecretText)>,
    /// The secret ones by the versions that were read.
    pub(super) versions: Vec<EnvironmentVariable>,
}

impl Run {
    /// Whoever follows a build must know its secrets, to mask them, and in the version that the build has. The build does
    /// without us meanwhile, so it is not given up because nobody can tell them at the moment; but not for longer than it
    /// may take itself, because nobody holds it to that either.
    pub(super) async fn know_secrets(&self, action: &str, build: &Build, earlier: &BuildState) -> Result<(), Fault> {
        let deadline = Instant::now() + Duration::from_secs(build.timeouts.build_seconds);
        let (mut versions, mut told) = (earlier.secrets.as_slice(), false);
        loop {
            let known = match self.know_versions(action, versions).await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    versions = &[];
                    self.environment(action, build, earlier, 0).await.map(|_| ())
                }
                Err(fault) => Err(fault),
            };
            let Err(fault) = known else { return Ok(()) };
            if !matches!(fault.kind, FaultKind::System | FaultKind::Permission) || Instant::now() > deadline {
                return Err(fault);
            }
            if !told {
                self.tell_before(
                    action,
                    &format!("the build runs on, and is followed once its secrets are known: {fault}"),
                );
                told = true;
            }
            tokio::select! {
                () = tokio::time::sleep(SECRETS) => {}
                _ = self.cancel.requested() => return Err(fault),
            }
        }
    }

    /// Masks the very values that a build was given. Each is asked for alone, so that one whose version is gone by now keeps
    /// no other from being known. Whether all of them are known; where none was recorded nothing is.
    async fn know_versions(&self, action: &str, versions: &[EnvironmentVariable]) -> Result<bool, Fault> {
        let mut all = !versions.is_empty();
        for EnvironmentVariable { name, value } in versions {
            let Some(exact) = SecretName::of(value) else { continue };
            match self.ports.secrets.values(&[exact]).await {
                Ok(read) => {
                    let texts = read.into_iter().map(|secret| (name.clone(), secret.text));
                    self.mask(&texts.collect::<Vec<_>>())?;
                }
                Err(fault) if fault.kind == FaultKind::System => return Err(fault),
                Err(fault) => {
                    self.tell_before(action, &format!("{name} is masked with its newest value only: {fault}"));
                    all = false;
                }
            }
        }
        Ok(all)
    }

    /// Warns before a build is followed. Its log is what it was until then, and stays so.
    fn tell_before(&self, action: &str, text: &str) {
        self.recorder.tell(What::Notice { action: None, warning: true, text: format!("{action}: {text}") });
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
                secret => names.extend(SecretName::of(secret).map(|secret| (name.clone(), secret))),
            }
        }
        let (variables, names): (Vec<_>, Vec<_>) = names.into_iter().unzip();
        if names.is_empty() {
            return Ok(Environment { plain, ..Environment::default() });
        }
        self.recorder.progress(Some(action)).doing("reading secrets");
        let read = retry::while_away(self.patience(), &self.cancel, || self.ports.secrets.values(&names)).await?;
        let (texts, exact): (Vec<_>, Vec<_>) = read.into_iter().map(|secret| (secret.text, secret.exact)).unzip();
        let secrets: Vec<_> = variables.iter().cloned().zip(texts).collect();
        self.mask(&secrets)?;
        let versions = variables.into_iter().zip(exact.into_iter().map(ValueSource::from));
        let versions = versions.map(|(name, value)| EnvironmentVariable { name, value }).collect();
        Ok(Environment { plain, secrets, versions })
    }

    /// Masks values from here on, and passes on what the user should know about them.
    pub(super) fn mask(&self, named: &[(String, SecretText)]) -> Result<(), Fault> {
        for text in self.recorder.mask(named)? {
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
