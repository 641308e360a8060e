//! Spec files: which file is meant, its text and those of the buildspecs that it names, and the plan of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use pipeline_spec::diagnostic::{Colours, Diagnostics, Span};
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
    found.ok_or_else(|| no_spec(folder).hint("name the file: `sluice run FILE`"))
}

/// The spec of a source that somebody else may have written: its name in the source, and its text. Nothing outside of
/// the source is read, whatever links there are, and no fault names the place of the source on this machine.
///
/// # Errors
/// A `Configuration` fault as [`find`] and [`text`], and for a spec that is not in the source.
pub(crate) fn of_source(source: &Path, named: Option<&str>) -> Result<(String, String), Fault> {
    let named = Path::new(named.unwrap_or("."));
    let name = if inside(source, named)?.is_dir() {
        let found = NAMES.iter().map(|name| in_folder(named, name)).find(|name| source.join(name).is_file());
        found.ok_or_else(|| {
            let place = if named == Path::new(".") { Path::new("the source") } else { named };
            no_spec(place).hint("add one, or name the spec by its path in the source")
        })?
    } else {
        named.to_owned()
    };
    let text = text_of(&name, &inside(source, &name)?)?;
    Ok((name.display().to_string(), text))
}

fn no_spec(place: &Path) -> Fault {
    Fault::configuration(format!("there is no {} in {}", NAMES.join(", "), place.display()))
}

/// A file of a folder, as a person would write it: without `./`.
fn in_folder(folder: &Path, name: &str) -> PathBuf {
    if folder == Path::new(".") { PathBuf::from(name) } else { folder.join(name) }
}

/// The root of the source of a spec on this machine.
///
/// A pipeline may name a folder, relative to its own file. Otherwise it is the folder `here` for a spec below it, when both
/// are in one Git work tree: a worker takes the whole repository, wherever the spec is in it. Elsewhere it is the spec's
/// own folder: nobody means their home directory who runs a file below it.
pub(crate) fn source_of(path: &Path, text: &str, variables: &BTreeMap<String, String>, here: &Path) -> PathBuf {
    let folder = folder_of(path);
    if let Some(named) = pipeline_spec::source_folder(&path.display().to_string(), text, variables) {
        return folder.join(named);
    }
    let (Ok(real), Ok(real_here)) = (folder.canonicalize(), here.canonicalize()) else { return folder.to_owned() };
    let work_tree = real.ancestors().find(|ancestor| ancestor.join(".git").exists());
    let is_of_here = real.starts_with(&real_here) && work_tree.is_some_and(|top| real_here.starts_with(top));
    if is_of_here { here.to_owned() } else { folder.to_owned() }
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
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
    /// A spec that cannot be read at all.
    pub(crate) fn unreadable(file: &str, fault: &Fault) -> Self {
        let mut diagnostics = Diagnostics::of(file);
        diagnostics.error("unreadable", Span::START, without_name(file, &fault.message));
        Self { plan: None, diagnostics, texts: BTreeMap::new() }
    }

    /// The diagnostics for people.
    pub(crate) fn render(&self, colours: Colours) -> String {
        self.diagnostics.render(|name| self.texts.get(name).map(String::as_str), colours)
    }
}

/// The text of a spec file.
///
/// # Errors
/// A `Configuration` fault for one that cannot be read, is too large, or is no text.
pub(crate) fn text(path: &Path) -> Result<String, Fault> {
    text_of(path, path)
}

/// The text of a file of a source, by its path there.
///
/// # Errors
/// As [`text`], and for a path that leads out of the source.
pub(crate) fn text_in(source: &Path, name: &str) -> Result<String, Fault> {
    let name = Path::new(name);
    text_of(name, &inside(source, name)?)
}

/// The text of the file at `path`, which people know as `name`.
fn text_of(name: &Path, path: &Path) -> Result<String, Fault> {
    let wrong = |what: String| Fault::configuration(format!("{}: {what}", name.display()));
    let mut bytes = Vec::new();
    // By what is read and not by its size: a pipe of the shell has none.
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(io_usage(name))?;
    if bytes.len() as u64 > LARGEST {
        return Err(wrong(format!("more than {LARGEST} bytes are too many for a spec")));
    }
    String::from_utf8(bytes).map_err(|error| wrong(format!("not a text in UTF-8: {error}")))
}

/// Reads a spec's text, which goes by the name of `file`, and what it names. Buildspecs are looked for below `folder`, the
/// root of the source.
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
        let text = text_in(folder, name).map_err(|fault| without_name(name, &fault.message).to_owned())?;
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
fn inside(folder: &Path, relative: &Path) -> Result<PathBuf, Fault> {
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let path = folder.join(relative);
    let real = |path: &Path| path.canonicalize().ok();
    let escapes = real(&path).is_some_and(|real_path| real(folder).is_none_or(|folder| !real_path.starts_with(folder)));
    if plain && !escapes {
        return Ok(path);
    }
    Err(Fault::configuration(format!("{} leads out of the source", relative.display())))
}

