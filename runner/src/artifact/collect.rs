//! From rules and directories to a selection.

use std::path::{Component, Path, PathBuf};

use super::glob::fixed_part;
use super::select::select;
use super::walk::{Found, walk};
use super::{Collected, Globs, Rules};

/// Where a build's files are on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The source directory; relative base directories start from it.
    pub source: &'a Path,
    /// The base directory, expanded: relative, a glob of directories, or an absolute path on this machine. `None` is
    /// the source directory.
    pub base: Option<&'a str>,
    /// The folder that symbolic links may not lead out of; usually the source directory. An absolute base directory
    /// that is not in it is its own.
    pub boundary: &'a Path,
}

/// Collects the files of a build. It reads the disk, and changes nothing.
#[must_use]
pub fn collect(rules: &Rules, origin: Origin<'_>) -> Collected {
    let failed = |message: String, notices: Vec<String>| Collected::Failed { message, notices };
    let (files, exclude) = match (Globs::new(&rules.files), Globs::new(&rules.exclude_paths)) {
        (Ok(files), Ok(exclude)) => (files, exclude),
        (Err(message), _) | (_, Err(message)) => return failed(message, Vec::new()),
    };
    let bases = match bases(origin) {
        Ok(bases) => bases,
        Err(message) => return failed(message, Vec::new()),
    };
    let mut found = Vec::new();
    let outside = files.outside().iter().chain(exclude.outside());
    let mut notices: Vec<String> =
        outside.map(|path| format!("`{path}` leads out of the base directory and is left out")).collect();
    for base in &bases {
        found.extend(look(base, &files, rules.enable_symlinks, origin.boundary));
        notices.extend(asked_for_directories(base, &files));
    }
    let mut selection = select(found, &files, &exclude, rules.discard_paths);
    selection.notices.append(&mut notices);
    if selection.files() > 0 {
        Collected::Selected(selection)
    } else {
        failed("no matching artifact paths found".into(), selection.notices)
    }
}

fn look(base: &Path, files: &Globs, keep_links: bool, boundary: &Path) -> Vec<Found> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (base, boundary) = (real(base), real(boundary));
    let boundary = if base.starts_with(&boundary) { boundary } else { base.clone() };
    walk(&base, &files.roots(), &boundary, keep_links)
}

/// A pattern that is a directory's name matches no file, in CodeBuild too; people are surprised.
fn asked_for_directories(base: &Path, files: &Globs) -> Vec<String> {
    let directories = files.plain().filter(|plain| base.join(plain).is_dir());
    directories.map(|plain| format!("`{plain}` is a directory: `{plain}/**/*` takes what is in it")).collect()
}

/// The base directories that there are, sorted.
fn bases(origin: Origin<'_>) -> Result<Vec<PathBuf>, String> {
    let Some(written) = origin.base.map(str::trim).filter(|base| !base.is_empty()) else {
        return Ok(vec![origin.source.to_owned()]);
    };
    let none = || format!("no matching base directory path found for {written}");
    if !Path::new(written).is_absolute() && Path::new(written).components().any(|part| part == Component::ParentDir) {
        return Err(format!("the base directory {written} leads out of the source"));
    }
    let fixed = fixed_part(written);
    if fixed == written {
        let base = origin.source.join(written);
        let outside = !Path::new(written).is_absolute() && leads_out(&base, origin.boundary);
        return if outside {
            Err(format!("the base directory {written} leads out of the source"))
        } else if base.is_dir() {
            Ok(vec![base])
        } else {
            Err(none())
        };
    }
    let parent = if fixed.is_empty() && written.starts_with('/') { Path::new("/") } else { Path::new(fixed) };
    let parent = origin.source.join(parent);
    let pattern = written[fixed.len()..].trim_matches('/').to_owned();
    let globs = Globs::new(std::slice::from_ref(&pattern))?;
    let depth = pattern.split('/').count();
    let mut bases: Vec<PathBuf> = walkdir::WalkDir::new(&parent)
        .min_depth(1)
        .max_depth(depth)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.path().strip_prefix(&parent).is_ok_and(|name| globs.matches(&name.to_string_lossy())))
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.is_dir() && !leads_out(path, &parent))
        .collect();
    bases.sort_unstable();
    if bases.is_empty() { Err(none()) } else { Ok(bases) }
}

fn leads_out(path: &Path, boundary: &Path) -> bool {
    match (path.canonicalize(), boundary.canonicalize()) {
        (Ok(path), Ok(boundary)) => !path.starts_with(boundary),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
