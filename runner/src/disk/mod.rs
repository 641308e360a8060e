//! Room on the disk: how much of what is kept between runs stays, and what goes first.
//!
//! Whatever is kept only makes later runs faster, so any of it may go, but never what a live run uses. This module does
//! not know what lies on a [`Shelf`].

mod clean;
mod policy;

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::fault::Fault;

pub use clean::{Cleaned, clean, make_room};
pub use policy::{Allowance, allowed, surplus};

/// Something that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name on its shelf.
    pub name: String,
    /// What it takes of the disk.
    pub bytes: u64,
    /// When a run used it last.
    pub last_use: Timestamp,
    /// Whether a run uses it now, or may come back to it.
    pub in_use: bool,
}

/// A kind of things that are kept. Any number of processes may use what lies there at the same time.
#[async_trait]
pub trait Shelf: Send + Sync {
    /// What one of the things is called: `cache`, `mirror`, `image`.
    fn kind(&self) -> &'static str;

    /// All that lies there.
    async fn list(&self) -> Result<Vec<Kept>, Fault>;

    /// Removes one of them, unless it is in use by now. Returns whether it is gone.
    async fn remove(&self, name: &str) -> Result<bool, Fault>;
}

/// Looks through a shelf, off the runtime's own threads.
///
/// # Errors
/// As the work's, or when that breaks down.
pub async fn looking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Fault::system(format!("looking through what is kept broke down: {error}")))?
}

/// The disk space under a folder; a file with several names counts once for each.
#[must_use]
pub fn bytes_under(folder: &Path) -> u64 {
    let entries = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok);
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.blocks() * 512).sum()
}
