//! A world in memory for a run, and the laws that hold in it whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use pipeline_spec::plan::{Plan, Source};
use pipeline_spec::{Purpose, ReadOptions};
use runner::cache::LocalCache;
use runner::cancel::{Cancel, Reason};
use runner::clock;
use runner::deploy::memory::MemoryDeployer;
use runner::engine::Sandboxes;
use runner::engine::memory::{MemoryEngine, Outcome as Does};
use runner::event::{Event, Outcome, What};
use runner::fault::Fault;
use runner::image::{ImageOrder, ImageOutcome, Images, PushedImage};
use runner::progress::Progress;
use runner::recorder::Recorder;
use runner::report::progress_lines;
use runner::run::{Options, Ports, Room, Run};
use runner::secret::MemorySecrets;
use runner::sink::{LogFiles, Sink};
use runner::source::{Revision, Sources};
use runner::state::RunState;
use runner::store::{Record, RunRow, StateFolders};

/// The value of the one secret there is.
pub(crate) const SECRET: &str = "correct horse battery";

/// Everything around a run.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) engine: Arc<MemoryEngine>,
    pub(crate) deployer: MemoryDeployer,
    pub(crate) cancel: Cancel,
    pub(crate) secrets: MemorySecrets,
    images: Arc<MemoryImages>,
    pub(crate) options: Options,
    plan: Plan,
}

/// How a run went.
pub(crate) struct Went {
    pub(crate) outcome: Outcome,
    pub(crate) events: Vec<Event>,
    pub(crate) state: RunState,
    pub(crate) log: String,
}

impl World {
    /// A world for the plan of that text.
    pub(crate) fn new(spec: &str, steps: &[(&str, Does)]) -> Self {
        let nothing = |path: &str| Err(format!("there is no {path}"));
        let options =
            ReadOptions { project: "demo", variables: BTreeMap::new(), purpose: Purpose::Run, buildspec: &nothing };
        let reading = pipeline_spec::read("spec.yml", spec, &options);
        let plan = reading.value.unwrap_or_else(|| panic!("{:?}", reading.diagnostics));
        let engine = steps.iter().fold(MemoryEngine::new(), |engine, (text, does)| engine.on(text, [does.clone()]));
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            engine: Arc::new(engine),
            deployer: MemoryDeployer::new().service("prod", "web", &[("app", "web@sha256:old")]),
            cancel: Cancel::new(),
            images: Arc::default(),
            secrets: MemorySecrets::new().parameter("/demo/token", SECRET),
            options: Options { image: Some("demo:1".to_owned()), ..Options::default() },
            plan,
        }
    }

    pub(crate) fn folders(&self) -> StateFolders {
        StateFolders::new(self.folder.path().to_owned())
    }

    pub(crate) fn record(&self) -> Record {
        Record::open(self.folder.path()).expect("a record")
    }

    /// The run `one`, from its beginning or from where it was left.
    pub(crate) fn start(&self) -> (Arc<Run>, Arc<Mutex<Vec<Event>>>) {
        let record = self.record();
        if record.run(Some("one")).is_err() {
            let plan = serde_json::to_string(&self.plan).expect("a plan");
            let (id, pipeline, options) = ("one".to_owned(), self.plan.name.clone(), "{}".to_owned());
            record.begin(&RunRow { id, pipeline, started: clock::now(), plan, options }).expect("a new run");
        }
        let events = Arc::new(Mutex::new(Vec::new()));
        let own = self.folders().run("one");
        own.create().expect("its folder");
        let sinks: Vec<Box<dyn Sink>> = vec![Box::new(LogFiles::new(own.clone())), Box::new(Kept(Arc::clone(&events)))];
        let state = RunState::of(&record.events("one", 0).expect("its events"));
        let recorder = Recorder::new("one", record, state, sinks, self.cancel.clone()).expect("a recorder");
        let ports = Ports {
            engine: Arc::clone(&self.engine) as _,
            sandboxes: Arc::clone(&self.engine) as _,
            sources: Arc::new(OneFile),
            secrets: Arc::new(self.secrets.clone()),
            images: Arc::clone(&self.images) as _,
            deployer: Arc::new(self.deployer.clone()),
            caches: LocalCache::at(self.folders().caches()),
            numbers: None,
            room: Arc::new(Room::of_machine()),
        };
        let (plan, options, cancel) = (self.plan.clone(), self.options.clone(), self.cancel.clone());
        (Run::new("one".to_owned(), plan, options, ports, recorder, cancel, own, None, None, None), events)
    }

    /// Carries the run out, holds it to the laws, and tells how it went.
    pub(crate) async fn run(&self) -> Went {
        let (run, events) = self.start();
        let outcome = run.carry_out().await;
        drop(run);
        let events = std::mem::take(&mut *events.lock().expect("the events"));
        self.went(outcome, events).await
    }

    pub(crate) async fn went(&self, outcome: Outcome, events: Vec<Event>) -> Went {
        let history = self.record().events("one", 0).expect("the history");
        let state = RunState::of(&history);
        let logs = state
            .actions
            .iter()
            .map(|action| std::fs::read_to_string(self.folders().run("one").log(&action.name)).unwrap_or_default());
        let went = Went { outcome, log: logs.collect(), events, state };
        laws(&went, &history);
        assert_eq!(self.engine.list().await.expect("the engine's list"), [], "something is left in the engine");
        went
    }

    /// From now on images fail, and say that.
    pub(crate) fn fail_images(&mut self, message: &str) {
        self.images = Arc::new(MemoryImages { fails: Some(message.to_owned()) });
    }

    /// Asks for a stop after so long.
    pub(crate) fn stop_after(&self, after: Duration, reason: Reason) {
        let cancel = self.cancel.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            cancel.request(reason);
        });
    }
}

