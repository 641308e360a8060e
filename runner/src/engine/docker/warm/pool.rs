//! The warm sandboxes of this process: which are wanted, which wait, and which were taken.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bollard::Docker;
use bollard::query_parameters::{ListContainersOptionsBuilder, RenameContainerOptionsBuilder};
use fs4::FileExt;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::super::super::{SandboxKey, SandboxSpec};
use super::super::clean;
use super::super::container::{self, ROLE, WARM};
use super::super::errors::{Trouble, trouble};
use super::made::{self, Made};
use super::slot::{self, Slot};
use super::{Kind, WarmConfig};
use crate::fault::{Fault, io};

/// Warm sandboxes. Nothing is made before the first build or the first [`Pool::warm`].
pub(in super::super) struct Pool {
    config: WarmConfig,
    home: OnceCell<Home>,
    inside: Mutex<Inside>,
    /// Held while sandboxes are made, one after the other: they are made beside builds, and not to hurry.
    making: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Inside {
    /// Kinds and when they were last asked for, the latest first.
    wanted: Vec<(Kind, Instant)>,
    waiting: Vec<Made>,
    taken: HashMap<SandboxKey, Slot>,
    /// Kinds that cannot be made.
    unfit: Vec<Kind>,
    drained: bool,
}

/// The folder of this process's slots; others leave it alone while the lock is held.
struct Home {
    folder: PathBuf,
    _lock: File,
}

impl Pool {
    pub(in super::super) fn new(config: WarmConfig) -> Arc<Self> {
        let (home, inside, making) = (OnceCell::new(), Mutex::default(), tokio::sync::Mutex::default());
        Arc::new(Self { config, home, inside, making })
    }

    /// Starts a sandbox warm, if it can be. Returns whether it has begun; if not, nothing of it is in the engine.
    pub(in super::super) async fn start(self: &Arc<Self>, client: &Docker, spec: &SandboxSpec) -> Result<bool, Fault> {
        let Some(kind) = Kind::of(spec) else { return Ok(false) };
        self.want(&kind);
        self.fill_soon(client);
        let Some(one) = self.pick(&kind) else { return Ok(false) };
        let present = client.inspect_image(&kind.image).await.ok().and_then(|image| image.id);
        if present.as_ref() != Some(&one.image) {
            self.discard(client, &one.name, &one.slot).await;
            return Ok(false);
        }
        let name = container::name(&spec.key);
        let options = RenameContainerOptionsBuilder::default().name(&name).build();
        match client.rename_container(&one.name, options).await {
            Ok(()) => {}
            Err(error) if trouble(&error) == Trouble::Conflict => {
                self.inside().waiting.push(one);
                return Ok(false);
            }
            Err(error) => {
                tracing::warn!(container = one.name, %error, "a warm sandbox cannot be renamed");
                self.discard(client, &one.name, &one.slot).await;
                return Ok(false);
            }
        }
        self.inside().taken.insert(spec.key.clone(), one.slot.clone());
        // A sandbox of this key that was destroyed may have left its folders elsewhere.
        let begun = match slot::give_back(&spec.records) {
            Ok(()) => one.hand_over(spec).await,
            Err(fault) => Err(fault),
        };
        match begun {
            Ok(()) => Ok(true),
            Err(fault) => self.give_up(client, spec, &name, &fault).await,
        }
    }

    /// Removes a sandbox that does not begin. One that has begun after all is told as such: nothing runs twice.
    async fn give_up(&self, client: &Docker, spec: &SandboxSpec, name: &str, fault: &Fault) -> Result<bool, Fault> {
        tracing::warn!(container = name, %fault, "a warm sandbox is given up");
        let removed = remove(client, name).await;
        removed.map_err(|error| Fault::system(format!("removing {name}: {error}")))?;
        let begun = made::has_begun(&spec.records);
        if !begun {
            self.forget(&spec.key.run, Some(&spec.key.name)).await;
        }
        Ok(begun)
    }

