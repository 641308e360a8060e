//! `sluice worker`: takes jobs, and how one that runs is looked at and spoken to.

use std::net::SocketAddr;
use std::time::Duration;

use pipeline_spec::quantity;

use super::{Context, Exit, out};
use crate::clock;
use crate::control;
use crate::fault::Fault;
use crate::logs::{ArchiveTarget, LogTargets, Retention, StreamTarget};
use crate::queue::codepipeline::CodePipelineConfig;
use crate::queue::codepipeline::action_type::{Category, is_pool};
use crate::report::text::duration;
use crate::trust::{Names, Trust};
use crate::wire::{self, JobShopConfig, WorkerOrder};
use crate::worker::{Mode, Rhythm, Sight};

const EXAMPLES: &str = "\
Examples:
  sluice worker --pool default                jobs of CodePipeline's custom actions, in this account and Region
  sluice worker --pool arm --pool gpu --seats 2 --listen 127.0.0.1:9100
  sluice worker --queue https://sqs.…/runs    runs that were asked for with `sluice submit`, and pushes, too
  sluice worker --table sluice                one of a fleet: others go on with its jobs when it is gone
  sluice worker status                        what the worker of this state directory does
  sluice worker drain                         finish what runs, take nothing more, end

SIGTERM drains, a second one stops what runs, a third one kills it.";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    /// Speak to the worker of this state directory
    #[command(subcommand)]
    speak: Option<Speak>,
    /// A pool of jobs to take from; may be repeated
    #[arg(long = "pool", value_name = "NAME", default_value = "default", value_parser = pool)]
    pools: Vec<String>,
    /// The kinds of action to take jobs of
    #[arg(long = "type", value_enum, value_name = "KIND", default_values = ["build", "test", "deploy"])]
    types: Vec<Kind>,
    /// An SQS queue to take requests for runs and pushes from [default: $SLUICE_QUEUE_URL]
    #[arg(long, value_name = "URL")]
    queue: Option<String>,
    /// An SQS queue that EventBridge tells of pipelines: jobs start and stop at once, not with the next look
    /// [default: $SLUICE_EVENTS_QUEUE_URL]
    #[arg(long, value_name = "URL")]
    events_queue: Option<String>,
    /// Take from the SQS queue alone
    #[arg(long)]
    no_codepipeline: bool,
    /// The DynamoDB table of a fleet, whose workers take each other's jobs over [default: $SLUICE_TABLE, or no fleet]
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Jobs at the same time [default: one for each two processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    seats: Option<u16>,
    /// The build image where neither spec nor action names one [default: $SLUICE_IMAGE]
    #[arg(long)]
    image: Option<String>,
    /// Where /healthz, /metrics and /status answer
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Seconds between polls that find nothing
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS", value_parser = seconds)]
    poll: f64,
    /// Seconds between looks at whether a running job is still wanted
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS", value_parser = seconds)]
    heartbeat: f64,
    /// Seconds after which the jobs of a silent worker are another's
    #[arg(long, default_value_t = 90.0, value_name = "SECONDS", value_parser = seconds)]
    lease: f64,
    /// Give the jobs of lost workers back as failed by the system, and do not do them again
    #[arg(long)]
    no_take_over: bool,
    /// Send logs to this group of CloudWatch Logs [default: $SLUICE_LOG_GROUP, or /aws/codebuild/PROJECT]
    #[arg(long, value_name = "GROUP", conflicts_with = "no_cloudwatch")]
    log_group: Option<String>,
    /// What stands before the build's UUID in the name of a log stream; links of CodePipeline's console do not know it
    #[arg(long, value_name = "PREFIX", conflicts_with = "no_cloudwatch")]
    log_stream_prefix: Option<String>,
    /// Days that logs are kept in groups that the worker makes
    #[arg(long, value_name = "DAYS")]
    log_retention: Option<i32>,
    /// Send no logs to CloudWatch Logs
    #[arg(long)]
    no_cloudwatch: bool,
    /// Put whole logs into S3 too: BUCKET, BUCKET/PREFIX or their ARN
    #[arg(long, value_name = "PLACE")]
    log_archive: Option<String>,
    /// Images that builds and services may use, `*` for any text; may be repeated [default: all]
    #[arg(long, value_name = "PATTERN")]
    allow_image: Vec<String>,
    /// Registries that images may be pushed to, `ecr` for the account's own [default: all]
    #[arg(long, value_name = "PATTERN")]
    allow_registry: Vec<String>,
    /// Repositories that may be cloned [default: all]
    #[arg(long, value_name = "PATTERN")]
    allow_repository: Vec<String>,
    /// Roles that actions may assume [default: all]
    #[arg(long, value_name = "PATTERN")]
    allow_role: Vec<String>,
    /// Containers of the images of late that are kept ready for the next build; 0 keeps none
    #[arg(long, value_name = "N", default_value_t = 4)]
    warm: usize,
    /// Seconds after which a registry is asked again what a build image's tag means; 0 pulls only what is missing
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    refresh_images: u64,
    /// Disk space that must be free before a job is taken; caches go first
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = size)]
    free_disk: u64,
    /// Memory that must be free before a job is taken
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = size)]
    free_memory: u64,
    /// Seconds that a command may take to end when it is stopped
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    grace: u64,
}

impl Args {
    /// Whether this process is to be a worker, and not to speak to one.
    pub(super) fn works(&self) -> bool {
        self.speak.is_none()
    }
}

#[derive(clap::Subcommand)]
enum Speak {
    /// Show what it does
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Finish what runs and take nothing more, until `resume`
    Pause,
    /// Take jobs again
    Resume,
    /// Finish what runs, take nothing more, end
    Drain,
}

