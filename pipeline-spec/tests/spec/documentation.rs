//! What we show to users is right: the examples, and every block of `docs/pipeline.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pipeline_spec::diagnostic::Colours;
use pipeline_spec::{Purpose, ReadOptions, read, schema};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn reference() -> String {
    fs::read_to_string(root().join("docs/pipeline.md")).unwrap()
}

/// Reads a text that stands in a folder, and allows no finding.
fn check(file: &str, text: &str, folder: &Path) {
    let options = ReadOptions {
        project: "example",
        variables: BTreeMap::new(),
        purpose: Purpose::Validate,
        buildspec: &|path| fs::read_to_string(folder.join(path)).map_err(|error| error.to_string()),
    };
    let diagnostics = read(file, text, &options).diagnostics;
    assert!(diagnostics.is_empty(), "{}", diagnostics.render(|_| Some(text), Colours::Off));
}

#[test]
fn every_example_is_read_without_a_finding() {
    let mut seen = 0;
    for folder in fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path()) {
        for name in ["pipeline.yml", "buildspec.yml"] {
            let Ok(text) = fs::read_to_string(folder.join(name)) else { continue };
            seen += 1;
            check(&format!("{}/{name}", folder.display()), &text, &folder);
        }
    }
    assert!(seen >= 5, "only {seen} files were found");
}

#[test]
fn every_pipeline_in_the_reference_is_read_without_a_finding() {
    let reference = reference();
    let blocks: Vec<&str> = reference.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 4, "only {} blocks were found", blocks.len());
    for block in blocks {
        check("docs/pipeline.md", block, Path::new("no such folder"));
    }
}

#[test]
fn the_reference_explains_every_key() {
    fn keys<'s>(schema: &'s Value, into: &mut BTreeSet<&'s str>) {
        match schema {
            Value::Object(entries) => {
                if let Some(Value::Object(properties)) = entries.get("properties") {
                    into.extend(properties.keys().map(String::as_str));
                }
                entries.values().for_each(|value| keys(value, into));
            }
            Value::Array(items) => items.iter().for_each(|item| keys(item, into)),
            _ => {}
        }
    }
    let mut schema = schema::pipeline();
    // The keys of buildspecs are explained by AWS.
    for definition in ["buildspec", "phase", "artifacts"] {
        schema["definitions"].as_object_mut().unwrap().remove(definition);
    }
    let mut known = BTreeSet::new();
    keys(&schema, &mut known);
    let reference = reference();
    let missing: Vec<&&str> = known
        .iter()
        .filter(|key| !reference.contains(&format!("`{key}`")))
        .filter(|key| !reference.contains(&format!("**`{key}`**")))
        .collect();
    assert!(known.len() > 60 && missing.is_empty(), "{missing:?} of {} keys", known.len());
}
