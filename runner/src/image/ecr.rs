//! ECR: which registry, who we are to it, its repositories and tags. Knows nothing of builds and layers.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use aws_sdk_ecr::Client;
use aws_sdk_ecr::error::SdkError;
use aws_sdk_ecr::operation::create_repository::CreateRepositoryError;
use aws_sdk_ecr::operation::describe_repositories::DescribeRepositoriesError;
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use regex::Regex;
use tokio::sync::Mutex;

use super::credentials::UserPassword;
use crate::aws::{Aws, fault};
use crate::fault::Fault;

/// A token is asked for again this long before it expires.
const EARLY: SignedDuration = SignedDuration::from_mins(30);

/// The role and the Region that a token was asked for with.
type Caller = (Option<String>, Option<String>);

/// A token with the registry that it is for.
#[derive(Clone)]
struct Token {
    pair: UserPassword,
    host: String,
    expires: Timestamp,
}

/// Whose registry, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Account {
    /// A role to assume.
    pub(super) role: Option<String>,
    /// The Region; `None` is the caller's.
    pub(super) region: Option<String>,
    /// The registry's account; `None` is the caller's.
    pub(super) id: Option<String>,
}

/// Calls ECR. Clones share the tokens.
#[derive(Clone)]
pub(super) struct Ecr {
    aws: Aws,
    tokens: Arc<Mutex<HashMap<Caller, Token>>>,
}

impl Ecr {
    pub(super) fn new(aws: Aws) -> Self {
        Self { aws, tokens: Arc::default() }
    }

    /// The account behind a registry host, when the host is ECR's: `ID.dkr.ecr.REGION.amazonaws.com` and its kin in the
    /// other partitions, or the emulator that `AWS_ENDPOINT_URL` names.
    pub(super) async fn account_of(&self, host: &str, role: Option<&str>, region: Option<&str>) -> Option<Account> {
        if let Some((id, found)) = account_and_region(host) {
            let region = region.map_or(found, str::to_owned);
            return Some(Account { role: role.map(str::to_owned), region: Some(region), id: Some(id) });
        }
        if !super::registry::is_loopback(host) {
            return None;
        }
        let config = self.aws.config(None, region).await.ok()?;
        (emulator(&config).as_deref() == Some(host)).then(|| Account {
            role: role.map(str::to_owned),
            region: region.map(str::to_owned),
            id: None,
        })
    }

    /// User and password for the account's registry.
    pub(super) async fn credentials(&self, account: &Account) -> Result<UserPassword, Fault> {
        self.token(account).await.map(|token| token.pair)
    }

    /// The host of the account's own registry.
    pub(super) async fn host(&self, account: &Account) -> Result<String, Fault> {
        self.token(account).await.map(|token| token.host)
    }

