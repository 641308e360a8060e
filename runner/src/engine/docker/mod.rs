//! Sandboxes in a Docker engine (or Podman's Docker API).
//!
//! The build is a container whose main process, the driver, runs the whole program and writes its records to a folder
//! of this machine. So the engine is asked to create and to start, and for little else; the records are plain files
//! that outlive this process and the engine. The engine must run on this machine, or see the same folders.
//!
//! A program has ended when the driver wrote its last mark. Its container may take a moment more to go.

#[cfg(test)]
mod away_test;
mod clean;
mod container;
mod copy;
#[cfg(test)]
mod driver_test;
mod errors;
mod leave;
mod mark;
mod network;
mod owner;
mod patience;
mod program;
mod pull;
mod reader;
mod refresh;
mod seed;
mod service;
mod start;
mod stop;
mod wait;
mod warm;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::sync::{OnceCell, mpsc};
use tokio::time::Instant;

use super::{Ending, Engine, Record, SandboxKey, SandboxSpec, Sandboxes, Stop};
use crate::cancel::Cancel;
use crate::fault::Fault;
use crate::progress::Progress;

pub use pull::{NoLogins, RegistryLogin, RegistryLogins};
pub use warm::WarmConfig;

/// Longer than any call of ours should take: a busy engine may need a minute to start a container.
const CALL_SECONDS: u64 = 300;
/// The shortest wait between two looks at records that do not grow, and the longest. In between it is this part of the
/// time for which they have not grown: whatever they are late by is little beside what it took.
const PART: u32 = 16;
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// How long what the engine has lost may write nothing before it is taken for dead.
const SILENCE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// Where the engine is, and what we may take of it.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// As in `DOCKER_HOST`: `unix:///path`, `tcp://host:port`, `http://host:port`.
    pub host: String,
    /// The range that networks for builds with services are cut from, such as `10.213.0.0/16`.
    pub subnets: String,
    /// Keep warm sandboxes: for a process that runs builds again and again.
    pub warm: Option<WarmConfig>,
    /// The engine is known to belong here: it is waited for also before it has ever answered.
    pub expected: bool,
    /// How often registries are asked what tags mean by now; `None`: only what is missing is pulled.
    pub refresh: Option<Duration>,
    /// Leave it to the engine to remove what has come to its end, and do not wait for it: for a process that ends then.
    pub brief: bool,
}

impl Default for DockerConfig {
    fn default() -> Self {
        let (host, subnets) = ("unix:///var/run/docker.sock".to_owned(), "10.213.0.0/16".to_owned());
        Self { host, subnets, warm: None, expected: false, refresh: None, brief: false }
    }
}

/// The adapter. Nothing is connected before the first call.
pub struct DockerEngine {
    config: DockerConfig,
    client: OnceCell<Docker>,
    pulls: pull::Pulls,
    refresh: refresh::Refresh,
    /// Containers whose drivers were seen to come to their end: nothing is left to do but to remove them.
    completed: Mutex<HashSet<String>>,
    /// Sandboxes that this process made, and that are a container and nothing else.
    alone: Mutex<HashSet<SandboxKey>>,
    warm: Option<Arc<warm::Pool>>,
    patience: patience::Patience,
}

impl DockerEngine {
    /// An engine at the place that the configuration names; `logins` tells the credentials of registries.
    #[must_use]
    pub fn new(config: DockerConfig, logins: Arc<dyn RegistryLogins>) -> Self {
        let (pulls, warm) = (pull::Pulls::new(logins), config.warm.clone().map(warm::Pool::new));
        let (completed, alone) = (Mutex::default(), Mutex::default());
        let (patience, refresh) = (patience::Patience::new(config.expected), refresh::Refresh::new(config.refresh));
        Self { config, client: OnceCell::new(), pulls, refresh, completed, alone, warm, patience }
    }