/// A fault's message where the name of the file stands beside it anyway.
fn without_name<'m>(file: &str, message: &'m str) -> &'m str {
    message.strip_prefix(file).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(message)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A source, and a file of the machine beside it.
    fn source() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let machine = tempfile::tempdir().unwrap();
        let (source, secret) = (machine.path().join("source"), machine.path().join("secret.yml"));
        std::fs::create_dir_all(source.join("ci")).unwrap();
        std::fs::write(&secret, "password: hunter2\n").unwrap();
        (machine, source, secret)
    }

    #[test]
    fn a_link_out_of_the_source_is_no_spec_whether_it_is_named_or_found() {
        let (machine, source, secret) = source();
        symlink(&secret, source.join("pipeline.yml")).unwrap();
        symlink(&secret, source.join("ci/pipeline.yml")).unwrap();
        symlink(machine.path(), source.join("out")).unwrap();
        for (named, told) in [
            (None, "pipeline.yml leads out of the source"),
            (Some("pipeline.yml"), "pipeline.yml leads out of the source"),
            (Some("ci"), "ci/pipeline.yml leads out of the source"),
            (Some("out/secret.yml"), "out/secret.yml leads out of the source"),
            (Some("out"), "out leads out of the source"),
            (Some("../secret.yml"), "../secret.yml leads out of the source"),
            (Some("ci/none.yml"), "ci/none.yml: No such file or directory (os error 2)"),
        ] {
            assert_eq!(of_source(&source, named).unwrap_err().message, told, "{named:?}");
        }
    }

    #[test]
    fn the_source_of_a_spec_is_what_a_worker_would_take() {
        let machine = tempfile::tempdir().unwrap();
        let (home, app) = (machine.path(), machine.path().join("app"));
        std::fs::create_dir_all(app.join("ci")).unwrap();
        let source = |path: &str, text: &str, here: &Path| {
            let source = source_of(&app.join(path), text, &[("top".into(), "..".into())].into(), here);
            source.canonicalize().unwrap().strip_prefix(home.canonicalize().unwrap()).unwrap().to_owned()
        };
        assert_eq!(source("ci/buildspec.yml", "", &app), Path::new("app/ci"), "there is no repository");
        std::fs::create_dir(app.join(".git")).unwrap();
        for (path, text, here, expected) in [
            ("buildspec.yml", "", &*app, "app"),
            ("ci/buildspec.yml", "", &app, "app"),
            ("ci/buildspec.yml", "", &app.join("ci"), "app/ci"),
            ("buildspec.yml", "", &app.join("ci"), "app"),
            ("ci/buildspec.yml", "", home, "app/ci"),
            ("ci/pipeline.yml", "{ version: 1, source: { path: . } }", &app, "app/ci"),
            (
                "ci/pipeline.yml",
                "{ version: 1, source: { path: '${variables.top}' }, variables: { top: } }",
                home,
                "app",
            ),
        ] {
            assert_eq!(source(path, text, here), Path::new(expected), "{path} {text} from {}", here.display());
        }
    }

    #[test]
    fn a_spec_is_known_by_its_name_in_the_source() {
        let (_machine, source, _) = source();
        let missing = |named| of_source(&source, named).unwrap_err().message;
        assert_eq!(missing(None), "there is no pipeline.yml, pipeline.yaml, buildspec.yml in the source");
        assert_eq!(missing(Some("ci")), "there is no pipeline.yml, pipeline.yaml, buildspec.yml in ci");
        std::fs::write(source.join("ci/build.yml"), "version: 0.2").unwrap();
        symlink("build.yml", source.join("ci/buildspec.yml")).unwrap();
        assert_eq!(of_source(&source, Some("ci")).unwrap(), ("ci/buildspec.yml".into(), "version: 0.2".into()));
    }

    #[test]
    fn a_buildspec_is_read_as_carefully_as_the_spec_that_names_it() {
        let (_machine, source, secret) = source();
        symlink(&secret, source.join("link.yml")).unwrap();
        // Sparse: only its size matters.
        File::create(source.join("large.yml")).unwrap().set_len(LARGEST + 1).unwrap();
        std::fs::write(source.join("bytes.yml"), [0xff]).unwrap();
        let told = |name: &str| {
            let text = format!(
                "version: 1\nstages: [{{ name: a, actions: [{{ name: b, build: {{ buildspec: {name} }} }}] }}]"
            );
            let checked = read_text("pipeline.yml", text, &source, &BTreeMap::new(), None, Purpose::Run);
            checked.diagnostics.iter().map(|found| found.message.clone()).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(told("link.yml"), "the buildspec `link.yml` cannot be read: link.yml leads out of the source");
        let large = format!("more than {LARGEST} bytes are too many for a spec");
        assert_eq!(told("large.yml"), format!("the buildspec `large.yml` cannot be read: {large}"));
        assert!(told("bytes.yml").starts_with("the buildspec `bytes.yml` cannot be read: not a text in UTF-8"));
        let none = "the buildspec `none.yml` cannot be read: No such file or directory (os error 2)";
        assert_eq!(told("none.yml"), none);
    }
}
