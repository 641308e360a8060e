//! What the engine's tests stand on: one of the two engines, a folder, and records as text.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bollard::exec::{CreateExecOptions, StartExecOptions};
use runner::cancel::Cancel;
use runner::engine::docker::{DockerConfig, DockerEngine, NoLogins, WarmConfig};
use runner::engine::memory::{MemoryEngine, Outcome};
use runner::engine::{
    Ending, Engine, NextSection, Program, Record, SandboxKey, SandboxSpec, Sandboxes, Section, ShellKind, Step, What,
};
use runner::fault::Fault;
use runner::progress::Progress;
use sluice_tests::images;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Ends on SIGTERM only.
pub(crate) const HANGS: &str = "sleep 1000";
/// Says `ready`, and does not end on SIGTERM.
pub(crate) const HANGS_DEAF: &str = "trap '' TERM; echo ready; while :; do sleep 1; done";
/// Fails with status 7 twice, then succeeds.
pub(crate) const FLAKY: &str = "N=$((${N:-0} + 1)); [ $N = 3 ] || exit 7";

trait Whole: Engine + Sandboxes {}
impl<T: Engine + Sandboxes> Whole for T {}

/// An engine, a run of its own in it, and a folder.
pub(crate) struct Bench {
    engine: Arc<dyn Whole>,
    is_docker: bool,
    /// The same engine, when it keeps warm sandboxes.
    warm: Option<Arc<DockerEngine>>,
    image: String,
    run: String,
    folder: Arc<tempfile::TempDir>,
}

impl Bench {
    pub(crate) fn in_memory() -> Self {
        let engine = MemoryEngine::new()
            .on("echo one", [Outcome::printing("one\n")])
            .on("printf two", [Outcome::printing("two")])
            .on("exit 0", [Outcome::default()])
            .on("exit 7", [Outcome::failing(7)])
            .on("VERSION=1.2", [Outcome::default().setting("VERSION", "1.2")])
            .on(HANGS, [Outcome::hanging()])
            .on(HANGS_DEAF, [Outcome::hanging().printing_at(Duration::ZERO, "ready\n").ignoring_terminate()])
            .on(FLAKY, [Outcome::failing(7), Outcome::failing(7), Outcome::default()]);
        Self::new(Arc::new(engine), false)
    }

    pub(crate) async fn in_docker() -> Self {
        images::busybox().await;
        Self::new(docker(None), true)
    }

    /// Docker with that configuration.
    pub(crate) async fn in_docker_with(config: DockerConfig) -> Self {
        images::busybox().await;
        Self::new(Arc::new(DockerEngine::new(config, Arc::new(NoLogins))), true)
    }

    /// An engine that has a warm sandbox ready for whatever is started, if it can be.
    pub(crate) async fn in_docker_warm() -> Self {
        images::busybox().await;
        let folder = tempfile::tempdir().unwrap();
        let engine = docker(Some(warm_config(folder.path())));
        // By its id: other tests give the tag to images of their own, and what waits would rightly not be used then.
        let image = images::engine().inspect_image(images::BUSYBOX).await.unwrap().id.unwrap();
        Self { warm: Some(Arc::clone(&engine)), folder: Arc::new(folder), image, ..Self::new(engine, true) }
    }

    fn new(engine: Arc<dyn Whole>, is_docker: bool) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let run = format!("engine-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let (image, folder) = (images::BUSYBOX.to_owned(), Arc::new(tempfile::tempdir().unwrap()));
        Self { engine, is_docker, warm: None, image, run, folder }
    }

    /// The same run as another process would see it: nothing in memory is shared, where that is possible.
    pub(crate) fn another(&self) -> Self {
        let engine = if self.is_docker { docker(None) } else { Arc::clone(&self.engine) };
        let (image, run, folder) = (self.image.clone(), self.run.clone(), Arc::clone(&self.folder));
        Self { engine, is_docker: self.is_docker, warm: None, image, run, folder }
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    pub(crate) fn sandboxes(&self) -> &dyn Sandboxes {
        &*self.engine
    }

    /// Whether what is started finds a warm sandbox.
    pub(crate) fn is_warm(&self) -> bool {
        self.warm.is_some()
    }

    /// The folder, for what a test mounts.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn spec(&self, name: &str, program: Program) -> SandboxSpec {
        SandboxSpec {
            key: SandboxKey { run: self.run.clone(), name: name.to_owned() },
            image: self.image.clone(),
            program,
            environment: Vec::new(),
            secrets: Vec::new(),
            mounts: Vec::new(),
            records: self.folder.path().join(format!("records-{name}")),
            services: Vec::new(),
            limits: pipeline_spec::plan::Limits::default(),
            owner: None,
        }
    }

    pub(crate) async fn start(&self, spec: &SandboxSpec, cancel: &Cancel) -> Result<(), Fault> {
        if let Some(warm) = &self.warm {
            // What cannot be warm is started cold.
            let _ = warm.warm(&spec.image, &spec.limits, spec.owner).await;
        }
        self.engine.start(spec, &Progress::silent(), cancel).await
    }

    pub(crate) fn follow(&self, spec: &SandboxSpec) -> Follower {
        let engine: Arc<dyn Engine> = self.engine.clone();
        Follower::of(engine, spec)
    }

