//! Real public buildspecs, read from a folder that is no part of the repository.
//!
//! `SLUICE_CORPUS` names it, or it is `../shared/corpus` beside the repository; the test passes where it is absent.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pipeline_spec::diagnostic::Severity;
use pipeline_spec::read_buildspec;

/// What CodeBuild refuses too: the reason, and the numbers that the files' names start with.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "it is not YAML",
        &["007", "046", "063", "074", "085", "094", "097", "101", "106", "115", "117", "126", "154", "156", "163"],
    ),
    ("it is empty", &["123"]),
    ("a command is a mapping", &["019", "021", "022"]),
    ("it has no such phase", &["027", "180"]),
    ("it has no phases", &["092", "129", "130"]),
    ("its secret has a placeholder for an ARN", &["024"]),
    ("a template from the documentation has every key twice", &["127", "161"]),
];

fn folder() -> PathBuf {
    match crate::variable("SLUICE_CORPUS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
    }
}

#[test]
fn what_codebuild_accepts_is_accepted() {
    let Ok(entries) = fs::read_dir(folder()) else {
        println!("no corpus at {}: nothing was read", folder().display());
        return;
    };
    let refused: BTreeMap<&str, &str> =
        REFUSED.iter().flat_map(|(reason, numbers)| numbers.iter().map(move |number| (*number, *reason))).collect();
    let (mut accepted, mut elsewhere, mut as_codebuild, mut wrong) = (0, 0, 0, Vec::new());
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some((number, _)) = name.split_once("__") else { continue };
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        let reading = read_buildspec(&name, &text);
        let errors: Vec<String> = reading
            .diagnostics
            .iter()
            .filter(|found| found.severity == Severity::Error)
            .map(|found| format!("{}:{}: {}: {}", name, found.span.line, found.code, found.message))
            .collect();
        let only_elsewhere = reading
            .diagnostics
            .iter()
            .filter(|found| found.severity == Severity::Error)
            .all(|found| ["windows-only", "unsupported"].contains(&found.code));
        match (errors.is_empty(), refused.get(number)) {
            (true, None) => accepted += 1,
            (true, Some(reason)) => wrong.push(format!("{name} is accepted, though {reason}")),
            (false, Some(_)) => as_codebuild += 1,
            (false, None) if only_elsewhere => elsewhere += 1,
            (false, None) => wrong.extend(errors),
        }
    }
    println!(
        "{accepted} accepted, {elsewhere} for Windows or with nothing but a batch, {as_codebuild} refused as by CodeBuild"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
