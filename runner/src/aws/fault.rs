//! SDK errors as faults: whose turn it is to mend them, and how.

use std::error::Error;
use std::fmt::{Debug, Display};

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;

use crate::fault::{Fault, FaultKind, chain};

/// Turns any SDK error into a fault; `doing` names the call and its object.
pub fn fault<E, R>(doing: impl Display, error: &SdkError<E, R>) -> Fault
where
    E: Error + ProvideErrorMetadata + 'static,
    R: Debug + 'static,
{
    let (kind, said, hint) = match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("no error code");
            let (kind, hint) = of_code(code);
            (kind, format!("{code}: {}", service.err().message().unwrap_or("no message")), hint)
        }
        SdkError::TimeoutError(_) => (FaultKind::System, "no answer in time".to_owned(), Some(UNREACHABLE)),
        other => match refused_role(other) {
            Some(refused) => refused,
            None => {
                let said = chain(other);
                let (kind, hint) = of_text(&said);
                (kind, said, hint)
            }
        },
    };
    let fault = Fault::new(kind, format!("{doing}: {said}"));
    // Whatever of AWS's own fails or is throttled may work in a moment.
    let fault = if kind == FaultKind::System { fault.away() } else { fault };
    match hint {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

const EXPIRED: &str = "the credentials have expired: log in again, or let the role be refreshed";
const DENIED: &str = "check the caller's identity (`sluice doctor`) and its policy";
const INVALID: &str = "check the access key and its secret, and that this machine's clock is right (`sluice doctor`)";
const THROTTLED: &str = "AWS asked for fewer calls, also after retries: try again later";
const ROLE: &str = "check that the role exists, and that its trust policy names the caller (`sluice doctor` shows it)";
const NONE: &str = "set AWS credentials (environment, profile or instance role); `sluice doctor` shows what is found";
const UNREACHABLE: &str = "check the network, the Region and AWS_ENDPOINT_URL";

/// What an error code means. The first row that the code contains a word of counts.
const CODES: &[(&[&str], FaultKind, Option<&str>)] = &[
    (&["ExpiredToken", "RequestExpired", "TokenRefreshRequired"], FaultKind::Permission, Some(EXPIRED)),
    (
        &[
            "UnrecognizedClient",
            "InvalidClientToken",
            "InvalidAccessKeyId",
            "InvalidSignature",
            "SignatureDoesNotMatch",
        ],
        FaultKind::Permission,
        Some(INVALID),
    ),
    (
        &["RequestTimeTooSkewed", "IncompleteSignature", "MissingAuthenticationToken"],
        FaultKind::Permission,
        Some(INVALID),
    ),
    (&["AccessDenied", "Unauthorized", "NotAuthorized", "Forbidden"], FaultKind::Permission, Some(DENIED)),
    (&["Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown"], FaultKind::System, Some(THROTTLED)),
    (&["NotFound", "NoSuch", "Validation", "InvalidParameter", "ClientException"], FaultKind::Configuration, None),
];

fn of_code(code: &str) -> (FaultKind, Option<&'static str>) {
    let row = CODES.iter().find(|(words, _, _)| words.iter().any(|word| code.contains(word)));
    row.map_or((FaultKind::System, None), |(_, kind, hint)| (*kind, *hint))
}

/// What STS said to the role's assumption, which is part of the first call with it.
fn refused_role(error: &(dyn Error + 'static)) -> Option<(FaultKind, String, Option<&'static str>)> {
    let mut cause = Some(error);
    let refused = loop {
        let now = cause?;
        if let Some(refused) = now.downcast_ref::<AssumeRoleError>() {
            break refused;
        }
        cause = now.source();
    };
    let code = refused.code().unwrap_or("no error code");
    let (kind, hint) = of_code(code);
    let hint = if hint == Some(DENIED) { Some(ROLE) } else { hint };
    Some((kind, format!("the role cannot be assumed: {code}: {}", refused.message().unwrap_or("no message")), hint))
}

/// What an error means that never became an answer: credentials are looked for while a call is made, so their faults
/// come as faults of the call, and only their text tells them apart.
fn of_text(said: &str) -> (FaultKind, Option<&'static str>) {
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["ExpiredToken", "token has expired", "session has expired"]) {
        (FaultKind::Permission, Some(EXPIRED))
    } else if said.to_ascii_lowercase().contains("credential") && !has(&["dispatch failure: io error"]) {
        (FaultKind::Permission, Some(NONE))
    } else {
        (FaultKind::System, Some(UNREACHABLE))
    }
}

#[cfg(test)]
mod tests {
    use aws_config::SdkConfig;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::{ProvideCredentials, future};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn an_error_code_says_whose_turn_it_is() {
        use FaultKind::{Configuration, Permission, System};
        for (code, kind, hint) in [
            ("AccessDeniedException", Permission, Some(DENIED)),
            ("UnauthorizedOperation", Permission, Some(DENIED)),
            ("ExpiredTokenException", Permission, Some(EXPIRED)),
            ("UnrecognizedClientException", Permission, Some(INVALID)),
            ("InvalidSignatureException", Permission, Some(INVALID)),
            ("ThrottlingException", System, Some(THROTTLED)),
            ("TooManyRequestsException", System, Some(THROTTLED)),
            ("ClusterNotFoundException", Configuration, None),
            ("InvalidParameterException", Configuration, None),
            ("ServerException", System, None),
        ] {
            assert_eq!(of_code(code), (kind, hint), "{code}");
        }
    }

    #[derive(Debug)]
    struct Nobody;

    impl ProvideCredentials for Nobody {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("nothing was found")))
        }
    }

    /// The fault of a call over a loopback port where nobody listens.
    async fn of_a_call(credentials: Option<Credentials>) -> Fault {
        let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut loader = crate::aws::loader()
            .endpoint_url(format!("http://{refused}"))
            .region("eu-west-1")
            .retry_config(aws_config::retry::RetryConfig::disabled());
        loader = match credentials {
            Some(credentials) => loader.credentials_provider(credentials),
            None => loader.credentials_provider(Nobody),
        };
        crate::aws::identity(&loader.load().await).await.unwrap_err()
    }

    #[tokio::test]
    async fn an_endpoint_that_refuses_is_a_system_fault_that_names_the_call() {
        let known = Credentials::new("key", "secret", None, None, "test");
        let fault = of_a_call(Some(known)).await;
        assert_eq!((fault.kind, fault.hint.as_deref()), (FaultKind::System, Some(UNREACHABLE)), "{fault}");
        assert!(fault.message.starts_with("cannot tell who the AWS credentials belong to: "), "{fault}");
        assert!(fault.message.contains("refused"), "{fault}");
    }

    #[tokio::test]
    async fn credentials_that_cannot_be_found_are_a_permission_fault() {
        let fault = of_a_call(None).await;
        assert_eq!((fault.kind, fault.hint.as_deref()), (FaultKind::Permission, Some(NONE)), "{fault}");
    }

    /// An STS that refuses everything with that code, and the configuration to call it with.
    async fn refusing(code: &'static str) -> SdkConfig {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let body = format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
                 <Code>{code}</Code><Message>no, {code}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
            );
            while let Ok((mut stream, _)) = listener.accept().await {
                let read = stream.read(&mut [0; 8192]).await.unwrap();
                assert!(read > 0, "a request came");
                let head =
                    format!("HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        });
        crate::aws::loader()
            .endpoint_url(format!("http://{address}"))
            .region("eu-west-1")
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .load()
            .await
    }

    #[tokio::test]
    async fn credentials_that_have_expired_are_told_so() {
        let fault = crate::aws::identity(&refusing("ExpiredToken").await).await.unwrap_err();
        assert_eq!((fault.kind, fault.hint.as_deref()), (FaultKind::Permission, Some(EXPIRED)));
        let message = "cannot tell who the AWS credentials belong to: ExpiredToken: no, ExpiredToken";
        assert_eq!(fault.message, message);
    }

    #[tokio::test]
    async fn a_role_that_may_not_be_assumed_is_told_by_the_first_call() {
        let aws = crate::aws::Aws::from_config(refusing("AccessDenied").await);
        let config = aws.config(Some("arn:aws:iam::333333333333:role/deploy"), None).await.unwrap();
        let fault = crate::aws::identity(&config).await.unwrap_err();
        assert_eq!((fault.kind, fault.hint.as_deref()), (FaultKind::Permission, Some(ROLE)), "{fault}");
        let message =
            "cannot tell who the AWS credentials belong to: the role cannot be assumed: AccessDenied: no, AccessDenied";
        assert_eq!(fault.message, message);
    }
}
