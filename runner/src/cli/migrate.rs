//! `sluice migrate`: CodeBuild's actions of a pipeline to ours, and back.

use clap::builder::PossibleValuesParser;

use super::{Context, Exit, out};
use crate::aws::Aws;
use crate::fault::Fault;
use crate::migrate::{
    ACCEPTABLE, Applied, Calls, Change, Described, Orders, Saved, apply, expect, project_names, revert, shown, swap,
};
use crate::queue::codepipeline::action_type::{MOST_POOL_CHARACTERS, is_pool};

const EXAMPLES: &str = "\
Examples:
  sluice migrate billing                                   show what would change
  sluice migrate billing --pool arm --action Build/compile
  sluice migrate billing --image python:3.11 --apply --expect-version 7
  sluice migrate billing --revert                          swap back";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The pipeline's name
    pipeline: String,
    /// Its Region [default: the AWS configuration's]
    #[arg(long)]
    region: Option<String>,
    /// The pool of machines that the actions ask for
    #[arg(long, default_value = "default", value_name = "NAME", value_parser = pool)]
    pool: String,
    /// An action to swap; may be repeated [default: all of CodeBuild's]
    #[arg(long = "action", value_name = "STAGE/ACTION")]
    actions: Vec<String>,
    /// The image of the builds, in the place of their projects'
    #[arg(long)]
    image: Option<String>,
    /// Swap although this cannot be carried over; may be repeated
    #[arg(long = "accept", value_name = "NAME", value_parser = PossibleValuesParser::new(ACCEPTABLE))]
    accepted: Vec<String>,
    /// Update the pipeline
    #[arg(long, conflicts_with = "revert")]
    apply: bool,
    /// Swap back, and update the pipeline
    #[arg(long)]
    revert: bool,
    /// With --revert: show what would change, and change nothing
    #[arg(long, requires = "revert")]
    dry_run: bool,
    /// Go on only if the pipeline is at this version, which is the one that was looked at
    #[arg(long, value_name = "VERSION")]
    expect_version: Option<i64>,
    /// `json`: the structure as it would be, as `aws codepipeline update-pipeline --cli-input-json` takes it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Default, PartialEq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

fn pool(name: &str) -> Result<String, String> {
    let told = || format!("a pool has up to {MOST_POOL_CHARACTERS} letters, digits, - and _");
    is_pool(name).then(|| name.to_owned()).ok_or_else(told)
}

pub(super) fn migrate(context: &Context, args: Args) -> Result<Exit, Fault> {
    let saved = Saved::new(context.folders()?.migrations());
    super::runtime()?.block_on(async {
        let calls = Calls::new(&Aws::default().config(None, args.region.as_deref()).await?);
        let described = calls.pipeline(&args.pipeline).await?;
        expect(&described, args.expect_version)?;
        let change = made(&args, &calls, &described, &saved).await?;
        match args.format {
            Format::Text => out::say(&shown(&described, &change)),
            Format::Json => out::say(&format!("{:#}", serde_json::json!({ "pipeline": change.pipeline }))),
        }
        let updates = args.apply || (args.revert && !args.dry_run);
        if !updates {
            if change.changes() {
                let how = if args.revert { "leave --dry-run out" } else { "add --apply" };
                out::note(&format!("nothing is changed yet: {how}, with --expect-version {}", described.version()));
            }
            return Ok(Exit::Succeeded);
        }
        if !change.changes() {
            out::note("there is nothing to change");
            return Ok(if change.leaves() { Exit::Failed } else { Exit::Succeeded });
        }
        let applied = apply(&calls, &described, &change, &saved).await?;
        told(&args.pipeline, &applied);
        Ok(Exit::Succeeded)
    })
}

async fn made(args: &Args, calls: &Calls, described: &Described, saved: &Saved) -> Result<Change, Fault> {
    let orders = Orders {
        pool: args.pool.clone(),
        actions: args.actions.clone(),
        image: args.image.clone(),
        accepted: args.accepted.clone(),
    };
    if args.revert {
        return revert(described, &saved.of(described), &orders);
    }
    let projects = calls.projects(&project_names(described)).await?;
    swap(described, &projects, &orders)
}

fn told(pipeline: &str, applied: &Applied) {
    let Applied { version, kept, overtaken } = applied;
    out::note(&format!("{pipeline} is at version {version}; as it was before: {}", kept.display()));
    if *overtaken {
        out::note("warning: somebody else has updated it in the same moment");
        out::note(&format!(
            "  hint: `aws codepipeline get-pipeline --name {pipeline} --pipeline-version {}` has their structure",
            version - 1
        ));
    }
}
