//! `sluice submit`: a request for a run into an SQS queue, for whichever worker is free.

use std::path::PathBuf;

use super::{Context, Exit, out, plan_files};
use crate::fault::Fault;
use crate::queue::codepipeline::options::EnvironmentVariable;
use crate::queue::sqs::{ExecutionMode, RequestSource, RunRequest, VERSION};
use crate::spec::io_usage;
use crate::wire;

const EXAMPLES: &str = "\
Examples:
  sluice submit --queue https://sqs.…/runs --source codecommit://billing --ref main
  sluice submit --queue https://sqs.…/runs --source https://git.example.org/app.git ci/nightly.yml --mode queued
  sluice submit --queue https://sqs.…/runs --request request.json";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The spec's path in the source [default: pipeline.yml or buildspec.yml]
    file: Option<String>,
    /// The URL of the queue [default: $SLUICE_QUEUE_URL]
    #[arg(long, value_name = "URL")]
    queue: Option<String>,
    /// A Git URL, codecommit://NAME, or an archive s3://BUCKET/KEY
    #[arg(long, value_name = "URL", required_unless_present = "request")]
    source: Option<String>,
    /// Branch, tag or commit of the source
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// A variable of the pipeline; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = plan_files::assignment)]
    variables: Vec<(String, String)>,
    /// An environment variable of every build; may be repeated
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = plan_files::assignment)]
    environment: Vec<(String, String)>,
    /// The build image where the spec names none
    #[arg(long)]
    image: Option<String>,
    /// The pool of machines that it is for [default: any that takes from the queue]
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    /// What it does about other runs of its group
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    /// The group of runs that go one at a time [default: pipeline and branch]
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// The pipeline that it is a run of [default: the project]
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// The project's name, for builds and their numbers [default: the pipeline, or the repository]
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// A file that holds the whole request, as JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "source", "reference", "variables",
        "environment", "image", "pool", "mode", "group", "pipeline", "project"])]
    request: Option<PathBuf>,
}

/// CodePipeline's execution modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    /// One at a time; of those that wait only the newest is run
    #[default]
    Superseded,
    /// One at a time, in the order in which they were sent
    Queued,
    /// Beside all others
    Parallel,
}

impl From<Mode> for ExecutionMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Superseded => Self::Superseded,
            Mode::Queued => Self::Queued,
            Mode::Parallel => Self::Parallel,
        }
    }
}

pub(super) fn submit(context: &Context, args: Args) -> Result<Exit, Fault> {
    let queue = args.queue.clone().or_else(|| context.environment.queue_url.clone());
    let queue = queue.ok_or_else(|| {
        Fault::configuration("there is no queue to submit to").hint("name it with --queue or SLUICE_QUEUE_URL")
    })?;
    let request = request(args)?;
    let message = super::runtime()?.block_on(wire::submit(&queue, &request))?;
    out::say(&format!("{message}\n"));
    Ok(Exit::Succeeded)
}

fn request(args: Args) -> Result<RunRequest, Fault> {
    let wrong = |why: String| Fault::configuration(why);
    if let Some(path) = &args.request {
        let text = std::fs::read_to_string(path).map_err(io_usage(path))?;
        return RunRequest::parse(&text).map_err(|why| wrong(format!("{}: {why}", path.display())));
    }
    let variable = |(name, value)| EnvironmentVariable { name, value, kind: None };
    let request = RunRequest {
        sluice: VERSION,
        pipeline: args.pipeline,
        source: source(args.source.unwrap_or_default(), args.reference),
        spec: args.file,
        project: args.project,
        variables: args.variables.into_iter().collect(),
        environment: args.environment.into_iter().map(variable).collect(),
        image: args.image,
        pool: args.pool,
        mode: args.mode.into(),
        group: args.group,
    };
    request.order("").map(|_| request.clone()).map_err(wrong)
}

fn source(url: String, reference: Option<String>) -> RequestSource {
    let source = RequestSource { reference, ..RequestSource::default() };
    if url.starts_with("s3://") {
        RequestSource { s3: Some(url), ..source }
    } else if url.starts_with("codecommit:") {
        RequestSource { codecommit: Some(url), ..source }
    } else {
        RequestSource { git: Some(url), ..source }
    }
}
