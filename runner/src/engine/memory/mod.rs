//! A strict engine in memory, for tests of what stands on engines: programs are interpreted, steps do what a script
//! says, and time is tokio's, so that it may be paused.
//!
//! Nothing runs by itself: what a sandbox has done by now is computed from its program, its script and the stops that it
//! got, whenever somebody looks. It is held to the same tests as the real engine, and refuses what that would refuse.

mod outcome;
mod timeline;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::{Ending, Engine, Record, SandboxKey, SandboxSpec, Sandboxes, Stop};
use crate::cancel::Cancel;
use crate::clock;
use crate::fault::{Fault, io};
use crate::progress::Progress;

pub use outcome::Outcome;
use timeline::{Timeline, timeline};

/// The engine. Say what steps do with [`MemoryEngine::on`] before they are started.
#[derive(Default)]
pub struct MemoryEngine {
    script: Script,
    sandboxes: Mutex<BTreeMap<SandboxKey, Sandbox>>,
}

/// What steps and other things do.
#[derive(Default)]
struct Script {
    outcomes: HashMap<String, Vec<Outcome>>,
    otherwise: Option<Outcome>,
    expansions: HashMap<String, String>,
    missing_images: HashSet<String>,
    failing_services: HashMap<String, String>,
    hangs_on_stops: bool,
}

struct Sandbox {
    spec: SandboxSpec,
    started: Instant,
    /// The time of day then.
    date: Timestamp,
    stops: Vec<(Duration, Stop)>,
    changed: watch::Sender<()>,
    destroyed: bool,
}

impl MemoryEngine {
    /// One in which no step is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the step with that text does: the first outcome the first time, and so on; the last one goes on for ever.
    #[must_use]
    pub fn on(mut self, text: &str, outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        self.script.outcomes.insert(text.to_owned(), outcomes.into_iter().collect());
        self
    }

    /// What all other steps do. Without it, a program with a step that is not known does not start.
    #[must_use]
    pub fn otherwise(mut self, outcome: Outcome) -> Self {
        self.script.otherwise = Some(outcome);
        self
    }

    /// What the shell makes of an expansion's text. Plain text and `$NAME` need not be said.
    #[must_use]
    pub fn expanding(mut self, text: &str, value: &str) -> Self {
        self.script.expansions.insert(text.to_owned(), value.to_owned());
        self
    }

    /// An image that is neither here nor in its registry.
    #[must_use]
    pub fn without_image(mut self, image: &str) -> Self {
        self.script.missing_images.insert(image.to_owned());
        self
    }

    /// A service that never gets ready, and what its log says.
    #[must_use]
    pub fn with_failing_service(mut self, name: &str, log: &str) -> Self {
        self.script.failing_services.insert(name.to_owned(), log.to_owned());
        self
    }

    /// The specifications of all sandboxes that were ever started, for a look at what was asked for.
    pub fn started(&self) -> Vec<SandboxSpec> {
        self.lock().values().map(|sandbox| sandbox.spec.clone()).collect()
    }

    /// Lets so much time pass in which nobody looked: all that was started was started earlier by that.
    pub fn age(&self, by: Duration) {
        for sandbox in self.lock().values_mut() {
            sandbox.started -= by;
            sandbox.date -= by;
        }
    }

    /// One that never answers when it is to stop something.
    #[must_use]
    pub fn without_stops(mut self) -> Self {
        self.script.hangs_on_stops = true;
        self
    }

    /// Forgets the sandboxes of a run, as a machine does that is set up anew.
    pub fn lose(&self, run: &str) {
        self.lock().retain(|key, _| key.run != run);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SandboxKey, Sandbox>> {
        self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, spec: &SandboxSpec) -> Result<(), Fault> {
        spec.check()?;
        if self.script.missing_images.contains(&spec.image) {
            return Err(Fault::configuration(format!("the image {} does not exist", spec.image)));
        }
        if let Some((service, log)) =
            spec.services.iter().find_map(|service| Some((service, self.script.failing_services.get(&service.name)?)))
        {
            let seconds = service.readiness.timeout_seconds;
            return Err(Fault::configuration(format!(
                "the service {} ({}) was not ready after {seconds} s; its last lines:\n{log}",
                service.name, service.image
            )));
        }
        let sections = spec.program.sections.iter();
        let mut steps = sections.flat_map(|section| section.steps.iter().chain(&section.finally));
        match steps.find(|step| self.script.outcome(&step.text, 0).is_none()) {
            Some(step) => Err(Fault::system(format!("nothing says what the step `{}` does", step.text))),
            None => Ok(()),
        }
    }
}

impl Script {
    /// What a step does for the `nth` time, from 0.
    fn outcome(&self, text: &str, nth: usize) -> Option<&Outcome> {
        let scripted = self.outcomes.get(text).and_then(|outcomes| outcomes.get(nth).or(outcomes.last()));
        scripted.or(self.otherwise.as_ref())
    }
}

impl Sandbox {
    fn timeline(&self, script: &Script) -> Timeline {
        timeline(&self.spec, script, &self.stops)
    }

