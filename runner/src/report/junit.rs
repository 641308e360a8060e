//! Test reports in JUnit XML, as the many tools that write it understand it.
//!
//! The cases are counted; the totals that a file claims are not believed. A file that cannot be read is a problem
//! told by name, and changes nothing in the report. Limits are those of CodeBuild (user guide, "Quotas").

mod parse;

use std::io::{BufReader, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::artifact::{self, Base, Collected, MemberKind, Rules, collect};

/// How many cases of a report are kept; all are counted.
pub const CASES_KEPT: usize = 500;

/// How many bytes the cases of a report may take as JSON. A report is one event, and an item of DynamoDB holds 400 KB.
const TEXT_KEPT: usize = 200_000;

/// Files beyond this many bytes are no test reports.
const LARGEST_FILE: u64 = 256 * 1024 * 1024;

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
    /// The cases that failed or broke, the first [`CASES_KEPT`] of them.
    pub failures: Vec<FailedTest>,
}

/// A case that failed or broke.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct FailedTest {
    /// Its class, or else its suite. At most 1,000 characters.
    pub suite: String,
    /// Its name. At most 1,000 characters.
    pub name: String,
    /// What it said. At most 5,000 characters.
    pub message: String,
    /// The source file that it stands in, with its line if that is known: `tests/a.py:12`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Reads the report files that the globs match under a base directory, with the rules of artifacts. What cannot be
/// read is told in sentences beside the report. It blocks.
#[must_use]
pub fn read(group: &str, files: &[String], base: &Base) -> (TestReport, Vec<String>) {
    let mut report = TestReport { group: group.to_owned(), ..TestReport::default() };
    let rules = Rules { files: files.to_vec(), ..Rules::default() };
    let (members, mut problems) = match collect(&rules, base) {
        Collected::Selected(selection) => (selection.members, selection.notices),
        Collected::Failed { message, mut notices } => {
            let message = match message.as_str() {
                "no matching artifact paths found" => "no matching report paths found".to_owned(),
                _ => message,
            };
            notices.push(message);
            (Vec::new(), notices)
        }
    };
    let mut room = TEXT_KEPT;
    for member in members.iter().filter(|member| matches!(member.kind, MemberKind::File { .. })) {
        match read_file(&member.path) {
            Ok(of_file) => report.add(of_file, &mut room),
            Err(why) => problems.push(format!("`{}` {why}", member.name)),
        }
    }
    let (broken, kept) = (report.failed + report.errors, report.failures.len());
    if broken > kept as u64 {
        problems.push(format!("the messages of {kept} of {broken} failed tests are kept: the rest is too much"));
    }
    (report, problems)
}

fn read_file(path: &Path) -> Result<TestReport, String> {
    let file = artifact::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let bytes = file.metadata().map_err(|error| format!("cannot be read: {error}"))?.len();
    if bytes > LARGEST_FILE {
        return Err(format!("is too large for a test report ({bytes} bytes)"));
    }
    parse::parse(BufReader::new(file.take(LARGEST_FILE)))
}

impl TestReport {
    /// Adds what another file says, with its cases as far as there is room.
    fn add(&mut self, other: Self, room: &mut usize) {
        self.files += 1;
        self.total += other.total;
        self.passed += other.passed;
        self.failed += other.failed;
        self.errors += other.errors;
        self.skipped += other.skipped;
        self.duration += other.duration;
        for case in other.failures {
            let bytes = serde_json::to_string(&case).map_or(usize::MAX, |text| text.len());
            if self.failures.len() < CASES_KEPT && bytes <= *room {
                *room -= bytes;
                self.failures.push(case);
            }
        }
    }
}

#[cfg(test)]
mod tests;
