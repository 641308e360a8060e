//! Watching a sandbox: its records become events, its time-outs and stops are kept to.

use std::collections::BTreeMap;
use std::time::Duration;

use pipeline_spec::plan::{Build, Phase};
use pipeline_spec::quantity::duration_text;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Run;
use crate::cancel::Reason;
use crate::clock;
use crate::engine::{Ending, Record, SandboxKey, Stop, What as Did};
use crate::event::{Outcome, What};
use crate::fault::Fault;
use crate::report::codebuild_log::command_error;

/// Records that may wait between the reader and us. A piece of output has up to 256 KiB.
const RECORDS: usize = 16;

/// How long a sandbox that was destroyed may take to be told as ended.
const LAST: Duration = Duration::from_secs(60);

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
    /// When the build must be over: counted from its first phase, or from now on where that does not come.
    build_deadline: Instant,
    /// Whether its first phase came.
    begun: bool,
    /// When the command that runs must be over.
    command_deadline: Option<Instant>,
    /// The next rung of the ladder, once somebody asked for a stop.
    ladder: Option<(Rung, Instant)>,
    /// Steps that ended since the stop began.
    ended_since: usize,
}

/// What happens next to a sandbox that does not end.
#[derive(Clone, Copy, PartialEq)]
enum Rung {
    /// SIGKILL, unless what ran when the stop began has ended.
    Kill,
    /// The budget of `finally` is used up.
    Destroy,
    /// It does not even end when it is destroyed.
    GiveUp,
}