    /// Where a file of the sandbox is on this machine, if it is in a mounted folder.
    fn on_host(&self, path: &str) -> Option<PathBuf> {
        let inside = |mount: &&super::Mount| Path::new(path).starts_with(&mount.container);
        let mount = self.spec.mounts.iter().filter(inside).max_by_key(|mount| mount.container.len())?;
        Some(mount.host.join(Path::new(path).strip_prefix(&mount.container).ok()?))
    }
}

#[async_trait]
impl Engine for MemoryEngine {
    async fn start(&self, spec: &SandboxSpec, progress: &Progress, cancel: &Cancel) -> Result<(), Fault> {
        if self.lock().get(&spec.key).is_some_and(|present| !present.destroyed) {
            return Ok(());
        }
        self.check(spec)?;
        progress.doing(format!("starting {}", spec.image));
        if cancel.reason().is_some() {
            return Err(Fault::stopped("stopped while the sandbox was being made ready"));
        }
        let sandbox = Sandbox {
            spec: spec.clone(),
            started: Instant::now(),
            date: clock::now(),
            stops: Vec::new(),
            changed: watch::Sender::new(()),
            destroyed: false,
        };
        self.lock().insert(spec.key.clone(), sandbox);
        Ok(())
    }

    async fn follow(&self, key: &SandboxKey, records: &Path, tell: mpsc::Sender<Record>) -> Result<Ending, Fault> {
        let mut told = 0;
        loop {
            let (timeline, started, date, mut changed) = match self.lock().get(key) {
                None => return Ok(Ending::Absent),
                Some(sandbox) => {
                    assert_eq!(sandbox.spec.records, records, "the records of {key:?} are followed in another folder");
                    (sandbox.timeline(&self.script), sandbox.started, sandbox.date, sandbox.changed.subscribe())
                }
            };
            while let Some(entry) = timeline.entries.get(told).filter(|entry| started + entry.at <= Instant::now()) {
                self.write(key, &entry.writes)?;
                let record = Record { at: date + entry.at, what: entry.what.clone() };
                tell.send(record)
                    .await
                    .map_err(|_| Fault::stopped("nobody listens to the sandbox's records any more"))?;
                told += 1;
            }
            let next = match (timeline.entries.get(told), timeline.ending) {
                (Some(entry), _) => Some(started + entry.at),
                (None, Some((at, ending))) if started + at <= Instant::now() => return Ok(ending),
                (None, Some((at, _))) => Some(started + at),
                (None, None) => None,
            };
            tokio::select! {
                () = async { match next { Some(at) => sleep_until(at).await, None => std::future::pending().await } } => {}
                _ = changed.changed() => {}
            }
        }
    }

    async fn stop(&self, key: &SandboxKey, how: Stop) -> Result<(), Fault> {
        if self.script.hangs_on_stops {
            return std::future::pending().await;
        }
        if let Some(sandbox) = self.lock().get_mut(key).filter(|sandbox| !sandbox.destroyed) {
            sandbox.stop(how);
        }
        Ok(())
    }
}

impl Sandbox {
    fn stop(&mut self, how: Stop) {
        self.stops.push((self.started.elapsed(), how));
        self.changed.send_replace(());
    }
}

impl MemoryEngine {
    /// Makes the files of a step that are in mounted folders.
    fn write(&self, key: &SandboxKey, writes: &[(String, Vec<u8>)]) -> Result<(), Fault> {
        for (path, content) in writes {
            let host = self.lock().get(key).and_then(|sandbox| sandbox.on_host(path));
            if let Some(host) = host {
                write(&host, content)?;
            }
        }
        Ok(())
    }
}

fn write(path: &Path, content: &[u8]) -> Result<(), Fault> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(io(parent))?;
    }
    std::fs::write(path, content).map_err(io(path))
}

#[async_trait]
impl Sandboxes for MemoryEngine {
    async fn copy_out(&self, key: &SandboxKey, path: &str, into: &Path) -> Result<bool, Fault> {
        let Some(parent) = Path::new(path).parent() else { return Ok(false) };
        let files: Vec<(String, Vec<u8>)> = match self.lock().get(key).filter(|sandbox| !sandbox.destroyed) {
            None => return Err(Fault::system(format!("copying {path}: there is no sandbox {key:?}"))),
            Some(sandbox) => {
                let so_far = |entry: &&timeline::Entry| sandbox.started + entry.at <= Instant::now();
                let entries = sandbox.timeline(&self.script).entries;
                let writes = entries.iter().filter(so_far).flat_map(|entry| entry.writes.clone());
                writes.filter(|(file, _)| Path::new(file).starts_with(path)).collect()
            }
        };
        for (file, content) in &files {
            if let Ok(inside) = Path::new(file).strip_prefix(parent) {
                write(&into.join(inside), content)?;
            }
        }
        Ok(!files.is_empty())
    }

    async fn destroy(&self, run: &str, name: Option<&str>) -> Result<(), Fault> {
        let mut sandboxes = self.lock();
        let all = sandboxes
            .iter_mut()
            .filter(|(key, sandbox)| key.run == run && name.is_none_or(|name| key.name == name) && !sandbox.destroyed);
        for (_, sandbox) in all {
            sandbox.stop(Stop::Destroy);
            sandbox.destroyed = true;
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<SandboxKey>, Fault> {
        Ok(self.lock().iter().filter(|(_, sandbox)| !sandbox.destroyed).map(|(key, _)| key.clone()).collect())
    }
}
