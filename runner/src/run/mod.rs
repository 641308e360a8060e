//! The interpreter: carries a plan out and tells what happens. A run that was begun before goes on where its state ends.
//!
//! It knows the plan, the state and the traits at the edges. It does not know Docker, AWS, YAML, the terminal,
//! settings or queues.

mod action;
mod build;
mod collect;
mod deploy;
mod environment;
mod gate;
mod image;
mod program;
mod removal;
mod room;
mod seat;
mod stage;
mod values;
mod variables;
mod watch;
mod workspace;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pipeline_spec::plan::{Plan, Source};
use serde::{Deserialize, Serialize};
use tokio::sync::{OnceCell, Semaphore};

use crate::cache::LocalCache;
use crate::cancel::{Cancel, Reason};
use crate::deploy::Deployer;
use crate::engine::{Engine, Sandboxes};
use crate::event::{Outcome, What};
use crate::fault::{Fault, FaultKind};
use crate::image::Images;
use crate::logs::LogTargets;
use crate::recorder::Recorder;
use crate::retry;
use crate::secret::Secrets;
use crate::source::{Revision, Sources, without_login};
use crate::store::{BuildNumbers, RunFolders};

pub use room::{Place, Room};
pub use seat::Seat;

/// The edges that a run works through.
#[derive(Clone)]
pub struct Ports {
    /// Runs builds.
    pub engine: Arc<dyn Engine>,
    /// Keeps the engine clean.
    pub sandboxes: Arc<dyn Sandboxes>,
    /// Fetches revisions.
    pub sources: Arc<dyn Sources>,
    /// Knows secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Builds and pushes images.
    pub images: Arc<dyn Images>,
    /// Deploys.
    pub deployer: Arc<dyn Deployer>,
    /// Keeps cached paths.
    pub caches: LocalCache,
    /// Counts builds for a fleet; `None`: this machine counts for itself.
    pub numbers: Option<BuildNumbers>,
    /// What all builds of this process may use together.
    pub room: Arc<Room>,
}

/// What a run was started with besides its plan; kept in the record, so that a later process can go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Options {
    /// The build image where the plan names none.
    pub image: Option<String>,
    /// Builds at one time on this machine.
    pub parallel: usize,
    /// Answers every approval with yes.
    pub yes: bool,
    /// Who started the run.
    pub user: String,
    /// The groups that they are in, for approvals.
    pub groups: Vec<String>,
    /// What builds see as `AWS_REGION`.
    pub region: Option<String>,
    /// The account in ARNs of builds.
    pub account: Option<String>,
    /// How long a command may take to end after SIGTERM, in seconds.
    pub grace_seconds: u64,
    /// How long `finally` may take after a stop, in seconds.
    pub finally_seconds: u64,
    /// Keep the workspaces of builds after the run.
    pub keep: bool,
    /// Store artifacts as zip files instead of folders.
    pub zip: bool,
    /// Further inputs of every build, each in a folder of its own.
    pub inputs: Vec<Input>,
    /// Where its logs are sent.
    pub logs: LogTargets,
    /// What its spec was warned of, by the action that tells it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub warnings: BTreeMap<String, Vec<String>>,
}

/// A further input: builds find it in the folder that `CODEBUILD_SRC_DIR_<name>` names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            image: None,
            parallel: 4,
            yes: false,
            user: "local".to_owned(),
            groups: Vec::new(),
            region: None,
            account: None,
            grace_seconds: 10,
            finally_seconds: 300,
            keep: false,
            zip: false,
            inputs: Vec::new(),
            logs: LogTargets::default(),
            warnings: BTreeMap::new(),
        }
    }
}

/// A revision that was fetched before the run began, to read its spec.
pub struct Prefetched {
    /// The folder with it, on the file system of the run's own folder.
    pub folder: PathBuf,
    /// What it is.
    pub revision: Revision,
    /// Removes what is left when the run has taken the folder.
    pub _scratch: tempfile::TempDir,
}

/// A run in this process.
pub struct Run {
    /// Its id.
    pub id: String,
    /// What it does.
    pub plan: Plan,
    /// How it does it.
    pub options: Options,
    /// Through what.
    pub ports: Ports,
    /// Where it tells what happens.
    pub recorder: Recorder,
    /// Where its stop is asked for.
    pub cancel: Cancel,
    /// Its files.
    pub folders: RunFolders,
    /// The user that files belong to in the end, unless that is root.
    pub owner: Option<(u32, u32)>,
    slots: Semaphore,
    removals: removal::Removals,
    fetched: OnceCell<PathBuf>,
    prefetched: Mutex<Option<Prefetched>>,
    inputs: OnceCell<()>,
    seat: Option<Arc<Seat>>,
}

