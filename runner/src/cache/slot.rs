//! One copy of a cache: a folder with the directories, a lock file, and the mark of who holds it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use crate::fault::{self, Fault};

use super::Directories;

/// A mark without a process is left alone for so long: somebody may still adopt the build, and none takes longer.
const ABANDONED: Duration = Duration::from_secs(48 * 3600);

/// A slot on the disk. The lock file is never removed, so that everybody locks the same one; its time is the last use.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) folder: PathBuf,
    lock: PathBuf,
    mark: PathBuf,
}

/// A slot leased by a build. Dropping it gives the slot back with what is in it.
#[derive(Debug)]
pub struct Lease {
    slot: Slot,
    _lock: File,
    mounts: Vec<CachedDirectory>,
}

/// A directory of a leased slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedDirectory {
    /// The folder on this machine.
    pub host: PathBuf,
    /// Where it belongs in the container.
    pub container: String,
    /// Whether it holds nothing yet. A mount of it hides what the image has at that place.
    pub is_empty: bool,
}

impl Lease {
    /// The directories to mount.
    #[must_use]
    pub fn directories(&self) -> &[CachedDirectory] {
        &self.mounts
    }

    /// Gives the slot back without its contents, for a build that may have left them broken.
    ///
    /// # Errors
    /// A `System` fault when something cannot be removed.
    pub fn discard(self) -> Result<(), Fault> {
        self.slot.clear()
    }

    /// Lets go of the lock but leaves the mark: the build runs on without us, and its next follower leases it again.
    pub fn leave_to_successor(mut self) {
        self.slot.mark = PathBuf::new();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.slot.touch();
        let _ = fs::remove_file(&self.slot.mark);
    }
}

impl Slot {
    pub(super) fn new(cache: &Path, number: usize) -> Self {
        let file = |end: &str| cache.join(format!("slot-{number}{end}"));
        Self { folder: file(""), lock: file(".lock"), mark: file(".holder") }
    }

    /// The slots of a cache, by number.
    pub(super) fn all(cache: &Path) -> Result<Vec<Self>, Fault> {
        let number =
            |path: PathBuf| path.file_name()?.to_str()?.strip_prefix("slot-")?.strip_suffix(".lock")?.parse().ok();
        let mut numbers: Vec<usize> = children(cache)?.into_iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers.into_iter().map(|number| Self::new(cache, number)).collect())
    }

    /// Who marked it as theirs. What a full disk left of a mark is nobody's.
    pub(super) fn holder(&self) -> Option<String> {
        fs::read_to_string(&self.mark).ok().filter(|holder| !holder.is_empty())
    }

    /// Whether it is marked, and somebody may still come for it.
    pub(super) fn is_held(&self) -> bool {
        let age = SystemTime::from(crate::clock::now()).duration_since(self.last_use()).unwrap_or_default();
        self.holder().is_some() && age < ABANDONED
    }

    /// Takes the mark away, unless a process has the slot.
    pub(super) fn release(&self) -> Result<(), Fault> {
        match self.try_lock()? {
            Some(_locked) => ignore_absent(fs::remove_file(&self.mark)).map_err(fault::io(&self.mark)),
            None => Ok(()),
        }
    }

    pub(super) fn last_use(&self) -> SystemTime {
        fs::metadata(&self.lock).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Locks it, unless a process has it.
    pub(super) fn try_lock(&self) -> Result<Option<File>, Fault> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.lock);
        let file = file.map_err(fault::io(&self.lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(fault::io(&self.lock)(error)),
        }
    }

    /// Leases it to a holder, unless a process has it or somebody else has marked it by now.
    pub(super) fn try_lease(&self, directories: &Directories, holder: &str) -> Result<Option<Lease>, Fault> {
        let Some(lock) = self.try_lock()? else { return Ok(None) };
        if self.is_held() && self.holder().is_some_and(|marked| marked != holder) {
            return Ok(None);
        }
        fs::write(&self.mark, holder).map_err(fault::io(&self.mark))?;
        self.touch();
        let slot = Self { folder: self.folder.clone(), lock: self.lock.clone(), mark: self.mark.clone() };
        let mut lease = Lease { slot, _lock: lock, mounts: Vec::new() };
        for container in &directories.kept {
            let name = container.rsplit('/').next().unwrap_or_default();
            let host = self.folder.join(format!("{}-{name}", &hex::encode(Sha256::digest(container))[..8]));
            fs::create_dir_all(&host).map_err(fault::io(&host))?;
            let is_empty = fs::read_dir(&host).map_err(fault::io(&host))?.next().is_none();
            lease.mounts.push(CachedDirectory { host, container: container.clone(), is_empty });
        }
        Ok(Some(lease))
    }

    /// Removes the contents and the mark. The caller holds the lock.
    pub(super) fn clear(&self) -> Result<(), Fault> {
        ignore_absent(fs::remove_dir_all(&self.folder)).map_err(fault::io(&self.folder))?;
        ignore_absent(fs::remove_file(&self.mark)).map_err(fault::io(&self.mark))
    }

    fn touch(&self) {
        let touched = OpenOptions::new().write(true).open(&self.lock);
        let _ = touched.and_then(|file| file.set_modified(crate::clock::now().into()));
    }
}

/// What is in a folder; nothing when there is no folder.
pub(super) fn children(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(fault::io(folder)(error)),
    }
}

fn ignore_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
