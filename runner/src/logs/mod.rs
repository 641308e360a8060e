//! The logs of actions, sent to CloudWatch Logs while they grow and put into S3 when they are whole.
//!
//! The one source is the log file of an action, which holds what may be seen and nothing else. What is sent of it is
//! written down in a journal after each answer, so that whoever comes next goes on at that byte. This module does not
//! know what events, runs and builds are; it sits behind the disk, and nobody waits for it.

mod backoff;
mod batch;
mod cloudwatch;
mod follow;
mod journal;
mod link;
pub mod memory;
mod reader;
mod sending;
mod sent;
mod shipment;
mod shipping;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;

pub use batch::{Batch, Limits, Rest, batch, time};
pub use cloudwatch::{CloudWatchConfig, CloudWatchLogs, Retention};
pub use link::Links;
pub use sent::{ReadTo, SentLogs};
pub use shipment::{ArchiveTarget, LogTargets, Shipment, StreamTarget, behind};
pub use shipping::{Shipping, ShippingConfig, Unsent};

/// One line of a log, or a piece of one that is too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// When it was read, in milliseconds since 1970.
    pub time: i64,
    /// Its text, without a newline; never empty.
    pub text: String,
}

/// A stream of a log group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StreamName {
    /// The group, `/aws/codebuild/PROJECT` unless another one is set.
    pub group: String,
    /// The stream: the UUID of a build, or of the log of what is none, behind a prefix when one is set.
    pub stream: String,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It was taken, but for the events that are counted here.
    Taken(Rejected),
    /// There is no such stream, or no longer: nothing was taken.
    NoStream,
    /// Something in the batch is not what the service takes, and never will be: nothing was taken.
    Refused {
        /// What the service said.
        why: String,
    },
}

/// How many events of a batch were left out for their time (`rejectedLogEventsInfo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Those of more than 14 days ago, or older than the group's retention.
    pub too_old: usize,
    /// Those of more than two hours ahead.
    pub too_new: usize,
}

/// A service that keeps streams of log events.
///
/// Calls for different streams may be made at one time. A batch is taken whole (but for what [`Rejected`] counts) or
/// not at all; a fault says that nobody knows which.
#[async_trait]
pub trait LogService: Send + Sync {
    /// Makes a stream, and its group when that is missing too. One that is there is left as it is.
    ///
    /// # Errors
    /// A fault of any kind; to try again is safe.
    async fn create(&self, stream: &StreamName) -> Result<(), Fault>;

    /// Adds events to a stream. They are within [`Limits::CLOUDWATCH`] and in the order of their times.
    ///
    /// # Errors
    /// A fault of any kind. To try again may add the events twice, when only the answer was lost.
    async fn put(&self, stream: &StreamName, events: Vec<LogEvent>) -> Result<Put, Fault>;
}
