//! Mirrors as things that may go when the disk is full, and the small packs in them made into one.
//!
//! Both happen under the lock of the mirror. A run that reads meanwhile, without a lock, finds its objects or fetches
//! them, and keeps what it has linked.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::mirror::Mirror;
use super::packs::{self, Consolidated};
use crate::clock;
use crate::disk::{Kept, Shelf, bytes_under};
use crate::fault::{Fault, io};

/// A mirror that only one run knows has no lock; one of a process that died is left alone for so long.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// The mirrors of one folder.
#[derive(Clone, Debug)]
pub struct Mirrors {
    folder: PathBuf,
}

impl Mirrors {
    /// Those under that folder.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Makes the many small packs of each mirror, which every fetch adds one to, into one. Mirrors that are in use are
    /// left out.
    ///
    /// # Errors
    /// A `System` fault when a mirror cannot be read or written; the others are done all the same.
    pub async fn consolidate(&self) -> Result<Consolidated, Fault> {
        let mirrors = self.clone();
        blocking(move || {
            let (mut all, mut failed) = (Consolidated::default(), Ok(()));
            for mirror in mirrors.all()?.into_iter().filter(|mirror| !is_private(mirror)) {
                let done = mirror.try_lock().and_then(|lock| match lock {
                    Some(_lock) => packs::consolidate(&mirror.path()),
                    None => Ok(Consolidated::default()),
                });
                match done {
                    Ok(done) => all += done,
                    Err(fault) => failed = Err(fault),
                }
            }
            failed.map(|()| all)
        })
        .await
    }

    fn all(&self) -> Result<Vec<Mirror>, Fault> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(io(&self.folder))?,
        };
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let names = names.filter_map(|name| name.strip_suffix(".git").map(str::to_owned));
        Ok(names.map(|name| Mirror::named(&self.folder, &name)).collect())
    }
}

#[async_trait]
impl Shelf for Mirrors {
    fn kind(&self) -> &'static str {
        "mirror"
    }

    async fn list(&self) -> Result<Vec<Kept>, Fault> {
        let mirrors = self.clone();
        blocking(move || {
            let kept = |mirror: Mirror| {
                Ok(Kept {
                    name: mirror.name().to_owned(),
                    bytes: bytes_under(&mirror.path()),
                    last_use: last_use(&mirror),
                    in_use: in_use(&mirror)?,
                })
            };
            mirrors.all()?.into_iter().map(kept).collect()
        })
        .await
    }

    async fn remove(&self, name: &str) -> Result<bool, Fault> {
        let mirror = Mirror::named(&self.folder, name);
        blocking(move || {
            if is_private(&mirror) {
                return if in_use(&mirror)? { Ok(false) } else { mirror.discard().map(|()| true) };
            }
            match mirror.try_lock()? {
                Some(_lock) => mirror.discard().map(|()| true),
                None => Ok(false),
            }
        })
        .await
    }
}

fn in_use(mirror: &Mirror) -> Result<bool, Fault> {
    if is_private(mirror) {
        let age = clock::now().duration_since(last_use(mirror));
        return Ok(age.unsigned_abs() < ABANDONED);
    }
    Ok(mirror.try_lock()?.is_none())
}

fn is_private(mirror: &Mirror) -> bool {
    mirror.name().ends_with(".tmp")
}

/// The time of its lock, or of its folder while there is none.
fn last_use(mirror: &Mirror) -> Timestamp {
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let at = modified(&mirror.lock_path()).or_else(|| modified(&mirror.path()));
    at.and_then(|at| at.try_into().ok()).unwrap_or_default()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    super::git::on_thread(work).await?
}
