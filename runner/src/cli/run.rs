//! `sluice run`: a run in this process, live.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use pipeline_spec::plan::{Plan, Source};

use super::plan_files::SpecFile;
use super::{Context, Exit, exit_of, out, plan_files};
use crate::cancel::Cancel;
use crate::clock;
use crate::event::Outcome;
use crate::fault::{Fault, FaultKind, io};
use crate::gate;
use crate::identity;
use crate::progress::Progress;
use crate::run::{Options, Prefetched};
use crate::signal;
use crate::spec::io_usage;
use crate::store::{Record, RunRow, StateFolders, new_run_id};
use crate::wire::{self, Shown, Started};

const EXAMPLES: &str = "\
Examples:
  sluice run                                         pipeline.yml or buildspec.yml of this folder
  sluice run --image rust:1.95 buildspec.yml         a buildspec in an image
  sluice run --source codecommit://billing --ref main
  sluice run --var service=billing --yes --format json
  sluice run --resume                                go on with a run whose process has ended";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The spec file, or its folder [default: pipeline.yml or buildspec.yml at the root of the source]. Without a source,
    /// that is the current folder for a file of the same Git work tree below it, and else the file's own folder
    file: Option<PathBuf>,
    /// A Git URL or a folder, in the place of the spec's own source
    #[arg(long, value_name = "URL|DIR")]
    source: Option<String>,
    /// Branch, tag or commit of the source
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// A variable of the pipeline; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = plan_files::assignment)]
    variables: Vec<(String, String)>,
    /// The build image where the spec names none [default: $SLUICE_IMAGE]
    #[arg(long)]
    image: Option<String>,
    /// The project's name, for CODEBUILD_BUILD_ID and the build number [default: the pipeline or folder]
    #[arg(long)]
    project: Option<String>,
    /// A file of NAME=VALUE lines that stand for Parameter Store and Secrets Manager names, instead of AWS
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// Say yes to every approval
    #[arg(short, long)]
    yes: bool,
    /// Builds at one time
    #[arg(long, default_value_t = 4, value_name = "N")]
    parallel: usize,
    /// Seconds that a command may take to end when it is stopped
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    grace: u64,
    /// Keep the builds' workspaces
    #[arg(long)]
    keep: bool,
    /// Store artifacts as zip files instead of folders
    #[arg(long)]
    zip: bool,
    /// Go on with a run whose process has ended, as it was started: that run, or the newest one
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["file",
        "source", "reference", "variables", "image", "project", "secrets", "yes", "parallel", "grace", "keep", "zip"])]
    resume: Option<String>,
    /// How to show it: `auto` is live progress on a terminal and plain lines elsewhere
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How a run is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Auto,
    Plain,
    Json,
}

impl Format {
    fn shown(self) -> Shown {
        match self {
            Self::Auto if std::io::stdout().is_terminal() => Shown::Terminal,
            Self::Auto | Self::Plain => Shown::Plain,
            Self::Json => Shown::Json,
        }
    }
}

/// A new or an earlier run, what it was started with, and its source if that was fetched to read the spec.
type Beginning = (RunRow, Started, Option<Prefetched>);

pub(super) fn run(context: &Context, args: Args) -> Result<Exit, Fault> {
    super::runtime()?.block_on(async {
        let (folders, record) = context.record()?;
        // Before anything is fetched: a stop leaves nothing half-done behind.
        let cancel = Cancel::new();
        signal::listen(cancel.clone());
        let (row, started, prefetched) = match &args.resume {
            Some(prefix) => earlier(&record, &folders, prefix)?,
            None => begin(context, &args, &folders, &record, &cancel).await?,
        };
        let plan: Plan = serde_json::from_str(&row.plan)
            .map_err(|error| Fault::system(format!("run {}: its plan cannot be read: {error}", row.id)))?;
        let own = folders.run(&row.id);
        let Some(_ownership) = own.own()? else {
            return Err(Fault::configuration(format!("run {} goes on in another process", row.id))
                .hint(format!("follow it: `sluice logs {} -f`", row.id)));
        };
        wire::sweep(&context.environment, &folders);
        let order = wire::Order {
            row,
            plan,
            options: started.options,
            secrets: started.secrets,
            shown: args.format.shown(),
            prefetched,
        };
        let run = wire::run(&context.environment, &folders, record, order, cancel)?;
        let outcome = run.carry_out().await;
        Ok(finished(&outcome))
    })
}

/// A fault that is the user's to mend is told as usage.
fn finished(outcome: &Outcome) -> Exit {
    match outcome {
        Outcome::Faulted { kind: FaultKind::Configuration, .. } => Exit::Usage,
        other => exit_of(other),
    }
}