/// The kinds of custom action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Build,
    Test,
    Deploy,
}

impl From<Kind> for Category {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Build => Self::Build,
            Kind::Test => Self::Test,
            Kind::Deploy => Self::Deploy,
        }
    }
}

pub(super) fn worker(context: &Context, args: Args) -> Result<Exit, Fault> {
    let folders = context.folders()?;
    super::runtime()?.block_on(async {
        let Some(speak) = &args.speak else {
            wire::worker(&context.environment, &folders, order(context, &args)?).await?;
            return Ok(Exit::Succeeded);
        };
        let (method, path) = match speak {
            Speak::Status { .. } => ("GET", "/status"),
            Speak::Pause => ("POST", "/pause"),
            Speak::Resume => ("POST", "/resume"),
            Speak::Drain => ("POST", "/drain"),
        };
        let sight = control::ask(&folders.worker_socket(), method, path).await?;
        match speak {
            Speak::Status { json: true } => {
                let text = serde_json::to_string_pretty(&sight).map_err(|error| Fault::system(error.to_string()))?;
                out::say(&text);
            }
            _ => out::say(&shown(&sight)),
        }
        Ok(Exit::Succeeded)
    })
}

fn order(context: &Context, args: &Args) -> Result<WorkerOrder, Fault> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let heartbeat = Duration::from_secs_f64(args.heartbeat);
    let lease = Duration::from_secs_f64(args.lease);
    if lease < heartbeat * 3 {
        return Err(Fault::configuration("--lease must be three times --heartbeat at the least")
            .hint("one lost call must not lose a job"));
    }
    Ok(WorkerOrder {
        asked: (!args.no_codepipeline).then(|| CodePipelineConfig {
            categories: args.types.iter().copied().map(Category::from).collect(),
            pools: args.pools.clone(),
        }),
        pools: args.pools.clone(),
        queue: args.queue.clone().or_else(|| context.environment.queue_url.clone()),
        events: args.events_queue.clone().or_else(|| context.environment.events_queue_url.clone()),
        seats: args.seats.map_or_else(|| processors.div_ceil(2), usize::from),
        rhythm: Rhythm { poll: Duration::from_secs_f64(args.poll), heartbeat, lease, ..Rhythm::default() },
        takes_over: !args.no_take_over,
        table: args.table.clone().or_else(|| context.environment.table.clone()),
        listen: args.listen,
        jobs: JobShopConfig {
            image: args.image.clone().or_else(|| context.environment.image.clone()),
            grace_seconds: args.grace,
            parallel: processors,
            trust: Trust {
                images: Names::new(&args.allow_image)?,
                registries: Names::new(&args.allow_registry)?,
                repositories: Names::new(&args.allow_repository)?,
                roles: Names::new(&args.allow_role)?,
            },
            logs: LogTargets {
                stream: (!args.no_cloudwatch).then(|| StreamTarget {
                    group: args.log_group.clone().or_else(|| context.environment.log_group.clone()),
                    prefix: args.log_stream_prefix.clone(),
                }),
                archive: args.log_archive.as_deref().map(ArchiveTarget::parse).transpose()?,
            },
            retention: args.log_retention.map(Retention::days).transpose()?,
            warm: args.warm,
            refresh: Duration::from_secs(args.refresh_images),
            free_disk: args.free_disk,
            free_memory: args.free_memory,
        },
    })
}

/// What a worker shows of itself, for people.
fn shown(sight: &Sight) -> String {
    let mode = match sight.mode {
        Mode::Working => "takes jobs",
        Mode::Paused => "is paused: `sluice worker resume` lets it take jobs again",
        Mode::Draining => "drains: it ends when what runs is finished",
    };
    let mut text = format!("{} {mode}\n", sight.owner);
    text.push_str(&match &sight.table {
        Some(table) => format!("one of the fleet of table {table}\n"),
        None => "on its own: its ledger is on this machine\n".to_owned(),
    });
    if let Some(why) = &sight.cannot_claim {
        text.push_str(&format!("it cannot take jobs now: {why}\n"));
    }
    if let Some(why) = &sight.trouble {
        text.push_str(&format!("one of its queues cannot be polled: {why}\n"));
    }
    text.push_str(&format!("{} of {} seats taken\n", sight.seats_taken, sight.seats));
    let now = clock::now();
    for job in &sight.jobs {
        let since = duration(now.duration_since(job.since));
        let waits = if job.waits { "  (waits)" } else { "" };
        text.push_str(&format!("  {since:>8}  run {}  {}  {}{waits}\n", job.run, job.project, job.what));
    }
    if sight.results_waiting > 0 {
        text.push_str(&format!("{} results wait for the queue\n", sight.results_waiting));
    }
    let totals = sight.totals;
    text.push_str(&format!("since its start: {} succeeded, {} failed", totals.succeeded, totals.failed));
    for (count, what) in [
        (totals.unwanted, "stopped"),
        (totals.superseded, "superseded"),
        (totals.given_back, "given back"),
        (totals.lost, "taken over by others"),
        (totals.refused, "refused"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text.push('\n');
    text
}

fn pool(text: &str) -> Result<String, String> {
    if is_pool(text) { Ok(text.to_owned()) } else { Err("a pool has 1 to 20 letters, digits, - and _".to_owned()) }
}

fn size(text: &str) -> Result<u64, String> {
    quantity::size(text).map_err(|bad| format!("{}; {}", bad.message, bad.hint))
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.05..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("write a number of seconds".to_owned()),
    }
}
