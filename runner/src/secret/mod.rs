//! Secrets: from a name to a value. This module does not know who asks.

use async_trait::async_trait;
use pipeline_spec::plan::SecretReference;

use crate::fault::Fault;

/// A secret's value. It has no `Debug`, no `Serialize` and no `Display`; [`SecretText::expose`] is the one way in.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A secret's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretName {
    /// Parameter Store: `name`, `name:version`, `name:label` or an ARN.
    Parameter(String),
    /// Secrets Manager.
    Secret(SecretReference),
}

/// A store of secrets.
///
/// Values come back in the order of the names. Calls may run at the same time and be repeated. A name that does not
/// exist is a `Configuration` fault that names it; what the caller may not read is a `Permission` fault.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The values of all the names, or the first fault.
    async fn values(&self, names: &[SecretName]) -> Result<Vec<SecretText>, Fault>;
}
