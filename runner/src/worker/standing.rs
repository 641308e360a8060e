//! What a worker is doing, for those who look at it, and what they ask of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore, watch};

use crate::queue::JobOrder;
use crate::run::Seat;

/// Whether a worker takes jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It does.
    Working,
    /// It finishes what it has, and waits to be told to go on.
    Paused,
    /// It finishes what it has, and ends.
    Draining,
}

/// A job that is being done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JobStanding {
    /// The queue's id of it.
    pub job: String,
    /// The run that does it.
    pub run: String,
    /// Its pipeline and action, as far as they are known.
    pub what: String,
    /// The execution of its pipeline; empty without one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub execution: String,
    /// Its project.
    pub project: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether it has no seat: it waits for its turn, for a seat, or for people.
    #[serde(default)]
    pub waits: bool,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Totals {
    /// Polls that were answered.
    pub polls: u64,
    /// Polls that were not.
    pub failed_polls: u64,
    /// Jobs that became ours.
    pub accepted: u64,
    /// Offers that somebody else took.
    pub races_lost: u64,
    /// Results delivered of jobs that succeeded.
    pub succeeded: u64,
    /// Results delivered of jobs that failed.
    pub failed: u64,
    /// Results that the queue did not want.
    pub refused: u64,
    /// Jobs that were stopped because their pipeline was.
    pub unwanted: u64,
    /// Jobs that another worker took over.
    pub lost: u64,
    /// Jobs that a newer one of their group came before.
    pub superseded: u64,
    /// Jobs that were given back to their queue.
    pub given_back: u64,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sight {
    /// Who the worker is.
    pub owner: String,
    /// The table of its fleet; `None` is a worker that has its ledger for itself.
    #[serde(default)]
    pub table: Option<String>,
    /// Whether it takes jobs.
    pub mode: Mode,
    /// Jobs at the same time.
    pub seats: usize,
    /// How many of these are taken.
    #[serde(default)]
    pub seats_taken: usize,
    /// What is being done, or waits to be.
    pub jobs: Vec<JobStanding>,
    /// Results that the queue does not have yet.
    pub results_waiting: usize,
    /// When the queue last answered.
    pub polled: Option<Timestamp>,
    /// Why no jobs are taken, though the worker would.
    pub cannot_claim: Option<String>,
    /// What is wrong with one of its queues while the others answer.
    #[serde(default)]
    pub trouble: Option<String>,
    /// What was counted.
    pub totals: Totals,
}

/// What is seen, and the jobs, each with its seat when it has had one.
type Inner = (Sight, BTreeMap<String, (JobStanding, Option<Arc<Seat>>)>);

/// The worker's own view of itself; shared.
pub struct Standing {
    sight: Mutex<Inner>,
    seats: Arc<Semaphore>,
    mode: watch::Sender<Mode>,
    ask: Notify,
}

impl Standing {
    pub(super) fn new(owner: &str, seats: Arc<Semaphore>, table: Option<&str>) -> Self {
        let sight = Sight {
            owner: owner.to_owned(),
            table: table.map(str::to_owned),
            mode: Mode::Working,
            seats: seats.available_permits(),
            seats_taken: 0,
            jobs: Vec::new(),
            results_waiting: 0,
            polled: None,
            cannot_claim: None,
            trouble: None,
            totals: Totals::default(),
        };
        Self {
            sight: Mutex::new((sight, BTreeMap::new())),
            seats,
            mode: watch::Sender::new(Mode::Working),
            ask: Notify::new(),
        }
    }

    /// What there is to see.
    #[must_use]
    pub fn sight(&self) -> Sight {
        let inner = self.lock();
        let jobs = inner.1.values().map(|(job, seat)| {
            let waits = !seat.as_ref().is_some_and(|seat| seat.is_taken());
            JobStanding { waits, ..job.clone() }
        });
        let seats_taken = inner.0.seats.saturating_sub(self.seats.available_permits());
        Sight { mode: self.mode(), seats_taken, jobs: jobs.collect(), ..inner.0.clone() }
    }

    /// Whether it takes jobs.
    #[must_use]
    pub fn mode(&self) -> Mode {
        *self.mode.borrow()
    }

    /// Tells it whether to take jobs. A drain is final.
    pub fn set(&self, mode: Mode) {
        self.mode.send_if_modified(|known| {
            let changes = *known != Mode::Draining && *known != mode;
            if changes {
                *known = mode;
            }
            changes
        });
    }

    /// Has it ask at once whether its jobs are still wanted.
    pub fn ask_again(&self) {
        self.ask.notify_waiters();
    }

    pub(super) async fn asked_again(&self) {
        self.ask.notified().await;
    }

    /// Waits until the worker drains.
    pub(super) async fn drains(&self) {
        let _ = self.mode.subscribe().wait_for(|mode| *mode == Mode::Draining).await;
    }

    /// Waits until the mode is another one than that.
    pub(super) async fn mode_other_than(&self, known: Mode) {
        // The sender lives as long as this.
        let _ = self.mode.subscribe().wait_for(|mode| *mode != known).await;
    }

    pub(super) fn polled(&self, at: Timestamp, trouble: Option<String>) {
        let mut inner = self.lock();
        inner.0.trouble = trouble;
        inner.0.polled = Some(at);
        inner.0.cannot_claim = None;
        inner.0.totals.polls += 1;
    }

    /// Says why no jobs are taken. Whether that is news.
    pub(super) fn cannot_claim(&self, why: Option<String>) -> bool {
        let mut inner = self.lock();
        inner.0.totals.failed_polls += 1;
        let news = inner.0.cannot_claim != why;
        inner.0.cannot_claim = why;
        news
    }

    pub(super) fn begin(self: &Arc<Self>, job: &str, run: &str, order: &JobOrder, since: Timestamp) -> Begun {
        let what = [&order.place.pipeline, &order.place.stage, &order.place.action];
        let what = what.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("/");
        let (job, run) = (job.to_owned(), run.to_owned());
        let (execution, project) = (order.place.execution.clone(), order.project.clone());
        let begun = JobStanding { job: job.clone(), run, what, execution, project, since, waits: true };
        self.lock().1.insert(job.clone(), (begun, None));
        Begun { standing: Arc::clone(self), job }
    }

    pub(super) fn result_waits(self: &Arc<Self>) -> Waiting {
        self.lock().0.results_waiting += 1;
        Waiting(Arc::clone(self))
    }

    pub(super) fn accepted(&self) {
        self.lock().0.totals.accepted += 1;
    }

    pub(super) fn lost_race(&self) {
        self.lock().0.totals.races_lost += 1;
    }

    pub(super) fn lost(&self, job: &str) {
        tracing::warn!(job, "another worker has taken the job; nothing is reported");
        self.lock().0.totals.lost += 1;
    }

    pub(super) fn unwanted(&self) {
        self.lock().0.totals.unwanted += 1;
    }

    /// Whether a job of an execution is being done.
    pub(super) fn executes(&self, execution: &str) -> bool {
        self.lock().1.values().any(|(job, _)| job.execution == execution)
    }

    pub(super) fn superseded(&self) {
        self.lock().0.totals.superseded += 1;
    }

    pub(super) fn given_back(&self) {
        self.lock().0.totals.given_back += 1;
    }

    pub(super) fn refused(&self) {
        self.lock().0.totals.refused += 1;
    }

    pub(super) fn delivered(&self, succeeded: bool) {
        let mut inner = self.lock();
        if succeeded {
            inner.0.totals.succeeded += 1;
        } else {
            inner.0.totals.failed += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.sight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job that is being done, or waits to be, until it is dropped.
pub(super) struct Begun {
    standing: Arc<Standing>,
    job: String,
}

impl Begun {
    /// It has a seat, which it may leave and take again.
    pub(super) fn seated(&self, seat: &Arc<Seat>) {
        if let Some((_, known)) = self.standing.lock().1.get_mut(&self.job) {
            *known = Some(Arc::clone(seat));
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.standing.lock().1.remove(&self.job);
    }
}

/// A result that waits, until it is dropped.
pub(super) struct Waiting(Arc<Standing>);

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.0.results_waiting = inner.0.results_waiting.saturating_sub(1);
    }
}