    /// Makes sure that one of that kind waits.
    pub(in super::super) async fn warm(
        &self,
        client: &Docker,
        image: &str,
        limits: &pipeline_spec::plan::Limits,
        owner: Option<(u32, u32)>,
    ) -> Result<(), Fault> {
        let kind = Kind { image: image.to_owned(), limits: limits.clone(), owner };
        self.want(&kind);
        self.fill(client).await;
        match self.inside().waiting.iter().any(|one| one.kind == kind) {
            true => Ok(()),
            false => Err(Fault::system(format!("no warm sandbox of the image {image} can be kept"))),
        }
    }

    /// Removes the folders of destroyed sandboxes; what still lies in them goes back to where it was.
    pub(in super::super) async fn forget(&self, run: &str, name: Option<&str>) {
        let is_it = |key: &SandboxKey| key.run == run && name.is_none_or(|name| key.name == name);
        let slots: Vec<Slot> = {
            let mut inside = self.inside();
            inside.taken.extract_if(|key, _| is_it(key)).map(|(_, slot)| slot).collect()
        };
        for slot in slots {
            clear(slot).await;
        }
    }

    /// Removes all that wait, and makes no more.
    pub(in super::super) async fn drain(&self, client: &Docker) {
        self.inside().drained = true;
        let _nobody_makes_one = self.making.lock().await;
        let waiting = std::mem::take(&mut self.inside().waiting);
        futures_util::future::join_all(waiting.iter().map(|one| self.discard(client, &one.name, &one.slot))).await;
    }

    /// Notes that a kind was asked for.
    fn want(&self, kind: &Kind) {
        let mut inside = self.inside();
        inside.wanted.retain(|(known, _)| known != kind);
        if !inside.unfit.contains(kind) {
            inside.wanted.insert(0, (kind.clone(), Instant::now()));
        }
    }

    /// Takes one that waits.
    fn pick(&self, kind: &Kind) -> Option<Made> {
        let mut inside = self.inside();
        loop {
            let at = inside.waiting.iter().position(|one| one.kind == *kind)?;
            let mut one = inside.waiting.swap_remove(at);
            if one.waits() {
                return Some(one);
            }
            // Its container and folder are found by the next sweep.
            tracing::warn!(container = one.name, "a warm sandbox has ended");
        }
    }

