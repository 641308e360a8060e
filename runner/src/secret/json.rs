//! One key of a secret whose text is a JSON object.

use pipeline_spec::plan::SecretReference;
use serde_json::{Map, Value};

use super::SecretText;
use crate::fault::Fault;

/// The part of the secret's text that the reference names. Faults name keys, and never show values.
pub(super) fn pick(reference: &SecretReference, text: &SecretText) -> Result<SecretText, Fault> {
    let Some(key) = &reference.json_key else { return Ok(text.clone()) };
    let id = &reference.secret_id;
    // The parser's own words could show some of the text.
    let object: Map<String, Value> = serde_json::from_str(text.expose()).map_err(|_| {
        Fault::configuration(format!("the secret {id} is no JSON object, so it has no key `{key}`"))
            .hint("leave the key out to have the whole text")
    })?;
    match object.get(key) {
        Some(Value::String(value)) => Ok(SecretText::new(value.clone())),
        Some(Value::Null) => Err(Fault::configuration(format!("the key `{key}` of the secret {id} is null"))),
        // A number, a truth value, or a structure: as JSON writes it.
        Some(value) => Ok(SecretText::new(value.to_string())),
        None => {
            let known: Vec<String> = object.keys().map(|key| format!("`{key}`")).collect();
            let known =
                if known.is_empty() { "it has none".to_owned() } else { format!("its keys are {}", known.join(", ")) };
            Err(Fault::configuration(format!("the secret {id} has no key `{key}`")).hint(known))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, key: Option<&str>) -> String {
        let json_key = key.map(str::to_owned);
        let reference = SecretReference { secret_id: "db".to_owned(), json_key, version_stage: None, version_id: None };
        match pick(&reference, &SecretText::new(text)) {
            Ok(value) => value.expose().to_owned(),
            Err(fault) => format!("{} ({})", fault.message, fault.hint.unwrap_or_default()),
        }
    }

    #[test]
    fn a_key_is_read_whatever_its_kind() {
        let text = r#"{"user":"a\"b","port":5432,"tls":true,"ratio":0.5,"hosts":["a","b"],"more":{"x":1},"none":null}"#;
        for (key, expected) in [
            ("user", "a\"b"),
            ("port", "5432"),
            ("tls", "true"),
            ("ratio", "0.5"),
            ("hosts", r#"["a","b"]"#),
            ("more", r#"{"x":1}"#),
            ("none", "the key `none` of the secret db is null ()"),
        ] {
            assert_eq!(check(text, Some(key)), expected);
        }
        assert_eq!(check(text, None), text);
        assert_eq!(check("plain", None), "plain");
    }

    #[test]
    fn what_is_wrong_is_told_without_any_value() {
        let expected = "the secret db has no key `pass` (its keys are `user`, `password`)";
        assert_eq!(check(r#"{"user":"u1","password":"p1"}"#, Some("pass")), expected);
        assert_eq!(check("{}", Some("pass")), "the secret db has no key `pass` (it has none)");
        let expected =
            "the secret db is no JSON object, so it has no key `pass` (leave the key out to have the whole text)";
        for text in ["hunter2", r#""hunter2""#, r#"{"pass":hunter2}"#, ""] {
            assert_eq!(check(text, Some("pass")), expected);
        }
    }
}
