//! `reports`: test results that are read after the phases.

use super::UNSUPPORTED;
use crate::diagnostic::{Diagnostics, Severity, did_you_mean, shortened};
use crate::fields::{Fields, Written, wrong_type};
use crate::yaml::Entry;

/// A report group as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The group's name, its ARN, or shell text.
    pub name: String,
    /// Globs of the files.
    pub files: Vec<String>,
    /// The format in capitals; not written: `JUNITXML`.
    pub file_format: Option<String>,
    /// Where the globs start.
    pub base_directory: Option<String>,
    /// Whether the files' folders are left out of the names that they are stored under.
    pub discard_paths: bool,
}

/// CodeBuild's formats of tests and of coverage.
const FORMATS: [&str; 10] = [
    "JUNITXML",
    "CUCUMBERJSON",
    "NUNITXML",
    "NUNIT3XML",
    "TESTNGXML",
    "VISUALSTUDIOTRX",
    "CLOVERXML",
    "COBERTURAXML",
    "JACOCOXML",
    "SIMPLECOV",
];

/// As many as a project can have.
const MAX_GROUPS: usize = 5;

pub(super) fn read(entry: &Entry, d: &mut Diagnostics) -> Vec<Report> {
    let Some(entries) = entry.value.as_map() else {
        wrong_type(&entry.value, "reports", "a mapping of report groups", entry.key_span, d);
        return Vec::new();
    };
    if let Some(extra) = entries.get(MAX_GROUPS) {
        d.warning("too-many", extra.key_span, format!("CodeBuild reads {MAX_GROUPS} report groups at the most"));
    }
    entries.iter().filter_map(|entry| report(entry, d)).collect()
}

fn report(entry: &Entry, d: &mut Diagnostics) -> Option<Report> {
    let mut fields =
        Fields::of(&entry.value, format!("the report group `{}`", shortened(&entry.key)), entry.key_span, d)?;
    fields.required("files", d);
    let files = fields.texts("files", d).unwrap_or_default();
    let format = fields.text("file-format", d);
    let base_directory = fields.text("base-directory", d).map(|text| text.value).filter(|text| !text.is_empty());
    let discard_paths = fields.flag("discard-paths", d).is_some_and(|flag| flag.value);
    fields.finish(Severity::Warning, d);
    if let Some(format) = &format {
        warn_of_format(format, d);
    }
    Some(Report {
        name: entry.key.clone(),
        files: files.into_iter().map(|text| text.value).collect(),
        file_format: format.map(|text| text.value.to_ascii_uppercase()),
        base_directory,
        discard_paths,
    })
}

/// A build with a report that cannot be read is still a build, so this is never an error.
fn warn_of_format(format: &Written<String>, d: &mut Diagnostics) {
    let name = format.value.to_ascii_uppercase();
    if !FORMATS.contains(&name.as_str()) {
        let message = format!("there is no report format `{}`; this report is not read", shortened(&format.value));
        d.warning("report-format", format.span, message).hint(did_you_mean(&name, &FORMATS));
    } else if name != FORMATS[0] {
        let message = format!("reports in the format {name} are not read yet");
        d.warning(UNSUPPORTED, format.span, message).hint("JUNITXML is");
    }
}
