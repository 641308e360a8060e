//! The folder of a process's warm sandboxes, and the removal of what processes left that are no more.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use fs4::FileExt;

use super::super::clean;
use super::super::container::{self, ROLE, WARM};
use super::slot::Slot;
use crate::fault::{Fault, io};

/// The folder of one process's slots; others leave it alone while the lock is held.
pub(super) struct Home {
    pub(super) folder: PathBuf,
    _lock: File,
}

impl Home {
    /// Makes one among the others.
    pub(super) fn make(homes: &Path) -> Result<Self, Fault> {
        let folder = homes.join(uuid::Uuid::new_v4().simple().to_string());
        std::fs::create_dir_all(homes).map_err(io(homes))?;
        // The lock is there before what it guards.
        let path = folder.with_extension("lock");
        let lock = File::create(&path).map_err(io(&path))?;
        FileExt::lock(&lock).map_err(io(&path))?;
        std::fs::create_dir(&folder).map_err(io(&folder))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Those of processes that are no more.
    fn dead(homes: &Path) -> Vec<Self> {
        let locked = |folder: PathBuf| {
            let lock = File::create(folder.with_extension("lock")).ok()?;
            FileExt::try_lock(&lock).ok()?;
            Some(Self { folder, _lock: lock })
        };
        folders(homes).filter_map(locked).collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Only an empty one goes: a build that was taken over may still use its slot.
        if std::fs::remove_dir(&self.folder).is_ok() {
            let _ = std::fs::remove_file(self.folder.with_extension("lock"));
        }
    }
}

/// Removes what processes left that are no more: waiting sandboxes, and the folders of those that are gone.
///
/// Containers are looked for by their labels and not by the folders: the engine may have made one after its maker died,
/// and after an earlier sweep that removed its folder.
pub(in super::super) async fn sweep(client: &Docker, homes: &Path) {
    let dead = Home::dead(homes);
    let found = match containers(client).await {
        Ok(found) => found,
        Err(error) => return tracing::warn!(%error, "what is left of warm sandboxes cannot be listed"),
    };
    let is_dead = |home: &Path| !home.exists() || dead.iter().any(|one| one.folder == home);
    let mut used = HashSet::new();
    for one in &found {
        let Some((slot, home)) = place(one) else { continue };
        if home.parent() != Some(homes) || !is_dead(home) {
            continue;
        }
        // One that was taken is a build's container, and is removed with its run.
        let waiting = one.names.iter().flatten().find(|name| container::is_warm_name(name));
        let is_gone = match waiting {
            Some(name) => removed(client, name.trim_start_matches('/')).await,
            None => false,
        };
        if !is_gone {
            used.insert(slot.to_owned());
        }
    }
    for home in dead {
        for slot in folders(&home.folder).filter(|slot| !used.contains(slot)) {
            clear(Slot::left(slot)).await;
        }
    }
}

/// Every container that was made warm, whatever became of it.
async fn containers(client: &Docker) -> Result<Vec<ContainerSummary>, Error> {
    let filters = HashMap::from([("label".to_owned(), vec![format!("{ROLE}=warm"), WARM.to_owned()])]);
    client.list_containers(Some(ListContainersOptionsBuilder::default().all(true).filters(&filters).build())).await
}

/// The slot of a container, and the home that it lies in.
fn place(one: &ContainerSummary) -> Option<(&Path, &Path)> {
    let slot = Path::new(one.labels.as_ref()?.get(WARM)?);
    Some((slot, slot.parent()?))
}

/// Removes by the name: one that is taken at this very moment has another by then. Whether it is gone.
async fn removed(client: &Docker, name: &str) -> bool {
    let removed = remove(client, name).await;
    if let Err(error) = &removed {
        tracing::warn!(container = name, %error, "what is left of a warm sandbox cannot be removed");
    }
    removed.is_ok()
}

/// Kills and removes a container; one that is not there is as good as removed.
pub(super) async fn remove(client: &Docker, name: &str) -> Result<(), Error> {
    clean::gone_or_busy(clean::remove(client, name).await)
}

/// Removes a slot, and gives back what still lies in it.
pub(super) async fn clear(slot: Slot) {
    let cleared = tokio::task::spawn_blocking(move || slot.clear()).await;
    if let Ok(Err(fault)) = cleared {
        tracing::warn!(%fault, "the folder of a warm sandbox cannot be removed");
    }
}

fn folders(of: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(of).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir())
}
