//! The limits of CodePipeline's requests, from the API model that botocore carries: required members, lengths, values,
//! patterns, ranges. It knows no state: what a request means is not its business.
//!
//! The model's shapes become a JSON Schema, and what the schema finds is told in the service's own words.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::Validator;
use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind as Kind};
use serde_json::{Map, Value, json};

use super::error::ApiError;

/// The API model, with a validator for each operation that was asked for.
pub struct Model {
    operations: Value,
    shapes: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Model {
    /// Reads the model of the botocore that the tests' Python has.
    ///
    /// # Panics
    /// When there is none: `tests/run.sh` installs it with the emulator.
    #[must_use]
    pub fn of_botocore() -> Self {
        let mut python = Command::new(crate::aws::program("python3"));
        let script = "import importlib.util as u; print(u.find_spec('botocore').submodule_search_locations[0])";
        let found = python.args(["-c", script]).output().unwrap_or_else(|error| panic!("python3: {error}"));
        let folder = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim());
        assert!(folder.is_dir(), "no botocore beside the emulator: {}", String::from_utf8_lossy(&found.stderr));
        Self::read(&folder.join("data/codepipeline/2015-07-09/service-2.json.gz"))
    }

    fn read(path: &Path) -> Self {
        let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut text = String::new();
        let read = flate2::read::GzDecoder::new(file).read_to_string(&mut text);
        read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let model = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::new(&model)
    }

    fn new(model: &Value) -> Self {
        let shapes = model["shapes"].as_object().into_iter().flatten();
        let shapes = shapes.map(|(name, shape)| (name.clone(), schema(shape))).collect::<Map<_, _>>();
        Self { operations: model["operations"].clone(), shapes: Value::Object(shapes), validators: Mutex::default() }
    }

    /// Checks the request of an operation.
    ///
    /// # Errors
    /// `UnknownOperationException` for an operation that the service does not have, `SerializationException` for a
    /// member of another type, else `ValidationException` with everything that is wrong.
    pub fn check(&self, operation: &str, input: &Value) -> Result<(), ApiError> {
        let shape = self.operations[operation]["input"]["shape"].as_str();
        let shape = shape.ok_or_else(|| ApiError::new("UnknownOperationException", String::new()))?;
        let validator = self.validator(shape);
        let errors: Vec<ValidationError<'_>> = validator.iter_errors(input).collect();
        if let Some(wrong) = errors.iter().find(|error| matches!(error.kind(), Kind::Type { .. })) {
            return Err(ApiError::new("SerializationException", wrong_type(wrong)));
        }
        let mut said: Vec<String> = Vec::new();
        for error in &errors {
            let sentence = constraint(error);
            if !said.contains(&sentence) {
                said.push(sentence);
            }
        }
        match said.len() {
            0 => Ok(()),
            1 => Err(ApiError::validation(format!("1 validation error detected: {}", said[0]))),
            count => Err(ApiError::validation(format!("{count} validation errors detected: {}", said.join("; ")))),
        }
    }

    fn validator(&self, shape: &str) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = validators.entry(shape.to_owned()).or_insert_with(|| {
            let schema = json!({ "$ref": format!("#/$defs/{shape}"), "$defs": self.shapes });
            Arc::new(jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{shape}: {error}")))
        });
        Arc::clone(validator)
    }
}

/// A shape as a JSON Schema.
fn schema(shape: &Value) -> Value {
    let reference = |of: &Value| json!({ "$ref": format!("#/$defs/{}", of["shape"].as_str().unwrap_or_default()) });
    let kind = shape["type"].as_str().unwrap_or_default();
    let (limits, mut schema) = match kind {
        "structure" => {
            let members = shape["members"].as_object().into_iter().flatten();
            let members = members.map(|(name, member)| (name.clone(), reference(member))).collect::<Map<_, _>>();
            ([None, None], json!({ "type": "object", "properties": members, "required": required_of(shape) }))
        }
        "map" => (
            [Some("minProperties"), Some("maxProperties")],
            json!({
                "type": "object",
                "propertyNames": reference(&shape["key"]),
                "additionalProperties": reference(&shape["value"]),
            }),
        ),
        "list" => {
            ([Some("minItems"), Some("maxItems")], json!({ "type": "array", "items": reference(&shape["member"]) }))
        }
        "integer" | "long" => ([Some("minimum"), Some("maximum")], json!({ "type": "integer" })),
        "timestamp" => ([None, None], json!({ "type": "number" })),
        "boolean" => ([None, None], json!({ "type": "boolean" })),
        _ => ([Some("minLength"), Some("maxLength")], json!({ "type": "string" })),
    };
    for (name, from) in limits.into_iter().zip(["min", "max"]) {
        if let (Some(name), Some(limit)) = (name, shape.get(from)) {
            schema[name] = limit.clone();
        }
    }
    if let Some(pattern) = shape["pattern"].as_str() {
        schema["pattern"] = format!("^(?:{pattern})$").into();
    }
    if let Some(values) = shape.get("enum") {
        schema["enum"] = values.clone();
    }
    schema
}