/// What holds for every run that came to its end.
fn laws(went: &Went, history: &[Event]) {
    let mut open = BTreeSet::new();
    for event in history {
        let (starts, name) = match &event.what {
            What::ActionStarted { action, .. } => (true, format!("action {action}")),
            What::ActionFinished { action, .. } => (false, format!("action {action}")),
            What::StageStarted { stage } => (true, format!("stage {stage}")),
            What::StageFinished { stage, .. } => (false, format!("stage {stage}")),
            What::SourceStarted { .. } => (true, "source".to_owned()),
            What::SourceFinished { .. } => (false, "source".to_owned()),
            What::GateStarted { stage, slot, .. } => (true, format!("gate {stage} {slot:?}")),
            What::GateFinished { stage, slot, .. } => (false, format!("gate {stage} {slot:?}")),
            What::PhaseStarted { action, phase, .. } => (true, format!("phase {action} {phase}")),
            What::PhaseFinished { action, phase, .. } => (false, format!("phase {action} {phase}")),
            // What was told of a build before it was adopted is told again.
            What::BuildAdopted { action } => {
                open.retain(|name: &String| !name.starts_with(&format!("phase {action} ")));
                continue;
            }
            _ => continue,
        };
        let fits = if starts { open.insert(name.clone()) } else { open.remove(&name) };
        assert!(fits, "{name} starts or finishes twice");
    }
    assert_eq!(open, BTreeSet::new(), "something started and never finished");
    let numbers: Vec<u64> = history.iter().map(|event| event.sequence).collect();
    assert_eq!(numbers, (1..=history.len() as u64).collect::<Vec<_>>(), "the history has gaps");
    let told = serde_json::to_string(&(&went.events, history, &went.outcome)).expect("events");
    assert!(!told.contains(SECRET) && !went.log.contains(SECRET), "a secret was told");
}

impl Went {
    /// What happened, without times and ids: one line an event.
    pub(crate) fn transcript(&self) -> String {
        self.events.iter().flat_map(lines).map(|line| format!("{line}\n")).collect()
    }

    pub(crate) fn has(&self, line: &str) -> bool {
        self.transcript().lines().any(|known| known == line)
    }
}

fn lines(event: &Event) -> Vec<String> {
    match &event.what {
        What::PhaseStarted { phase, attempt, .. } => vec![format!("  {phase} {attempt}")],
        What::PhaseFinished { phase, outcome, .. } => vec![format!("  {phase} {}", outcome.word())],
        What::CommandStarted { command, .. } => vec![format!("    $ {command}")],
        What::CommandFinished { status, .. } if *status != 0 => vec![format!("    = {status}")],
        What::Output { text, .. } => String::from_utf8_lossy(text).lines().map(|line| format!("    {line}")).collect(),
        What::RunStarted { .. } | What::Doing { .. } | What::ArtifactStored { .. } => Vec::new(),
        What::RunFinished { outcome } => vec![format!("Run {}", outcome.word())],
        _ => progress_lines::lines(event),
    }
}

/// Keeps what it is shown.
struct Kept(Arc<Mutex<Vec<Event>>>);

impl Sink for Kept {
    fn take(&mut self, event: &Event, _: &RunState) -> Result<(), Fault> {
        self.0.lock().expect("the events").push(event.clone());
        Ok(())
    }
}

/// A source of one file.
struct OneFile;

#[async_trait]
impl Sources for OneFile {
    async fn fetch(&self, _: &Source, into: &Path, _: &Progress, _: &Cancel) -> Result<Revision, Fault> {
        std::fs::create_dir_all(into).expect("the folder");
        std::fs::write(into.join("file"), "text").expect("the file");
        let commit = Some("0123456789abcdef0123456789abcdef01234567".to_owned());
        Ok(Revision { commit, repository: "https://host/demo".to_owned(), ..Revision::default() })
    }
}

/// Images that are pushed as soon as they are asked for, unless it is said what they fail with.
#[derive(Default)]
struct MemoryImages {
    fails: Option<String>,
}

#[async_trait]
impl Images for MemoryImages {
    async fn build(&self, order: &ImageOrder, _: &Progress, _: &Cancel) -> Result<ImageOutcome, Fault> {
        if let Some(message) = &self.fails {
            return Ok(ImageOutcome::Failed(message.clone()));
        }
        let repository = format!("registry/{}", order.repository);
        Ok(ImageOutcome::Pushed(PushedImage {
            uri: format!("{repository}@sha256:new"),
            digest: "sha256:new".to_owned(),
            repository,
            tags: order.tags.clone(),
            pushed_bytes: 1,
        }))
    }
}
