//! `sluice logs --table`: the log of a fleet's run, from where its worker has sent it.

use std::io::Write;
use std::time::Duration;

use super::logs::{Args, actions};
use super::{Exit, out};
use crate::fault::Fault;
use crate::logs::{LogEvent, LogTargets, ReadTo, SentLogs};
use crate::state::{ActionState, RunState};
use crate::store::RunRow;
use crate::store::history::History;
use crate::wire::{self, Started};

/// How often table and streams are looked at.
const LOOK: Duration = Duration::from_secs(3);
/// How many looks after the run's end must bring nothing: its worker sends the last lines behind its back.
const AFTERWARDS: u32 = 2;

pub(super) async fn print(history: &dyn History, run: &RunRow, args: &Args) -> Result<Exit, Fault> {
    let options = Started::of(run)?.options;
    let sent = wire::sent_logs(options.region.as_deref()).await?;
    let (mut printed, mut quiet) = (Printed { logs: Vec::new(), titled: None }, 0);
    loop {
        let state = RunState::of(&history.events(&run.id).await?);
        let over = state.span.outcome.is_some();
        if options.logs.stream.is_none() {
            return Err(sent_nowhere(&state, &options.logs));
        }
        printed.find(&state, &actions(&state, &run.id, args)?, &options.logs);
        let Some(lines) = printed.print_new(&sent).await? else { return Ok(Exit::Succeeded) };
        quiet = if over && lines == 0 { quiet + 1 } else { 0 };
        if !args.follow || quiet > AFTERWARDS {
            return printed.checked(&state, &options.logs);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What was printed of each action's stream.
struct Printed {
    logs: Vec<Log>,
    titled: Option<String>,
}

struct Log {
    action: String,
    to: ReadTo,
    is_there: bool,
}

impl Printed {
    /// Takes in the streams of actions that have begun since.
    fn find(&mut self, state: &RunState, actions: &[String], targets: &LogTargets) {
        for action in actions.iter().filter_map(|name| state.action(name)) {
            let is_known = self.logs.iter().any(|log| log.action == action.name);
            if let Some(stream) = action.log_id().and_then(|id| targets.stream_of(id)).filter(|_| !is_known) {
                self.logs.push(Log { action: action.name.clone(), to: ReadTo::start(stream), is_there: false });
            }
        }
    }

    /// Prints what is new; how many lines. `None`: nobody reads any longer.
    async fn print_new(&mut self, sent: &SentLogs) -> Result<Option<usize>, Fault> {
        let (several, mut lines) = (self.logs.len() > 1, 0);
        for log in &mut self.logs {
            while let Some(events) = sent.next(&mut log.to).await? {
                log.is_there = true;
                if events.is_empty() {
                    break;
                }
                let title = (several && self.titled.as_ref() != Some(&log.action)).then_some(log.action.as_str());
                if say(title, &events).is_err() {
                    return Ok(None);
                }
                (self.titled, lines) = (Some(log.action.clone()), lines + events.len());
            }
        }
        Ok(Some(lines))
    }

    /// Whether there was anything to read.
    fn checked(&self, state: &RunState, targets: &LogTargets) -> Result<Exit, Fault> {
        let Some(missing) = self.logs.iter().find(|log| !log.is_there) else {
            return match self.logs.is_empty() {
                true => Err(Fault::configuration(format!("run {} has no logs: no action of it has begun", state.run))
                    .hint("`sluice show` tells what happened")),
                false => Ok(Exit::Succeeded),
            };
        };
        let (group, stream) = (&missing.to.stream.group, &missing.to.stream.stream);
        let missing = Fault::configuration(format!("{group} has no stream {stream} (action {})", missing.action))
            .hint(format!("nothing was sent yet, or it was removed with its retention{}", archives(state, targets)));
        if self.logs.iter().any(|log| log.is_there) {
            // The others were printed.
            out::fault(&missing);
            return Ok(Exit::Succeeded);
        }
        Err(missing)
    }
}

fn say(title: Option<&str>, events: &[LogEvent]) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if let Some(title) = title {
        writeln!(out, "==> {title} <==")?;
    }
    events.iter().try_for_each(|event| writeln!(out, "{}", event.text))?;
    out.flush()
}

fn sent_nowhere(state: &RunState, targets: &LogTargets) -> Fault {
    let run = &state.run;
    Fault::configuration(format!("the logs of run {run} were not sent to CloudWatch Logs")).hint(format!(
        "they are in runs/{run}/logs of the state directory on the machine that carried it out{}",
        archives(state, targets)
    ))
}

/// Where whole logs are, as the end of a hint.
fn archives(state: &RunState, targets: &LogTargets) -> String {
    let ids = state.actions.iter().filter_map(ActionState::log_id);
    let places: Vec<String> = ids.filter_map(|id| targets.archive_of(id)).map(|place| place.to_string()).collect();
    if places.is_empty() { String::new() } else { format!("; whole logs are put into {}", places.join(", ")) }
}
