//! `sluice doctor`: what is missing on this machine, and how to mend it.

use std::sync::Arc;
use std::time::Duration;

use super::{Context, Exit, out};
use crate::aws::{Aws, identity};
use crate::engine::docker::NoLogins;
use crate::fault::Fault;
use crate::report::text::bytes;
use crate::store::Record;
use crate::wire;

/// Less free disk than that is worth a warning.
const FREE: u64 = 5 << 30;

/// How long AWS may take to say who we are.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far the clock may be off before AWS refuses signatures (five minutes) with some room.
const SKEW: Duration = Duration::from_secs(120);

#[derive(clap::Args)]
#[command(after_help = "Exit codes: 0 all is well, or only AWS credentials are missing; 3 something must be mended.")]
pub(super) struct Args {
    /// Say only what is wrong
    #[arg(short, long)]
    quiet: bool,
}

/// What one check found.
enum Found {
    Well(String),
    Warning(Fault),
    Broken(Fault),
}

pub(super) fn doctor(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let checks = super::runtime()?.block_on(async {
        vec![
            ("state directory", state_directory(context)),
            ("disk", disk(context)),
            ("engine", engine(context).await),
            ("aws", credentials().await),
            ("clock", clock(context).await),
        ]
    });
    let mut exit = Exit::Succeeded;
    for (name, found) in checks {
        match found {
            Found::Well(text) if args.quiet => drop(text),
            Found::Well(text) => out::say(&format!("ok       {name}: {text}")),
            Found::Warning(fault) => tell("warning", name, &fault),
            Found::Broken(fault) => {
                tell("missing", name, &fault);
                exit = Exit::Broken;
            }
        }
    }
    Ok(exit)
}

fn tell(word: &str, name: &str, fault: &Fault) {
    out::say(&format!("{word:<8} {name}: {}", fault.message));
    if let Some(hint) = &fault.hint {
        out::say(&format!("         {hint}"));
    }
}

fn state_directory(context: &Context) -> Found {
    let checked = context.folders().and_then(|folders| {
        let record = Record::open(folders.root())?;
        match record.check() {
            None => Ok(folders.root().display().to_string()),
            Some(said) => Err(Fault::system(format!("the record is damaged: {said}"))
                .hint("move record.db away; runs, logs and mirrors stay where they are")),
        }
    });
    checked.map_or_else(Found::Broken, Found::Well)
}

fn disk(context: &Context) -> Found {
    let measured = context
        .folders()
        .and_then(|folders| fs4::available_space(folders.root()).map_err(crate::fault::io(folders.root())));
    match measured {
        Err(fault) => Found::Broken(fault),
        Ok(free) if free < FREE => Found::Warning(
            Fault::system(format!("{} are free", bytes(free)))
                .hint("`sluice clean --keep-bytes 0 --dry-run` shows what may go; or move the state directory"),
        ),
        Ok(free) => Found::Well(format!("{} free", bytes(free))),
    }
}

async fn engine(context: &Context) -> Found {
    let engine = wire::engine(&context.environment, Arc::new(NoLogins));
    engine.version().await.map_or_else(Found::Broken, Found::Well)
}

/// Who AWS takes us for. Missing credentials are no defect: builds on a laptop need none.
async fn credentials() -> Found {
    let config = Aws::default().caller().await;
    match tokio::time::timeout(PATIENCE, identity(&config)).await {
        Ok(Ok(identity)) => Found::Well(identity.arn),
        Ok(Err(fault)) => Found::Warning(fault),
        Err(_) => Found::Warning(Fault::system(format!("no answer within {} seconds", PATIENCE.as_secs()))),
    }
}

/// The clock against the engine's: the two are apart when the engine's virtual machine has slept.
async fn clock(context: &Context) -> Found {
    let engine = wire::engine(&context.environment, Arc::new(NoLogins));
    let Ok(there) = engine.time().await else {
        return Found::Well("not compared: no engine answers".to_owned());
    };
    let apart = crate::clock::now().duration_since(there).unsigned_abs();
    if apart > SKEW {
        return Found::Warning(
            Fault::system(format!("the clock is {} seconds off the engine's", apart.as_secs()))
                .hint("AWS refuses signatures that are five minutes off: let chrony or systemd-timesyncd run"),
        );
    }
    Found::Well(format!("{} (within {} s of the engine's)", crate::clock::now(), apart.as_secs() + 1))
}