    /// Asks the engine for its version: its name, its version, and its API's.
    pub async fn version(&self) -> Result<String, Fault> {
        let version = self.client().await?.version().await.map_err(|error| self.fault("asking its version", &error))?;
        let (release, api) = (version.version.unwrap_or_default(), version.api_version.unwrap_or_default());
        Ok(format!("{release} (API {api})"))
    }

    /// What time it is where the engine runs, which is not here when that is a virtual machine.
    ///
    /// # Errors
    /// A `System` fault when the engine does not answer, or tells no time.
    pub async fn time(&self) -> Result<jiff::Timestamp, Fault> {
        let info = self.client().await?.info().await.map_err(|error| self.fault("asking its time", &error))?;
        let told = info.system_time.unwrap_or_default();
        told.parse().map_err(|error| Fault::system(format!("the engine's time `{told}` cannot be read: {error}")))
    }

    /// Makes sure that the image is here: pulls it when it is not.
    pub async fn pull(&self, image: &str, progress: &Progress, cancel: &Cancel) -> Result<(), Fault> {
        self.pulls.pull(self.client().await?, image, progress, cancel).await
    }

    /// Makes sure that a warm sandbox of that image waits, with those limits, for builds whose folders have that owner.
    ///
    /// # Errors
    /// A `System` fault when none can be kept, or none is to be kept by the configuration.
    pub async fn warm(
        &self,
        image: &str,
        limits: &pipeline_spec::plan::Limits,
        owner: Option<(u32, u32)>,
    ) -> Result<(), Fault> {
        match &self.warm {
            Some(pool) => pool.warm(self.client().await?, image, limits, owner).await,
            None => Err(Fault::system("warm sandboxes are not kept")),
        }
    }

    /// Removes the warm sandboxes that wait, and makes no more. Builds that run go on.
    pub async fn drain(&self) {
        if let (Some(pool), Ok(client)) = (&self.warm, self.client().await) {
            pool.drain(client).await;
        }
    }

    /// Removes what processes that are no more kept warm in that folder (see [`WarmConfig::folder`]).
    pub async fn sweep(&self, folder: &Path) {
        if let Ok(client) = self.client().await {
            warm::sweep(client, folder).await;
        }
    }

    /// The client. It speaks the engine's newest API version; that of Docker 20.10 (1.41) has all that is asked for.
    async fn client(&self) -> Result<&Docker, Fault> {
        self.client.get_or_try_init(|| async { connect(&self.config.host) }).await
    }

    fn completed(&self) -> MutexGuard<'_, HashSet<String>> {
        self.completed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sandboxes of this process that need one call to be removed.
    fn alone(&self) -> MutexGuard<'_, HashSet<SandboxKey>> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is a warm sandbox whose maker died before it gave it its program. It is removed then: whether it would
    /// notice by itself is up to the engine, which may have lost its input.
    async fn never_begins(&self, key: &SandboxKey, records: &Path) -> Result<bool, Fault> {
        if self.alone().contains(key) || reader::has_begun(records) {
            return Ok(false);
        }
        let doing = || async { warm::give_up(self.client().await?, key, records).await };
        self.patience.with(None, doing).await
    }

    /// Tells all records, and how it ended.
    async fn read_to_end(&self, key: &SandboxKey, records: &Path, tell: mpsc::Sender<Record>) -> Result<Ending, Fault> {
        let mut reader = reader::Reader::new(records);
        let mut gone = std::pin::pin!(wait::gone(self, key));
        let mut quiet_since = Instant::now();
        loop {
            if reader.drain(&tell).await? {
                quiet_since = Instant::now();
            }
            if reader.ended() {
                self.completed().insert(container::name(key));
                return Ok(Ending::Completed);
            }
            tokio::select! {
                ending = &mut gone => {
                    let ending = match ending {
                        // Its driver needs no engine, and may go on: how long it may is not settled here.
                        Err(fault) if fault.away && reader.begun() => {
                            tracing::warn!(%fault, "the engine is away, and a build's records are read on");
                            gone.set(wait::gone(self, key));
                            continue;
                        }
                        ending => ending?,
                    };
                    self.read_rest(&mut reader, &ending, &tell).await?;
                    if reader.ended() {
                        return Ok(Ending::Completed);
                    }
                    reader.close(&tell).await?;
                    return wait::ending(ending, reader.begun(), !reader::has_begun(records));
                }
                () = tokio::time::sleep(pause(quiet_since.elapsed())) => {}
            }
        }
    }

