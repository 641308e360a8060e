//! Whether this machine can do a job: its engine, its memory, and its disk, which is cleared when it is short.

use std::time::Duration;

use super::super::{Kinds, shelves};
use super::JobShop;
use crate::clock;
use crate::disk::make_room;
use crate::memory;
use crate::report::text::bytes;

/// A log that its service refuses is kept for so long after its last line, also when the disk is short.
const REFUSED: Duration = Duration::from_secs(24 * 3600);

impl JobShop {
    /// Why no job should be taken now. A disk that is short is cleared first.
    pub(super) async fn why_not(&self) -> Option<String> {
        if let Err(fault) = self.engine.version().await {
            return Some(fault.message);
        }
        let wanted = self.config.free_memory;
        if let Some(free) = memory::available().filter(|free| *free < wanted) {
            return Some(format!("{} of memory are free, and a job needs {}", bytes(free), bytes(wanted)));
        }
        let (folder, wanted) = (self.folders.root(), self.config.free_disk);
        if fs4::available_space(folder).is_ok_and(|free| free >= wanted) {
            return None;
        }
        let given_up = self.shipping.give_up(REFUSED);
        if given_up > 0 {
            tracing::error!(given_up, "logs that their service refuses are not kept any longer: the disk is short");
        }
        // The logs of jobs that are over are elsewhere, if they are sent anywhere; else this is the only place.
        let kinds = Kinds { caches: true, mirrors: true, images: true, runs: self.config.logs.is_any() };
        let shelves = shelves(&self.environment, &self.folders, kinds);
        match make_room(&shelves, folder, wanted, clock::now()).await {
            Ok(cleaned) => tracing::info!(freed = bytes(cleaned.bytes()), "caches went, because the disk is short"),
            Err(fault) => tracing::warn!(%fault, "no room could be made on the disk"),
        }
        let free = fs4::available_space(folder).unwrap_or(0);
        (free < wanted).then(|| {
            let (free, wanted) = (bytes(free), bytes(wanted));
            format!("{free} are free on the disk of {}, and a job needs {wanted}", folder.display())
        })
    }
}