    /// Fills the pool a little later, and again when something in it has been idle for too long.
    fn fill_soon(self: &Arc<Self>, client: &Docker) {
        for after in [self.config.after, self.config.idle + self.config.after] {
            let (pool, client) = (Arc::downgrade(self), client.clone());
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                if let Some(pool) = pool.upgrade() {
                    pool.fill(&client).await;
                }
            });
        }
    }

    /// Removes what nobody asks for any more, and makes what is wanted, the latest first.
    async fn fill(&self, client: &Docker) {
        let _one_at_a_time = self.making.lock().await;
        let idle = self.superfluous();
        futures_util::future::join_all(idle.iter().map(|one| self.discard(client, &one.name, &one.slot))).await;
        while let Some(kind) = self.lacking() {
            let id = uuid::Uuid::new_v4().simple().to_string();
            let made = match self.home(client).await {
                Ok(home) => Made::make(client, &kind, &home.folder, &id).await.map_err(|fault| (home, fault)),
                Err(fault) => {
                    tracing::warn!(%fault, "there is no place for warm sandboxes");
                    return;
                }
            };
            match made {
                Ok(one) => self.inside().waiting.push(one),
                Err((home, fault)) => {
                    tracing::warn!(%fault, "there will be no warm sandbox of this image");
                    self.inside().unfit.push(kind.clone());
                    self.inside().wanted.retain(|(known, _)| *known != kind);
                    self.discard(client, &container::warm_name(&id), &Slot::left(home.folder.join(&id))).await;
                }
            }
        }
    }

    /// Takes out what is more than the limits allow: kinds that were not asked for, and the oldest of too many.
    fn superfluous(&self) -> Vec<Made> {
        let mut inside = self.inside();
        inside.wanted.retain(|(_, last)| last.elapsed() < self.config.idle);
        let kept: Vec<Kind> = inside.wanted.iter().take(self.kinds()).map(|(kind, _)| kind.clone()).collect();
        inside.waiting.extract_if(.., |one| !kept.contains(&one.kind)).collect()
    }

    /// A kind of which one more should wait.
    fn lacking(&self) -> Option<Kind> {
        let inside = self.inside();
        if inside.drained || inside.waiting.len() >= self.config.most {
            return None;
        }
        let count = |kind: &Kind| inside.waiting.iter().filter(|one| one.kind == *kind).count();
        let mut kinds = inside.wanted.iter().take(self.kinds()).map(|(kind, _)| kind);
        kinds.find(|kind| count(kind) < self.config.each).cloned()
    }

    /// For how many kinds there is room.
    fn kinds(&self) -> usize {
        self.config.most / self.config.each.max(1)
    }

    /// The folder of this process, made once; then what dead processes left is removed.
    async fn home(&self, client: &Docker) -> Result<&Home, Fault> {
        self.home
            .get_or_try_init(|| async {
                let folder = self.config.folder.join(uuid::Uuid::new_v4().simple().to_string());
                std::fs::create_dir_all(&self.config.folder).map_err(io(&self.config.folder))?;
                // The lock is there before what it guards.
                let path = folder.with_extension("lock");
                let lock = File::create(&path).map_err(io(&path))?;
                FileExt::lock(&lock).map_err(io(&path))?;
                std::fs::create_dir(&folder).map_err(io(&folder))?;
                self.sweep(client).await;
                Ok(Home { folder, _lock: lock })
            })
            .await
    }

    /// Removes what processes left that are no more: waiting sandboxes, and the folders of those that are gone.
    async fn sweep(&self, client: &Docker) {
        for home in dead(&self.config.folder) {
            let mut is_clear = true;
            for (id, folder) in made::slots(&home.folder) {
                let _ = remove(client, &container::warm_name(&id)).await;
                // One that was taken is a build's container, and is removed with its run.
                match slot_in_use(client, &id).await {
                    false => clear(Slot::left(folder)).await,
                    true => is_clear = false,
                }
            }
            if is_clear {
                let _ = std::fs::remove_dir_all(&home.folder);
                let _ = std::fs::remove_file(home.folder.with_extension("lock"));
            }
        }
    }

    async fn discard(&self, client: &Docker, name: &str, slot: &Slot) {
        match remove(client, name).await {
            Ok(()) => clear(slot.clone()).await,
            Err(error) => tracing::warn!(container = name, %error, "a warm sandbox cannot be removed"),
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The homes of processes that are no more, with their locks.
fn dead(folder: &std::path::Path) -> Vec<Home> {
    let homes = made::slots(folder).into_iter().map(|(_, folder)| folder);
    homes
        .filter_map(|folder| {
            let lock = File::create(folder.with_extension("lock")).ok()?;
            FileExt::try_lock(&lock).ok()?;
            Some(Home { folder, _lock: lock })
        })
        .collect()
}

/// Kills and removes a container; one that is not there is as good as removed.
async fn remove(client: &Docker, name: &str) -> Result<(), bollard::errors::Error> {
    clean::gone_or_busy(clean::remove(client, name).await)
}

/// Whether a container uses that slot. Any doubt is a yes.
async fn slot_in_use(client: &Docker, id: &str) -> bool {
    let filters = HashMap::from([("label".to_owned(), vec![format!("{ROLE}=warm"), format!("{WARM}={id}")])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    !client.list_containers(Some(options)).await.is_ok_and(|found| found.is_empty())
}

async fn clear(slot: Slot) {
    let cleared = tokio::task::spawn_blocking(move || slot.clear()).await;
    if let Ok(Err(fault)) = cleared {
        tracing::warn!(%fault, "the folder of a warm sandbox cannot be removed");
    }
}
