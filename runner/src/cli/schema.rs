//! `sluice schema`: JSON Schemas for editors.

use super::{Exit, out};
use crate::fault::Fault;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  sluice schema pipeline > .vscode/pipeline.schema.json")]
pub(super) struct Args {
    /// Which format
    #[arg(value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Pipeline,
    Buildspec,
}

pub(super) fn schema(args: &Args) -> Result<Exit, Fault> {
    let schema = match args.format {
        Format::Pipeline => pipeline_spec::schema::pipeline(),
        Format::Buildspec => pipeline_spec::schema::buildspec(),
    };
    out::say(&serde_json::to_string_pretty(&schema).unwrap_or_default());
    Ok(Exit::Succeeded)
}
