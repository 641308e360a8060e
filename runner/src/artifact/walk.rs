//! Lists what is under a directory, and where its symbolic links lead. Nothing outside the boundary is looked at.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::MemberKind;

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Relative to the base directory, with `/`.
    pub(super) name: String,
    /// What to open: never a symbolic link, unless it is kept as one.
    pub(super) path: PathBuf,
    /// What it is, or why it cannot be taken.
    pub(super) what: Result<MemberKind, String>,
}

/// Lists files, empty directories and links under `roots` of a base directory, sorted by name. With `keep_links`
/// links are listed as such, otherwise what they lead to is. A link that leads out of `boundary` is never followed.
pub(super) fn walk(base: &Path, roots: &[String], boundary: &Path, keep_links: bool) -> Vec<Found> {
    let mut all = Vec::new();
    for root in roots {
        let start = base.join(root);
        match start.canonicalize() {
            Ok(real) if real.starts_with(boundary) => list(base, &start, boundary, keep_links, &mut all),
            Ok(_) => all.push(found(base, &start, Err("leads out of the source and is left out".into()))),
            Err(_) => {}
        }
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

fn list(base: &Path, start: &Path, boundary: &Path, keep_links: bool, all: &mut Vec<Found>) {
    let leads_inside = |entry: &DirEntry| entry.path().canonicalize().is_ok_and(|real| real.starts_with(boundary));
    let mut outside = Vec::new();
    let entries = WalkDir::new(start).follow_links(!keep_links).follow_root_links(false).sort_by_file_name();
    let entries = entries.into_iter().filter_entry(|entry| {
        let stays = !entry.path_is_symlink() || leads_inside(entry);
        if !stays {
            outside.push(found(base, entry.path(), Err("leads out of the source and is left out".into())));
        }
        stays
    });
    for entry in entries {
        match entry {
            Ok(entry) => all.extend(kind(&entry).map(|what| resolved(found(base, entry.path(), what), boundary))),
            Err(error) => {
                let why = match (error.loop_ancestor(), error.io_error()) {
                    (Some(_), _) => "leads back to where it is and is left out".to_owned(),
                    (_, Some(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                        "leads nowhere and is left out".to_owned()
                    }
                    (_, Some(error)) => format!("cannot be read: {error}"),
                    _ => error.to_string(),
                };
                all.push(found(base, error.path().unwrap_or(start), Err(why)));
            }
        }
    }
    all.append(&mut outside);
}

/// What an entry is; a directory that is not empty is nothing by itself.
fn kind(entry: &DirEntry) -> Option<Result<MemberKind, String>> {
    if entry.path_is_symlink() && entry.file_type().is_symlink() {
        let target = std::fs::read_link(entry.path()).map(|target| target.to_string_lossy().into_owned());
        return Some(
            target.map(|target| MemberKind::Link { target }).map_err(|error| format!("cannot be read: {error}")),
        );
    }
    let metadata = match entry.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Some(Err(format!("cannot be read: {error}"))),
    };
    let mode = mode(&metadata);
    let kind = metadata.file_type();
    if kind.is_dir() {
        let is_empty = entry.path().read_dir().is_ok_and(|mut entries| entries.next().is_none());
        return (is_empty && entry.depth() > 0).then_some(Ok(MemberKind::EmptyDirectory { mode }));
    }
    Some(if kind.is_file() {
        Ok(MemberKind::File { bytes: metadata.len(), mode })
    } else if kind.is_fifo() || kind.is_socket() {
        Err("is a pipe or a socket and is left out".into())
    } else {
        Err("is a device and is left out".into())
    })
}

pub(super) fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o7777
}

fn found(base: &Path, path: &Path, what: Result<MemberKind, String>) -> Found {
    let name = path.strip_prefix(base).unwrap_or(path).to_string_lossy().into_owned();
    Found { name, path: path.to_owned(), what }
}

/// A file under its real path, which is what is compared when it is opened.
fn resolved(found: Found, boundary: &Path) -> Found {
    if !matches!(found.what, Ok(MemberKind::File { .. })) {
        return found;
    }
    match found.path.canonicalize() {
        Ok(path) if path.starts_with(boundary) => Found { path, ..found },
        Ok(_) => Found { what: Err("leads out of the source and is left out".into()), ..found },
        Err(error) => Found { what: Err(format!("cannot be read: {error}")), ..found },
    }
}
