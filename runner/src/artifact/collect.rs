//! From rules and directories to a selection.

use std::path::Path;

use super::base::Directory;
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
    let directories = match base.directories() {
        Ok(directories) => directories,
        Err(message) => return failed(message, Vec::new()),
    };
    let mut found = Vec::new();
    let outside = files.outside().iter().chain(exclude.outside());
    let mut notices: Vec<String> =
        outside.map(|path| format!("`{path}` leads out of the base directory and is left out")).collect();
    let roots = files.roots();
    for Directory { path, boundary, grafts } in &directories {
        let mut here = walk(path, &roots, boundary, rules.enable_symlinks);
        notices.extend(asked_for_directories(path, Path::new(""), &files, boundary));
        for graft in grafts {
            graft.graft(&roots, rules.enable_symlinks, &mut here);
            notices.extend(asked_for_directories(&graft.folder, &graft.inside, &files, &graft.folder));
        }
        here.sort_by(|one, other| one.name.cmp(&other.name));
        found.append(&mut here);
    }
    let mut selection = select(found, &files, &exclude, rules.discard_paths);
    selection.notices.append(&mut notices);
    if selection.files() > 0 {
        Collected::Selected(selection)
    } else {
        failed("no matching artifact paths found".into(), selection.notices)
    }
}

/// A pattern that is a directory's name matches no file, in CodeBuild too; people are surprised. The folder is seen at
/// `inside`; its place itself is told of where it lies.
fn asked_for_directories(folder: &Path, inside: &Path, files: &Globs, boundary: &Path) -> Vec<String> {
    let place = |plain: &str| Some(Path::new(plain).strip_prefix(inside).ok()?.to_owned());
    let deeper = |plain: &str| place(plain).filter(|place| place.file_name().is_some());
    let real = |plain: &str| folder.join(deeper(plain)?).canonicalize().ok();
    let is_directory = |plain: &&str| real(plain).is_some_and(|real| real.starts_with(boundary) && real.is_dir());
    let directories = files.plain().filter(is_directory);
    directories.map(|plain| format!("`{plain}` is a directory: `{plain}/**/*` takes what is in it")).collect()
}

#[cfg(test)]
mod tests;
