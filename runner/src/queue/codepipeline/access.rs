//! The credentials of a job, which open its artifacts and nothing else.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_codepipeline::Client;
use aws_types::SdkConfig;

use crate::aws;
use crate::bucket::Access;
use crate::clock;
use crate::fault::Fault;

/// How long credentials are used: they live for a quarter of an hour, and a request needs some of that.
const GOOD_FOR: Duration = Duration::from_mins(14);

/// The credentials of one job, fetched for each transfer, and again while one takes longer than they live.
#[derive(Clone)]
pub(super) struct JobAccess {
    pub(super) client: Client,
    pub(super) config: SdkConfig,
    pub(super) job: String,
}

impl JobAccess {
    async fn credentials(&self) -> Result<Credentials, Fault> {
        let doing = format!("asking for the credentials of job {}", self.job);
        let expiry = std::time::SystemTime::from(clock::now()) + GOOD_FOR;
        let answer = self.client.get_job_details().job_id(&self.job).send().await;
        let answer = answer.map_err(|error| aws::fault(&doing, &error))?;
        let given =
            answer.job_details().and_then(|details| details.data()).and_then(|data| data.artifact_credentials());
        let given = given.ok_or_else(|| Fault::permission(format!("{doing}: the job has none")))?;
        let token = Some(given.session_token().to_owned());
        let (id, secret) = (given.access_key_id(), given.secret_access_key());
        Ok(Credentials::new(id, secret, token, Some(expiry), "codepipeline-job"))
    }
}

#[async_trait]
impl Access for JobAccess {
    async fn config(&self) -> Result<SdkConfig, Fault> {
        // Those of the beginning are asked for here, so that a job that has none says so by itself.
        let first = Mutex::new(Some(self.credentials().await?));
        let renewed = Renewed { access: self.clone(), first };
        Ok(self.config.clone().into_builder().credentials_provider(SharedCredentialsProvider::new(renewed)).build())
    }
}

/// Gives the SDK the credentials of a job, and newer ones when it asks again.
struct Renewed {
    access: JobAccess,
    first: Mutex<Option<Credentials>>,
}

impl std::fmt::Debug for Renewed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewed").field("job", &self.access.job).finish_non_exhaustive()
    }
}

impl ProvideCredentials for Renewed {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        Provided::new(async move {
            match first {
                Some(credentials) => Ok(credentials),
                None => self.access.credentials().await.map_err(CredentialsError::provider_error),
            }
        })
    }
}
