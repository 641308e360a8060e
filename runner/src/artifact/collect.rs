//! From rules and directories to a selection.

use std::path::Path;

use super::select::select;
use super::walk::walk;
use super::{Base, Collected, Globs, Rules};

/// Collects the files of a build. It reads the disk, and changes nothing.
#[must_use]
pub fn collect(rules: &Rules, base: &Base) -> Collected {
    let failed = |message: String, notices: Vec<String>| Collected::Failed { message, notices };
    let (files, exclude) = match (Globs::new(&rules.files), Globs::new(&rules.exclude_paths)) {
        (Ok(files), Ok(exclude)) => (files, exclude),
        (Err(message), _) | (_, Err(message)) => return failed(message, Vec::new()),
    };
    let (directories, boundary) = match (base.directories(), base.boundary()) {
        (Ok(directories), Ok(boundary)) => (directories, boundary),
        (Err(message), _) | (_, Err(message)) => return failed(message, Vec::new()),
    };
    let mut found = Vec::new();
    let outside = files.outside().iter().chain(exclude.outside());
    let mut notices: Vec<String> =
        outside.map(|path| format!("`{path}` leads out of the base directory and is left out")).collect();
    for directory in &directories {
        found.extend(walk(directory, &files.roots(), &boundary, rules.enable_symlinks));
        notices.extend(asked_for_directories(directory, &files, &boundary));
    }
    let mut selection = select(found, &files, &exclude, rules.discard_paths);
    selection.notices.append(&mut notices);
    if selection.files() > 0 {
        Collected::Selected(selection)
    } else {
        failed("no matching artifact paths found".into(), selection.notices)
    }
}

/// A pattern that is a directory's name matches no file, in CodeBuild too; people are surprised.
fn asked_for_directories(base: &Path, files: &Globs, boundary: &Path) -> Vec<String> {
    let real = |plain: &str| base.join(plain).canonicalize().ok();
    let is_directory = |plain: &&str| real(plain).is_some_and(|real| real.starts_with(boundary) && real.is_dir());
    let directories = files.plain().filter(is_directory);
    directories.map(|plain| format!("`{plain}` is a directory: `{plain}/**/*` takes what is in it")).collect()
}

#[cfg(test)]
mod tests;
