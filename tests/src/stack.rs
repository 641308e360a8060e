//! Services of the emulator that the tests have no SDK for: CloudFormation, EventBridge, Auto Scaling, EC2, CodeBuild.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::aws::{ACCOUNT, AwsEmulator, REGION, program};
use crate::binary::repository;

/// Deploys a template, and tells `status`, `failures`, `resources` and `outputs` of the stack.
#[must_use]
pub fn deploy(emulator: &AwsEmulator, name: &str, template: &Path, parameters: &[(&str, &str)]) -> Value {
    let mut words = vec!["deploy".to_owned(), name.to_owned(), template.display().to_string()];
    words.extend(parameters.iter().map(|(key, value)| format!("{key}={value}")));
    asked(emulator, &words)
}

/// One call of a service, by botocore's name for the operation.
#[must_use]
pub fn call(emulator: &AwsEmulator, service: &str, operation: &str, arguments: &Value) -> Value {
    asked(emulator, &["call".to_owned(), service.to_owned(), operation.to_owned(), arguments.to_string()])
}

fn asked(emulator: &AwsEmulator, words: &[String]) -> Value {
    let mut python = Command::new(program("python"));
    python.arg(repository().join("tests/lib/stack.py")).args([&emulator.endpoint(), REGION, ACCOUNT]).args(words);
    let output = python.output().unwrap_or_else(|error| panic!("no python: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}
