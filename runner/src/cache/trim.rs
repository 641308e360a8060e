//! How much caches take of the disk, and the removal of those that were not used for longest.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use crate::fault::Fault;

use super::LocalCache;

/// A mark without a process is left alone for so long: somebody may still adopt the build.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// What trimming did, in bytes on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// What the caches take now, leased ones included.
    pub kept: u64,
    /// What was removed.
    pub removed: u64,
}

impl LocalCache {
    /// Removes whole slots, those that were not used for longest first, until all caches together take at most
    /// `budget` bytes. Leased slots stay, whatever they take.
    ///
    /// # Errors
    /// A `System` fault when the folder cannot be read or written.
    pub fn trim(&self, budget: u64) -> Result<Trimmed, Fault> {
        let mut slots: Vec<_> =
            self.slots()?.into_iter().map(|slot| (slot.last_use(), bytes(&slot.folder), slot)).collect();
        slots.sort_by_key(|(last_use, ..)| *last_use);
        let mut trimmed = Trimmed { kept: slots.iter().map(|(_, bytes, _)| bytes).sum(), removed: 0 };
        for (last_use, bytes, slot) in slots {
            if trimmed.kept <= budget {
                break;
            }
            let age = crate::clock::now().duration_since(last_use.try_into().unwrap_or_default());
            let adoptable = slot.holder().is_some() && age.unsigned_abs() < ABANDONED;
            if adoptable || bytes == 0 {
                continue;
            }
            if let Some(locked) = slot.try_lock()? {
                slot.clear()?;
                trimmed.kept -= bytes;
                trimmed.removed += bytes;
                drop(locked);
            }
        }
        Ok(trimmed)
    }
}

/// The disk space under a folder; a file with several names counts once for each.
fn bytes(folder: &Path) -> u64 {
    let entries = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok);
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.blocks() * 512).sum()
}
