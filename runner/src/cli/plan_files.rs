//! Spec files for the command line: what is wrong with one is printed.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;

use pipeline_spec::Purpose;
use pipeline_spec::diagnostic::Colours;
use pipeline_spec::plan::{Plan, Source};

use super::out;
use crate::fault::Fault;
pub(super) use crate::spec::{find, folder_of, read};

/// Colours when what is written is read on a terminal.
pub(super) fn colours() -> Colours {
    if std::io::stderr().is_terminal() { Colours::On } else { Colours::Off }
}

/// The plan of a file. Everything that is wrong with it is printed.
pub(super) fn plan(
    path: &Path,
    folder: &Path,
    variables: &BTreeMap<String, String>,
    project: Option<&str>,
) -> Result<Plan, Fault> {
    let checked = read(path, folder, variables, project, Purpose::Run)?;
    if !checked.diagnostics.is_empty() {
        out::note(&checked.render(colours()));
    }
    let mut plan = checked.plan.ok_or_else(|| Fault::configuration(format!("{}: not a valid spec", path.display())))?;
    if let Source::Folder { path } = &mut plan.source {
        let absolute = folder.join(&*path);
        *path = absolute.canonicalize().map_err(crate::spec::io_usage(&absolute))?.display().to_string();
    }
    Ok(plan)
}

/// `name=value` as in `--var`.
pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}
