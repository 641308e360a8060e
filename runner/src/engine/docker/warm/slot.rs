//! The folders of a warm sandbox. What is mounted into a container cannot be changed any more, so the folders of a build
//! are moved to where the mounts are: its records' folder is replaced by the one that is mounted, and its other folders
//! lie in the one that is mounted over theirs, with a link in their old place until they come back.
//!
//! What a build can write to is never trusted: no link in there is followed on the way back. The notes of what was
//! moved lie where no build can reach them, so that any process can bring the folders back. This file knows no engine.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{AT_FDCWD, OFlag, open, openat, renameat};
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

use super::super::super::Mount;
use super::super::container::{OUTPUT, Places, TMP};
use crate::fault::{Fault, io};

/// The folder of one warm sandbox.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    folder: PathBuf,
}

/// What was moved into a slot, as it is noted beside the records' folder.
#[derive(Serialize, Deserialize)]
struct Moved {
    /// The folder that is mounted at [`OUTPUT`].
    output: PathBuf,
    /// Folders on this machine, and where they lie in it.
    folders: Vec<(PathBuf, PathBuf)>,
}

impl Slot {
    /// Makes the folders of a new one.
    pub(super) fn make(folder: PathBuf) -> Result<Self, Fault> {
        let slot = Self { folder };
        for folder in [slot.records(), slot.output()] {
            fs::create_dir_all(&folder).map_err(io(&folder))?;
        }
        Ok(slot)
    }

    /// One that an earlier process has left.
    pub(super) fn left(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn places(&self) -> Places {
        Places { slot: self.folder.clone(), records: self.records(), output: self.output() }
    }

    /// What is mounted at [`super::super::container::RECORDS`].
    pub(super) fn records(&self) -> PathBuf {
        self.folder.join("records")
    }

    /// What is mounted at [`OUTPUT`].
    pub(super) fn output(&self) -> PathBuf {
        self.folder.join("output")
    }

    /// Moves a build's folders in. After a fault, [`give_back`] brings back what was moved.
    pub(super) fn move_in(&self, records: &Path, mounts: &[Mount]) -> Result<(), Fault> {
        absent(fs::remove_dir_all(records)).map_err(io(records))?;
        let folders: Option<Vec<_>> =
            mounts.iter().map(|mount| Some((mount.host.clone(), place(&mount.container)?))).collect();
        let folders = folders.ok_or_else(|| Fault::system("a folder of the sandbox has no place in a warm one"))?;
        let moved = Moved { output: self.output(), folders };
        let (note, own_note) = (note(records), self.own_note());
        write(&own_note, records.as_os_str().as_encoded_bytes())?;
        write(&note, &serde_json::to_vec(&moved).unwrap_or_default())?;
        fs::rename(self.records(), records).map_err(io(records))?;
        symlink(records, self.records()).map_err(io(records))?;
        for (host, place) in &moved.folders {
            let inside = moved.output.join(place);
            if !host.symlink_metadata().map_err(io(host))?.is_dir() {
                return Err(Fault::system(format!("{}: not a folder", host.display())));
            }
            let parent = inside.parent().unwrap_or(&moved.output);
            fs::create_dir_all(parent).map_err(io(parent))?;
            fs::rename(host, &inside).map_err(io(host))?;
            symlink(&inside, host).map_err(io(host))?;
        }
        Ok(())
    }

    /// Brings back what still lies here, and removes the rest.
    pub(super) fn clear(&self) -> Result<(), Fault> {
        use std::os::unix::ffi::OsStringExt;
        if let Ok(records) = fs::read(self.own_note()) {
            give_back(Path::new(&std::ffi::OsString::from_vec(records)))?;
        }
        absent(fs::remove_dir_all(&self.folder)).map_err(io(&self.folder))
    }

    fn own_note(&self) -> PathBuf {
        self.folder.join("taken")
    }
}

/// Where a folder of a sandbox lies in the one that is mounted at [`OUTPUT`]; `None` when it lies elsewhere.
pub(super) fn place(container: &str) -> Option<PathBuf> {
    let (path, tmp) = (Path::new(container), Path::new(TMP));
    let inside = path.strip_prefix(OUTPUT).ok().filter(|inside| inside.components().next().is_some())?;
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && !path.starts_with(tmp)).then(|| inside.to_owned())
}

/// Whether folders of a sandbox were moved, and not yet brought back.
pub(in super::super) fn is_moved(records: &Path) -> bool {
    note(records).exists()
}

/// Brings the folders of a sandbox back to where they were, if they were moved at all. The sandbox must have ended, or
/// its build must not mind.
pub(in super::super) fn give_back(records: &Path) -> Result<(), Fault> {
    let note = note(records);
    let moved: Moved = match fs::read(&note) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|error| Fault::system(format!("{}: cannot be read: {error}", note.display())))?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(&note)(error)),
    };
    for (host, place) in &moved.folders {
        match fs::read_link(host) {
            Ok(target) if target == moved.output.join(place) => fs::remove_file(host).map_err(io(host))?,
            // Whoever died between the removal of the link and the move left nothing in its place.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            _ => continue,
        }
        bring(&moved.output, place, host)?;
    }
    absent(fs::remove_file(&note)).map_err(io(&note))
}

