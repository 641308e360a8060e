//! Spec files: which file is meant, its text and those of the buildspecs that it names, and the plan of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use pipeline_spec::diagnostic::{Colours, Diagnostics};
use pipeline_spec::plan::Plan;
use pipeline_spec::{Purpose, ReadOptions};

use crate::fault::{Fault, io};

/// The files that are looked for, in this order.
const NAMES: [&str; 3] = ["pipeline.yml", "pipeline.yaml", "buildspec.yml"];

/// Larger files are no specs; they are not even read.
const LARGEST: u64 = 64 << 20;

/// The spec file that is meant: the one named, or the first of the usual ones in the folder.
///
/// # Errors
/// A `Configuration` fault when there is none.
pub(crate) fn find(named: Option<&Path>, folder: &Path) -> Result<PathBuf, Fault> {
    if let Some(path) = named {
        return if path.is_dir() { find(None, path) } else { Ok(path.to_owned()) };
    }
    let found = NAMES.iter().map(|name| in_folder(folder, name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        Fault::configuration(format!("there is no {} in {}", NAMES.join(", "), folder.display()))
            .hint("name the file: `sluice run FILE`")
    })
}

/// A file of a folder, as a person would write it: without `./`.
fn in_folder(folder: &Path, name: &str) -> PathBuf {
    if folder == Path::new(".") { PathBuf::from(name) } else { folder.join(name) }
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A spec file that was read, with all that is wrong with it and with the buildspecs that it names.
pub(crate) struct Checked {
    /// Its plan, when nothing is wrong.
    pub(crate) plan: Option<Plan>,
    /// What is wrong.
    pub(crate) diagnostics: Diagnostics,
    /// The texts that diagnostics point into, by their names.
    texts: BTreeMap<String, String>,
}

impl Checked {
    /// The diagnostics for people.
    pub(crate) fn render(&self, colours: Colours) -> String {
        self.diagnostics.render(|name| self.texts.get(name).map(String::as_str), colours)
    }
}

/// Reads a spec file and what it names. Buildspecs are looked for below `folder`, the root of the source.
pub(crate) fn read(
    path: &Path,
    folder: &Path,
    variables: &BTreeMap<String, String>,
    project: Option<&str>,
    purpose: Purpose,
) -> Result<Checked, Fault> {
    Ok(read_text(&path.display().to_string(), text(path)?, folder, variables, project, purpose))
}

/// The text of a spec file.
///
/// # Errors
/// A `Configuration` fault for one that cannot be read, is too large, or is no text.
pub(crate) fn text(path: &Path) -> Result<String, Fault> {
    let size = std::fs::metadata(path).map_err(io_usage(path))?.len();
    if size > LARGEST {
        return Err(Fault::configuration(format!("{}: {size} bytes are too many for a spec", path.display())));
    }
    let bytes = std::fs::read(path).map_err(io_usage(path))?;
    String::from_utf8(bytes)
        .map_err(|error| Fault::configuration(format!("{}: not a text in UTF-8: {error}", path.display())))
}

/// Reads a spec's text, which goes by the name of `file`, and what it names.
pub(crate) fn read_text(
    file: &str,
    text: String,
    folder: &Path,
    variables: &BTreeMap<String, String>,
    project: Option<&str>,
    purpose: Purpose,
) -> Checked {
    let texts = RefCell::new(BTreeMap::new());
    let resolve = |name: &str| {
        let text = buildspec(folder, name)?;
        texts.borrow_mut().insert(name.to_owned(), text.clone());
        Ok(text)
    };
    let default_project = project.map_or_else(|| folder_name(folder), str::to_owned);
    let variables = variables.clone();
    let options = ReadOptions { variables, project: &default_project, purpose, buildspec: &resolve };
    let reading = pipeline_spec::read(file, &text, &options);
    let mut texts = texts.into_inner();
    texts.insert(file.to_owned(), text);
    Checked { plan: reading.value, diagnostics: reading.diagnostics, texts }
}

/// A path of the source, which neither its own text nor a link leads out of: what is wrong with a file is shown, and
/// with it what is in the file.
///
/// # Errors
/// A `Configuration` fault for a path that leads elsewhere.
pub(crate) fn inside(folder: &Path, name: &str) -> Result<PathBuf, Fault> {
    let relative = Path::new(name);
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let path = folder.join(relative);
    let real = |path: &Path| path.canonicalize().ok();
    let escapes = real(&path).is_some_and(|real_path| real(folder).is_none_or(|folder| !real_path.starts_with(folder)));
    if plain && !escapes {
        return Ok(path);
    }
    Err(Fault::configuration(format!("{name} leads out of the source")))
}

fn buildspec(folder: &Path, name: &str) -> Result<String, String> {
    let path = inside(folder, name).map_err(|fault| fault.message)?;
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

fn folder_name(folder: &Path) -> String {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = real.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let clean: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' }).collect();
    let clean = clean.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    if clean.is_empty() { "project".to_owned() } else { clean.to_owned() }
}

/// A spec file that cannot be read is the user's to mend.
pub(crate) fn io_usage(path: &Path) -> impl FnOnce(std::io::Error) -> Fault + '_ {
    move |error| {
        let fault = io(path)(error);
        Fault { kind: crate::fault::FaultKind::Configuration, ..fault }
    }
}
