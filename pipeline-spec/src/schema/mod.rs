//! JSON Schemas (draft 7, which editors know best) of `pipeline.yml` and `buildspec.yml`, for completion, help and
//! red lines while typing.
//!
//! A schema is data. Tests hold its keys to those that the readers know; what hangs together with what (names, needs,
//! references) only the readers can say.

mod batch;
mod buildspec;
mod pipeline;
mod work;

use serde_json::{Map, Value, json};

pub use buildspec::buildspec;
pub use pipeline::pipeline;

/// A mapping that has these keys and no others.
fn object(what: &str, required: &[&str], properties: Value) -> Value {
    let mut schema = json!({
        "description": what,
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// A mapping from the user's own keys to such values.
fn map(what: &str, values: Value) -> Value {
    json!({ "description": what, "type": "object", "additionalProperties": values })
}

/// A list of such items, or one of them.
fn one_or_more(what: &str, items: Value) -> Value {
    json!({ "description": what, "anyOf": [items, { "type": "array", "items": items }] })
}

/// A text. Numbers and truth values are texts too where one is expected.
fn text(what: &str) -> Value {
    json!({ "description": what, "type": ["string", "number", "boolean"] })
}

/// A text that matches.
fn pattern(what: &str, pattern: &str) -> Value {
    json!({ "description": what, "type": "string", "pattern": pattern })
}

/// One of these words.
fn word(what: &str, words: &[&str]) -> Value {
    json!({ "description": what, "enum": words })
}

/// `true`, `false`, and YAML 1.1's words for them.
fn flag(what: &str, default: bool) -> Value {
    let words = ["yes", "no", "true", "false", "on", "off", "Yes", "No", "True", "False"];
    json!({ "description": what, "default": default, "anyOf": [{ "type": "boolean" }, { "enum": words }] })
}

/// A whole number from the least on.
fn number(what: &str, least: u32) -> Value {
    json!({ "description": what, "type": "integer", "minimum": least })
}

/// `30m`, `1h30m`.
fn duration(what: &str) -> Value {
    pattern(what, r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?$")
}

/// Of these keys exactly one is there.
fn exactly_one_of(mut schema: Value, keys: &[&str]) -> Value {
    schema["oneOf"] = keys.iter().map(|key| json!({ "required": [key] })).collect();
    schema
}

/// A schema with its head and the definitions that it refers to.
fn document(title: &str, root: Value, definitions: &[(&str, Value)]) -> Value {
    let definitions: Map<String, Value> =
        definitions.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let mut document = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "title": title });
    if let (Some(document), Value::Object(root)) = (document.as_object_mut(), root) {
        document.extend(root);
        document.insert("definitions".to_owned(), Value::Object(definitions));
    }
    document
}

/// A definition by its name.
fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::pipeline::keys;

    fn keys_of(schema: &Value) -> BTreeSet<&str> {
        schema["properties"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn the_schema_has_the_keys_that_the_readers_know() {
        let schema = pipeline();
        let definition = |name: &str| schema["definitions"][name].clone();
        let same = |schema: &Value, keys: &[&str]| assert_eq!(keys_of(schema), keys.iter().copied().collect());
        same(&schema, &keys::PIPELINE);
        same(&schema["properties"]["source"], &keys::SOURCE);
        for (name, keys) in [
            ("stage", keys::STAGE.as_slice()),
            ("action", &keys::ACTION),
            ("build", &keys::BUILD),
            ("image", &keys::IMAGE),
            ("deploy", &keys::DEPLOY),
            ("service", &keys::SERVICE),
        ] {
            same(&definition(name), keys);
        }
        same(&definition("build")["properties"]["limits"], &keys::LIMITS);
        same(&definition("deploy")["properties"]["ecs"], &keys::ECS);
        same(&definition("image")["properties"]["scan"]["anyOf"][1], &keys::SCAN);
        let rules: BTreeSet<&str> = keys::RULES.iter().chain(&keys::LATER_RULES).copied().collect();
        let known = definition("rule")["anyOf"][0].clone();
        assert_eq!(keys_of(&known), rules);
        same(&known["properties"]["approval"]["anyOf"][0], &keys::APPROVAL);
        same(&known["properties"]["deployment-window"], &keys::WINDOW);
        same(&known["properties"]["variable-check"], &keys::CHECK);
    }

    #[test]
    fn every_key_is_explained() {
        fn explained(schema: &Value, path: &str) {
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}/{key}");
                assert!(property["description"].is_string() || property["$ref"].is_string(), "{path}");
                explained(property, &path);
            }
        }
        for schema in [pipeline(), buildspec()] {
            explained(&schema, "");
            for (name, definition) in schema["definitions"].as_object().unwrap() {
                explained(definition, name);
            }
        }
    }
}
