//! Sandboxes: containers that run a whole program of commands by themselves.
//!
//! The runner only watches. A sandbox is handed its [`Program`] before it starts, writes down what happens, and needs
//! nobody to go on; whoever comes later (this process, or the next one after a crash) follows it from the start.
//!
//! This module does not know pipelines, phases, events, or where secrets come from.

mod check;
pub mod docker;
pub mod memory;
mod program;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::cancel::Cancel;
use crate::fault::Fault;
use crate::progress::Progress;
use crate::secret::SecretText;

pub use program::{Expansion, NextSection, Program, Retry, Section, ShellKind, Step};

/// A sandbox's name: the same key always means the same sandbox. `[a-z0-9-]`, at most 60 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SandboxKey {
    /// The run that it belongs to; everything of a run can be destroyed at once.
    pub run: String,
    /// The sandbox within the run.
    pub name: String,
}

/// All that a sandbox is made of.
#[derive(Clone)]
pub struct SandboxSpec {
    /// Its name.
    pub key: SandboxKey,
    /// The image reference; pulled when it is not there.
    pub image: String,
    /// What it runs.
    pub program: Program,
    /// Its environment, on top of the image's.
    pub environment: Vec<(String, String)>,
    /// More environment, which must not be readable from the engine's own records.
    pub secrets: Vec<(String, SecretText)>,
    /// Host folders seen in the sandbox; the first is the working folder.
    pub mounts: Vec<Mount>,
    /// A host folder of this sandbox alone, kept until `destroy`, where its records and output are written.
    pub records: PathBuf,
    /// Containers to start before, reachable by name.
    pub services: Vec<ServiceSpec>,
    /// What it may use.
    pub limits: pipeline_spec::plan::Limits,
    /// The host's user and group that the mounted folders belong to when the program has ended and `destroy` is done,
    /// however it ended.
    pub owner: Option<(u32, u32)>,
}

/// A host folder in a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The folder on this machine.
    pub host: PathBuf,
    /// The absolute path in the sandbox.
    pub container: String,
    /// Whether the sandbox may only read it.
    pub read_only: bool,
    /// Whether an empty folder is filled with what the image has at that path, before the mount hides it.
    pub seeded: bool,
}

/// A container beside the sandbox.
#[derive(Clone)]
pub struct ServiceSpec {
    /// Its host name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Its environment.
    pub environment: Vec<(String, String)>,
    /// Its command; empty is the image's own.
    pub command: Vec<String>,
    /// When it counts as ready.
    pub readiness: pipeline_spec::plan::ServiceReadiness,
}

/// Something that a sandbox did, as it is read back. Indices count from 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When the sandbox did it, to a hundredth of a second or better.
    pub at: Timestamp,
    /// What it did.
    pub what: What,
}

/// The things that a sandbox does.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Bytes of standard output and standard error, in their order, in pieces of any size.
    Output(Bytes),
    /// A section begins; `attempt` counts from 1.
    SectionStarted {
        /// Index in the program.
        section: usize,
        /// 1, and one more for each retry.
        attempt: u32,
    },
    /// A step begins.
    StepStarted {
        /// Index in the program.
        section: usize,
        /// Index in `steps`, or in `finally`.
        step: usize,
        /// Whether it stands in `finally`.
        finally: bool,
    },
    /// A step ended.
    StepFinished {
        /// Index in the program.
        section: usize,
        /// Index in `steps`, or in `finally`.
        step: usize,
        /// Whether it stands in `finally`.
        finally: bool,
        /// Its exit status, 0 to 255.
        status: i32,
    },
    /// A section ended; a failed one that will be retried ends too.
    SectionFinished {
        /// Index in the program.
        section: usize,
        /// Whether all its steps succeeded.
        succeeded: bool,
    },
    /// The value of an exported variable after the last section. Unset ones do not come.
    Exported {
        /// Its name.
        name: String,
        /// Its value, as bytes.
        value: Vec<u8>,
    },
    /// A shell text, expanded in the final environment.
    Expanded {
        /// [`Expansion::name`].
        name: String,
        /// What the shell made of it.
        value: Vec<u8>,
    },
}

/// How a sandbox ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its program came to its end, and all its records have been read.
    Completed,
    /// It ended before its program did.
    Died {
        /// The exit status of its main process.
        status: i64,
        /// Whether the kernel killed it for its memory.
        out_of_memory: bool,
        /// What else the engine says.
        reason: String,
    },
    /// There is no such sandbox, and no records of it.
    Absent,
}

/// How hard a sandbox is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM to every process but the program itself, which goes on to the section's `finally` and ends.
    Terminate,
    /// SIGKILL to the same.
    Kill,
    /// The whole sandbox at once.
    Destroy,
}

/// What runs sandboxes.
///
/// Every call may be repeated, and calls for different keys may run at the same time. `start` of a key that exists
/// adopts it. `follow` tells the records from the very first, in order, each once, however often it is called, and
/// returns when the program has ended and all was told (the container may take a moment more to go); it never waits for
/// the network while it reads. `stop` returns when the signal is sent, or when there was nothing to send it to; who
/// waits how long before a harder stop is the caller's business. A fault of `start` leaves nothing behind but what
/// `destroy` finds.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Makes everything ready (images, network, services) and starts the program.
    async fn start(&self, spec: &SandboxSpec, progress: &Progress, cancel: &Cancel) -> Result<(), Fault>;

    /// Tells all records until the end. A full channel holds the reader back, never the sandbox.
    async fn follow(&self, key: &SandboxKey, records: &Path, tell: mpsc::Sender<Record>) -> Result<Ending, Fault>;

    /// Stops what runs.
    async fn stop(&self, key: &SandboxKey, how: Stop) -> Result<(), Fault>;
}

/// What keeps an engine clean, by label, so that it works after a crash too.
#[async_trait]
pub trait Sandboxes: Send + Sync {
    /// Copies a path of a sandbox, running or ended, under `into` as it is (modes and links kept). An absent path
    /// copies nothing and returns false; of an absent sandbox nothing can be said, which is a fault.
    async fn copy_out(&self, key: &SandboxKey, path: &str, into: &Path) -> Result<bool, Fault>;

    /// Removes every container, network and volume of the run (or of one sandbox of it), and verifies that none is left.
    async fn destroy(&self, run: &str, name: Option<&str>) -> Result<(), Fault>;

    /// Has the engine remove a sandbox whose program has ended, and does not wait for it: only an engine that dies now
    /// leaves it. Returns false where that cannot be; nothing was asked then.
    async fn leave(&self, _key: &SandboxKey) -> bool {
        false
    }

    /// The keys of all sandboxes that the engine holds, ended ones included.
    async fn list(&self) -> Result<Vec<SandboxKey>, Fault>;
}
