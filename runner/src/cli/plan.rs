//! `sluice plan`: what would happen, without doing it.

use std::path::PathBuf;

use super::plan_files::SpecFile;
use super::{Context, Exit, out, plan_files};
use crate::fault::Fault;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  sluice plan\n  sluice plan pipeline.yml --format mermaid")]
pub(super) struct Args {
    /// The spec file, or its folder [default: pipeline.yml or buildspec.yml of this folder]
    file: Option<PathBuf>,
    /// A variable of the pipeline; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = plan_files::assignment)]
    variables: Vec<(String, String)>,
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Mermaid,
    Dot,
}

pub(super) fn plan(_: &Context, args: &Args) -> Result<Exit, Fault> {
    let variables = args.variables.iter().cloned().collect();
    let plan = SpecFile::find(args.file.as_deref(), &variables)?.plan(&variables, None)?;
    out::say(&match args.format {
        Format::Text => pipeline_spec::view::text(&plan),
        Format::Json => pipeline_spec::view::json(&plan),
        Format::Mermaid => pipeline_spec::view::mermaid(&plan),
        Format::Dot => pipeline_spec::view::dot(&plan),
    });
    Ok(Exit::Succeeded)
}
