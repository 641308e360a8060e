//! Caches as things that may go when the disk is full: whole slots, and none that a build has leased.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LocalCache;
use super::slot::Slot;
use crate::disk::{Kept, Shelf, bytes_under, looking};
use crate::fault::Fault;

#[async_trait]
impl Shelf for LocalCache {
    fn kind(&self) -> &'static str {
        "cache"
    }

    async fn list(&self) -> Result<Vec<Kept>, Fault> {
        let cache = self.clone();
        looking(move || {
            let mut all = Vec::new();
            // A slot without a folder is nothing but its lock.
            for slot in cache.slots()?.into_iter().filter(|slot| slot.folder.is_dir()) {
                all.push(Kept {
                    name: cache.name_of(&slot),
                    bytes: bytes_under(&slot.folder),
                    last_use: last_use(&slot),
                    in_use: slot.is_held() || slot.try_lock()?.is_none(),
                });
            }
            Ok(all)
        })
        .await
    }

    async fn remove(&self, name: &str) -> Result<bool, Fault> {
        let (cache, name) = (self.clone(), name.to_owned());
        looking(move || {
            let slots = cache.slots()?;
            let Some(slot) = slots.iter().find(|slot| cache.name_of(slot) == name) else { return Ok(true) };
            match slot.try_lock()? {
                Some(_locked) if !slot.is_held() => slot.clear().map(|()| true),
                _ => Ok(false),
            }
        })
        .await
    }
}

impl LocalCache {
    /// Its folder under the root.
    fn name_of(&self, slot: &Slot) -> String {
        slot.folder.strip_prefix(&self.root).unwrap_or(&slot.folder).display().to_string()
    }
}

fn last_use(slot: &Slot) -> Timestamp {
    slot.last_use().try_into().unwrap_or_default()
}
