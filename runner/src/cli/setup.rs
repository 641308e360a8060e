//! `sluice setup`: what an AWS account and a machine need for workers, as text on standard output.

use std::time::Duration;

use clap::Subcommand;

use super::{Exit, out};
use crate::fault::Fault;
use crate::queue::codepipeline::action_type::Category;
use crate::setup::{Stack, UnitOrder, template, unit, yaml};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Print a CloudFormation template: custom actions, queues, table, logs, and a role for workers
    Codepipeline(Box<Template>),
    /// Print the worker's systemd unit
    Systemd(Unit),
}

const EXAMPLES: &str = "\
Examples:
  sluice setup codepipeline --ecr billing --codecommit billing --secrets /ci > sluice.yml
  aws cloudformation deploy --stack-name sluice --template-file sluice.yml --capabilities CAPABILITY_IAM
  sluice setup codepipeline --ecr-pull build-images --ecs production/billing --task-role ROLE-ARN
  sluice setup codepipeline --pool x86 --pool arm --autoscaling    each pool has parameters of its own

What is not named is not allowed: the role may use the repositories, services, roles, buckets and secrets given here.
docs/codepipeline.md goes from here to a worker, step by step.";

/// Seconds that a worker may take to end its jobs if nothing else is said.
const STOP: u64 = UnitOrder::DEFAULT_STOP.as_secs();

/// A name ends in `*` to mean all that begin with it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
struct Template {
    /// A pool of machines that actions can ask for; may be repeated
    #[arg(long = "pool", value_name = "NAME", default_value = "default")]
    pools: Vec<String>,
    /// The action types to make
    #[arg(long, value_delimiter = ',', value_enum, default_value = "build,test,deploy")]
    types: Vec<Type>,
    /// A bucket that whole logs go into (`worker --log-archive`) and submitted sources come from; may be repeated
    #[arg(long = "artifact-bucket", value_name = "NAME|ARN")]
    buckets: Vec<String>,
    /// An ECR repository to push to and pull from; may be repeated
    #[arg(long = "ecr", value_name = "NAME|ARN")]
    images: Vec<String>,
    /// Let `create-repository: true` make those of them that are missing
    #[arg(long, requires = "images")]
    ecr_create: bool,
    /// An ECR repository to pull from only, such as that of the build images; may be repeated
    #[arg(long = "ecr-pull", value_name = "NAME|ARN")]
    base_images: Vec<String>,
    /// A CodeCommit repository to clone; may be repeated
    #[arg(long = "codecommit", value_name = "NAME|ARN")]
    repositories: Vec<String>,
    /// Make a push to one of these repositories a job of the first pool
    #[arg(long, requires = "repositories")]
    on_push: bool,
    /// A role that deployments assume; may be repeated
    #[arg(long = "deploy-role", value_name = "ARN")]
    deploy_roles: Vec<String>,
    /// An ECS service of this account and Region to deploy to without such a role; may be repeated
    #[arg(long = "ecs", value_name = "CLUSTER/SERVICE")]
    services: Vec<String>,
    /// A role that tasks of these services have, their own or for their execution; may be repeated
    #[arg(long = "task-role", value_name = "ARN", requires = "services")]
    task_roles: Vec<String>,
    /// A beginning of names in Parameter Store and Secrets Manager that builds read; may be repeated
    #[arg(long, value_name = "PREFIX")]
    secrets: Vec<String>,
    /// A KMS key of these secrets and buckets; may be repeated
    #[arg(long = "kms-key", value_name = "ARN")]
    keys: Vec<String>,
    /// Run the machines too: an Auto Scaling group a pool
    #[arg(long)]
    autoscaling: bool,
    /// Seconds that the worker of such a machine may take to end its jobs when the machine goes away
    #[arg(long, default_value_t = STOP, value_name = "SECONDS", requires = "autoscaling")]
    stop_timeout: u64,
    /// Names the installation and its machines
    #[arg(long, default_value = "sluice")]
    name: String,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  sluice setup systemd > /etc/systemd/system/sluice.service")]
struct Unit {
    /// Seconds that the worker may take to end its jobs when it is stopped
    #[arg(long, default_value_t = STOP, value_name = "SECONDS")]
    stop_timeout: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Type {
    Build,
    Test,
    Deploy,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Yaml,
    Json,
}

pub(super) fn setup(args: Args) -> Result<Exit, Fault> {
    let text = match args.what {
        What::Codepipeline(args) => written(*args)?,
        What::Systemd(args) => unit(UnitOrder { stop: Duration::from_secs(args.stop_timeout) }),
    };
    out::say(&text);
    Ok(Exit::Succeeded)
}

fn written(args: Template) -> Result<String, Fault> {
    let format = args.format;
    let template = template(&Stack::from(args))?;
    Ok(match format {
        Format::Yaml => yaml(&template),
        Format::Json => serde_json::to_string_pretty(&template).unwrap_or_default(),
    })
}

impl From<Template> for Stack {
    fn from(args: Template) -> Self {
        let types = [(Type::Build, Category::Build), (Type::Test, Category::Test), (Type::Deploy, Category::Deploy)];
        let asked = types.into_iter().filter(|(asked, _)| args.types.contains(asked));
        Self {
            types: asked.map(|(_, category)| category).collect(),
            name: args.name,
            pools: args.pools,
            buckets: args.buckets,
            images: args.images,
            repositories: args.repositories,
            on_push: args.on_push,
            creates_repositories: args.ecr_create,
            base_images: args.base_images,
            deploy_roles: args.deploy_roles,
            services: args.services,
            task_roles: args.task_roles,
            secrets: args.secrets,
            keys: args.keys,
            autoscaling: args.autoscaling,
            stop: Duration::from_secs(args.stop_timeout),
        }
    }
}
