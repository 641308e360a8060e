//! What holds for every text: nothing panics, every place lies in the text, and what validates plans.

use pipeline_spec::diagnostic::Colours;
use pipeline_spec::plan::{Plan, Source};
use pipeline_spec::{plan_of_buildspec, read_buildspec};
use proptest::prelude::*;

fn check(text: &str) {
    let reading = read_buildspec("f.yml", text);
    assert_eq!(reading.value.is_none(), reading.diagnostics.has_errors(), "{text:?}: {:?}", reading.diagnostics);
    let lines = text.split(['\n', '\r']).count() + 1;
    for found in reading.diagnostics.iter() {
        assert!((1..=lines).contains(&(found.span.line as usize)), "{text:?}: {found:?}");
    }
    let _ = reading.diagnostics.render(|_| Some(text), Colours::Off);
    if let Some(buildspec) = reading.value {
        let plan = plan_of_buildspec(&buildspec, "p", Source::Folder { path: ".".to_owned() });
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan, "{text:?}");
    }
}

/// Pieces of buildspecs, whole and broken.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "version",
        "0.2",
        "0.1",
        "phases",
        "install",
        "build",
        "pre_build",
        "commands",
        "finally",
        "on-failure",
        "RETRY-3-x",
        "env",
        "variables",
        "secrets-manager",
        "a:b:c:d",
        "arn:aws:x",
        "artifacts",
        "files",
        "batch",
        "build-graph",
        "identifier",
        "depend-on",
        "cache",
        "paths",
        "reports",
        "x",
        "yes",
        "no",
        "~",
        "'",
        "\"",
        "|",
        ">-",
        "&a",
        "*a",
        "<<",
        "!t",
        "{",
        "}",
        "[",
        "]",
        "#",
        "%",
        "---",
        "...",
        "\t",
        "é",
        "\u{feff}",
        "\0",
        "\r",
    ];
    let joints = [": ", "\n", "\n  ", "\n    ", "\n- ", "\n  - ", " ", "", ", ", ":\n  "];
    (prop::sample::select(words.to_vec()), prop::sample::select(joints.to_vec()))
        .prop_map(|(word, joint)| format!("{word}{joint}"))
}

/// Buildspecs that are nearly right, so that the keys below the top are reached.
fn nearly_right() -> impl Strategy<Value = String> {
    let bodies = [
        "phases: {build: {commands: [HOLE]}}",
        "phases:\n  build:\n    on-failure: HOLE\n    commands: x",
        "phases: {build: {commands: x, finally: HOLE}}\nrun-as: HOLE",
        "env: {shell: HOLE, variables: {HOLE: HOLE}}\nphases: {build: {commands: x}}",
        "env: {secrets-manager: {A: HOLE}, parameter-store: {B: HOLE}}\nphases: {build: {commands: x}}",
        "phases: {HOLE: {commands: x}}",
        "phases: {build: {commands: x}}\nartifacts: {files: HOLE, secondary-artifacts: {a: {files: HOLE}}}",
        "phases: {build: {commands: x}}\nreports: {HOLE: {files: HOLE, file-format: HOLE}}",
        "phases: {build: {commands: x}}\ncache: {paths: HOLE, key: HOLE, action: HOLE}",
        "batch: {build-graph: [{identifier: HOLE, depend-on: HOLE}, {identifier: b, depend-on: [HOLE]}]}",
        "batch: {build-matrix: {dynamic: {env: {variables: {A: HOLE}}}}}",
    ];
    (prop::sample::select(bodies.to_vec()), any::<bool>(), "[a-z0-9:*\\-\\[\\]{} ]{0,12}").prop_map(
        |(body, old, hole)| format!("version: 0.{}\n{}\n", if old { 1 } else { 2 }, body.replace("HOLE", &hole)),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        check(&text);
    }

    #[test]
    fn no_mixture_of_yaml_and_keys_panics(pieces in prop::collection::vec(piece(), 0..40)) {
        check(&pieces.concat());
    }

    #[test]
    fn what_validates_plans(text in nearly_right()) {
        check(&text);
    }
}
