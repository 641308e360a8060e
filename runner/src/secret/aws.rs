//! Parameter Store and Secrets Manager.

mod parameters;
mod stored;

use std::collections::HashMap;

use async_trait::async_trait;

use super::{Secret, SecretName, Secrets, in_version};
use crate::aws::Aws;
use crate::fault::Fault;

/// Reads secrets with the caller's own AWS identity, each once however often it is named.
#[derive(Clone)]
pub struct AwsSecrets {
    aws: Aws,
    role: Option<String>,
    region: Option<String>,
}

impl AwsSecrets {
    /// With a role to assume, and a Region; `None` is the caller's own.
    #[must_use]
    pub fn new(aws: Aws, role: Option<String>, region: Option<String>) -> Self {
        Self { aws, role, region }
    }
}

#[async_trait]
impl Secrets for AwsSecrets {
    async fn values(&self, names: &[SecretName]) -> Result<Vec<Secret>, Fault> {
        let mut parameters = Vec::new();
        let mut references = Vec::new();
        for name in names {
            match name {
                SecretName::Parameter(name) => parameters.push(name.as_str()),
                SecretName::Secret(reference) => references.push(reference),
            }
        }
        let mut found: HashMap<SecretName, Secret> = HashMap::new();
        if !parameters.is_empty() {
            let config = self.aws.config(self.role.as_deref(), self.region.as_deref()).await?;
            let values = parameters::read(&aws_sdk_ssm::Client::new(&config), &parameters).await?;
            found.extend(values.into_iter().map(|(name, value)| (SecretName::Parameter(name), value)));
        }
        // Fetched one after the other: a build names few, and each is fetched once.
        let mut texts: HashMap<stored::Version<'_>, stored::Stored> = HashMap::new();
        for reference in references {
            let version = stored::Version::of(reference);
            if !texts.contains_key(&version) {
                let region = version.region().or(self.region.as_deref());
                let config = self.aws.config(self.role.as_deref(), region).await?;
                let text = stored::read(&aws_sdk_secretsmanager::Client::new(&config), &version).await?;
                texts.insert(version.clone(), text);
            }
            if let Some(stored::Stored { text, version_id }) = texts.get(&version) {
                let text = super::json::pick(reference, text)?;
                let name = SecretName::Secret(reference.clone());
                let exact = version_id.as_ref().map_or_else(|| name.clone(), |id| in_version(reference, id));
                found.insert(name, Secret { text, exact });
            }
        }
        names.iter().map(|name| found.get(name).cloned().ok_or_else(|| unanswered(name))).collect()
    }
}

fn unanswered(name: &SecretName) -> Fault {
    Fault::system(format!("AWS gave no answer for `{name}`"))
}
