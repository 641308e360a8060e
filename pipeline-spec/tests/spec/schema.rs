//! The JSON Schemas, judged by an independent validator: what is read without an error they accept, and what has an
//! unknown key they refuse.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use pipeline_spec::diagnostic::Diagnostics;
use pipeline_spec::yaml::{self, Node, Value as Yaml};
use pipeline_spec::{Purpose, read_buildspec, schema};
use serde_json::{Map, Value};

use crate::reader::read_pipeline;

fn validator(schema: &Value) -> Validator {
    jsonschema::draft7::meta::validate(schema).unwrap();
    jsonschema::validator_for(schema).unwrap()
}

/// What an editor sees: plain scalars have the types of YAML's core schema.
fn json(node: &Node) -> Value {
    match &node.value {
        Yaml::List(items) => items.iter().map(json).collect(),
        Yaml::Map(entries) => {
            Value::Object(entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect::<Map<_, _>>())
        }
        Yaml::Scalar(scalar) if !scalar.plain => Value::from(scalar.text.clone()),
        Yaml::Scalar(_) if node.is_null() => Value::Null,
        Yaml::Scalar(scalar) => match scalar.text.parse::<Value>() {
            Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
            _ => Value::from(scalar.text.clone()),
        },
    }
}

fn parsed(file: &str, text: &str) -> Option<Value> {
    yaml::parse(file, text).value.as_ref().map(json)
}

fn texts(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// Both agree on every case; `read` gives the findings of the reader.
fn check(folder: &str, schema: &Value, read: impl Fn(&str) -> Diagnostics) {
    let validator = validator(schema);
    let (mut accepted, mut refused) = (0, 0);
    for (path, text) in texts(folder) {
        let Some(value) = parsed("x.yml", &text) else { continue };
        if path.file_stem().is_some_and(|stem| stem == "26_a_buildspec") {
            // A case of the front door, which takes both kinds.
            continue;
        }
        let diagnostics = read(&text);
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        if diagnostics.is_empty() {
            accepted += 1;
            assert!(errors.is_empty(), "{} is refused: {errors:#?}", path.display());
        }
        if diagnostics.iter().any(|found| matches!(found.code, "unknown-key" | "missing-key" | "exactly-one-of")) {
            refused += 1;
            assert!(!errors.is_empty(), "{} is accepted", path.display());
        }
    }
    assert!(accepted >= 5 && refused >= 2, "{accepted} accepted and {refused} refused in {folder}");
}

#[test]
fn the_pipeline_schema_agrees_with_the_reader() {
    check("tests/cases/pipeline", &schema::pipeline(), |text| read_pipeline(text, Purpose::Validate).diagnostics);
}

#[test]
fn the_buildspec_schema_agrees_with_the_reader() {
    check("tests/cases/buildspec", &schema::buildspec(), |text| read_buildspec("buildspec.yml", text).diagnostics);
}

#[test]
fn the_sketch_of_every_kind_of_work_is_accepted() {
    let (_, text) =
        texts("tests/cases/pipeline").into_iter().find(|(path, _)| path.ends_with("02_the_sketch.yml")).unwrap();
    let errors: Vec<String> = validator(&schema::pipeline())
        .iter_errors(&parsed("x", &text).unwrap())
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn the_examples_are_accepted() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let (pipeline, buildspec) = (validator(&schema::pipeline()), validator(&schema::buildspec()));
    let mut seen = 0;
    for folder in fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path()) {
        for (name, validator) in [("pipeline.yml", &pipeline), ("buildspec.yml", &buildspec)] {
            let Ok(text) = fs::read_to_string(folder.join(name)) else { continue };
            seen += 1;
            let value = parsed(name, &text).unwrap();
            let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}/{name}: {errors:#?}", folder.display());
        }
    }
    assert!(seen >= 5, "only {seen} files were found");
}
