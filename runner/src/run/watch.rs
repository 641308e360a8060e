//! Watching a sandbox: its records become events, its time-outs and stops are kept to.

mod ladder;

use std::collections::BTreeMap;

use jiff::Timestamp;
use pipeline_spec::plan::{Build, Phase};
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::ladder::{Deadline, Rung};
use super::Run;
use crate::cancel::Reason;
use crate::clock;
use crate::engine::{Ending, Record, SandboxKey, What as Did};
use crate::event::{Outcome, What};
use crate::fault::Fault;
use crate::report::codebuild_log::command_error;

/// Records that may wait between the reader and us. A piece of output has up to 256 KiB.
const RECORDS: usize = 16;

/// What a watched sandbox did.
#[derive(Default)]
pub(super) struct Watched {
    /// The first failure of each phase that counts, in order.
    pub(super) failures: Vec<(usize, String)>,
    /// Exported variables.
    pub(super) exported: BTreeMap<String, Vec<u8>>,
    /// Expanded shell texts.
    pub(super) expanded: BTreeMap<String, String>,
    /// Why it was stopped, and what ran out.
    pub(super) stopped: Option<(Reason, String)>,
    /// How it ended.
    pub(super) ending: Option<Ending>,
}

/// The state of one watch.
struct Watch<'a> {
    run: &'a Run,
    action: &'a str,
    build: &'a Build,
    key: &'a SandboxKey,
    watched: Watched,
    /// The section that runs.
    open: Option<usize>,
    /// Its failure, if it has one.
    failing: Option<String>,
    /// Since when it is watched.
    since: (Timestamp, Instant),
    /// When the last record was made, and when it came.
    last: (Timestamp, Instant),
    /// When the build must be over: counted from its first phase, or from now on where that does not come.
    build_deadline: Deadline,
    /// Whether its first phase came.
    begun: bool,
    /// When the command that runs must be over.
    command_deadline: Option<Deadline>,
    /// Before this no deadline counts.
    postponed: Instant,
    /// The next rung of the ladder, once somebody asked for a stop.
    ladder: Option<(Rung, Instant)>,
    /// Since when what fails does so because of the stop.
    stopped_since: Timestamp,
    /// Steps that ended since the stop began.
    ended_since: usize,
}

impl Run {
    /// Follows a sandbox from its first record to its end.
    pub(super) async fn watch(&self, action: &str, build: &Build, key: &SandboxKey) -> Result<Watched, Fault> {
        let records = self.folders.build(action).join("records");
        let (tell, told) = mpsc::channel(RECORDS);
        let following = self.ports.engine.follow(key, &records, tell);
        let mut watch = Watch::new(self, action, build, key);
        let followed = watch.until_it_ends(following, told).await;
        // Whatever breaks the watch off, the phase that is open ends with it.
        watch.close(match &followed {
            Ok(ending) => cut_off(ending),
            Err(fault) => Outcome::from(fault.clone()),
        });
        watch.watched.ending = Some(followed?);
        Ok(watch.watched)
    }
}

impl<'a> Watch<'a> {
    fn new(run: &'a Run, action: &'a str, build: &'a Build, key: &'a SandboxKey) -> Self {
        let now = (clock::now(), Instant::now());
        Self {
            run,
            action,
            build,
            key,
            watched: Watched::default(),
            open: None,
            failing: None,
            since: now,
            last: now,
            build_deadline: Deadline::of(now.0, build.timeouts.build_seconds),
            begun: false,
            command_deadline: None,
            postponed: now.1,
            ladder: None,
            stopped_since: Timestamp::MIN,
            ended_since: 0,
        }
    }

    /// Takes in all that the sandbox does, and stops it when it is time to.
    async fn until_it_ends(
        &mut self,
        following: impl Future<Output = Result<Ending, Fault>>,
        mut told: mpsc::Receiver<Record>,
    ) -> Result<Ending, Fault> {
        let (mut following, mut ending) = (std::pin::pin!(following), None);
        self.go_on_stopping().await?;
        loop {
            let next = self.next_deadline();
            tokio::select! {
                biased;
                record = told.recv(), if !told.is_closed() || !told.is_empty() => {
                    if let Some(record) = record { self.record(record) }
                }
                ended = &mut following, if ending.is_none() => ending = Some(ended?),
                () = tokio::time::sleep_until(next) => self.deadline().await?,
                reason = self.run.cancel.requested(), if self.watched.stopped.is_none() => {
                    self.stop(reason, Run::stopped(reason).message().to_owned()).await?;
                }
                _ = self.run.cancel.at_least(Reason::Killed), if self.may_be_destroyed() => self.destroy().await?,
            }
            if told.is_empty()
                && let Some(ending) = ending.take()
            {
                return Ok(ending);
            }
        }
    }

