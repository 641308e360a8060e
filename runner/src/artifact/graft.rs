//! Folders that a build saw in a place of another folder, as it sees a cached directory in its source. On this machine
//! they lie elsewhere, and what lies in their place is not what the build left.

use std::path::{Path, PathBuf};

use super::MemberKind;
use super::walk::{Found, walk};

/// A folder of this machine that a build saw in another one.
#[derive(Clone, Debug)]
pub struct Graft {
    /// Where in the other one: a relative path.
    pub inside: PathBuf,
    /// Where it is.
    pub host: PathBuf,
}

/// The same, as one directory that files are collected from sees it. It is a boundary of its own.
#[derive(Clone, Debug)]
pub(super) struct Grafted {
    /// Where in the directory.
    pub(super) inside: PathBuf,
    /// Its real path.
    pub(super) folder: PathBuf,
}

impl Graft {
    /// It, if it is there.
    pub(super) fn found(&self) -> Option<Grafted> {
        Some(Grafted { inside: self.inside.clone(), folder: real_folder(&self.host)? })
    }
}

impl Grafted {
    /// It, as a directory deeper in sees it; `None` where it is not in there.
    pub(super) fn seen_from(&self, directory: &Path) -> Option<Self> {
        let inside = self.inside.strip_prefix(directory).ok()?.to_owned();
        Some(Self { inside, folder: self.folder.clone() })
    }

    /// Puts what is in it in the place of what was found where it was seen.
    pub(super) fn graft(&self, roots: &[String], keep_links: bool, found: &mut Vec<Found>) {
        let mut own = walk(&self.folder, &self.roots(roots), &self.folder, keep_links);
        for one in &mut own {
            one.name = self.inside.join(&one.name).to_string_lossy().into_owned();
        }
        // The place itself is an empty directory, and is one to the build as well when nothing is in it.
        let stays = |one: &Found| {
            let is_place = Path::new(&one.name) == self.inside && own.is_empty();
            is_place && matches!(one.what, Ok(MemberKind::EmptyDirectory { .. }))
        };
        found.retain(|one| !Path::new(&one.name).starts_with(&self.inside) || stays(one));
        found.append(&mut own);
    }

    /// What of some roots lies in it, or is all of it.
    fn roots(&self, roots: &[String]) -> Vec<String> {
        let own = |root: &String| match Path::new(root).strip_prefix(&self.inside) {
            Ok(inside) => Some(inside.to_string_lossy().into_owned()),
            Err(_) => self.inside.starts_with(root).then(String::new),
        };
        roots.iter().filter_map(own).collect()
    }
}

/// The real path of a folder. The folder itself is never a link: one in its place may have been made by a build.
pub(super) fn real_folder(folder: &Path) -> Option<PathBuf> {
    let place = folder.parent()?.canonicalize().ok()?;
    let real = place.join(folder.file_name()?);
    real.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()).then_some(real)
}