/// Moves a folder out. A build that removed or replaced its own folder gets an empty one.
fn bring(output: &Path, place: &Path, host: &Path) -> Result<(), Fault> {
    if let Err(error) = move_out(output, place, host) {
        tracing::warn!(folder = %host.display(), %error, "a build has removed its folder");
    }
    match host.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => fs::remove_file(host).and_then(|()| fs::create_dir(host)).map_err(io(host)),
        Err(_) => fs::create_dir(host).map_err(io(host)),
    }
}

/// Moves without following a link: a build could have put one in the place of any folder on the way.
fn move_out(output: &Path, place: &Path, host: &Path) -> nix::Result<()> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut folder: OwnedFd = open(output, flags, Mode::empty())?;
    for part in place.parent().into_iter().flat_map(Path::components) {
        folder = openat(&folder, Path::new(part.as_os_str()), flags, Mode::empty())?;
    }
    renameat(&folder, Path::new(place.file_name().unwrap_or_default()), AT_FDCWD, host)
}

/// Where it is noted what of a sandbox was moved: beside the records' folder, not in it.
fn note(records: &Path) -> PathBuf {
    let mut name = records.as_os_str().to_owned();
    name.push(".slot");
    name.into()
}

/// Writes a note whole or not at all: nobody could bring anything back by half of one.
fn write(note: &Path, text: &[u8]) -> Result<(), Fault> {
    let folder = note.parent().unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(text)?;
        file.persist(note).map_err(|error| error.error)
    });
    written.map(drop).map_err(io(note))
}

fn absent(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slot that a build's folders were moved into: the folder of everything, the slot, the workspace, the records.
    fn taken() -> (tempfile::TempDir, Slot, PathBuf, PathBuf) {
        let all = tempfile::tempdir().unwrap();
        let (host, records) = (all.path().join("source"), all.path().join("records"));
        fs::create_dir(&host).unwrap();
        fs::write(host.join("file"), "x").unwrap();
        let slot = Slot::make(all.path().join("slot")).unwrap();
        let mount = Mount {
            host: host.clone(),
            container: format!("{OUTPUT}/src1/src/host/app"),
            read_only: false,
            seeded: false,
        };
        slot.move_in(&records, &[mount]).unwrap();
        (all, slot, host, records)
    }

    #[test]
    fn folders_move_in_with_a_link_in_their_place_and_come_back() {
        let (_all, slot, host, records) = taken();
        assert!(host.is_symlink() && host.is_dir() && slot.output().join("src1/src/host/app/file").is_file());
        fs::write(slot.records().join("stop"), "").unwrap();
        assert!(records.join("stop").is_file() && !records.is_symlink());
        give_back(&records).unwrap();
        give_back(&records).unwrap();
        assert!(!host.is_symlink() && host.join("file").is_file());
        slot.clear().unwrap();
        assert!(!slot.output().exists() && host.join("file").is_file() && records.is_dir());
    }

    #[test]
    fn a_slot_that_is_cleared_gives_back_first() {
        let (_all, slot, host, _) = taken();
        slot.clear().unwrap();
        assert!(!host.is_symlink() && host.join("file").is_file());
    }

    #[test]
    fn nothing_comes_back_through_links_that_a_build_made() {
        let (all, slot, host, records) = taken();
        let others = all.path().join("others/src/host/app");
        fs::create_dir_all(&others).unwrap();
        fs::rename(slot.output().join("src1"), slot.output().join("moved")).unwrap();
        symlink(all.path().join("others"), slot.output().join("src1")).unwrap();
        give_back(&records).unwrap();
        assert!(others.is_dir(), "somebody else's folder was moved");
        assert!(host.is_dir() && !host.is_symlink() && fs::read_dir(&host).unwrap().next().is_none());
    }

    #[test]
    fn a_link_in_the_place_of_the_folder_itself_does_not_come_back() {
        let (_all, slot, host, records) = taken();
        let inside = slot.output().join("src1/src/host/app");
        fs::remove_dir_all(&inside).unwrap();
        symlink("/etc", &inside).unwrap();
        give_back(&records).unwrap();
        assert!(host.is_dir() && !host.is_symlink());
    }

    #[test]
    fn only_folders_under_codebuilds_output_have_a_place() {
        assert_eq!(place("/codebuild/output/src1/src"), Some("src1/src".into()));
        for elsewhere in ["/codebuild/output", "/codebuild/output/tmp/x", "/codebuild/output/../x", "/root/.m2"] {
            assert_eq!(place(elsewhere), None, "{elsewhere}");
        }
    }
}
