//! Where a build's files are on this machine, and where they end.

use std::path::{Component, Path, PathBuf};

use super::glob::fixed_part;
use super::graft::{Grafted, real_folder};
use super::{Globs, Graft};

/// The directories that files are collected from: a folder of this machine, or some in it.
///
/// What names them was written by the build, and so was all that lies in the folder. The folder alone is the runner's
/// choice, so it is the boundary: nothing outside of it is read, through whatever link or name.
#[derive(Clone, Debug)]
pub struct Base {
    boundary: PathBuf,
    inside: String,
    written: String,
    grafts: Vec<Graft>,
}

/// A directory that files are collected from.
pub(super) struct Directory {
    /// Its real path.
    pub(super) path: PathBuf,
    /// The real path of the folder that nothing leads out of.
    pub(super) boundary: PathBuf,
    /// What hides a part of it.
    pub(super) grafts: Vec<Grafted>,
}

impl Base {
    /// All of a folder.
    #[must_use]
    pub fn all(folder: PathBuf) -> Self {
        Self { boundary: folder, inside: String::new(), written: String::new(), grafts: Vec::new() }
    }

    /// The directory `inside` in a folder, or the directories that it matches; messages call it what was `written`.
    #[must_use]
    pub fn within(folder: PathBuf, inside: &str, written: &str) -> Self {
        Self { boundary: folder, inside: inside.to_owned(), written: written.to_owned(), grafts: Vec::new() }
    }

    /// The same where a build saw other folders in places of the folder.
    #[must_use]
    pub fn with(self, grafts: Vec<Graft>) -> Self {
        Self { grafts, ..self }
    }

    /// The directories that there are, sorted by name.
    pub(super) fn directories(&self) -> Result<Vec<Directory>, String> {
        let leads_out = || format!("the base directory {} leads out of the source", self.written);
        let stays = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if !Path::new(&self.inside).components().all(stays) {
            return Err(leads_out());
        }
        let boundary = real_folder(&self.boundary).ok_or_else(|| self.none())?;
        let grafts: Vec<Grafted> = self.grafts.iter().filter_map(Graft::found).collect();
        let fixed = fixed_part(&self.inside);
        let parent = self.boundary.join(fixed).canonicalize().map_err(|_| self.none())?;
        let Ok(place) = parent.strip_prefix(&boundary) else { return Err(leads_out()) };
        let here = grafts.iter().filter_map(|graft| graft.seen_from(place)).collect();
        let parent = Directory { path: parent.clone(), boundary: boundary.clone(), grafts: here };
        let directories = match self.inside[fixed.len()..].trim_matches('/') {
            "" => vec![parent],
            pattern => matching(&parent, pattern)?,
        };
        let directories: Vec<_> = directories.into_iter().filter(|found| found.path.is_dir()).collect();
        if directories.is_empty() { Err(self.none()) } else { Ok(directories) }
    }

    fn none(&self) -> String {
        format!("no matching base directory path found for {}", self.written)
    }
}

/// What a pattern matches under a directory, without what leads out of the boundary.
fn matching(parent: &Directory, pattern: &str) -> Result<Vec<Directory>, String> {
    let globs = Globs::new(&[pattern.to_owned()])?;
    let depth = pattern.split('/').count();
    let is_hidden = |name: &Path| parent.grafts.iter().any(|graft| name.starts_with(&graft.inside));
    let mut matching: Vec<(PathBuf, Directory)> = Vec::new();
    for (name, path) in below(&parent.path, Path::new(""), depth) {
        let real = path.canonicalize().ok().filter(|real| real.starts_with(&parent.boundary));
        if let Some(path) = real.filter(|_| !is_hidden(&name) && globs.matches(&name.to_string_lossy())) {
            let grafts = parent.grafts.iter().filter_map(|graft| graft.seen_from(&name)).collect();
            matching.push((name, Directory { path, boundary: parent.boundary.clone(), grafts }));
        }
    }
    for graft in &parent.grafts {
        for (name, path) in below(&graft.folder, &graft.inside, depth) {
            let real = path.canonicalize().ok().filter(|real| real.starts_with(&graft.folder));
            if let Some(path) = real.filter(|_| globs.matches(&name.to_string_lossy())) {
                matching.push((name, Directory { path, boundary: graft.folder.clone(), grafts: Vec::new() }));
            }
        }
    }
    matching.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(matching.into_iter().map(|(_, directory)| directory).collect())
}

/// What is in a folder that was seen at `inside`, and the folder itself, with the names that they were seen under.
fn below(folder: &Path, inside: &Path, depth: usize) -> Vec<(PathBuf, PathBuf)> {
    let Some(deeper) = depth.checked_sub(inside.components().count()) else { return Vec::new() };
    let entries = walkdir::WalkDir::new(folder).max_depth(deeper).into_iter().filter_map(Result::ok);
    let named = entries.filter_map(|entry| {
        // Without the slash that joining an empty name would leave.
        let name = inside.join(entry.path().strip_prefix(folder).ok()?).components().collect::<PathBuf>();
        Some((name, entry.into_path()))
    });
    named.filter(|(name, _)| name.file_name().is_some()).collect()
}
