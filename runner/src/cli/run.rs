//! `sluice run`: a run in this process, live.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use pipeline_spec::plan::{Plan, Source};

use super::plan_files::SpecFile;
use super::{Context, Exit, exit_of, out, plan_files, resume};
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
            Some(prefix) => {
                let (row, started) = resume::earlier(&record, &folders, prefix)?;
                (row, started, None)
            }
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
    let started = Started { options, secrets, for_job: false };
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Cli, Command};
    use super::*;
    use crate::settings::Environment;

    fn args(words: &[&str]) -> Result<Args, clap::Error> {
        let cli = Cli::try_parse_from(["sluice", "run"].iter().chain(words))?;
        let Command::Run(args) = cli.command else { panic!("no run: {words:?}") };
        Ok(*args)
    }

    fn context(state: &Path) -> Context {
        Context { environment: Environment::default(), state_dir: Some(state.to_owned()) }
    }

    #[test]
    fn secrets_that_cannot_be_read_are_told_before_there_is_a_run() {
        let state = tempfile::tempdir().unwrap();
        let (none, bad) = (state.path().join("none"), state.path().join("bad"));
        std::fs::write(&bad, "no value").unwrap();
        for file in [none, bad] {
            let fault = run(&context(state.path()), args(&["--secrets", &file.display().to_string()]).unwrap());
            let fault = fault.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Configuration, "{fault}");
            assert!(fault.message.starts_with(&file.display().to_string()), "{fault}");
        }
        assert_eq!(Record::open(state.path()).unwrap().runs(9).unwrap(), []);
    }

    #[test]
    fn a_run_is_resumed_as_it_was_started() {
        assert!(args(&["--resume", "--yes"]).is_err() && args(&["--resume", "--image", "a"]).is_err());
        assert!(args(&["--resume", "0199", "--format", "json"]).is_ok());
    }

    #[test]
    fn only_a_source_of_the_spec_itself_brings_submodules() {
        let Source::Git { submodules, .. } = source("codecommit://billing", None).unwrap() else { panic!("no URL") };
        assert!(!submodules);
    }
}
