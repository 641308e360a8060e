//! Secrets Manager.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata as _;
use pipeline_spec::plan::SecretReference;

use crate::aws::fault;
use crate::fault::Fault;
use crate::secret::{SecretText, binary, no_such_secret};

/// One version of one secret. References to several keys of it share one call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Version<'a> {
    secret_id: &'a str,
    stage: Option<&'a str>,
    id: Option<&'a str>,
}

impl<'a> Version<'a> {
    pub(super) fn of(reference: &'a SecretReference) -> Self {
        let SecretReference { secret_id, version_stage, version_id, .. } = reference;
        Self { secret_id, stage: version_stage.as_deref(), id: version_id.as_deref() }
    }

    /// The Region of an ARN: a secret is read where it is.
    pub(super) fn region(&self) -> Option<&'a str> {
        let arn = self.secret_id.strip_prefix("arn:")?;
        arn.split(':').nth(2).filter(|region| !region.is_empty())
    }
}

/// What a version holds.
pub(super) struct Stored {
    /// Its whole text.
    pub(super) text: SecretText,
    /// Its id.
    pub(super) version_id: Option<String>,
}

/// Reads a version.
pub(super) async fn read(client: &Client, version: &Version<'_>) -> Result<Stored, Fault> {
    let call = client.get_secret_value().secret_id(version.secret_id);
    let call = call.set_version_stage(version.stage.map(str::to_owned)).set_version_id(version.id.map(str::to_owned));
    let answer = call.send().await.map_err(|error| match error.code() {
        Some("ResourceNotFoundException") => no_such_secret(version.secret_id, version.stage.or(version.id)),
        Some("DecryptionFailure") => fault(format!("cannot read the secret {}", version.secret_id), &error)
            .hint("the caller needs kms:Decrypt for the key of the secret"),
        // A secret that is to be deleted, among others.
        Some("InvalidRequestException") => {
            Fault::configuration(fault(format!("cannot read the secret {}", version.secret_id), &error).message)
        }
        _ => fault(format!("cannot read the secret {}", version.secret_id), &error),
    })?;
    let text = answer.secret_string().map(SecretText::new).ok_or_else(|| binary(version.secret_id))?;
    Ok(Stored { text, version_id: answer.version_id })
}
