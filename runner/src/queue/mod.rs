//! Queues: jobs offered, taken, held and reported. This module does not know how a job's work is done.
//!
//! ```text
//! poll → offer → accept → held … heartbeat … → report
//!                  ↓ gone: somebody else has it, and nobody is told
//! ```
//!
//! Beside jobs there are news ([`Events`]): they make a worker ask earlier than it would, and nothing else depends on them.
//!
//! A queue forgets nothing that the worker must know after a crash: everything between two calls is plain data that
//! the worker's ledger keeps. Credentials never are; they are asked for when they are needed.

mod both;
pub mod codepipeline;
mod order;
pub mod sqs;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bucket::Access;
use crate::fault::Fault;

pub use both::Both;
pub use order::{Deployment, Input, JobOrder, Order, Output, Place, Spec, Turn, Work};

/// The right to ask for a job, as the queue gave it: what names the job, and what proves that we were offered it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ticket {
    /// The queue's id of the job.
    pub job: String,
    /// CodePipeline's nonce, or the receipt handle of SQS. Empty: the ledger alone carries the job, and the queue has
    /// nothing more to say of it.
    pub receipt: String,
    /// The message that it came as; `None` for CodePipeline, whose jobs are no messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

impl Ticket {
    /// Whether it came as a message that the queue has no more: the ledger alone carries the job.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.delivery.is_some() && self.receipt.is_empty()
    }
}

/// How long a message is held at most: SQS shows it to others twelve hours after it was received.
const HELD: SignedDuration = SignedDuration::from_hours(11);

/// How a message reached us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Delivery {
    /// The URL of the queue that it came from.
    pub queue: String,
    /// When we got it.
    pub received: Timestamp,
    /// How often it has been handed out, this time included.
    pub count: u32,
}

impl Delivery {
    /// Whether the message cannot be held for much longer.
    #[must_use]
    pub fn expires(&self, now: Timestamp) -> bool {
        now.duration_since(self.received) > HELD
    }
}

/// A job that may become ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// What it is taken with.
    pub ticket: Ticket,
    /// What it asks for, or why it cannot be understood: then it is taken all the same, to say so.
    pub order: Result<JobOrder, Refusal>,
}

/// Why a job is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refusal {
    /// Whose turn it is.
    pub kind: FailureKind,
    /// Why, for the person whose job it is.
    pub message: String,
}

/// What came of asking for an offered job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is ours, and stays ours until it is reported.
    Ours,
    /// Somebody else has it, or nobody wants it any more.
    Gone,
}

/// Whether a job that is ours is still wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It is.
    Yes,
    /// Its pipeline was told to stop, or the queue gave it to somebody else. Nothing is to be reported.
    No {
        /// Why, in a sentence.
        why: String,
    },
    /// It is, but not of us: the queue has handed it out again, or will. Nothing is to be reported, and if it comes
    /// back it is a new one.
    Elsewhere,
}

/// How a job is let go of without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetGo {
    /// The queue need not know it any more: it is over, or the ledger carries it.
    ForGood,
    /// Somebody should get it, after that long.
    For(Duration),
}

/// What came of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reported {
    /// The queue has it.
    Delivered,
    /// The queue will never take it: the job has a result already, or is gone.
    Refused {
        /// What the queue said.
        why: String,
    },
    /// The job has not ended with that: the queue will offer it again, to whoever asks then.
    Again,
}

/// How a job ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JobResult {
    /// `None` is a success.
    pub failure: Option<Refusal>,
    /// One line for people.
    pub summary: String,
    /// The id that the links of the action type lead to: the build's uuid.
    pub external_id: Option<String>,
    /// Output variables of the action.
    pub variables: BTreeMap<String, String>,
}

/// All output variables together, in bytes of names and values (CodePipeline API reference, `PutJobSuccessResult`).
pub(crate) const VARIABLES: usize = 122_880;

impl JobResult {
    /// Why an action cannot have these output variables, when they are too many or too long.
    pub(crate) fn excess(&self) -> Option<String> {
        let bytes: usize = self.variables.iter().map(|(name, value)| name.len() + value.len()).sum();
        (bytes > VARIABLES).then(|| format!("the exported variables are {bytes} bytes; CodePipeline takes {VARIABLES}"))
    }
}

/// CodePipeline's failure types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The user's work failed.
    JobFailed,
    /// What we were told to do cannot be done as told.
    ConfigurationError,
    /// Credentials are missing, expired, or not allowed to.
    PermissionError,
    /// The revision is not the one that was asked for.
    RevisionOutOfSync,
    /// The revision does not exist or cannot be had.
    RevisionUnavailable,
    /// The machine, the network or a service failed.
    SystemUnavailable,
}

/// Where jobs come from. Calls may be made at the same time for different jobs; each may be repeated.
///
/// More than the three methods of other traits: a job is taken in two steps, so that it can be written down between
/// them, and queues that keep messages want to be told what becomes of each.
#[async_trait]
pub trait Queue: Send + Sync {
    /// At most `free` jobs that could be ours, in the order in which they were sent; fewer mean that there are no more
    /// for now. A queue that can waits so long for the first one; others answer at once. `free` is at least 1.
    ///
    /// The call may be dropped while it waits. What it would have brought is brought by the next one.
    async fn poll(&self, free: usize, wait: Duration) -> Result<Vec<Offer>, Fault>;

    /// Takes an offered job. Asked again after a crash, it says the same.
    async fn accept(&self, ticket: &Ticket) -> Result<Accepted, Fault>;

    /// Keeps the job ours, and asks whether it is still wanted.
    async fn heartbeat(&self, ticket: &Ticket, order: &JobOrder) -> Result<Wanted, Fault>;

    /// Whether a job that is in the ledger could be held and reported here: it came from this queue, and is of a kind that
    /// is asked for. Workers of one ledger may have different queues. `order` is `None` where it was not understood.
    fn serves(&self, ticket: &Ticket, order: Option<&JobOrder>) -> bool;

    /// Reports a result. An `Err` may be tried again.
    async fn report(&self, ticket: &Ticket, result: &JobResult) -> Result<Reported, Fault>;

    /// Who may read the job's inputs and write its outputs; `None` is the worker itself.
    fn access(&self, ticket: &Ticket) -> Option<Arc<dyn Access>>;

    /// Lets go of a job that will have no result from us. A queue without messages has nothing to let go of.
    async fn let_go(&self, _: &Ticket, _: LetGo) -> Result<(), Fault> {
        Ok(())
    }

    /// What is wrong with a part of it, though polls are answered.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Gives back what a dropped [`Queue::poll`] has fetched since: there will be no further one for a while.
    async fn leave(&self) {}
}

/// What is told besides jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The message that it came as.
    pub ticket: Ticket,
    /// What it says.
    pub says: Says,
}

/// What news say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// There is a job to be polled for.
    Job {
        /// Since when.
        at: Timestamp,
    },
    /// An execution of a pipeline was stopped, or one of its actions abandoned: the worker that has it should ask.
    Stopped {
        /// The execution.
        execution: String,
        /// When that was.
        at: Timestamp,
    },
}

/// Where news come from. Each reaches one worker, which need not be the one that it is for.
#[async_trait]
pub trait Events: Send + Sync {
    /// Waits for news. What is not answered comes again, to whoever listens then.
    async fn listen(&self) -> Result<Vec<News>, Fault>;

    /// Answers: nobody needs it any more, or another worker should get it.
    async fn answer(&self, news: &News, answer: LetGo) -> Result<(), Fault>;
}
