//! `sluice validate`: everything that is wrong with spec files, all at once.

use std::path::{Path, PathBuf};

use pipeline_spec::Purpose;
use pipeline_spec::diagnostic::Span;

use super::plan_files::SpecFile;
use super::{Exit, out, plan_files};
use crate::clock;
use crate::fault::Fault;
use crate::gate;
use crate::spec::{Checked, find};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  sluice validate\n  sluice validate ci/*.yml --format json")]
pub(super) struct Args {
    /// Spec files [default: pipeline.yml or buildspec.yml of this folder]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// `json`: one object, with all diagnostics of all files and whether none of them is an error
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
    let files = if args.files.is_empty() { vec![find(None, Path::new("."))?] } else { args.files.clone() };
    let checked: Vec<Checked> = files.iter().map(|file| check(file)).collect();
    let valid = checked.iter().all(|checked| !checked.diagnostics.has_errors());
    match args.format {
        Format::Json => {
            let diagnostics: Vec<_> = checked.iter().flat_map(|checked| checked.diagnostics.iter()).collect();
            let all = serde_json::json!({ "valid": valid, "diagnostics": diagnostics });
            out::say(&format!("{all:#}"));
        }
        Format::Human => files.iter().zip(&checked).for_each(|(file, checked)| tell(file, checked)),
    }
    Ok(if valid { Exit::Succeeded } else { Exit::Usage })
}

/// What is wrong with a file, also when that is that it cannot be read: the others are looked at all the same.
fn check(file: &Path) -> Checked {
    let nothing = plan_files::Variables::new();
    let mut checked = match SpecFile::open(file, &nothing) {
        Ok(file) => file.check(&nothing, None, Purpose::Validate),
        Err(fault) => return Checked::unreadable(&file.display().to_string(), &fault),
    };
    if let Some(fault) = checked.plan.as_ref().and_then(|plan| gate::check(plan, clock::now()).err()) {
        checked.diagnostics.error("gate", Span::START, fault.message);
    }
    checked
}

fn tell(file: &Path, checked: &Checked) {
    let name = file.display();
    if !checked.diagnostics.is_empty() {
        out::note(&checked.render(plan_files::colours()));
    }
    if checked.diagnostics.is_empty() {
        out::say(&format!("{name}: valid"));
    } else if !checked.diagnostics.has_errors() {
        out::say(&format!("{name}: valid, with warnings"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: Option<&str>) -> Vec<(&'static str, String)> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        check(&file).diagnostics.iter().map(|found| (found.code, found.message.clone())).collect()
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_finding_like_others() {
        assert_eq!(found("x.yml", None), [("unreadable", "No such file or directory (os error 2)".to_owned())]);
    }

    #[test]
    fn a_window_that_never_opens_is_found_before_a_run() {
        let pipeline = |cron: &str| {
            let build = "{ name: b, build: { commands: ls } }";
            let gate = format!("[ deployment-window: {{ cron: '{cron}' }} ]");
            format!("version: 1\nstages: [ {{ name: a, before-entry: {gate}, actions: [ {build} ] }} ]\n")
        };
        assert_eq!(found("pipeline.yml", Some(&pipeline("* * * * *"))), []);
        let never = found("pipeline.yml", Some(&pipeline("* 9 30 2 *")));
        assert!(never.len() == 1 && never[0].1.starts_with("stage a: "), "{never:?}");
    }
}