    /// A token for one identity in one Region: asked once, kept until shortly before its end (12 hours).
    async fn token(&self, account: &Account) -> Result<Token, Fault> {
        let key = (account.role.clone(), account.region.clone());
        let mut tokens = self.tokens.lock().await;
        if let Some(token) = tokens.get(&key).filter(|token| crate::clock::now() < token.expires - EARLY) {
            return Ok(token.clone());
        }
        let config = self.aws.config(account.role.as_deref(), account.region.as_deref()).await?;
        let asked = Client::new(&config).get_authorization_token().send().await;
        let answer = asked.map_err(|error| fault("ecr:GetAuthorizationToken", &error))?;
        let nothing = || Fault::system("ecr:GetAuthorizationToken answered without a token");
        let given = answer.authorization_data().first().ok_or_else(nothing)?;
        let encoded = given.authorization_token().ok_or_else(nothing)?;
        let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).map_err(|_| nothing())?;
        let text = String::from_utf8(decoded).map_err(|_| nothing())?;
        let (user, password) = text.split_once(':').ok_or_else(nothing)?;
        let endpoint = given.proxy_endpoint().unwrap_or_default();
        let told = endpoint.split_once("://").map_or(endpoint, |(_, host)| host).trim_end_matches('/');
        let expires = given.expires_at().and_then(|at| Timestamp::from_second(at.secs()).ok());
        let token = Token {
            pair: UserPassword { user: user.to_owned(), password: password.to_owned() },
            host: emulator(&config).unwrap_or_else(|| told.to_owned()),
            expires: expires.unwrap_or_else(crate::clock::now),
        };
        tokens.insert(key, token.clone());
        Ok(token)
    }

    /// A client for the account.
    pub(super) async fn client(&self, account: &Account) -> Result<Client, Fault> {
        let config = self.aws.config(account.role.as_deref(), account.region.as_deref()).await?;
        Ok(Client::new(&config))
    }

    /// Makes sure that the repository is there, and makes it when `create` says so.
    pub(super) async fn ensure_repository(&self, account: &Account, name: &str, create: bool) -> Result<(), Fault> {
        let client = self.client(account).await?;
        let asked = client.describe_repositories().set_registry_id(account.id.clone()).repository_names(name).send();
        match asked.await {
            Ok(_) => return Ok(()),
            Err(error) if !missing(&error) => {
                // Pushing needs no right to describe: who may only push finds out by pushing.
                let fault = fault(format_args!("ecr:DescribeRepositories {name}"), &error);
                return if fault.kind == crate::fault::FaultKind::Permission && !create { Ok(()) } else { Err(fault) };
            }
            Err(_) if !create => {
                return Err(Fault::configuration(format!("there is no ECR repository {name}"))
                    .hint("create it, or set `create-repository: true` in the image action"));
            }
            Err(_) => {}
        }
        let made = client.create_repository().set_registry_id(account.id.clone()).repository_name(name).send().await;
        match made {
            Ok(_) => Ok(()),
            // Another action or machine was faster.
            Err(SdkError::ServiceError(error))
                if matches!(error.err(), CreateRepositoryError::RepositoryAlreadyExistsException(_)) =>
            {
                Ok(())
            }
            Err(error) => Err(fault(format_args!("ecr:CreateRepository {name}"), &error)),
        }
    }
}

fn missing<R>(error: &SdkError<DescribeRepositoriesError, R>) -> bool {
    matches!(error, SdkError::ServiceError(inner) if inner.err().is_repository_not_found_exception())
}

/// Account and Region of an ECR host name.
fn account_and_region(host: &str) -> Option<(String, String)> {
    static HOST: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn)$").ok()
    });
    let found = HOST.as_ref()?.captures(host)?;
    Some((found[1].to_owned(), found[2].to_owned()))
}

/// The host of an emulator: ECR's endpoint, when it was told to be on this machine. An emulator's registry answers
/// there too, whatever name its tokens carry; an endpoint elsewhere (a VPC's) says nothing of the registry's host.
fn emulator(config: &SdkConfig) -> Option<String> {
    let own = ServiceConfigKey::builder().service_id("ECR").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let own = own.ok().and_then(|key| config.service_config()?.load_config(key));
    let endpoint = own.or_else(|| config.endpoint_url().map(str::to_owned))?;
    let host = endpoint.strip_prefix("http://")?.trim_end_matches('/');
    super::registry::is_loopback(host).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecr_hosts_are_known_in_every_partition() {
        let of = |host| account_and_region(host).map(|(id, region)| format!("{id} {region}"));
        let id = "123456789012";
        for (host, region) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
        ] {
            assert_eq!(of(host), Some(format!("{id} {region}")), "{host}");
        }
        for host in ["public.ecr.aws", "1.dkr.ecr.x.amazonaws.com", "x.123456789012.dkr.ecr.a.amazonaws.com.evil"] {
            assert_eq!(of(host), None, "{host}");
        }
    }

    #[test]
    fn only_an_endpoint_on_this_machine_is_an_emulator() {
        let at = |url: &str| emulator(&SdkConfig::builder().endpoint_url(url).build());
        assert_eq!(at("http://127.0.0.1:4566/"), Some("127.0.0.1:4566".to_owned()));
        assert_eq!(at("http://localhost:4566"), Some("localhost:4566".to_owned()));
        assert_eq!(at("https://vpce-1.api.ecr.eu-west-1.vpce.amazonaws.com"), None);
    }
}
