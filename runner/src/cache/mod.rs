//! Caches on the machine: directories that stay from one build of a project to the next, as CodeBuild's
//! `LOCAL_CUSTOM_CACHE` does. This module does not know jobs, containers or what is in the directories.
//!
//! A cache has slots, and a build leases one of them for itself alone. When all are leased a new, empty one is made:
//! nothing is ever shared between two builds that run. A lease is a lock that the kernel drops with the process, and a
//! mark that stays: the container of a killed runner still writes, so its slot is for whoever adopts that container.

mod directories;
mod shelf;
mod slot;

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::fault::{self, Fault};

pub use directories::{Directories, directories};
pub use slot::{CachedDirectory, Lease};

use slot::Slot;

/// The caches under one folder. Any number of processes may use it at the same time.
#[derive(Clone, Debug)]
pub struct LocalCache {
    root: PathBuf,
}

/// Whether the code that fills a cache is trusted. What untrusted builds leave is never seen by trusted ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Protected branches, the owner's own machine.
    Trusted,
    /// Anything that somebody else could have written.
    Untrusted,
}

/// What makes two builds use the same cache: other paths are another cache, as in CodeBuild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey {
    /// The project.
    pub project: String,
    /// Who fills it.
    pub trust: Trust,
    /// The paths as they are written.
    pub paths: Vec<String>,
}

impl LocalCache {
    /// The caches under that folder, which is made when it is first needed.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Leases a slot for a build. `holder` names the build: whoever asks again with the same name after a crash gets
    /// the same slot. It does not wait.
    ///
    /// # Errors
    /// A `System` fault when the folder cannot be written, or when the holder's own slot is in use by a process.
    pub fn lease(&self, key: &CacheKey, directories: &Directories, holder: &str) -> Result<Lease, Fault> {
        let folder = self.root.join(key.folder());
        std::fs::create_dir_all(&folder).map_err(fault::io(&folder))?;
        let slots = Slot::all(&folder)?;
        for slot in &slots {
            if slot.holder().is_some_and(|marked| marked == holder) {
                return slot.try_lease(directories, holder)?.ok_or_else(|| {
                    Fault::system(format!("the cache of {holder} is in use by another process"))
                        .hint("another runner follows the same build; let it finish")
                });
            }
        }
        for slot in &slots {
            if !slot.is_held()
                && let Some(lease) = slot.try_lease(directories, holder)?
            {
                return Ok(lease);
            }
        }
        let mut number = slots.len();
        loop {
            if let Some(lease) = Slot::new(&folder, number).try_lease(directories, holder)? {
                return Ok(lease);
            }
            number += 1;
        }
    }

    /// Says that nobody comes back for the slots of a build, whose sandbox is gone.
    ///
    /// # Errors
    /// A `System` fault when a mark cannot be removed.
    pub fn release(&self, holder: &str) -> Result<(), Fault> {
        let slots = self.slots()?;
        slots.iter().filter(|slot| slot.holder().is_some_and(|marked| marked == holder)).try_for_each(Slot::release)
    }

    /// All slots of all caches.
    fn slots(&self) -> Result<Vec<Slot>, Fault> {
        let mut slots = Vec::new();
        for folder in slot::children(&self.root)? {
            slots.extend(Slot::all(&folder)?);
        }
        Ok(slots)
    }
}

impl CacheKey {
    /// The name of its folder: readable, and different for every other key.
    fn folder(&self) -> String {
        let mut hash = Sha256::new();
        for part in [&self.project, &format!("{:?}", self.trust)].into_iter().chain(&self.paths) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let readable = self.project.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' });
        format!("{}-{}", readable.take(40).collect::<String>(), &hex::encode(hash.finalize())[..16])
    }
}

#[cfg(test)]
mod tests;
