//! The only file that names adapters: it takes the settings apart and puts a run together.

mod fleet;
mod images;
mod job_plan;
mod jobs;
mod lost;
mod worker;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pipeline_spec::plan::{Plan, Rule};
use serde::{Deserialize, Serialize};

use crate::aws::Aws;
use crate::cache::LocalCache;
use crate::cancel::Cancel;
use crate::clock;
use crate::deploy::ecs::{EcsConfig, EcsDeployer};
use crate::disk::Shelf;
use crate::engine::Sandboxes as _;
use crate::engine::docker::{DockerConfig, DockerEngine, NoLogins, RegistryLogins};
use crate::event::Slot;
use crate::fault::{Fault, io};
use crate::gate::{Decision, may_decide};
use crate::identity;
use crate::image::OldBuilds;
use crate::logs::SentLogs;
use crate::recorder::Recorder;
use crate::run::{Options, Ports, Prefetched, Room, Run};
use crate::secret::{AwsSecrets, GivenSecrets, SecretText, Secrets, parse_given};
use crate::settings::Environment;
use crate::sink::{Answer, Ask, JsonLines, LogFiles, Plain, Sink, Terminal};
use crate::source::codecommit::identities;
use crate::source::{Config, Mirrors, Revisions, Sources};
use crate::spec::io_usage;
use crate::state::RunState;
use crate::store::history::DynamoHistory;
use crate::store::{Abandoned, OldRuns, Record, RunRow, StateFolders, Table};

use images::LazyImages;
pub use jobs::{JobShop, JobShopConfig};
pub use worker::{WorkerOrder, submit, worker};

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Live progress.
    Terminal,
    /// Plain lines.
    Plain,
    /// The event stream.
    Json,
}

/// A run to put together.
pub struct Order {
    /// The run as the record has it.
    pub row: RunRow,
    /// Its plan.
    pub plan: Plan,
    /// What it was started with.
    pub options: Options,
    /// A file of secrets that stand in for AWS's.
    pub secrets: Option<PathBuf>,
    /// How it is shown.
    pub shown: Shown,
    /// Its source, when that was fetched before.
    pub prefetched: Option<Prefetched>,
}

/// What a run was started with, as the record keeps it. Values of secrets are not in it.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Started {
    /// How it does what its plan says.
    pub options: Options,
    /// A file of secrets that stand in for AWS's.
    pub secrets: Option<PathBuf>,
    /// Whether a worker began it for a job, which nobody else can report.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub for_job: bool,
}

impl Started {
    /// What a run of the record was started with.
    ///
    /// # Errors
    /// A `System` fault for a record that cannot be understood.
    pub fn of(row: &RunRow) -> Result<Self, Fault> {
        serde_json::from_str(&row.options)
            .map_err(|error| Fault::system(format!("run {}: its options cannot be read: {error}", row.id)))
    }
}

/// Puts a run together, from its beginning or from where an earlier process left it.
pub fn run(
    environment: &Environment,
    folders: &StateFolders,
    record: Record,
    order: Order,
    cancel: Cancel,
) -> Result<Arc<Run>, Fault> {
    let Order { row, plan, options, secrets, shown, prefetched } = order;
    let state = RunState::of(&record.events(&row.id, 0)?);
    let own = folders.run(&row.id);
    let several = plan.stages.iter().map(|stage| stage.actions.len()).sum::<usize>() > 1;
    let out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout());
    let live: Box<dyn Sink> = match shown {
        Shown::Terminal => Box::new(Terminal::new(ask(folders, &row.id, plan.clone()))),
        Shown::Plain => Box::new(Plain::new(out, several)),
        Shown::Json => Box::new(JsonLines::new(out)),
    };
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(LogFiles::new(own.clone())), live];
    let recorder = Recorder::new(&row.id, record, state, sinks, cancel.clone())?;
    let engine = DockerConfig { brief: true, ..docker_config(environment) };
    let (ports, _) = ports(environment, folders, &Aws::default(), secrets, engine)?;
    Ok(Run::new(row.id, plan, options, ports, recorder, cancel, own, identity::owner(), prefetched, None))
}

/// The runs of the fleet with that table.
///
/// # Errors
/// A `Configuration` fault when no Region is known.
pub async fn history(table: &str) -> Result<DynamoHistory, Fault> {
    Ok(DynamoHistory::new(Table::new(&Aws::default().config(None, None).await?, table)))
}

/// What was sent to CloudWatch Logs in that Region, or in the caller's own.
///
/// # Errors
/// A `Configuration` fault when no Region is known.
pub async fn sent_logs(region: Option<&str>) -> Result<SentLogs, Fault> {
    Ok(SentLogs::new(&Aws::default().config(None, region).await?))
}

/// Removes what earlier runs had to leave in the engine, while the new one goes on.
pub fn sweep(environment: &Environment, folders: &StateFolders) {
    let (environment, folders) = (environment.clone(), folders.clone());
    tokio::spawn(async move { sweep_up(&environment, &folders).await });
}

/// Removes what runs had to leave in the engine; what cannot be removed now is left for the next time.
async fn sweep_up(environment: &Environment, folders: &StateFolders) {
    let left = folders.runs_left_in_engine();
    if left.is_empty() {
        return;
    }
    let engine = engine(environment, Arc::new(NoLogins));
    for run in left {
        let removed = engine.destroy(&run, None).await.and_then(|()| folders.run(&run).note_left_in_engine(false));
        removed.unwrap_or_else(|fault| tracing::warn!(run, %fault, "something is still left in the engine"));
    }
}

