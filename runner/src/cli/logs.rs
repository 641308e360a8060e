//! `sluice logs`: the log of a run, whole or as it grows, from this machine or from where a worker sent it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;

use super::fleet::Fleet;
use super::{Context, Exit, sent_logs};
use crate::fault::{Fault, io};
use crate::state::RunState;
use crate::store::{Record, RunFolders, RunRow, StateFolders};

/// How often a growing log is looked at.
const LOOK: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  sluice logs\n  sluice logs 0199a1 -f --action test\n  sluice logs 0199a1 --table sluice"
)]
pub(super) struct Args {
    #[command(flatten)]
    fleet: Fleet,
    /// The run's id, or its beginning [default: the newest run]
    run: Option<String>,
    /// Go on until the run is over
    #[arg(short, long)]
    pub(super) follow: bool,
    /// Of that action alone
    #[arg(long)]
    action: Option<String>,
}

pub(super) fn logs(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let (folders, record) = context.record()?;
    if args.fleet.table(context).is_some() {
        return super::runtime()?.block_on(of_fleet(context, &folders, &record, args));
    }
    print(&folders, &record, &record.run(args.run.as_deref())?, args)
}

/// What is on this machine is read here; what is not, from where it was sent.
async fn of_fleet(context: &Context, folders: &StateFolders, record: &Record, args: &Args) -> Result<Exit, Fault> {
    let is_here = |run: &RunRow| folders.run(&run.id).root().exists();
    // A run of this machine need not be the fleet's.
    if let Some(run) = args.run.as_deref().and_then(|run| record.run(Some(run)).ok()).filter(is_here) {
        return print(folders, record, &run, args);
    }
    let history = args.fleet.history(context).await?;
    let run = history.run(args.run.as_deref()).await?;
    match record.find(&run.id)?.is_some() && is_here(&run) {
        true => print(folders, record, &run, args),
        false => sent_logs::print(&*history, &run, args).await,
    }
}

fn print(folders: &StateFolders, record: &Record, run: &RunRow, args: &Args) -> Result<Exit, Fault> {
    let folders = folders.run(&run.id);
    if !folders.root().exists() {
        return Err(Fault::configuration(format!("the logs of run {} are not on this machine", run.id)).hint(
            "`sluice clean --runs` or a worker that was short of disk removed them, or the run was another machine's; \
             a worker's logs are in CloudWatch Logs or S3 too (`--table` reads them there), and `sluice show` tells what \
             happened",
        ));
    }
    let mut printed = Printed { files: Vec::new(), titled: None };
    let mut state = RunState::default();
    loop {
        // Only what is new is read: a long run has many events.
        record.events(&run.id, state.sequence)?.iter().for_each(|event| state.apply(event));
        // An end that is known before the logs are looked at has nothing after it.
        let over = state.span.outcome.is_some();
        let actions = actions(&state, &run.id, args)?;
        if printed.print_new(&folders, &actions)?.is_none() || over || !args.follow {
            return Ok(Exit::Succeeded);
        }
        std::thread::sleep(LOOK);
    }
}

/// The actions whose logs are asked for.
pub(super) fn actions(state: &RunState, run: &str, args: &Args) -> Result<Vec<String>, Fault> {
    let names: Vec<String> = state.actions.iter().map(|action| action.name.clone()).collect();
    match &args.action {
        None => Ok(names),
        Some(action) if names.contains(action) => Ok(vec![action.clone()]),
        Some(_) if args.follow && state.span.outcome.is_none() => Ok(Vec::new()),
        Some(action) => Err(Fault::configuration(format!("run {run} has no action {action}"))
            .hint(format!("actions: {}", names.join(", ")))),
    }
}

/// What was printed of each action's log.
struct Printed {
    files: Vec<(String, PathBuf, u64)>,
    titled: Option<String>,
}

impl Printed {
    /// Prints what is new. `None`: nobody reads any longer.
    fn print_new(&mut self, folders: &RunFolders, actions: &[String]) -> Result<Option<()>, Fault> {
        for action in actions {
            if self.files.iter().all(|(known, ..)| known != action) {
                self.files.push((action.clone(), folders.log(action), 0));
            }
        }
        let several = self.files.len() > 1;
        let Self { files, titled } = self;
        for (action, path, position) in files {
            let Ok(mut file) = File::open(&*path) else { continue };
            let length = file.metadata().map_err(io(path))?.len();
            // A log that was begun anew, by a process that adopted the build, is printed anew.
            *position = if length < *position { 0 } else { *position };
            if length == *position {
                continue;
            }
            file.seek(SeekFrom::Start(*position)).map_err(io(path))?;
            let mut out = std::io::stdout().lock();
            if several && titled.as_ref() != Some(action) {
                if writeln!(out, "==> {action} <==").is_err() {
                    return Ok(None);
                }
                *titled = Some(action.clone());
            }
            match std::io::copy(&mut file.take(length - *position), &mut out).and_then(|_| out.flush()) {
                Ok(()) => *position = length,
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(()))
    }
}
