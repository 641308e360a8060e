//! Where a build's files are on this machine, and where they end.

use std::path::{Component, Path, PathBuf};

use super::Globs;
use super::glob::fixed_part;

/// The directories that files are collected from: a folder of this machine, or some in it.
///
/// What names them was written by the build, and so was all that lies in the folder. The folder alone is the runner's
/// choice, so it is the boundary: nothing outside of it is read, through whatever link or name.
#[derive(Clone, Debug)]
pub struct Base {
    boundary: PathBuf,
    inside: String,
    written: String,
}

impl Base {
    /// All of a folder.
    #[must_use]
    pub fn all(folder: PathBuf) -> Self {
        Self { boundary: folder, inside: String::new(), written: String::new() }
    }

    /// The directory `inside` in a folder, or the directories that it matches; messages call it what was `written`.
    #[must_use]
    pub fn within(folder: PathBuf, inside: &str, written: &str) -> Self {
        Self { boundary: folder, inside: inside.to_owned(), written: written.to_owned() }
    }

    /// The real path of the folder that nothing leads out of. The folder itself is never a link: one in its place may
    /// have been made by a build.
    pub(super) fn boundary(&self) -> Result<PathBuf, String> {
        let place = self.boundary.parent().and_then(|parent| parent.canonicalize().ok());
        let folder = place.zip(self.boundary.file_name()).map(|(place, name)| place.join(name));
        folder
            .filter(|folder| folder.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()))
            .ok_or_else(|| self.none())
    }

    /// The real paths of the directories that there are, sorted by name.
    pub(super) fn directories(&self) -> Result<Vec<PathBuf>, String> {
        let leads_out = || format!("the base directory {} leads out of the source", self.written);
        let stays = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if !Path::new(&self.inside).components().all(stays) {
            return Err(leads_out());
        }
        let boundary = self.boundary()?;
        let fixed = fixed_part(&self.inside);
        let parent = self.boundary.join(fixed).canonicalize().map_err(|_| self.none())?;
        if !parent.starts_with(&boundary) {
            return Err(leads_out());
        }
        let directories = match self.inside[fixed.len()..].trim_matches('/') {
            "" => vec![parent],
            pattern => matching(&parent, pattern, &boundary)?,
        };
        let directories: Vec<_> = directories.into_iter().filter(|path| path.is_dir()).collect();
        if directories.is_empty() { Err(self.none()) } else { Ok(directories) }
    }

    fn none(&self) -> String {
        format!("no matching base directory path found for {}", self.written)
    }
}

/// What a pattern matches under a directory, without what leads out of the boundary.
fn matching(parent: &Path, pattern: &str, boundary: &Path) -> Result<Vec<PathBuf>, String> {
    let globs = Globs::new(&[pattern.to_owned()])?;
    let mut matching: Vec<PathBuf> = walkdir::WalkDir::new(parent)
        .min_depth(1)
        .max_depth(pattern.split('/').count())
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.path().strip_prefix(parent).is_ok_and(|name| globs.matches(&name.to_string_lossy())))
        .map(walkdir::DirEntry::into_path)
        .collect();
    matching.sort_unstable();
    let real = matching.into_iter().filter_map(|path| path.canonicalize().ok());
    Ok(real.filter(|path| path.starts_with(boundary)).collect())
}
