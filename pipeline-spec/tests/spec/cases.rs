//! `cases/buildspec/NN_name.yml` has its plan, its diagnostics or both beside it.
//!
//! `UPDATE_EXPECT=1` writes them anew; a file that is not expected any more is taken away.

use std::fs;
use std::path::{Path, PathBuf};

use pipeline_spec::diagnostic::Colours;
use pipeline_spec::plan::Source;
use pipeline_spec::{plan_of_buildspec, read_buildspec};
use serde_json::Value;

#[test]
fn every_buildspec_case_reads_as_written_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/buildspec");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 20, "only {} cases in {}", cases.len(), folder.display());
    let wrong: Vec<String> = cases.iter().flat_map(|case| check(case)).collect();
    assert!(wrong.is_empty(), "{}\nUPDATE_EXPECT=1 writes the files anew", wrong.join("\n"));
}

/// What differs from the files beside the case.
fn check(case: &Path) -> Vec<String> {
    let text = fs::read_to_string(case).unwrap();
    let reading = read_buildspec("buildspec.yml", &text);
    let diagnostics = reading.diagnostics.render(|_| Some(&text), Colours::Off);
    let plan = reading.value.map(|buildspec| {
        let plan = plan_of_buildspec(&buildspec, "project", Source::Folder { path: ".".to_owned() });
        let build = serde_json::to_value(&plan.stages[0].actions[0].work).unwrap();
        format!("{:#}\n", pruned(build))
    });
    let expectations = [("plan", plan.unwrap_or_default()), ("diagnostics", diagnostics)];
    expectations.iter().filter_map(|(extension, actual)| compare(&case.with_extension(extension), actual)).collect()
}

fn compare(file: &Path, actual: &str) -> Option<String> {
    let expected = fs::read_to_string(file).unwrap_or_default();
    if expected == actual {
        return None;
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
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
