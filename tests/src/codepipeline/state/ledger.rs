//! The book of all calls, and of what a client must never do. It knows no protocol: others judge and write here.

use jiff::Timestamp;
use serde_json::Value;

/// Who calls, when, and what becomes of the answer.
#[derive(Clone, Debug)]
pub struct Call {
    /// When the call came.
    pub at: Timestamp,
    /// Who calls: the access key, and the application's name when the user agent has one (`key/name`).
    pub caller: String,
    /// The SDK's name for the call, which its own retries share.
    pub invocation: Option<String>,
    /// The operation, `PollForJobs` for example; those of S3 begin with `s3:`.
    pub operation: String,
    /// Whether a fault that was asked for keeps the answer from the caller.
    pub answer_lost: bool,
}

/// A call and what was answered.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The call.
    pub call: Call,
    /// What was asked; for S3 the bucket and the key.
    pub input: Value,
    /// The name of the error that it was answered with.
    pub error: Option<String>,
}

/// What a client must never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Crime {
    /// A request that the API's model forbids, or one of the rules that the documentation has for it.
    Invalid,
    /// A job that there never was.
    UnknownJob,
    /// A nonce that was never handed out for this job.
    InventedNonce,
    /// A result for a job that nobody has acknowledged.
    ResultUnacknowledged,
    /// A result from somebody whose acknowledgement was refused, for a job that another has.
    ResultOfLoser,
    /// A second result, the same as the first one, whose answer had arrived.
    ResultTwice,
    /// A second result, and another one.
    ResultChanged,
    /// Work for an execution that was abandoned longer ago than the time that a worker has to hear of it.
    WorkAfterAbandon,
    /// The artifact bucket without the credentials of a job.
    ForeignCredentials,
    /// The credentials of a job outside of the artifact bucket.
    OutsideBucket,
    /// An upload to a place that is none of the job's output artifacts.
    OutsideOutputs,
    /// An upload that does not ask for encryption with KMS, or not with the pipeline's key.
    NotEncrypted,
    /// A job that succeeded without an output artifact that it has to put out.
    OutputMissing,
    /// An output artifact that is no zip, or has names that do not begin at its root.
    OutputNotZip,
}

/// A crime on record.
#[derive(Clone, Debug)]
pub struct Offence {
    /// What was done.
    pub crime: Crime,
    /// Who did it, when, by which call.
    pub call: Call,
    /// The job, where it concerns one.
    pub job: Option<String>,
    /// More about it.
    pub detail: String,
}

/// Every call and every crime, in the order of their time.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Every call.
    pub entries: Vec<Entry>,
    /// Every crime.
    pub offences: Vec<Offence>,
}

impl Ledger {
    /// Puts a crime on record.
    pub fn accuse(&mut self, crime: Crime, call: &Call, job: Option<&str>, detail: impl Into<String>) {
        let (call, job, detail) = (call.clone(), job.map(str::to_owned), detail.into());
        self.offences.push(Offence { crime, call, job, detail });
    }

    /// The calls of an operation.
    pub fn of(&self, operation: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.call.operation == operation)
    }
}