    /// Runs a shell command in a sandbox from outside.
    pub(crate) async fn exec(&self, spec: &SandboxSpec, command: &str) {
        let name = format!("sluice-{}.{}", spec.key.run, spec.key.name);
        let options = CreateExecOptions { cmd: Some(vec!["/bin/sh", "-c", command]), ..CreateExecOptions::default() };
        let exec = images::engine().create_exec(&name, options).await.unwrap();
        let detached = StartExecOptions { detach: true, ..StartExecOptions::default() };
        images::engine().start_exec(&exec.id, Some(detached)).await.unwrap();
    }

    pub(crate) async fn start_and_follow(&self, spec: &SandboxSpec) -> Follower {
        self.start(spec, &Cancel::new()).await.unwrap();
        self.follow(spec)
    }

    /// Starts it, or adopts it, and tells all of it as text.
    pub(crate) async fn transcript(&self, spec: &SandboxSpec) -> (String, Ending) {
        let mut follower = self.start_and_follow(spec).await;
        let ending = follower.end().await;
        (follower.text(), ending)
    }

    /// The records of a sandbox that was started.
    pub(crate) async fn records(&self, spec: &SandboxSpec) -> Vec<Record> {
        let mut follower = self.follow(spec);
        follower.end().await;
        std::mem::take(&mut follower.told)
    }

    /// Destroys the run, and makes sure that nothing is left.
    pub(crate) async fn finish(&self) {
        self.engine.destroy(&self.run, None).await.unwrap();
        let left = self.engine.list().await.unwrap();
        assert!(left.iter().all(|key| key.run != self.run), "{left:?}");
        if let Some(warm) = &self.warm {
            warm.drain().await;
            assert_eq!(slots(self.folder()), [""; 0], "folders of warm sandboxes are left");
        }
    }
}

/// Docker as a process of its own sees it.
pub(crate) fn docker(warm: Option<WarmConfig>) -> Arc<DockerEngine> {
    Arc::new(DockerEngine::new(DockerConfig { warm, ..DockerConfig::default() }, Arc::new(NoLogins)))
}

/// Warm sandboxes in a test's folder, made when the test says so, and hardly ever by themselves.
pub(crate) fn warm_config(folder: &Path) -> WarmConfig {
    WarmConfig { after: Duration::from_secs(600), ..WarmConfig::at(folder.join("warm")) }
}

/// The ids of the warm sandboxes that have a folder there.
pub(crate) fn slots(folder: &Path) -> Vec<String> {
    let folders = |path: &Path| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let homes = folders(&folder.join("warm"));
    let slots = homes.iter().flat_map(|home| folders(home));
    slots.map(|slot| slot.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

/// A follower and what it told so far.
pub(crate) struct Follower {
    task: JoinHandle<Result<Ending, Fault>>,
    records: mpsc::Receiver<Record>,
    told: Vec<Record>,
}

impl Follower {
    /// One that follows a sandbox through that engine.
    pub(crate) fn of(engine: Arc<dyn Engine>, spec: &SandboxSpec) -> Self {
        let (tell, records) = mpsc::channel(64);
        let (key, folder) = (spec.key.clone(), spec.records.clone());
        let task = tokio::spawn(async move { engine.follow(&key, &folder, tell).await });
        Self { task, records, told: Vec::new() }
    }

    /// Reads on until something happens.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&What) -> bool) {
        while let Some(record) = self.records.recv().await {
            let found = wanted(&record.what);
            self.told.push(record);
            if found {
                return;
            }
        }
        panic!("it did not happen, but: {}", self.text());
    }

    /// Whether nothing is told for so long.
    pub(crate) async fn says_nothing_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.records.recv()).await.is_err()
    }

    /// Reads to the end.
    pub(crate) async fn end(&mut self) -> Ending {
        while let Some(record) = self.records.recv().await {
            self.told.push(record);
        }
        (&mut self.task).await.unwrap().unwrap()
    }

    /// Output as it is, the rest in angle brackets.
    pub(crate) fn text(&self) -> String {
        self.told.iter().map(|record| show(&record.what)).collect()
    }

    /// Output alone, as bytes.
    pub(crate) fn output(&self) -> Vec<u8> {
        let bytes = self.told.iter().filter_map(|record| match &record.what {
            What::Output(bytes) => Some(bytes.to_vec()),
            _ => None,
        });
        bytes.flatten().collect()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn show(what: &What) -> String {
    match what {
        What::Output(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        What::SectionStarted { section, attempt } => format!("<S{section} {attempt}>"),
        What::SectionFinished { section, succeeded } => format!("<E{section} {succeeded}>"),
        What::StepStarted { step, finally, .. } => format!("<{step}{}>", if *finally { "f" } else { "" }),
        What::StepFinished { status, .. } => format!("<={status}>"),
        What::Exported { name, value } => format!("<{name}={}>", String::from_utf8_lossy(value)),
        What::Expanded { name, value } => format!("<{name}:{}>", String::from_utf8_lossy(value)),
    }
}

pub(crate) fn step(text: &str) -> Step {
    Step { text: text.to_owned(), retry_statuses: Vec::new() }
}

pub(crate) fn section(texts: &[&str]) -> Section {
    Section {
        name: "BUILD".to_owned(),
        user: None,
        steps: texts.iter().map(|text| step(text)).collect(),
        finally: Vec::new(),
        retry: None,
        on_failure: NextSection::End,
    }
}

pub(crate) fn program(sections: Vec<Section>) -> Program {
    Program {
        shell: ShellKind::Sh,
        carries_state: true,
        directory: "/".to_owned(),
        sections,
        exported: Vec::new(),
        expansions: Vec::new(),
    }
}
