//! AWS credentials and clients' configuration: one base, and one assumed role a (role, Region).

use std::collections::HashMap;
use std::sync::Arc;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_smithy_http_client::tls;
use tokio::sync::{Mutex, OnceCell};

use crate::fault::{Fault, chain};

/// Hands out SDK configurations. Cheap to clone; nothing is loaded before it is first asked.
#[derive(Clone, Default)]
pub struct Aws {
    base: Arc<OnceCell<SdkConfig>>,
    assumed: Arc<Mutex<HashMap<(String, Option<String>), SdkConfig>>>,
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
    pub async fn config(&self, role: Option<&str>, region: Option<&str>) -> SdkConfig {
        let base = self.base.get_or_init(load).await;
        let Some(role) = role else {
            return in_region(base, region);
        };
        let key = (role.to_owned(), region.map(str::to_owned));
        let mut assumed = self.assumed.lock().await;
        if let Some(config) = assumed.get(&key) {
            return config.clone();
        }
        let config = assume(&in_region(base, region), role).await;
        assumed.insert(key, config.clone());
        config
    }
}

/// What every configuration here is loaded with: one connection pool, TLS by rustls.
#[must_use]
pub fn loader() -> ConfigLoader {
    let client = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(client)
}

/// The caller's own configuration.
async fn load() -> SdkConfig {
    loader().load().await
}

fn in_region(base: &SdkConfig, region: Option<&str>) -> SdkConfig {
    match region {
        Some(region) => base.clone().into_builder().region(Region::new(region.to_owned())).build(),
        None => base.clone(),
    }
}

async fn assume(base: &SdkConfig, role: &str) -> SdkConfig {
    let provider = AssumeRoleProvider::builder(role).session_name("sluice").configure(base).build().await;
    base.clone()
        .into_builder()
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(provider))
        .build()
}

/// Turns any SDK error into a fault; `doing` names the call and its object.
pub fn fault<E, R>(doing: impl std::fmt::Display, error: &aws_sdk_sts::error::SdkError<E, R>) -> Fault
where
    E: std::error::Error + aws_sdk_sts::error::ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    use aws_sdk_sts::error::{ProvideErrorMetadata as _, SdkError};
    let code = error.code().unwrap_or_default();
    let said = match error {
        SdkError::ServiceError(_) => format!("{code}: {}", error.message().unwrap_or("no message")),
        other => chain(other),
    };
    let message = format!("{doing}: {said}");
    if ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"].contains(&code) {
        Fault::permission(message).hint("the credentials have expired: log in again, or let the role be refreshed")
    } else if code.contains("AccessDenied")
        || code.contains("Unauthorized")
        || code.contains("UnrecognizedClient")
        || code.contains("InvalidClientToken")
    {
        Fault::permission(message).hint("check the caller's identity (`sluice doctor`) and its policy")
    } else if said.contains("credentials")
        && matches!(error, SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_))
    {
        Fault::permission(message)
            .hint("set AWS credentials (environment, profile or instance role); `sluice doctor` shows what is found")
    } else if matches!(error, SdkError::ServiceError(_))
        && (code.contains("NotFound") || code.contains("Validation") || code.contains("InvalidParameter"))
    {
        Fault::configuration(message)
    } else {
        Fault::system(message)
    }
}
