//! Queues: jobs offered, taken, held and reported. This module does not know how a job's work is done.
//!
//! ```text
//! poll → offer → accept → held … heartbeat … → report
//!                  ↓ gone: somebody else has it, and nobody is told
//! ```
//!
//! A queue forgets nothing that the worker must know after a crash: everything between two calls is plain data that
//! the worker's ledger keeps. Credentials never are; they are asked for when they are needed.

pub mod codepipeline;
mod order;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::bucket::Access;
use crate::fault::Fault;

pub use order::{Deployment, Input, JobOrder, Output, Place, Spec, Work};

/// The right to ask for a job, as the queue gave it: what names the job, and what proves that we were offered it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ticket {
    /// The queue's id of the job.
    pub job: String,
    /// CodePipeline's nonce, or the receipt handle of SQS.
    pub receipt: String,
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
/// them, and none of the rest can be left out.
#[async_trait]
pub trait Queue: Send + Sync {
    /// At most `free` jobs that could be ours, at once: it does not wait for one. `free` is at least 1.
    async fn poll(&self, free: usize) -> Result<Vec<Offer>, Fault>;

    /// Takes an offered job. Asked again after a crash, it says the same.
    async fn accept(&self, ticket: &Ticket) -> Result<Accepted, Fault>;

    /// Keeps the job ours, and asks whether it is still wanted.
    async fn heartbeat(&self, ticket: &Ticket, order: &JobOrder) -> Result<Wanted, Fault>;

    /// Reports a result. An `Err` may be tried again.
    async fn report(&self, ticket: &Ticket, result: &JobResult) -> Result<Reported, Fault>;

    /// Who may read the job's inputs and write its outputs; `None` is the worker itself.
    fn access(&self, ticket: &Ticket) -> Option<Arc<dyn Access>>;
}
