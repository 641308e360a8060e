//! Names and ARNs as people give them, as resources of a policy.

use serde_json::{Value, json};

use crate::fault::Fault;

/// A resource of this account and Region when a name is given, and the ARN itself when it is one.
pub(super) fn own(service: &str, before: &str, given: &str) -> Result<Value, Fault> {
    if given.starts_with("arn:") {
        return of(service, given).map(Value::from);
    }
    checked(given)?;
    Ok(sub(&format!("arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{before}{given}")))
}

/// An S3 bucket, which has neither account nor Region in its ARN.
pub(super) fn bucket(given: &str) -> Result<Value, Fault> {
    if given.starts_with("arn:") {
        return of("s3", given).map(Value::from);
    }
    checked(given)?;
    Ok(sub(&format!("arn:${{AWS::Partition}}:s3:::{given}")))
}

/// What is below a resource: `suffix` behind its ARN.
pub(super) fn below(resource: &Value, suffix: &str) -> Value {
    match resource {
        Value::String(arn) => Value::from(format!("{arn}{suffix}")),
        Value::Object(sub) => json!({"Fn::Sub": format!("{}{suffix}", sub["Fn::Sub"].as_str().unwrap_or_default())}),
        other => other.clone(),
    }
}

/// An ARN of that service.
pub(super) fn of<'a>(service: &str, given: &'a str) -> Result<&'a str, Fault> {
    let parts: Vec<&str> = given.splitn(6, ':').collect();
    let whole = matches!(parts.as_slice(), ["arn", partition, named, _, _, resource]
        if partition.starts_with("aws") && *named == service && !resource.is_empty());
    if !whole || given.contains(['$', '"', ' ', '\n']) {
        return Err(Fault::configuration(format!("`{given}` is no ARN of {service}"))
            .hint(format!("an ARN looks like arn:aws:{service}:REGION:ACCOUNT:RESOURCE")));
    }
    Ok(given)
}

/// A text in which CloudFormation puts values for `${…}`.
pub(super) fn sub(text: &str) -> Value {
    json!({"Fn::Sub": text})
}

/// A name that cannot change the policy which it is put into.
pub(super) fn checked(name: &str) -> Result<&str, Fault> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "-_./*+=@".contains(character);
    if name.is_empty() || !name.chars().all(allowed) || name == "*" {
        return Err(Fault::configuration(format!("`{name}` is no name of a resource"))
            .hint("give a name, a name with `*` at its end, or an ARN"));
    }
    Ok(name)
}
