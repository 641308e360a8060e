//! References to Secrets Manager: `secret-id:json-key:version-stage:version-id`.

use crate::plan::SecretReference;

/// A full ARN has seven fields, the last of which is the secret's name with six random characters.
const ARN_FIELDS: usize = 7;

/// Takes a reference apart. All but the secret's id may be left out or empty; the id may be a full ARN, whose own
/// colons do not count (CodeBuild user guide, "env/secrets-manager").
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn secret_reference(text: &str) -> Result<SecretReference, String> {
    let fields: Vec<&str> = text.split(':').collect();
    let id_fields = if fields[0] == "arn" { ARN_FIELDS } else { 1 };
    if fields.len() < id_fields {
        return Err(format!("`{text}` is not the whole ARN of a secret"));
    }
    let (id, rest) = fields.split_at(id_fields);
    let secret_id = id.join(":");
    if secret_id.is_empty() {
        return Err("a reference to Secrets Manager starts with the secret's name or ARN".to_owned());
    }
    if rest.len() > 3 {
        return Err(format!("`{text}` has more parts than secret-id:json-key:version-stage:version-id"));
    }
    let part = |index: usize| rest.get(index).filter(|part| !part.is_empty()).map(|part| (*part).to_owned());
    let reference = SecretReference { secret_id, json_key: part(0), version_stage: part(1), version_id: part(2) };
    if reference.version_stage.is_some() && reference.version_id.is_some() {
        return Err("a secret's version is named by its stage or by its id, not by both".to_owned());
    }
    Ok(reference)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<[&str; 4], &str>) {
        let read = secret_reference(text).map(|reference| {
            let part = Option::unwrap_or_default;
            [reference.secret_id, part(reference.json_key), part(reference.version_stage), part(reference.version_id)]
        });
        assert_eq!(read, expected.map(|parts| parts.map(str::to_owned)).map_err(str::to_owned), "{text}");
    }

    #[test]
    fn a_name_may_be_followed_by_key_stage_and_version() {
        check("db", Ok(["db", "", "", ""]));
        check("prod/db:password", Ok(["prod/db", "password", "", ""]));
        check("db:password:AWSPREVIOUS", Ok(["db", "password", "AWSPREVIOUS", ""]));
        check("db:::0123", Ok(["db", "", "", "0123"]));
    }

    #[test]
    fn the_colons_of_an_arn_belong_to_it() {
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf";
        check(arn, Ok([arn, "", "", ""]));
        check(&format!("{arn}:user::"), Ok([arn, "user", "", ""]));
        check(&format!("{arn}:user:AWSCURRENT:"), Ok([arn, "user", "AWSCURRENT", ""]));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        check("", Err("a reference to Secrets Manager starts with the secret's name or ARN"));
        check("arn:aws:secretsmanager", Err("`arn:aws:secretsmanager` is not the whole ARN of a secret"));
        check("db:a:b:c", Err("a secret's version is named by its stage or by its id, not by both"));
        check("db::::x", Err("`db::::x` has more parts than secret-id:json-key:version-stage:version-id"));
    }
}
