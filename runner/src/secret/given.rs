//! Secrets that the caller brings along: on a laptop a build runs without an AWS account.
//!
//! A value is given for a reference as a buildspec writes it (`/team/token`, `token:3`, `db:password`), or for a whole
//! secret (`db`), whose text is then taken apart as Secrets Manager's would be. This module reads no file and no
//! environment; its caller does.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use pipeline_spec::plan::SecretReference;

use super::{Secret, SecretName, SecretText, Secrets};
use crate::fault::Fault;

/// Given values first, and then another store.
#[derive(Clone)]
pub struct GivenSecrets {
    values: BTreeMap<String, SecretText>,
    others: Option<Arc<dyn Secrets>>,
}

impl GivenSecrets {
    /// Values by reference, and where to look for all others; `None` is nowhere.
    #[must_use]
    pub fn new(values: BTreeMap<String, SecretText>, others: Option<Arc<dyn Secrets>>) -> Self {
        Self { values, others }
    }

    fn given(&self, name: &SecretName) -> Option<Result<SecretText, Fault>> {
        if let Some(value) = self.values.get(&name.to_string()) {
            return Some(Ok(value.clone()));
        }
        match name {
            SecretName::Parameter(_) => None,
            SecretName::Secret(reference) => {
                let whole = SecretReference { json_key: None, ..reference.clone() };
                let text = self.values.get(&SecretName::Secret(whole).to_string());
                let text = text.or_else(|| self.values.get(&reference.secret_id));
                text.map(|text| super::json::pick(reference, text))
            }
        }
    }
}

#[async_trait]
impl Secrets for GivenSecrets {
    async fn values(&self, names: &[SecretName]) -> Result<Vec<Secret>, Fault> {
        let given =
            |name: &SecretName| Ok(self.given(name).transpose()?.map(|text| Secret { text, exact: name.clone() }));
        let mut values: Vec<Option<Secret>> = names.iter().map(given).collect::<Result<_, Fault>>()?;
        let missing: Vec<usize> = (0..names.len()).filter(|index| values[*index].is_none()).collect();
        if !missing.is_empty() {
            let wanted: Vec<SecretName> = missing.iter().map(|index| names[*index].clone()).collect();
            let Some(others) = &self.others else { return Err(nobody_gave(&wanted)) };
            let found = others.values(&wanted).await.map_err(|fault| or_give_it(fault, &wanted))?;
            for (index, value) in missing.into_iter().zip(found) {
                values[index] = Some(value);
            }
        }
        Ok(values.into_iter().flatten().collect())
    }
}

fn nobody_gave(names: &[SecretName]) -> Fault {
    let all: Vec<String> = names.iter().map(ToString::to_string).collect();
    let fault = Fault::configuration(format!("there is no value for {}", all.join(", ")));
    or_give_it(fault.hint("set AWS credentials"), names)
}

/// Whoever gives some values can give the others too.
fn or_give_it(fault: Fault, names: &[SecretName]) -> Fault {
    let give = names.first().map(|name| format!("give values in the file: `{name}=…`")).unwrap_or_default();
    let hint = fault.hint.as_ref().map_or_else(|| give.clone(), |hint| format!("{hint}; or {give}"));
    fault.hint(hint)
}

/// Reads lines of `NAME=VALUE`: empty lines and lines that start with `#` are passed over, a value may stand in single
/// quotes (as it is) or in double quotes (with `\n`, `\t`, `\"`, `\\`), and everything else is the value, to the end of
/// the line and without the space around it.
///
/// # Errors
/// A `Configuration` fault with the number of the line; never its text.
pub fn parse_given(text: &str) -> Result<BTreeMap<String, SecretText>, Fault> {
    let mut values = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what| Fault::configuration(format!("line {}: {what}", index + 1)).hint("write NAME=VALUE");
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("no `=`"))?;
        if name.trim().is_empty() {
            return Err(wrong("no name before `=`"));
        }
        let value = unquoted(value.trim()).ok_or_else(|| wrong("a quote without its end"))?;
        values.insert(name.trim().to_owned(), SecretText::new(value));
    }
    Ok(values)
}

fn unquoted(value: &str) -> Option<String> {
    if let Some(rest) = value.strip_prefix('\'') {
        return rest.strip_suffix('\'').map(str::to_owned);
    }
    let Some(rest) = value.strip_prefix('"') else { return Some(value.to_owned()) };
    let mut text = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(text),
            '\\' => match characters.next()? {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<(String, String)>, String> {
        let values = parse_given(text).map_err(|fault| fault.message)?;
        Ok(values.into_iter().map(|(name, value)| (name, value.expose().to_owned())).collect())
    }

    #[test]
    fn a_file_of_secrets_is_read_line_by_line() {
        let text = "# a comment\n\n/team/token = abc=def \ndb:password='it''s \\n'\nkey=\"a\\nb\\\"c\"\nempty=\n";
        let expected = [("/team/token", "abc=def"), ("db:password", "it''s \\n"), ("empty", ""), ("key", "a\nb\"c")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parsed(text), Ok(expected.to_vec()));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_told_by_its_number_and_not_shown() {
        for (text, expected) in [
            ("a=b\nhunter2", "line 2: no `=`"),
            ("=hunter2", "line 1: no name before `=`"),
            ("a=\"hunter2", "line 1: a quote without its end"),
            ("a=\"hunter2\" x", "line 1: a quote without its end"),
            ("a='hunter2", "line 1: a quote without its end"),
        ] {
            assert_eq!(parsed(text), Err(expected.to_owned()));
        }
    }

    fn secret(text: &str) -> SecretName {
        let mut parts = text.split(':').map(|part| Some(part.to_owned()).filter(|part| !part.is_empty()));
        let mut next = || parts.next().flatten();
        SecretName::Secret(SecretReference {
            secret_id: next().unwrap(),
            json_key: next(),
            version_stage: next(),
            version_id: next(),
        })
    }

    #[tokio::test]
    async fn the_closest_value_is_taken_and_only_the_rest_is_looked_for_elsewhere() {
        let given =
            parse_given("token=1\ntoken:3=2\ndb={\"user\":\"u\",\"password\":\"p\"}\ndb:password=q\ndb::PREV=old")
                .unwrap();
        let elsewhere = Arc::new(super::super::MemorySecrets::new().parameter("/other", "3"));
        let secrets = GivenSecrets::new(given.clone(), Some(elsewhere));
        let parameter = |name: &str| SecretName::Parameter(name.to_owned());
        let names = [
            parameter("/other"),
            parameter("token:3"),
            secret("db:user"),
            secret("db:password"),
            secret("db::PREV"),
            secret("db:user:NEXT"),
        ];
        let values: Vec<_> =
            secrets.values(&names).await.unwrap().iter().map(|value| value.text.expose().to_owned()).collect();
        assert_eq!(values, ["3", "2", "u", "q", "old", "u"]);

        let alone = GivenSecrets::new(given, None);
        let fault = alone.values(&[parameter("token"), parameter("/other"), secret("x:y")]).await.err().unwrap();
        assert_eq!(fault.message, "there is no value for /other, x:y");
        assert_eq!(fault.hint.as_deref(), Some("set AWS credentials; or give values in the file: `/other=…`"));
    }
}