/// Answers on the terminal go to the record, like those of other processes.
fn ask(folders: &StateFolders, run: &str, plan: Plan) -> Ask {
    if !std::io::stdin().is_terminal() {
        return Ask::new(None);
    }
    let (by, groups) = identity::user();
    let (folders, run) = (folders.clone(), run.to_owned());
    Ask::new(Some(Box::new(move |answer: Answer| {
        let Answer { stage, slot, rule, approved, comment } = answer;
        let (by, groups) = (by.clone(), groups.clone());
        if !may_answer(&plan, &stage, slot, rule, &by, &groups) {
            return Err(Fault::permission(format!("{by} may not answer for {stage}")));
        }
        let decision = Decision { rule, by, groups, at: clock::now(), approved, comment };
        Record::open(folders.root())?.decide(&run, &stage, slot, &decision)
    })))
}

/// Whether a person is among the approvers of a rule.
fn may_answer(plan: &Plan, stage: &str, slot: Slot, rule: usize, by: &str, groups: &[String]) -> bool {
    let stage = plan.stages.iter().find(|known| known.name == stage);
    let rules = stage.map(|stage| match slot {
        Slot::BeforeEntry => &stage.before_entry,
        Slot::OnSuccess => &stage.on_success,
    });
    match rules.and_then(|rules| rules.get(rule)) {
        Some(Rule::Approval { approvers, .. }) => may_decide(approvers, by, groups),
        _ => false,
    }
}

/// The edges that all runs of a process share, and the engine behind two of them.
fn ports(
    environment: &Environment,
    folders: &StateFolders,
    aws: &Aws,
    secrets: Option<PathBuf>,
    config: DockerConfig,
) -> Result<(Ports, Arc<DockerEngine>), Fault> {
    let images = Arc::new(LazyImages::new(environment, folders, aws.clone()));
    let engine = Arc::new(DockerEngine::new(config, Arc::clone(&images) as Arc<dyn RegistryLogins>));
    let ports = Ports {
        engine: Arc::clone(&engine) as _,
        sandboxes: Arc::clone(&engine) as _,
        sources: Arc::new(revisions(environment, folders, aws)?),
        secrets: secrets_of(aws.clone(), secrets)?,
        images,
        deployer: Arc::new(EcsDeployer::new(aws.clone(), EcsConfig::default())),
        caches: LocalCache::at(folders.caches()),
        numbers: None,
        room: Arc::new(Room::of_machine()),
    };
    Ok((ports, engine))
}

/// The engine of this machine.
pub fn engine(environment: &Environment, logins: Arc<dyn RegistryLogins>) -> DockerEngine {
    DockerEngine::new(docker_config(environment), logins)
}

fn docker_config(environment: &Environment) -> DockerConfig {
    let mut config = DockerConfig::default();
    if let Some(host) = &environment.docker_host {
        config.host.clone_from(host);
    }
    if let Some(subnets) = &environment.subnets {
        config.subnets.clone_from(subnets);
    }
    config
}

/// The kinds of things that are kept between runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// Caches of builds.
    pub caches: bool,
    /// Mirrors of repositories.
    pub mirrors: bool,
    /// Old builds of image actions.
    pub images: bool,
    /// Logs and artifacts of runs that are over.
    pub runs: bool,
}

/// What is kept between runs, and may go when the disk is full.
#[must_use]
pub fn shelves(environment: &Environment, folders: &StateFolders, kinds: Kinds) -> Vec<Box<dyn Shelf>> {
    let mut shelves: Vec<Box<dyn Shelf>> = Vec::new();
    if kinds.caches {
        shelves.push(Box::new(LocalCache::at(folders.caches())));
    }
    if kinds.mirrors {
        shelves.push(Box::new(Mirrors::at(folders.mirrors())));
    }
    if kinds.images {
        let host = environment.docker_host.clone().unwrap_or_else(|| DockerConfig::default().host);
        shelves.push(Box::new(OldBuilds::of(host)));
    }
    if kinds.mirrors {
        shelves.push(Box::new(Abandoned::of(folders.clone())));
    }
    if kinds.runs {
        shelves.push(Box::new(OldRuns::of(folders.clone())));
    }
    shelves
}

/// All kinds of sources.
pub fn sources(environment: &Environment, folders: &StateFolders) -> Result<Arc<dyn Sources>, Fault> {
    Ok(Arc::new(revisions(environment, folders, &Aws::default())?))
}

fn revisions(environment: &Environment, folders: &StateFolders, aws: &Aws) -> Result<Revisions, Fault> {
    let here = std::env::current_dir().map_err(io(Path::new(".")))?;
    let codecommit_endpoint = environment.codecommit_endpoint.clone();
    let mut config = Config { cache: folders.mirrors(), base: here, codecommit_endpoint, ..Config::default() };
    if let Some(home) = &environment.home {
        config.ssh_keys =
            ["id_ed25519", "id_ecdsa", "id_rsa"].iter().map(|name| home.join(".ssh").join(name)).collect();
    }
    Ok(Revisions::new(config, identities(aws.clone())))
}

/// AWS's secrets, behind those of a file when there is one.
fn secrets_of(aws: Aws, file: Option<PathBuf>) -> Result<Arc<dyn Secrets>, Fault> {
    let others: Arc<dyn Secrets> = Arc::new(AwsSecrets::new(aws, None, None));
    let Some(path) = file else { return Ok(others) };
    Ok(Arc::new(GivenSecrets::new(given_secrets(&path)?, Some(others))))
}

/// The secrets of a file.
///
/// # Errors
/// A `Configuration` fault for a file that cannot be read, or whose lines cannot.
pub fn given_secrets(path: &Path) -> Result<BTreeMap<String, SecretText>, Fault> {
    let text = std::fs::read_to_string(path).map_err(io_usage(path))?;
    parse_given(&text).map_err(|fault| fault.doing(path.display()))
}