    fn phase(&self, section: usize) -> Option<&'a Phase> {
        self.build.phases.get(section)
    }

    fn record(&mut self, Record { at, what }: Record) {
        let action = self.action.to_owned();
        self.last = (at, Instant::now());
        let told = match what {
            Did::Output(text) => What::Output { action, text },
            Did::SectionStarted { section, attempt } => {
                (self.open, self.failing) = (Some(section), None);
                if !std::mem::replace(&mut self.begun, true) {
                    self.build_deadline = Deadline::of(at, self.build.timeouts.build_seconds);
                }
                let Some(phase) = self.phase(section) else { return };
                let commands = phase.commands.len() + phase.finally.len();
                What::PhaseStarted { action, phase: phase.name.clone(), attempt, commands }
            }
            Did::StepStarted { section, step, finally } => {
                self.command_deadline = self.build.timeouts.command_seconds.map(|seconds| Deadline::of(at, seconds));
                let Some((phase, command)) = self.command(section, step, finally) else { return };
                What::CommandStarted { action, phase, index: step, finally, command }
            }
            Did::StepFinished { section, step, finally, status } => {
                self.command_deadline = None;
                self.ended_since += usize::from(self.is_stopped(at));
                let Some((phase, command)) = self.command(section, step, finally) else { return };
                if status != 0 && self.failing.is_none() {
                    self.failing = Some(command_error(&command, status));
                }
                What::CommandFinished { action, phase, index: step, finally, command, status }
            }
            Did::SectionFinished { section, succeeded } => {
                let Some(phase) = self.phase(section) else { return };
                self.open = None;
                let outcome = self.section_outcome(section, succeeded, at);
                What::PhaseFinished { action, phase: phase.name.clone(), outcome }
            }
            Did::Exported { name, value } => {
                self.watched.exported.insert(name, value);
                return;
            }
            Did::Expanded { name, value } => {
                self.watched.expanded.insert(name, String::from_utf8_lossy(&value).into_owned());
                return;
            }
        };
        self.run.recorder.tell_at(at, told);
    }

    fn command(&self, section: usize, step: usize, finally: bool) -> Option<(String, String)> {
        let phase = self.phase(section)?;
        let list = if finally { &phase.finally } else { &phase.commands };
        Some((phase.name.clone(), list.get(step)?.text.clone()))
    }

    /// A section that is retried takes its earlier failure back.
    fn section_outcome(&mut self, section: usize, succeeded: bool, at: Timestamp) -> Outcome {
        self.watched.failures.retain(|(failed, _)| *failed != section);
        if succeeded {
            return Outcome::Succeeded;
        }
        let message = self.failing.take().unwrap_or_else(|| "a command failed".to_owned());
        self.watched.failures.push((section, message.clone()));
        self.stopped_outcome().filter(|_| self.is_stopped(at)).unwrap_or(Outcome::Failed { message })
    }

    /// Whether what happened then happened under the stop.
    fn is_stopped(&self, at: Timestamp) -> bool {
        self.watched.stopped.is_some() && at >= self.stopped_since
    }

    fn stopped_outcome(&self) -> Option<Outcome> {
        let (reason, message) = self.watched.stopped.clone()?;
        Some(if reason == Reason::TimedOut { Outcome::TimedOut { message } } else { Outcome::Stopped { message } })
    }

    /// Ends the phase that is still open, for a build that was not stopped with that outcome.
    fn close(&mut self, otherwise: Outcome) {
        let Some(phase) = self.open.take().and_then(|section| self.phase(section)) else { return };
        let outcome = self.stopped_outcome().unwrap_or(otherwise);
        let action = self.action.to_owned();
        self.run.recorder.tell(What::PhaseFinished { action, phase: phase.name.clone(), outcome });
    }
}

/// How a phase ended in which the sandbox did.
fn cut_off(ending: &Ending) -> Outcome {
    match ending {
        Ending::Died { out_of_memory: true, .. } => Outcome::failed("the build used too much memory"),
        _ => Outcome::from(Fault::system("the container died")),
    }
}
