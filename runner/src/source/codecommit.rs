//! CodeCommit's password: a signature of Signature Version 4 over the repository's path, as git-remote-codecommit and
//! the AWS CLI's credential helper make it. It holds for about 15 minutes, so it is made anew for each request of the
//! server and never written anywhere.

use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::fault::{Fault, chain};

/// Who asks CodeCommit: credentials, and the Region of the configuration that they came from.
#[derive(Clone)]
pub struct Identity {
    /// The credentials; a session token is part of the user name, not of the signature.
    pub credentials: Credentials,
    /// The Region, when the configuration names one.
    pub region: Option<String>,
}

/// Finds the identity of a profile (`None`: the caller's own). Asked once a repository; it may cache.
pub type Identities = Arc<dyn Fn(Option<String>) -> BoxFuture<'static, Result<Identity, Fault>> + Send + Sync>;

/// Identities from the AWS configuration of this machine.
#[must_use]
pub fn identities(aws: crate::aws::Aws) -> Identities {
    Arc::new(move |profile| {
        let aws = aws.clone();
        Box::pin(async move {
            let config = match &profile {
                Some(profile) => aws.profile(profile).await,
                None => aws.caller().await,
            };
            let who = profile.as_deref().map_or_else(|| "AWS credentials".to_owned(), |p| format!("profile `{p}`"));
            let hint =
                "set AWS credentials (environment, profile or instance role); `sluice doctor` shows what is found";
            let provider = config
                .credentials_provider()
                .ok_or_else(|| Fault::permission(format!("{who}: no credentials are configured")).hint(hint))?;
            let credentials = provider
                .provide_credentials()
                .await
                .map_err(|error| Fault::permission(format!("{who}: {}", chain(&error))).hint(hint))?;
            Ok(Identity { credentials, region: config.region().map(ToString::to_string) })
        })
    })
}

/// The public host of CodeCommit in a Region.
#[must_use]
pub fn host(region: &str) -> String {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("git-codecommit.{region}.amazonaws.com{suffix}")
}

/// The user name and password for one request. Both are plain: in a URL the user name would be percent-encoded.
#[must_use]
pub fn login(credentials: &Credentials, region: &str, host: &str, path: &str, at: Timestamp) -> (String, String) {
    let user = match credentials.session_token() {
        Some(token) => format!("{}%{token}", credentials.access_key_id()),
        None => credentials.access_key_id().to_owned(),
    };
    let time = at.strftime("%Y%m%dT%H%M%S").to_string();
    let request = format!("GIT\n{path}\n\nhost:{host}\n\nhost\n");
    let digest = hex::encode(Sha256::digest(request));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{}/{region}/codecommit/aws4_request\n{digest}", &time[..8]);
    let key = generate_signing_key(credentials.secret_access_key(), SystemTime::from(at), region, "codecommit");
    (user, format!("{time}Z{}", calculate_signature(key, to_sign.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(token: Option<&str>, user: &str) {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned), None, "test");
        let at: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let host = host("us-east-1");
        assert_eq!(host, "git-codecommit.us-east-1.amazonaws.com");
        let made = login(&credentials, "us-east-1", &host, "/v1/repos/my-repo", at);
        let password = "20260102T030405Ze13e377dd3e1b558218c9a1e11bed3517827bece33eb7b894d55cafaa76b7f5a";
        assert_eq!(made, (user.to_owned(), password.to_owned()));
    }

    #[test]
    fn a_signature_is_that_of_git_remote_codecommit() {
        check(None, "AKIDEXAMPLE");
        check(Some("FwoGZXIvYXdzEXAMPLE/TOKEN+x=="), "AKIDEXAMPLE%FwoGZXIvYXdzEXAMPLE/TOKEN+x==");
    }

    #[test]
    fn in_a_url_the_user_name_is_encoded_as_git_remote_codecommit_does() {
        use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
        const QUOTE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~');
        let encoded = utf8_percent_encode("AKIDEXAMPLE%FwoGZXIvYXdzEXAMPLE/TOKEN+x==", QUOTE).to_string();
        assert_eq!(encoded, "AKIDEXAMPLE%25FwoGZXIvYXdzEXAMPLE%2FTOKEN%2Bx%3D%3D");
        let url = format!("https://{encoded}:x@git-codecommit.us-east-1.amazonaws.com/v1/repos/r");
        let read = format!("{:?}", super::super::url::Address::parse(&url));
        assert!(read.contains(r#"login: Some(("AKIDEXAMPLE%FwoGZXIvYXdzEXAMPLE/TOKEN+x==", "x"))"#), "{read}");
    }

    #[test]
    fn china_has_a_host_of_its_own() {
        assert_eq!(host("cn-north-1"), "git-codecommit.cn-north-1.amazonaws.com.cn");
    }
}
