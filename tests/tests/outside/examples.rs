//! Every folder of `examples/`, run as a user runs it, against its transcript.

use std::process::Command;

use sluice_tests::binary::{output_of, repository, sluice};
use sluice_tests::transcript::Transcript;

/// Runs the example's command in a state directory of its own and compares.
fn check(example: &str) {
    let folder = repository().join("examples").join(example);
    let transcript = Transcript::parse(&std::fs::read_to_string(folder.join("transcript.txt")).unwrap());
    let state = tempfile::tempdir().unwrap();
    let (program, words) = transcript.command.split_first().unwrap();
    let mut command = match program.as_str() {
        "sluice" => Command::new(sluice()),
        script => Command::new(folder.join(script)),
    };
    command.args(words).current_dir(&folder).env("SLUICE", sluice()).env("SLUICE_STATE_DIR", state.path());
    let (output, status) = output_of(command.env("NO_COLOR", "1"));
    if let Some(difference) = transcript.difference(&output, status) {
        panic!("examples/{example}: {difference}\n---- it printed:\n{output}");
    }
}

#[test]
fn hello_runs_as_its_transcript_says() {
    check("hello");
}

#[test]
fn matrix_runs_as_its_transcript_says() {
    check("matrix");
}

#[test]
fn sidecar_runs_as_its_transcript_says() {
    check("sidecar");
}

#[test]
fn service_goes_from_a_commit_to_production() {
    check("service");
}

#[test]
fn a_roll_out_that_fails_is_taken_back_and_fails_the_run() {
    check("failing");
}

#[test]
fn an_execution_of_codepipeline_goes_through_a_worker() {
    check("worker");
}

#[test]
fn every_example_is_run_and_explained() {
    let folders = std::fs::read_dir(repository().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let mut names = Vec::new();
    for folder in folders.filter(|path| path.is_dir()) {
        assert!(folder.join("README.md").is_file(), "{} has no README.md", folder.display());
        names.push(folder.file_name().unwrap().to_string_lossy().into_owned());
    }
    names.sort();
    assert_eq!(
        names,
        ["failing", "hello", "matrix", "service", "sidecar", "worker"],
        "each of them has a test in this file"
    );
}

#[test]
fn the_workers_image_is_built_on_a_base_of_our_own() {
    let (output, status) = output_of(Command::new(repository().join("tests/dockerfile.sh")).env("SLUICE", sluice()));
    assert_eq!(status, 0, "{output}");
}
