//! The ledger: which jobs are held by whom, and how far they are. It is what survives a worker.
//!
//! This module does not know what jobs are: their text is somebody else's. A job is held for a while (a lease); whoever
//! takes it gets a higher fence than all before, and what an earlier holder still writes is refused.

mod dynamo;
mod sqlite;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::fault::Fault;

pub use dynamo::DynamoLedger;
pub use sqlite::SqliteLedger;

/// How long a closed job is remembered: as long as SQS can keep a message, so that one that comes again is known.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(14 * 24);

/// One job as its holder knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The job.
    pub job: String,
    /// Who holds it.
    pub owner: String,
    /// Higher than that of every earlier holder.
    pub fence: u64,
    /// Until when it is held, unless that is written anew.
    pub until: Timestamp,
    /// Whether nothing is left to do.
    pub closed: bool,
    /// How far it is, in the holder's own words.
    pub body: String,
}

/// What came of taking a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is ours: as the one before left it, or as entered now.
    Ours(Entry),
    /// Somebody holds it.
    Held {
        /// Who.
        by: String,
        /// Until when, at the least.
        until: Timestamp,
        /// How far it is, in the holder's own words.
        body: String,
    },
    /// It is over.
    Closed,
}

/// Who takes a job, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The worker.
    pub owner: String,
    /// Now, by the worker's clock.
    pub now: Timestamp,
    /// Until when the job is held.
    pub until: Timestamp,
}

/// The jobs of a fleet, or of one machine. Calls may be made at the same time, by any number of workers; of those that
/// take one job at once, one gets it.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Takes a job: one that nobody has entered, whose lease has run out, or that the same worker holds already, as
    /// after a restart. `body` is written only when it is new.
    async fn take(&self, job: &str, holder: &Holder, body: &str) -> Result<Taken, Fault>;

    /// Writes how far a job is, and until when it is held. `false`: somebody else has taken it, or it is closed, and
    /// nothing is written. To close a job a second time is a success.
    async fn write(&self, entry: &Entry) -> Result<bool, Fault>;

    /// Takes a job out, as if it had never been entered, unless somebody else has taken it.
    async fn forget(&self, entry: &Entry) -> Result<(), Fault>;

    /// All jobs that are not closed.
    async fn open(&self) -> Result<Vec<Entry>, Fault>;
}

/// Whose a job is, from what is written of it.
fn decide(known: Option<Entry>, job: &str, holder: &Holder, body: &str) -> Taken {
    let Holder { owner, now, until } = holder.clone();
    match known {
        None => {
            Taken::Ours(Entry { job: job.to_owned(), owner, fence: 1, until, closed: false, body: body.to_owned() })
        }
        Some(known) if known.closed => Taken::Closed,
        Some(known) if known.owner != owner && known.until > now => {
            Taken::Held { by: known.owner, until: known.until, body: known.body }
        }
        Some(known) => Taken::Ours(Entry { owner, fence: known.fence + 1, until, ..known }),
    }
}
