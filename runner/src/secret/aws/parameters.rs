//! Systems Manager's Parameter Store.

use std::collections::HashMap;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::Parameter;

use crate::aws::fault;
use crate::fault::Fault;
use crate::secret::{Secret, SecretName, SecretText};

/// How many names one call takes (Systems Manager API, `GetParameters`).
const A_CALL: usize = 10;

/// The values by the names that were asked for, decrypted.
pub(super) async fn read(client: &Client, names: &[&str]) -> Result<HashMap<String, Secret>, Fault> {
    let mut unique: Vec<&str> = names.to_vec();
    unique.sort_unstable();
    unique.dedup();
    let mut found = HashMap::new();
    let mut missing = Vec::new();
    for some in unique.chunks(A_CALL) {
        let call = client.get_parameters().with_decryption(true);
        let call = some.iter().fold(call, |call, name| call.names(*name));
        let answer = call.send().await;
        let answer =
            answer.map_err(|error| fault(format!("cannot read the parameters {}", some.join(", ")), &error))?;
        missing.extend(answer.invalid_parameters().iter().cloned());
        for name in some {
            let parameter = answer.parameters().iter().find(|parameter| is_it(parameter, name));
            if let Some(value) = parameter.and_then(Parameter::value) {
                let version = parameter.map_or(0, Parameter::version);
                let exact = if version > 0 { format!("{}:{version}", split(name).0) } else { (*name).to_owned() };
                let secret = Secret { text: SecretText::new(value), exact: SecretName::Parameter(exact) };
                found.insert((*name).to_owned(), secret);
            }
        }
    }
    if missing.is_empty() { Ok(found) } else { Err(super::super::no_such_parameter(&missing.join(", "))) }
}

/// Whether the parameter is the answer to the name: by name or ARN, and with the same version or label.
fn is_it(parameter: &Parameter, asked: &str) -> bool {
    let (base, selector) = split(asked);
    (parameter.name() == Some(base) || parameter.arn() == Some(base))
        && parameter.selector().unwrap_or_default().trim_start_matches(':') == selector
}

/// The name or ARN, and the version or label behind its last colon. The colons of an ARN are its own.
fn split(asked: &str) -> (&str, &str) {
    let own = if asked.starts_with("arn:") { asked.match_indices(':').nth(4).map_or(0, |(at, _)| at + 1) } else { 0 };
    match asked[own..].rsplit_once(':') {
        Some((base, selector)) => (&asked[..own + base.len()], selector),
        None => (asked, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_or_label_of_a_name_is_told_from_the_colons_of_an_arn() {
        let arn = "arn:aws:ssm:eu-west-1:111111111111:parameter/team/token";
        for (asked, base, selector) in [
            ("/team/token", "/team/token", ""),
            ("token:3", "token", "3"),
            ("/team/token:prod", "/team/token", "prod"),
            (arn, arn, ""),
            (&format!("{arn}:3"), arn, "3"),
            ("arn:", "arn", ""),
        ] {
            assert_eq!(split(asked), (base, selector), "{asked}");
        }
    }
}