impl Run {
    /// Follows a sandbox from its first record to its end.
    pub(super) async fn watch(&self, action: &str, build: &Build, key: &SandboxKey) -> Result<Watched, Fault> {
        let records = self.folders.build(action).join("records");
        let (tell, mut told) = mpsc::channel(RECORDS);
        let mut following = std::pin::pin!(self.ports.engine.follow(key, &records, tell));
        let mut watch = Watch::new(self, action, build, key);
        let mut ending = None;
        loop {
            let next = watch.next_deadline();
            tokio::select! {
                biased;
                record = told.recv(), if !told.is_closed() || !told.is_empty() => {
                    if let Some(record) = record { watch.record(record) }
                }
                ended = &mut following, if ending.is_none() => ending = Some(ended?),
                () = until(next) => watch.deadline().await?,
                reason = self.cancel.requested(), if watch.watched.stopped.is_none() => {
                    watch.stop(reason, Self::stopped(reason).message().to_owned()).await?;
                }
                _ = self.cancel.at_least(Reason::Killed), if watch.may_be_destroyed() => watch.destroy().await?,
            }
            if ending.is_some() && told.is_empty() {
                watch.close(ending.as_ref());
                watch.watched.ending = ending;
                return Ok(watch.watched);
            }
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl<'a> Watch<'a> {
    fn new(run: &'a Run, action: &'a str, build: &'a Build, key: &'a SandboxKey) -> Self {
        Self {
            run,
            action,
            build,
            key,
            watched: Watched::default(),
            open: None,
            failing: None,
            build_deadline: Instant::now() + Duration::from_secs(build.timeouts.build_seconds),
            begun: false,
            command_deadline: None,
            ladder: None,
            ended_since: 0,
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        match &self.ladder {
            Some((_, at)) => Some(*at),
            None => self.command_deadline.into_iter().chain([self.build_deadline]).min(),
        }
    }

    fn may_be_destroyed(&self) -> bool {
        self.watched.stopped.is_some() && !matches!(self.ladder, Some((Rung::GiveUp, _)))
    }

    /// A deadline of the plan has passed, or the next rung of the ladder is due.
    async fn deadline(&mut self) -> Result<(), Fault> {
        match self.ladder {
            None => {
                let now = Instant::now();
                let message = match (self.command_deadline, self.build.timeouts.command_seconds) {
                    (Some(at), Some(seconds)) if at <= now => {
                        format!("a command took longer than {}", duration_text(seconds))
                    }
                    _ => format!("the build took longer than {}", duration_text(self.build.timeouts.build_seconds)),
                };
                self.stop(Reason::TimedOut, message).await
            }
            Some((Rung::Kill, _)) => {
                if self.ended_since == 0 {
                    self.run.ports.engine.stop(self.key, Stop::Kill).await?;
                }
                self.climb(Rung::Destroy, Duration::from_secs(self.run.options.finally_seconds));
                Ok(())
            }
            Some((Rung::Destroy, _)) => {
                let limit = duration_text(self.run.options.finally_seconds);
                self.run.notice(self.action, true, format!("`finally` took longer than {limit} after the stop"));
                self.destroy().await
            }
            Some((Rung::GiveUp, _)) => {
                Err(Fault::system(format!("the build's container {} cannot be stopped", self.key.name)))
            }
        }
    }

    /// The first rung: SIGTERM, and a grace.
    async fn stop(&mut self, reason: Reason, message: String) -> Result<(), Fault> {
        self.run.recorder.tell(What::StopRequested { action: Some(self.action.to_owned()), reason });
        self.watched.stopped = Some((reason, message));
        if reason >= Reason::Killed {
            return self.destroy().await;
        }
        self.climb(Rung::Kill, Duration::from_secs(self.run.options.grace_seconds));
        self.run.ports.engine.stop(self.key, Stop::Terminate).await
    }

    async fn destroy(&mut self) -> Result<(), Fault> {
        self.climb(Rung::GiveUp, LAST);
        self.run.ports.engine.stop(self.key, Stop::Destroy).await
    }

    fn climb(&mut self, rung: Rung, after: Duration) {
        self.ladder = Some((rung, Instant::now() + after));
    }

    fn phase(&self, section: usize) -> Option<&'a Phase> {
        self.build.phases.get(section)
    }

    fn record(&mut self, Record { at, what }: Record) {
        let action = self.action.to_owned();
        let told = match what {
            Did::Output(text) => What::Output { action, text },
            Did::SectionStarted { section, attempt } => {
                (self.open, self.failing) = (Some(section), None);
                if !std::mem::replace(&mut self.begun, true) {
                    self.build_deadline = left(at, self.build.timeouts.build_seconds);
                }
                let Some(phase) = self.phase(section) else { return };
                let commands = phase.commands.len() + phase.finally.len();
                What::PhaseStarted { action, phase: phase.name.clone(), attempt, commands }
            }
            Did::StepStarted { section, step, finally } => {
                self.command_deadline = self.build.timeouts.command_seconds.map(|seconds| left(at, seconds));
                let Some((phase, command)) = self.command(section, step, finally) else { return };
                What::CommandStarted { action, phase, index: step, finally, command }
            }
            Did::StepFinished { section, step, finally, status } => {
                self.command_deadline = None;
                self.ended_since += usize::from(self.watched.stopped.is_some());
                let Some((phase, command)) = self.command(section, step, finally) else { return };
                if status != 0 && self.failing.is_none() {
                    self.failing = Some(command_error(&command, status));
                }
                What::CommandFinished { action, phase, index: step, finally, command, status }
            }
            Did::SectionFinished { section, succeeded } => {
                let Some(phase) = self.phase(section) else { return };
                self.open = None;
                let outcome = self.section_outcome(section, succeeded);
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
    fn section_outcome(&mut self, section: usize, succeeded: bool) -> Outcome {
        self.watched.failures.retain(|(failed, _)| *failed != section);
        if succeeded {
            return Outcome::Succeeded;
        }
        let message = self.failing.take().unwrap_or_else(|| "a command failed".to_owned());
        self.watched.failures.push((section, message.clone()));
        self.stopped_outcome().unwrap_or(Outcome::Failed { message })
    }

    fn stopped_outcome(&self) -> Option<Outcome> {
        let (reason, message) = self.watched.stopped.clone()?;
        Some(if reason == Reason::TimedOut { Outcome::TimedOut { message } } else { Outcome::Stopped { message } })
    }

    /// Ends the phase that a sandbox was in when it died.
    fn close(&mut self, ending: Option<&Ending>) {
        let Some(phase) = self.open.take().and_then(|section| self.phase(section)) else { return };
        let outcome = self.stopped_outcome().unwrap_or_else(|| match ending {
            Some(Ending::Died { out_of_memory: true, .. }) => Outcome::failed("the build used too much memory"),
            _ => Outcome::from(Fault::system("the container died")),
        });
        let action = self.action.to_owned();
        self.run.recorder.tell(What::PhaseFinished { action, phase: phase.name.clone(), outcome });
    }
}

/// What is left of so many seconds that began at `from`; an adopted build has used some of them up already.
fn left(from: jiff::Timestamp, seconds: u64) -> Instant {
    let used = Duration::try_from(clock::now().duration_since(from)).unwrap_or_default();
    Instant::now() + Duration::from_secs(seconds).saturating_sub(used)
}