    /// Tells what is left of the records. What the engine has lost may still run: it is read until it falls silent.
    async fn read_rest(
        &self,
        reader: &mut reader::Reader,
        gone: &wait::Gone,
        tell: &mpsc::Sender<Record>,
    ) -> Result<(), Fault> {
        let mut last = Instant::now();
        loop {
            if reader.drain(tell).await? {
                last = Instant::now();
            }
            let is_lost = matches!(gone, wait::Gone::Ended(state) if wait::was_lost(state));
            if reader.ended() || !is_lost || !reader.begun() || last.elapsed() > SILENCE {
                return Ok(());
            }
            tokio::time::sleep(LONGEST_PAUSE).await;
        }
    }

    /// A fault in something that has nothing to do with an image.
    fn fault(&self, doing: &str, error: &bollard::errors::Error) -> Fault {
        errors::fault(format!("{} at {}", doing, self.config.host), "", error)
    }
}

/// Connects. Over a socket every call is a connection of its own, so an engine that comes back is simply there again.
pub(crate) fn connect(host: &str) -> Result<Docker, Fault> {
    let connected = match host.split_once("://") {
        Some(("unix", path)) => Docker::connect_with_unix(path, CALL_SECONDS, API_DEFAULT_VERSION),
        Some(("tcp" | "http", _)) => Docker::connect_with_http(host, CALL_SECONDS, API_DEFAULT_VERSION),
        _ => {
            return Err(Fault::configuration(format!("the engine's address {host} is not understood"))
                .hint("DOCKER_HOST is unix:///path or tcp://host:port"));
        }
    };
    connected.map_err(|error| errors::fault(format!("connecting to {host}"), "", &error))
}

/// How long to wait before the next look at records that have not grown for so long.
fn pause(quiet: Duration) -> Duration {
    (quiet / PART).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

#[async_trait]
impl Engine for DockerEngine {
    async fn start(&self, spec: &SandboxSpec, progress: &Progress, cancel: &Cancel) -> Result<(), Fault> {
        self.patience.with(Some(cancel), || start::start(self, spec, progress, cancel)).await
    }

    async fn follow(&self, key: &SandboxKey, records: &Path, tell: mpsc::Sender<Record>) -> Result<Ending, Fault> {
        if self.never_begins(key, records).await? {
            return Ok(Ending::Absent);
        }
        let ending = self.read_to_end(key, records, tell).await?;
        if warm::is_moved(records) {
            if matches!(ending, Ending::Died { .. }) {
                // While its folders are still where its mounts are.
                let given = owner::give_back(self.client().await?, &container::name(key)).await;
                given.map_err(|error| self.fault("giving folders back", &error))?;
            }
            warm::give_back(records)?;
        }
        Ok(ending)
    }

    async fn stop(&self, key: &SandboxKey, how: Stop) -> Result<(), Fault> {
        self.patience.with(None, || stop::stop(self, key, how)).await
    }
}

#[async_trait]
impl Sandboxes for DockerEngine {
    async fn copy_out(&self, key: &SandboxKey, path: &str, into: &Path) -> Result<bool, Fault> {
        self.patience.with(None, || copy::copy_out(self, key, path, into)).await
    }

    async fn destroy(&self, run: &str, name: Option<&str>) -> Result<(), Fault> {
        self.patience.with(None, || clean::destroy(self, run, name)).await
    }

    async fn leave(&self, key: &SandboxKey) -> bool {
        self.config.brief && leave::to_engine(self, key).await
    }

    async fn list(&self) -> Result<Vec<SandboxKey>, Fault> {
        self.patience.with(None, || clean::list(self)).await
    }
}
