//! Who the caller is to AWS.

use aws_config::SdkConfig;

use super::fault;
use crate::fault::Fault;

/// What STS says of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account's twelve digits.
    pub account: String,
    /// The user, the role session or the root user.
    pub arn: String,
}

/// Asks STS who the configuration's credentials belong to. Everybody may ask that of themselves.
///
/// # Errors
/// A `Permission` fault without valid credentials, a `System` fault when STS cannot be reached.
pub async fn identity(config: &SdkConfig) -> Result<Identity, Fault> {
    let answer = aws_sdk_sts::Client::new(config)
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| fault("cannot tell who the AWS credentials belong to", &error))?;
    Ok(Identity {
        account: answer.account().unwrap_or_default().to_owned(),
        arn: answer.arn().unwrap_or_default().to_owned(),
    })
}