fn required_of(shape: &Value) -> Value {
    shape.get("required").cloned().unwrap_or_else(|| json!([]))
}

/// The service's sentence for what is wrong with one member.
fn constraint(error: &ValidationError<'_>) -> String {
    let path = member_path(error.instance_path().as_str());
    let (at, value) = match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let at = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            return format!("Value null at '{at}' failed to satisfy constraint: Member must not be null");
        }
        Kind::PropertyNames { error } => {
            let rule = rule(error.kind());
            return format!(
                "Value '{}' at '{path}' failed to satisfy constraint: Map keys must satisfy constraint: [{rule}]",
                shown(error.instance())
            );
        }
        _ => (path, shown(error.instance())),
    };
    format!("Value '{value}' at '{at}' failed to satisfy constraint: {}", rule(error.kind()))
}

fn rule(kind: &Kind) -> String {
    match kind {
        Kind::MinLength { limit } | Kind::MinItems { limit } | Kind::MinProperties { limit } => {
            format!("Member must have length greater than or equal to {limit}")
        }
        Kind::MaxLength { limit } | Kind::MaxItems { limit } | Kind::MaxProperties { limit } => {
            format!("Member must have length less than or equal to {limit}")
        }
        Kind::Minimum { limit } => format!("Member must have value greater than or equal to {limit}"),
        Kind::Maximum { limit } => format!("Member must have value less than or equal to {limit}"),
        Kind::Enum { options } => format!("Member must satisfy enum value set: [{}]", joined(options)),
        Kind::Pattern { pattern } => {
            let own = pattern.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(pattern);
            format!("Member must satisfy regular expression pattern: {own}")
        }
        other => format!("Member must satisfy {}", other.keyword()),
    }
}

fn wrong_type(error: &ValidationError<'_>) -> String {
    let wanted = match error.kind() {
        Kind::Type { kind: TypeKind::Single(kind) } => kind.to_string(),
        other => other.keyword().to_owned(),
    };
    format!("'{}' is not of type {wanted}", member_path(error.instance_path().as_str()))
}

/// `/pipeline/stages/0/name` as the service writes it: `pipeline.stages.1.member.name`.
fn member_path(pointer: &str) -> String {
    let parts = pointer.split('/').filter(|part| !part.is_empty()).map(|part| match part.parse::<usize>() {
        Ok(index) => format!("{}.member", index + 1),
        Err(_) => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join(".")
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn joined(options: &Value) -> String {
    options.as_array().into_iter().flatten().map(shown).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(operation: &str, input: Value) -> String {
        match Model::of_botocore().check(operation, &input) {
            Ok(()) => "fine".to_owned(),
            Err(error) => format!("{}: {}", error.code, error.message),
        }
    }

    #[test]
    fn what_the_model_forbids_is_told_in_the_services_words() {
        let id = "00000000-0000-4000-8000-000000000000";
        assert_eq!(said("GetJobDetails", json!({ "jobId": id })), "fine");
        assert_eq!(
            said("AcknowledgeJob", json!({ "jobId": "x", "nonce": "" })),
            "ValidationException: 2 validation errors detected: Value 'x' at 'jobId' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}; \
             Value '' at 'nonce' failed to satisfy constraint: Member must have length greater than or equal to 1"
        );
        let no_message = json!({ "jobId": id, "failureDetails": { "type": "JobFailed" } });
        assert_eq!(
            said("PutJobFailureResult", no_message),
            "ValidationException: 1 validation error detected: Value null at 'failureDetails.message' failed to satisfy \
             constraint: Member must not be null"
        );
        let wrong = json!({ "jobId": id, "failureDetails": { "type": "Broken", "message": "a".repeat(5001) } });
        let said_of_wrong = said("PutJobFailureResult", wrong);
        assert!(said_of_wrong.contains("enum value set: [JobFailed, ConfigurationError,"), "{said_of_wrong}");
        assert!(said_of_wrong.contains("length less than or equal to 5000"), "{said_of_wrong}");
        assert_eq!(
            said("AcknowledgeJob", json!({ "jobId": 1, "nonce": "1" })),
            "SerializationException: 'jobId' is not of type string"
        );
        assert_eq!(said("Dance", json!({})), "UnknownOperationException: ");
    }

    #[test]
    fn keys_and_values_of_maps_and_members_of_lists_have_their_limits() {
        let id = "00000000-0000-4000-8000-000000000000";
        let key = said("PutJobSuccessResult", json!({ "jobId": id, "outputVariables": { "a b": "1" } }));
        assert!(
            key.contains("Map keys must satisfy constraint: [Member must satisfy regular expression pattern"),
            "{key}"
        );
        let name = json!({ "name": "p", "roleArn": "arn:aws:iam::111111111111:role/p", "stages": [{ "name": "", "actions": [] }] });
        let name = said("CreatePipeline", json!({ "pipeline": name }));
        assert!(name.contains("Value '' at 'pipeline.stages.1.member.name'"), "{name}");
    }
}