/// Makes a new run of the command line.
async fn begin(
    context: &Context,
    args: &Args,
    folders: &StateFolders,
    record: &Record,
    cancel: &Cancel,
) -> Result<Beginning, Fault> {
    // What cannot be used is told before there is a run, which could never end.
    let secrets = args.secrets.as_ref().map(|path| std::path::absolute(path).map_err(io_usage(path))).transpose()?;
    secrets.as_deref().map(wire::given_secrets).transpose()?;
    let (plan, prefetched) = plan(context, args, folders, cancel).await?;
    gate::check(&plan, clock::now())?;
    let (user, groups) = identity::user();
    let options = Options {
        image: args.image.clone().or_else(|| context.environment.image.clone()),
        parallel: args.parallel,
        yes: args.yes,
        user,
        groups,
        region: context.environment.region.clone(),
        grace_seconds: args.grace,
        keep: args.keep,
        zip: args.zip,
        ..Options::default()
    };
    let started = Started { options, secrets };
    let row = RunRow {
        id: new_run_id(),
        pipeline: plan.name.clone(),
        started: clock::now(),
        plan: serde_json::to_string(&plan).unwrap_or_default(),
        options: serde_json::to_string(&started).unwrap_or_default(),
    };
    if cancel.reason().is_some() {
        return Err(Fault::stopped("stopped before the run began"));
    }
    record.begin(&row)?;
    Ok((row, started, prefetched))
}

/// The run to go on with: it must not be over.
fn earlier(record: &Record, folders: &StateFolders, prefix: &str) -> Result<Beginning, Fault> {
    let row = if prefix.is_empty() { newest_unfinished(record, folders)? } else { record.run(Some(prefix))? };
    if let Some(outcome) = super::runs::is_over(record, &row.id)? {
        return Err(Fault::configuration(format!("run {} is over: {}", row.id, outcome.word()))
            .hint("start a new one: `sluice run`"));
    }
    if folders.run(&row.id).job().exists() {
        return Err(Fault::configuration(format!(
            "run {} does a job of a worker, which alone can report its end",
            row.id
        ))
        .hint("start its worker again: `sluice worker`"));
    }
    let started = serde_json::from_str(&row.options)
        .map_err(|error| Fault::system(format!("run {}: its options cannot be read: {error}", row.id)))?;
    Ok((row, started, None))
}

fn newest_unfinished(record: &Record, folders: &StateFolders) -> Result<RunRow, Fault> {
    for row in record.runs(100)? {
        // A run of a job is its worker's to go on with.
        let own = folders.run(&row.id);
        if !own.job().exists() && super::runs::is_over(record, &row.id)?.is_none() && own.own()?.is_some() {
            return Ok(row);
        }
    }
    Err(Fault::configuration("no run waits to go on").hint("`sluice runs` lists them"))
}

/// The plan of the command line. A spec that lies in a repository is fetched first, together with its source.
async fn plan(
    context: &Context,
    args: &Args,
    folders: &StateFolders,
    cancel: &Cancel,
) -> Result<(Plan, Option<Prefetched>), Fault> {
    let variables = args.variables.iter().cloned().collect();
    let project = args.project.as_deref();
    let Some(named) = &args.source else {
        let mut plan = SpecFile::find(args.file.as_deref(), &variables)?.plan(&variables, project)?;
        plan.source = at(plan.source, args.reference.as_deref());
        return Ok((plan, None));
    };
    let source = source(named, args.reference.as_deref())?;
    if let Source::Folder { path } = &source {
        let file = SpecFile::with_source(args.file.as_deref(), PathBuf::from(path))?;
        let mut plan = file.plan(&variables, project)?;
        plan.source = source;
        return Ok((plan, None));
    }
    let scratch = folders.scratch()?;
    let root = scratch.path().join("source");
    out::note(&format!("fetching {named}"));
    let sources = wire::sources(&context.environment, folders)?;
    let revision = sources.fetch(&source, &root, &Progress::silent(), cancel).await?;
    let default_project = repository_name(named);
    let file = SpecFile::fetched(args.file.as_deref(), root.clone())?;
    let mut plan = file.plan(&variables, Some(project.unwrap_or(&default_project)))?;
    plan.source = source;
    Ok((plan, Some(Prefetched { folder: root, revision, _scratch: scratch })))
}

/// `--source` as a source: a folder that exists, or a URL.
fn source(named: &str, reference: Option<&str>) -> Result<Source, Fault> {
    let path = Path::new(named);
    if path.is_dir() && reference.is_none() {
        let real = path.canonicalize().map_err(io(path))?;
        return Ok(Source::Folder { path: real.display().to_string() });
    }
    let url =
        if path.is_dir() { path.canonicalize().map_err(io(path))?.display().to_string() } else { named.to_owned() };
    Ok(Source::Git { url, reference: reference.map(str::to_owned), depth: None, submodules: false })
}

/// The spec's own source, at another reference; a folder is then a repository of which a commit is taken.
fn at(source: Source, reference: Option<&str>) -> Source {
    match (source, reference) {
        (source @ Source::Artifact { .. }, _) | (source, None) => source,
        (Source::Git { url, depth, submodules, .. }, Some(reference)) => {
            Source::Git { url, reference: Some(reference.to_owned()), depth, submodules }
        }
        (Source::Folder { path }, Some(reference)) => {
            Source::Git { url: path, reference: Some(reference.to_owned()), depth: None, submodules: false }
        }
    }
}

fn repository_name(url: &str) -> String {
    let last = url.trim_end_matches('/').rsplit(['/', ':', '@']).next().unwrap_or(url);
    last.strip_suffix(".git").unwrap_or(last).to_owned()
}
