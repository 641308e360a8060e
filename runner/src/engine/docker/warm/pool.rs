//! The warm sandboxes of this process: which are wanted, which wait, and which were taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bollard::Docker;
use bollard::query_parameters::RenameContainerOptionsBuilder;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::super::super::{SandboxKey, SandboxSpec};
use super::super::container;
use super::super::errors::{self, Trouble, trouble};
use super::claim;
use super::home::{Home, clear, remove};
use super::made::Made;
use super::slot::{self, Slot};
use super::{Kind, WarmConfig};
use crate::fault::{Fault, FaultKind};

impl Inside {
    /// Takes out all that were made and not taken.
    fn all(&mut self) -> Vec<(String, Slot)> {
        let mut all = std::mem::take(&mut self.ended);
        all.extend(self.waiting.drain(..).map(|one| (one.name, one.slot)));
        all
    }
}

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
    /// What is to be removed: containers by name, and their slots.
    ended: Vec<(String, Slot)>,
    taken: HashMap<SandboxKey, Slot>,
    /// Kinds that cannot be made.
    unfit: Vec<Kind>,
    drained: bool,
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
            self.discard(client, one.name, one.slot).await;
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
                self.discard(client, one.name, one.slot).await;
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

    /// Removes a sandbox that does not begin, and now never will. One that has begun after all is told as such: nothing
    /// is killed that runs, and nothing runs twice.
    async fn give_up(&self, client: &Docker, spec: &SandboxSpec, name: &str, fault: &Fault) -> Result<bool, Fault> {
        if !claim::give_up(&spec.records) {
            return Ok(true);
        }
        tracing::warn!(container = name, %fault, "a warm sandbox is given up");
        remove(client, name).await.map_err(|error| errors::fault(format!("removing {name}"), "", &error))?;
        self.forget(&spec.key.run, Some(&spec.key.name)).await;
        Ok(false)
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
        let waiting = self.inside().all();
        futures_util::future::join_all(waiting.into_iter().map(|(name, slot)| self.discard(client, name, slot))).await;
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
            // So it did when the engine was away; its container may be there still.
            tracing::warn!(container = one.name, "a warm sandbox has ended");
            inside.ended.push((one.name, one.slot));
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
        futures_util::future::join_all(idle.into_iter().map(|(name, slot)| self.discard(client, name, slot))).await;
        while let Some(kind) = self.lacking() {
            let id = uuid::Uuid::new_v4().simple().to_string();
            let made = match self.home().await {
                Ok(home) => Made::make(client, &kind, &home.folder, &id).await.map_err(|fault| (home, fault)),
                Err(fault) => {
                    tracing::warn!(%fault, "there is no place for warm sandboxes");
                    return;
                }
            };
            match made {
                Ok(one) => self.inside().waiting.push(one),
                Err((home, fault)) => {
                    self.discard(client, container::warm_name(&id), Slot::left(home.folder.join(&id))).await;
                    if fault.away {
                        // The next build that asks for one comes back to it.
                        return;
                    }
                    let mut inside = self.inside();
                    inside.wanted.retain(|(known, _)| *known != kind);
                    if fault.kind == FaultKind::Configuration {
                        tracing::warn!(%fault, "there will be no warm sandbox of this image");
                        inside.unfit.push(kind);
                    } else {
                        tracing::warn!(%fault, "no warm sandbox for now; the next build asks for one again");
                    }
                }
            }
        }
    }

    /// Takes out what is more than the limits allow: kinds that were not asked for, and the oldest of too many.
    fn superfluous(&self) -> Vec<(String, Slot)> {
        let mut inside = self.inside();
        inside.wanted.retain(|(_, last)| last.elapsed() < self.config.idle);
        let kept: Vec<Kind> = inside.wanted.iter().take(self.kinds()).map(|(kind, _)| kind.clone()).collect();
        let mut gone = std::mem::take(&mut inside.ended);
        let superfluous = inside.waiting.extract_if(.., |one| !kept.contains(&one.kind));
        gone.extend(superfluous.map(|one| (one.name, one.slot)));
        gone
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

    /// The folder of this process, made once.
    async fn home(&self) -> Result<&Home, Fault> {
        self.home.get_or_try_init(async || Home::make(&self.config.folder)).await
    }

    /// Removes one that was not taken; if that cannot be, the next filling tries again.
    async fn discard(&self, client: &Docker, name: String, slot: Slot) {
        match remove(client, &name).await {
            Ok(()) => clear(slot).await,
            Err(error) => {
                tracing::warn!(container = name, %error, "a warm sandbox cannot be removed");
                self.inside().ended.push((name, slot));
            }
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
