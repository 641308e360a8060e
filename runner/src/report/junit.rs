//! JUnit XML.

use serde::{Deserialize, Serialize};

/// What a group of report files says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct TestReport {
    /// The report group.
    pub group: String,
    /// How many files were read.
    pub files: u64,
    /// Test cases in all.
    pub total: u64,
    /// Passed.
    pub passed: u64,
    /// Failed an assertion.
    pub failed: u64,
    /// Broke.
    pub errors: u64,
    /// Left out.
    pub skipped: u64,
    /// Seconds in all.
    pub duration: f64,
    /// The cases that failed or broke.
    pub failures: Vec<FailedTest>,
}

/// A case that failed or broke.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct FailedTest {
    /// Its suite or class.
    pub suite: String,
    /// Its name.
    pub name: String,
    /// What it said.
    pub message: String,
}
