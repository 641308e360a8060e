//! `cases/KIND/NN_name.yml` has its plan, its diagnostics or both beside it.
//!
//! `UPDATE_EXPECT=1` writes them anew; a file that is not expected any more is taken away.

use std::fs;
use std::path::{Path, PathBuf};

use pipeline_spec::diagnostic::Colours;
use pipeline_spec::plan::Source;
use pipeline_spec::{Purpose, plan_of_buildspec, read_buildspec, view};
use serde_json::Value;

use crate::reader::read_pipeline;

#[test]
fn every_buildspec_case_reads_as_written_beside_it() {
    check_all("buildspec", 20, |text| {
        let reading = read_buildspec("buildspec.yml", text);
        let diagnostics = reading.diagnostics.render(|_| Some(text), Colours::Off);
        let plan = reading.value.map(|buildspec| {
            let plan = plan_of_buildspec(&buildspec, "project", Source::Folder { path: ".".to_owned() });
            let build = serde_json::to_value(&plan.stages[0].actions[0].work).unwrap();
            format!("{:#}\n", pruned(build))
        });
        vec![("plan", plan.unwrap_or_default()), ("diagnostics", diagnostics)]
    });
}

#[test]
fn every_pipeline_case_reads_as_written_beside_it() {
    check_all("pipeline", 30, |text| {
        let reading = read_pipeline(text, Purpose::Run);
        let source_of = |file: &str| if file == "pipeline.yml" { Some(text) } else { crate::reader::buildspec(file) };
        let diagnostics = reading.diagnostics.render(source_of, Colours::Off);
        let plan = reading.value.map(|plan| format!("{:#}\n", pruned(serde_json::to_value(&plan).unwrap())));
        vec![("plan", plan.unwrap_or_default()), ("diagnostics", diagnostics)]
    });
}

#[test]
fn every_view_shows_the_plan_as_written_beside_it() {
    check_all("view", 3, |text| {
        let reading = read_pipeline(text, Purpose::Run);
        let plan = reading.value.unwrap_or_else(|| panic!("{:?}", reading.diagnostics));
        assert_eq!(view::json(&plan).parse::<Value>().unwrap(), serde_json::to_value(&plan).unwrap());
        vec![("txt", view::text(&plan)), ("mermaid", view::mermaid(&plan)), ("dot", view::dot(&plan))]
    });
}

/// Runs all cases of a folder, of which there are at least so many. `read` gives a text for each extension.
fn check_all(folder: &str, at_least: usize, read: impl Fn(&str) -> Vec<(&'static str, String)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .collect();
    cases.sort();
    assert!(cases.len() >= at_least, "only {} cases in {}", cases.len(), folder.display());
    let mut wrong: Vec<String> = Vec::new();
    for case in cases {
        let expectations = read(&fs::read_to_string(&case).unwrap());
        wrong.extend(
            expectations.iter().filter_map(|(extension, actual)| compare(&case.with_extension(extension), actual)),
        );
    }
    assert!(wrong.is_empty(), "{}\nUPDATE_EXPECT=1 writes the files anew", wrong.join("\n"));
}

fn compare(file: &Path, actual: &str) -> Option<String> {
    let expected = fs::read_to_string(file).unwrap_or_default();
    if expected == actual {
        return None;
    }
    if crate::variable("UPDATE_EXPECT").is_some() {
        match actual {
            "" => fs::remove_file(file).unwrap(),
            actual => fs::write(file, actual).unwrap(),
        }
        return None;
    }
    Some(format!("{}:\n--- expected\n{expected}+++ actual\n{actual}", file.display()))
}

/// Without what is null, empty or false, so that a plan shows what its text is about.
fn pruned(value: Value) -> Value {
    let says_something = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        _ => true,
    };
    match value {
        Value::Object(entries) => {
            let pruned = entries.into_iter().map(|(key, value)| (key, pruned(value)));
            Value::Object(pruned.filter(|(_, value)| says_something(value)).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(pruned).collect()),
        value => value,
    }
}