impl Run {
    /// A run that has not begun, or was begun by an earlier process.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "a run is the sum of its parts, and wire.rs is the one caller")]
    pub fn new(
        id: String,
        plan: Plan,
        options: Options,
        ports: Ports,
        recorder: Recorder,
        cancel: Cancel,
        folders: RunFolders,
        owner: Option<(u32, u32)>,
        prefetched: Option<Prefetched>,
        seat: Option<Arc<Seat>>,
    ) -> Arc<Self> {
        let slots = Semaphore::new(options.parallel.max(1));
        let (fetched, prefetched, inputs) = (OnceCell::new(), Mutex::new(prefetched), OnceCell::new());
        let removals = removal::Removals::default();
        Arc::new(Self {
            id,
            plan,
            options,
            ports,
            recorder,
            cancel,
            folders,
            owner,
            slots,
            removals,
            fetched,
            prefetched,
            inputs,
            seat,
        })
    }

    /// Carries the plan out, or what is left of it, and leaves nothing in the engine. Its outcome is the one that everybody
    /// is told: a message may quote what a build printed, so it comes back masked.
    pub async fn carry_out(self: &Arc<Self>) -> Outcome {
        let resumed = self.begin();
        if resumed && let Err(fault) = self.folders.note_left_in_engine(false) {
            // What was left for others to remove is this run's own again.
            tracing::warn!(%fault, "the run's containers are still noted as left over");
        }
        let outcome = self.all_stages().await.unwrap_or_else(Outcome::from);
        self.clean_up(resumed).await;
        self.recorder.flush();
        // A run that could not be recorded was stopped by nobody.
        let outcome = self.recorder.fault().map_or(outcome, Outcome::from);
        self.recorder.tell(What::RunFinished { outcome });
        let told = self.recorder.told(|state| state.span.outcome.clone());
        told.unwrap_or_else(|| Outcome::from(Fault::system("how the run ended cannot be told without a secret")))
    }

    /// Tells the beginning. Returns whether an earlier process began the run.
    fn begin(&self) -> bool {
        let resumed = self.recorder.with(|state| state.span.started.is_some());
        self.recorder.tell(if resumed {
            What::RunResumed {}
        } else {
            What::RunStarted {
                run: self.id.clone(),
                pipeline: self.plan.name.clone(),
                plan: self.plan.hash(),
                initiator: self.options.user.clone(),
            }
        });
        resumed
    }

    async fn all_stages(self: &Arc<Self>) -> Result<Outcome, Fault> {
        self.fetch_for_all().await?;
        for stage in &self.plan.stages {
            let outcome = self.stage(stage).await?;
            if !outcome.succeeded() {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Succeeded)
    }

    /// Fetches the source at the start, so that every action sees one revision.
    async fn fetch_for_all(&self) -> Result<(), Fault> {
        let still_needed = self.recorder.with(|state| {
            let mut actions = self.plan.stages.iter().flat_map(|stage| &stage.actions);
            actions.any(|action| {
                let over = state.action(&action.name).is_some_and(|known| known.span.outcome.is_some());
                workspace::needs_source(action) && !over
            })
        });
        if still_needed { self.source().await.map(|_| ()) } else { Ok(()) }
    }

    /// The outcome of work that was stopped.
    fn stopped(reason: Reason) -> Outcome {
        let message = match reason {
            Reason::TimedOut => return Outcome::TimedOut { message: "the time-out ran out".to_owned() },
            Reason::Sibling => "another action failed",
            Reason::Stopped => "stopped by the user",
            Reason::Killed => "killed by the user",
            Reason::Lost => "another worker has it now",
        };
        Outcome::Stopped { message: message.to_owned() }
    }

    /// The fault of work that must not start any more, for use with `?`.
    fn stop_fault(&self) -> Result<(), Fault> {
        match self.cancel.reason() {
            Some(reason) => Err(Fault::new(FaultKind::Stopped, Self::stopped(reason).message())),
            None => Ok(()),
        }
    }

    /// Waits until whoever could go on with this run in our place knows what was told so far.
    async fn settled(&self) -> Result<(), Fault> {
        tokio::select! {
            settled = self.recorder.settled() => settled,
            _ = self.cancel.requested() => self.stop_fault(),
        }
    }

    /// How long services that do not answer are waited for. Nobody watches a job; whoever watches a run wants to know.
    fn patience(&self) -> Duration {
        if self.seat.is_some() { retry::NEEDED } else { Duration::ZERO }
    }

    /// The revision that was fetched before the run, once.
    fn take_prefetched(&self) -> Option<Prefetched> {
        self.prefetched.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Where the plan's revision comes from, for people.
    fn source_text(&self) -> String {
        match &self.plan.source {
            Source::Folder { path } => path.clone(),
            Source::Git { url, reference: Some(reference), .. } => format!("{} at {reference}", without_login(url)),
            Source::Git { url, .. } => without_login(url),
            Source::Artifact { bucket, key, .. } => format!("s3://{bucket}/{key}"),
        }
    }
}
