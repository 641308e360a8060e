//! `sluice show`: what a run did.

use super::fleet::Fleet;
use super::{Context, Exit, out};
use crate::fault::Fault;
use crate::report::summary;
use crate::state::RunState;

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  sluice show\n  sluice show 0199a1 --format json\n  sluice show 0199a1 --format events"
)]
pub(super) struct Args {
    #[command(flatten)]
    fleet: Fleet,
    /// The run's id, or its beginning [default: the newest run]
    run: Option<String>,
    /// `json`: the state as one object; `events`: the history, one event a line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Human,
    Json,
    Events,
}

pub(super) fn show(context: &Context, args: &Args) -> Result<Exit, Fault> {
    super::runtime()?.block_on(tell(context, args))
}

async fn tell(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let (folders, history) = (context.folders()?, args.fleet.history(context).await?);
    let run = history.run(args.run.as_deref()).await?;
    let events = history.events(&run.id).await?;
    let state = RunState::of(&events);
    match args.format {
        Format::Human => {
            out::say(&summary::text(&state));
            let files = folders.run(&run.id);
            // Those of a fleet's runs are on the machine that carried them out.
            if files.root().exists() {
                out::say(&format!("files: {}", files.root().display()));
            }
        }
        Format::Json => out::say(&serde_json::to_string_pretty(&state).unwrap_or_default()),
        Format::Events => {
            for event in &events {
                out::say(&serde_json::to_string(event).unwrap_or_default());
            }
        }
    }
    Ok(Exit::Succeeded)
}
