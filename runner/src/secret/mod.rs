//! Secrets: from a name to a value. This module does not know who asks.

mod aws;
mod given;
mod json;
mod memory;

use std::fmt;

use async_trait::async_trait;
use pipeline_spec::plan::{SecretReference, ValueSource};

use crate::fault::Fault;

pub use aws::AwsSecrets;
pub use given::{GivenSecrets, parse_given};
pub use memory::MemorySecrets;

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

/// A secret as a store gave it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its value.
    pub text: SecretText,
    /// The name under which this very value is found later, also when the secret has a newer one by then. Where a store
    /// keeps no versions, the name that was asked for.
    pub exact: SecretName,
}

/// A secret's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretName {
    /// Parameter Store: `name`, `name:version`, `name:label` or an ARN.
    Parameter(String),
    /// Secrets Manager.
    Secret(SecretReference),
}

impl SecretName {
    /// The secret that a variable names; `None` for one that has its value with it.
    #[must_use]
    pub fn of(value: &ValueSource) -> Option<Self> {
        match value {
            ValueSource::Plain(_) => None,
            ValueSource::ParameterStore(name) => Some(Self::Parameter(name.clone())),
            ValueSource::SecretsManager(reference) => Some(Self::Secret(reference.clone())),
        }
    }
}

impl From<SecretName> for ValueSource {
    fn from(name: SecretName) -> Self {
        match name {
            SecretName::Parameter(name) => Self::ParameterStore(name),
            SecretName::Secret(reference) => Self::SecretsManager(reference),
        }
    }
}

impl fmt::Display for SecretName {
    /// As a buildspec writes it: `name:version`, or `secret-id:json-key:version-stage:version-id` without the empty end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(name) => f.write_str(name),
            Self::Secret(SecretReference { secret_id, json_key, version_stage, version_id }) => {
                let rest = [json_key, version_stage, version_id].map(|part| part.as_deref().unwrap_or_default());
                let text = format!("{secret_id}:{}", rest.join(":"));
                f.write_str(text.trim_end_matches(':'))
            }
        }
    }
}

/// A store of secrets.
///
/// Values come back in the order of the names. Calls may run at the same time and be repeated. A name that does not
/// exist is a `Configuration` fault that names it; what the caller may not read is a `Permission` fault.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The secrets of all the names, or the first fault.
    async fn values(&self, names: &[SecretName]) -> Result<Vec<Secret>, Fault>;
}

/// The same reference to one version of its secret.
fn in_version(reference: &SecretReference, version_id: &str) -> SecretName {
    let version_id = Some(version_id.to_owned());
    SecretName::Secret(SecretReference { version_stage: None, version_id, ..reference.clone() })
}

/// Shared by all stores, so that they say the same. CodeBuild's own words.
fn no_such_parameter(names: &str) -> Fault {
    Fault::configuration(format!("Parameter does not exist: {names}"))
        .hint("check the name, its version or label, and the Region and account of the build")
}

fn no_such_secret(id: &str, version: Option<&str>) -> Fault {
    let version = version.map_or_else(String::new, |version| format!(" in the version `{version}`"));
    Fault::configuration(format!("secret does not exist: {id}{version}"))
        .hint("check the name, and the Region and account of the build; a secret of another account needs its full ARN")
}

fn binary(id: &str) -> Fault {
    Fault::configuration(format!("the secret {id} is binary, and a variable is text"))
        .hint("store it as text, base64 for example, and decode it in a command")
}
