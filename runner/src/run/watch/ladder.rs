//! Time-outs of the plan, and what is done to a sandbox that is to end: softly first, then harder.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pipeline_spec::quantity::duration_text;
use tokio::time::Instant;

use super::super::Run;
use super::Watch;
use crate::cancel::Reason;
use crate::clock;
use crate::engine::Stop;
use crate::event::What;
use crate::fault::Fault;

/// How long what an adopted sandbox did before may take to be read. A deadline waits for it, but not for a sandbox that
/// writes more than can be read for ever.
const CATCH_UP: Duration = Duration::from_secs(600);

/// Records that come closer together than this are still being caught up with.
const APART: Duration = Duration::from_secs(1);

/// How long a call of the engine may hold up the next, harder step. One that is away may be back for that.
const ANSWER: Duration = Duration::from_secs(20);

/// How long a sandbox that was destroyed may take to be told as ended.
const LAST: Duration = Duration::from_secs(60);

/// A time-out of the plan that runs.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    /// When it runs out, as records are dated.
    date: Timestamp,
    /// The same for this process.
    at: Instant,
}

impl Deadline {
    /// So many seconds that began then; an adopted build has used some of them up already.
    pub(super) fn of(from: Timestamp, seconds: u64) -> Self {
        let (limit, now) = (Duration::from_secs(seconds), clock::now());
        let used = Duration::try_from(now.duration_since(from)).unwrap_or_default();
        let whole = SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX);
        let date = from.checked_add(whole).unwrap_or(Timestamp::MAX);
        Self { date, at: Instant::now() + limit.saturating_sub(used) }
    }
}

/// What happens next to a sandbox that does not end.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Rung {
    /// SIGKILL, unless what ran when the stop began has ended.
    Kill,
    /// The budget of `finally` is used up.
    Destroy,
    /// It does not even end when it is destroyed.
    GiveUp,
}

impl Watch<'_> {
    pub(super) fn next_deadline(&self) -> Instant {
        match &self.ladder {
            Some((_, at)) => *at,
            None => self.first_deadline().at.max(self.postponed),
        }
    }

    fn first_deadline(&self) -> Deadline {
        self.command_deadline.filter(|command| command.at <= self.build_deadline.at).unwrap_or(self.build_deadline)
    }

    /// Whether it is not known yet what the sandbox had done when its time was up: what ended in time, while nobody
    /// watched, has not run out of it.
    fn is_behind(&self, deadline: Deadline) -> bool {
        let (watched, (made, came)) = (self.since.1.elapsed(), self.last);
        let is_told_of_the_past = watched < CATCH_UP && came.elapsed() < APART && made < deadline.date;
        is_told_of_the_past || (watched < APART && deadline.date <= self.since.0)
    }

    /// Takes up the stop that an earlier process began. Its signal may not have been sent, and the next is a harder one.
    pub(super) async fn go_on_stopping(&mut self) -> Result<(), Fault> {
        let stopped = self.run.recorder.with(|state| state.action(self.action)?.build.as_ref()?.stopped);
        let Some((reason, since)) = stopped else { return Ok(()) };
        self.watched.stopped = Some((reason, Run::stopped(reason).message().to_owned()));
        self.stopped_since = since;
        if reason >= Reason::Killed {
            return self.destroy().await;
        }
        self.climb(Rung::Kill, Duration::from_secs(self.run.options.grace_seconds));
        Ok(())
    }

    pub(super) fn may_be_destroyed(&self) -> bool {
        self.watched.stopped.is_some() && !matches!(self.ladder, Some((Rung::GiveUp, _)))
    }

    /// A deadline of the plan has passed, or the next rung of the ladder is due.
    pub(super) async fn deadline(&mut self) -> Result<(), Fault> {
        match self.ladder {
            None if self.is_behind(self.first_deadline()) => {
                self.postponed = Instant::now() + APART;
                Ok(())
            }
            None => {
                let now = Instant::now();
                let message = match (self.command_deadline, self.build.timeouts.command_seconds) {
                    (Some(deadline), Some(seconds)) if deadline.at <= now => {
                        format!("a command took longer than {}", duration_text(seconds))
                    }
                    _ => format!("the build took longer than {}", duration_text(self.build.timeouts.build_seconds)),
                };
                self.stop(Reason::TimedOut, message).await
            }
            Some((Rung::Kill, _)) => {
                if self.ended_since == 0 {
                    self.send(Stop::Kill).await?;
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
    pub(super) async fn stop(&mut self, reason: Reason, message: String) -> Result<(), Fault> {
        self.run.recorder.tell(What::StopRequested { action: Some(self.action.to_owned()), reason });
        self.watched.stopped = Some((reason, message));
        if reason >= Reason::Killed {
            return self.destroy().await;
        }
        self.climb(Rung::Kill, Duration::from_secs(self.run.options.grace_seconds));
        self.send(Stop::Terminate).await
    }

    pub(super) async fn destroy(&mut self) -> Result<(), Fault> {
        self.climb(Rung::GiveUp, LAST);
        self.send(Stop::Destroy).await
    }

    /// Sends a signal. An engine that does not answer keeps nobody from the next rung, or from asking for a harder stop.
    async fn send(&self, how: Stop) -> Result<(), Fault> {
        match tokio::time::timeout(ANSWER, self.run.ports.engine.stop(self.key, how)).await {
            Ok(sent) => sent,
            Err(_) => {
                tracing::warn!(action = self.action, ?how, "the engine does not answer; a harder stop follows");
                Ok(())
            }
        }
    }

    fn climb(&mut self, rung: Rung, after: Duration) {
        self.ladder = Some((rung, Instant::now() + after));
    }
}
