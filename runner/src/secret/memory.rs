//! A store in memory for tests, as strict as AWS's: versions, labels, stages, binary secrets, refusals.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::{Secret, SecretName, SecretText, Secrets, binary, in_version, no_such_parameter, no_such_secret};
use crate::fault::Fault;

/// Parameters and secrets in memory.
#[derive(Clone, Default)]
pub struct MemorySecrets {
    parameters: BTreeMap<String, Vec<(String, Option<String>)>>,
    secrets: BTreeMap<String, Vec<MemoryVersion>>,
    denied: BTreeSet<String>,
}

#[derive(Clone)]
struct MemoryVersion {
    id: String,
    stage: String,
    text: Option<String>,
}

impl MemorySecrets {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts the next version of a parameter.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.entry(name.to_owned()).or_default().push((value.to_owned(), None));
        self
    }

    /// Puts a label on the newest version of a parameter.
    #[must_use]
    pub fn label(mut self, name: &str, label: &str) -> Self {
        if let Some((_, known)) = self.parameters.get_mut(name).and_then(|versions| versions.last_mut()) {
            *known = Some(label.to_owned());
        }
        self
    }

    /// Puts a version of a secret; `None` is a binary one. What was `AWSCURRENT` becomes `AWSPREVIOUS`.
    #[must_use]
    pub fn secret(mut self, id: &str, version_id: &str, text: Option<&str>) -> Self {
        let versions = self.secrets.entry(id.to_owned()).or_default();
        for known in versions.iter_mut() {
            known.stage = if known.stage == "AWSCURRENT" { "AWSPREVIOUS".to_owned() } else { String::new() };
        }
        let stage = "AWSCURRENT".to_owned();
        versions.push(MemoryVersion { id: version_id.to_owned(), stage, text: text.map(str::to_owned) });
        self
    }

    /// Lets nobody read a parameter or secret.
    #[must_use]
    pub fn deny(mut self, name: &str) -> Self {
        self.denied.insert(name.to_owned());
        self
    }

    fn value(&self, name: &SecretName) -> Result<Secret, Fault> {
        match name {
            SecretName::Parameter(asked) => {
                let (base, selector) = asked.split_once(':').unwrap_or((asked, ""));
                self.check(base)?;
                let versions = self.parameters.get(base).ok_or_else(|| no_such_parameter(asked))?;
                let number = selector.parse::<usize>().ok();
                let index = match number {
                    Some(number) => number.checked_sub(1).filter(|index| *index < versions.len()),
                    None if selector.is_empty() => versions.len().checked_sub(1),
                    None => versions.iter().position(|(_, label)| label.as_deref() == Some(selector)),
                };
                let index = index.ok_or_else(|| no_such_parameter(asked))?;
                let exact = SecretName::Parameter(format!("{base}:{}", index + 1));
                Ok(Secret { text: SecretText::new(&versions[index].0), exact })
            }
            SecretName::Secret(reference) => {
                let (id, stage) = (&reference.secret_id, reference.version_stage.as_deref());
                self.check(id)?;
                let wanted = |version: &&MemoryVersion| match &reference.version_id {
                    Some(id) => version.id == *id && stage.is_none_or(|stage| version.stage == stage),
                    None => version.stage == stage.unwrap_or("AWSCURRENT"),
                };
                let found = self.secrets.get(id).and_then(|versions| versions.iter().find(wanted));
                let found = found.ok_or_else(|| no_such_secret(id, stage.or(reference.version_id.as_deref())))?;
                let whole = SecretText::new(found.text.as_ref().ok_or_else(|| binary(id))?);
                Ok(Secret { text: super::json::pick(reference, &whole)?, exact: in_version(reference, &found.id) })
            }
        }
    }

    fn check(&self, name: &str) -> Result<(), Fault> {
        if self.denied.contains(name) {
            return Err(Fault::permission(format!("cannot read {name}: AccessDeniedException: not authorized")));
        }
        Ok(())
    }
}

#[async_trait]
impl Secrets for MemorySecrets {
    async fn values(&self, names: &[SecretName]) -> Result<Vec<Secret>, Fault> {
        names.iter().map(|name| self.value(name)).collect()
    }
}
