//! Reads pipelines with a few buildspecs at hand and one variable given, as a caller would.

use std::collections::BTreeMap;

use pipeline_spec::diagnostic::Reading;
use pipeline_spec::plan::Plan;
use pipeline_spec::{Purpose, ReadOptions, read};

/// The buildspecs that there are.
const BUILDSPECS: [(&str, &str); 3] = [
    (
        "buildspec.yml",
        "version: 0.2\nenv:\n  variables: { LOG: info, WHO: buildspec }\n  exported-variables: [VERSION]\n\
         phases:\n  build:\n    commands: [make, make test]\n    finally: [rm -rf tmp]\n",
    ),
    ("ci/linux.yml", "version: 0.2\nphases:\n  build:\n    commands: make linux\n"),
    ("ci/broken.yml", "version: 0.2\nphases:\n  bild:\n    commands: make\n"),
];

/// The text of a buildspec.
pub(crate) fn buildspec(path: &str) -> Option<&'static str> {
    BUILDSPECS.iter().find(|(name, _)| *name == path).map(|(_, text)| *text)
}

/// Reads a pipeline of the project `project`, with the value `2.0` for a variable `given` if it has one.
pub(crate) fn read_pipeline(text: &str, purpose: Purpose) -> Reading<Plan> {
    let given = text.contains("\n  given:").then(|| ("given".to_owned(), "2.0".to_owned()));
    let options = ReadOptions {
        project: "project",
        variables: BTreeMap::from_iter(given),
        purpose,
        buildspec: &|path| buildspec(path).map(str::to_owned).ok_or_else(|| "there is no such file".to_owned()),
    };
    read("pipeline.yml", text, &options)
}
