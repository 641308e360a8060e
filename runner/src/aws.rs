//! AWS configurations: one base, and one a (role, Region). This module does not know what is called with them.
//!
//! Role chaining: a caller that is itself an assumed role (an instance role, an SSO session) gets sessions of at most
//! an hour from `AssumeRole`. Sessions here are asked for an hour and renewed by the SDK before they run out, so a
//! deployment may take longer than one session.

mod fault;
mod identity;
mod notices;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls;
use tokio::sync::{Mutex, OnceCell};

use crate::fault::Fault;

pub use fault::fault;
pub use identity::{Identity, identity};
pub use notices::{Notice, Notices};

/// How long a connection may take. A black-holed endpoint is told from a slow one by it.
const CONNECT: Duration = Duration::from_secs(3);
/// How long one attempt of a call may take, its answer included. Longer than any call that is used here needs.
const ATTEMPT: Duration = Duration::from_secs(30);
/// How often a call is tried, the first time included; throttling and broken connections are worth it.
const ATTEMPTS: u32 = 5;
/// What CloudTrail shows as the session's name.
const SESSION: &str = "sluice";

/// Hands out SDK configurations. Cheap to clone; nothing is loaded before it is first asked.
#[derive(Clone, Default)]
pub struct Aws {
    base: Arc<OnceCell<SdkConfig>>,
    assumed: Arc<Mutex<HashMap<(String, String), SdkConfig>>>,
}

impl Aws {
    /// With a base configuration of the caller's making, instead of the one that the environment gives.
    #[must_use]
    pub fn from_config(base: SdkConfig) -> Self {
        Self { base: Arc::new(OnceCell::from(base)), assumed: Arc::default() }
    }

    /// The configuration for a role (or the caller's own identity) in a Region (or the caller's own).
    ///
    /// Endpoints follow `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`, as in every AWS tool.
    ///
    /// # Errors
    /// A `Configuration` fault when no Region is known. Nothing is called yet: a role that may not be assumed is found
    /// by the first call.
    pub async fn config(&self, role: Option<&str>, region: Option<&str>) -> Result<SdkConfig, Fault> {
        let base = in_region(&self.caller().await, region);
        let region = region_of(&base)?;
        let Some(role) = role else {
            return Ok(base);
        };
        let mut assumed = self.assumed.lock().await;
        let key = (role.to_owned(), region);
        if let Some(config) = assumed.get(&key) {
            return Ok(config.clone());
        }
        let config = assume(&base, role).await;
        assumed.insert(key, config.clone());
        Ok(config)
    }

    /// The caller's own configuration, which may be without a Region.
    pub async fn caller(&self) -> SdkConfig {
        self.base.get_or_init(|| async { loader().load().await }).await.clone()
    }

    /// The configuration of a profile of `~/.aws/config`: its credentials, and its Region or else the caller's.
    ///
    /// A profile that is named wins over credentials in the environment, as in the AWS CLI; the SDK's own chain would
    /// take the environment first.
    pub async fn profile(&self, profile: &str) -> SdkConfig {
        let base = self.caller().await;
        let own = ProfileFileRegionProvider::builder().profile_name(profile).build();
        let region = RegionProviderChain::first_try(own).or_else(base.region().cloned()).region().await;
        let mut settings = ProviderConfig::default().with_region(region.clone());
        if let Some(client) = base.http_client() {
            settings = settings.with_http_client(client);
        }
        let provider = ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&settings).build();
        base.into_builder().region(region).credentials_provider(SharedCredentialsProvider::new(provider)).build()
    }
}

/// What every configuration is loaded with: one connection pool, TLS by rustls, time-outs and retries.
#[must_use]
pub fn loader() -> ConfigLoader {
    let client = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(client)
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
}

fn in_region(base: &SdkConfig, region: Option<&str>) -> SdkConfig {
    match region {
        Some(region) => base.clone().into_builder().region(Region::new(region.to_owned())).build(),
        None => base.clone(),
    }
}

fn region_of(config: &SdkConfig) -> Result<String, Fault> {
    let region = config.region().map(ToString::to_string).filter(|region| !region.is_empty());
    region.ok_or_else(|| {
        Fault::configuration("no AWS Region is set")
            .hint("set AWS_REGION, a `region` in the AWS profile, or `region` in the action")
    })
}

async fn assume(base: &SdkConfig, role: &str) -> SdkConfig {
    let provider = AssumeRoleProvider::builder(role).session_name(SESSION).configure(base).build().await;
    base.clone().into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;

    fn bare() -> SdkConfig {
        SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build()
    }

    #[tokio::test]
    async fn without_a_region_nothing_is_called() {
        let fault = Aws::from_config(bare()).config(None, None).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Configuration);
        assert_eq!(fault.message, "no AWS Region is set");
        assert!(fault.hint.is_some());
    }

    #[tokio::test]
    async fn the_region_that_was_asked_for_wins_over_the_callers() {
        let aws = Aws::from_config(bare().into_builder().region(Region::new("eu-west-1")).build());
        let region = async |asked| aws.config(None, asked).await.unwrap().region().map(ToString::to_string);
        assert_eq!(region(None).await.as_deref(), Some("eu-west-1"));
        assert_eq!(region(Some("ap-northeast-2")).await.as_deref(), Some("ap-northeast-2"));
    }
}
