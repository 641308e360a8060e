//! `sluice runs`: the newest runs.

use comfy_table::{Table, presets};

use super::fleet::Fleet;
use super::{Context, Exit, out};
use crate::event::Outcome;
use crate::fault::Fault;
use crate::report::text::duration;
use crate::state::RunState;
use crate::store::{Record, RunRow};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    fleet: Fleet,
    /// How many
    #[arg(short = 'n', long, default_value_t = 20)]
    limit: usize,
    /// `json`: one object a line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Human,
    Json,
}

pub(super) fn runs(context: &Context, args: &Args) -> Result<Exit, Fault> {
    super::runtime()?.block_on(list(context, args))
}

async fn list(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let (folders, history) = (context.folders()?, args.fleet.history(context).await?);
    // Which process carries a run of a fleet on is known to its ledger, and not to this machine.
    let here = args.fleet.table(context).is_none();
    let rows = history.runs(args.limit).await?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["RUN", "PIPELINE", "COMMIT", "STARTED", "TIME", "STATUS"]);
    for row in &rows {
        let state = RunState::of(&history.events(&row.id).await?);
        match args.format {
            Format::Json => out::say(&serde_json::to_string(&state).unwrap_or_default()),
            Format::Human => {
                let left = here && state.span.outcome.is_none() && folders.run(&row.id).own()?.is_some();
                table.add_row(columns(row, &state, left));
            }
        }
    }
    if matches!(args.format, Format::Human) {
        out::say(&table.trim_fmt());
    }
    Ok(Exit::Succeeded)
}

/// `left`: the run is not over, and no process carries it on.
fn columns(row: &RunRow, state: &RunState, left: bool) -> [String; 6] {
    let commit = state.revision.as_ref().and_then(|revision| revision.commit.clone()).unwrap_or_default();
    [
        row.id.clone(),
        row.pipeline.clone(),
        commit.chars().take(7).collect(),
        row.started.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        state.span.duration().map(duration).unwrap_or_default(),
        format!("{}{}", status(state), if left { ", left by its process" } else { "" }),
    ]
}

/// In a word: how it ended, what it waits for, or that it goes on.
fn status(state: &RunState) -> String {
    if let Some(outcome) = &state.span.outcome {
        return outcome.word().to_owned();
    }
    let waiting = state.stages.iter().find(|stage| stage.gates.values().any(|gate| !gate.waiting.is_empty()));
    match waiting {
        Some(stage) => format!("WAITING at {}", stage.name),
        None => "IN_PROGRESS".to_owned(),
    }
}

/// Whether the run has ended in the record.
pub(super) fn is_over(record: &Record, run: &str) -> Result<Option<Outcome>, Fault> {
    Ok(RunState::of(&record.events(run, 0)?).span.outcome)
}
