//! `sluice validate`: everything that is wrong with spec files, all at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pipeline_spec::Purpose;

use super::{Exit, out, plan_files};
use crate::fault::Fault;

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  sluice validate\n  sluice validate ci/*.yml --format json")]
pub(super) struct Args {
    /// Spec files [default: pipeline.yml or buildspec.yml of this folder]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// `json`: one object with all diagnostics
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Default, PartialEq, clap::ValueEnum)]
enum Format {
    #[default]
    Human,
    Json,
}

pub(super) fn validate(args: &Args) -> Result<Exit, Fault> {
    let files = if args.files.is_empty() { vec![plan_files::find(None, Path::new("."))?] } else { args.files.clone() };
    let mut exit = Exit::Succeeded;
    let mut all = Vec::new();
    for file in &files {
        let folder = plan_files::folder_of(file);
        let checked = plan_files::read(file, folder, &BTreeMap::new(), None, Purpose::Validate)?;
        if checked.diagnostics.has_errors() {
            exit = Exit::Usage;
        }
        match args.format {
            Format::Json => all.extend(serde_json::to_value(&checked.diagnostics).ok()),
            Format::Human if checked.diagnostics.is_empty() => out::say(&format!("{}: valid", file.display())),
            Format::Human => {
                out::note(&checked.render(plan_files::colours()));
                if !checked.diagnostics.has_errors() {
                    out::say(&format!("{}: valid, with warnings", file.display()));
                }
            }
        }
    }
    if args.format == Format::Json {
        out::say(&serde_json::to_string_pretty(&all).unwrap_or_default());
    }
    Ok(exit)
}
