//! Spec files for the command line: what is wrong with one is printed.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use pipeline_spec::Purpose;
use pipeline_spec::diagnostic::Colours;
use pipeline_spec::plan::{Plan, Source};

use super::out;
use crate::fault::Fault;
use crate::spec::{self, Checked};

pub(super) type Variables = BTreeMap<String, String>;

/// Colours when what is written is read on a terminal.
pub(super) fn colours() -> Colours {
    if std::io::stderr().is_terminal() { Colours::On } else { Colours::Off }
}

/// A spec file, and the root of the source that it is of.
pub(super) struct SpecFile {
    name: String,
    text: String,
    root: PathBuf,
}

impl SpecFile {
    /// The file that is named, or one of the folder that is named or else of the current one.
    pub(super) fn find(named: Option<&Path>, variables: &Variables) -> Result<Self, Fault> {
        Self::open(&spec::find(named, Path::new("."))?, variables)
    }

    pub(super) fn open(path: &Path, variables: &Variables) -> Result<Self, Fault> {
        let text = spec::text(path)?;
        let root = spec::source_of(path, &text, variables, Path::new("."));
        Ok(Self { name: path.display().to_string(), text, root })
    }

    /// The file that is named, or one at the root of that folder, with the folder as its source.
    pub(super) fn with_source(named: Option<&Path>, root: PathBuf) -> Result<Self, Fault> {
        let path = named.map_or_else(|| spec::find(None, &root), |path| Ok(path.to_owned()))?;
        Ok(Self { name: path.display().to_string(), text: spec::text(&path)?, root })
    }

    /// A file of a source that was fetched, by its path there.
    pub(super) fn fetched(named: Option<&Path>, root: PathBuf) -> Result<Self, Fault> {
        let named = named.map(|path| path.display().to_string());
        let (name, text) = spec::of_source(&root, named.as_deref())?;
        Ok(Self { name, text, root })
    }

    /// Reads it, and the buildspecs that it names.
    pub(super) fn check(self, variables: &Variables, project: Option<&str>, purpose: Purpose) -> Checked {
        spec::read_text(&self.name, self.text, &self.root, variables, project, purpose)
    }

    /// Its plan. Everything that is wrong with it is printed.
    pub(super) fn plan(self, variables: &Variables, project: Option<&str>) -> Result<Plan, Fault> {
        let (name, root) = (self.name.clone(), self.root.clone());
        let checked = self.check(variables, project, Purpose::Run);
        if !checked.diagnostics.is_empty() {
            out::note(&checked.render(colours()));
        }
        let mut plan = checked.plan.ok_or_else(|| Fault::configuration(format!("{name}: not a valid spec")))?;
        if let Source::Folder { path } = &mut plan.source {
            *path = root.canonicalize().map_err(spec::io_usage(&root))?.display().to_string();
        }
        Ok(plan)
    }
}

/// `name=value` as in `--var`.
pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}
