//! Sources: a revision into a folder. This module does not know what is done with it.

mod bundle;
mod checkout;
pub mod codecommit;
mod copied;
mod folder;
mod git;
mod mirror;
mod packs;
mod parallel;
mod refs;
mod remote;
mod shelf;
mod submodule;
mod tree;
mod trouble;
mod unpack;
mod update;
mod url;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pipeline_spec::plan::Source;
use serde::{Deserialize, Serialize};

use crate::bucket::{Buckets, Object};
use crate::cancel::Cancel;
use crate::fault::{Fault, io as io_fault};
use crate::progress::Progress;
use crate::trust::Names;

pub use packs::Consolidated;
pub use shelf::Mirrors;
pub use url::without_login;

/// What was fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The full commit id; `None` for a folder that is no Git work tree.
    pub commit: Option<String>,
    /// The branch that was asked for or stands at HEAD.
    pub branch: Option<String>,
    /// The first line of the commit's message.
    pub message: Option<String>,
    /// The author, `Name <mail>`.
    pub author: Option<String>,
    /// Where it came from, without credentials.
    pub repository: String,
    /// Whether uncommitted work is part of it.
    pub dirty: bool,
}

/// A kind of source.
///
/// `fetch` fills an empty or absent folder and may be repeated; an interrupted one leaves the folder to be fetched
/// anew. Different folders may be fetched at the same time, also from one repository.
#[async_trait]
pub trait Sources: Send + Sync {
    /// Brings a revision into a folder.
    async fn fetch(
        &self,
        source: &Source,
        into: &Path,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Revision, Fault>;

    /// Brings a folder that was fetched once into another one, for somebody who may change it. Objects of a repository
    /// are linked where that can be: they are of a mirror as it is, and nobody but runs has them.
    async fn copy(&self, fetched: &Path, into: &Path, progress: &Progress, cancel: &Cancel) -> Result<Revision, Fault> {
        let source = Source::Folder { path: fetched.display().to_string() };
        self.fetch(&source, into, progress, cancel).await
    }
}

/// How sources are fetched on this machine.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of the mirrors. On the file system of the work folders, objects are linked and not copied.
    pub cache: PathBuf,
    /// What a relative folder or repository path is relative to: the folder of the plan's file.
    pub base: PathBuf,
    /// Stands in for CodeCommit's host: a host, or a URL without path (`CODE_COMMIT_ENDPOINT` of git-remote-codecommit).
    pub codecommit_endpoint: Option<String>,
    /// Private SSH keys that are tried after those of the agent.
    pub ssh_keys: Vec<PathBuf>,
    /// How long to wait for another process that updates the same mirror before cloning without it.
    pub lock_wait: Duration,
    /// How many times a fetch is tried in all when the network fails.
    pub tries: u32,
    /// The pause before the second try; it doubles with each.
    pub pause: Duration,
    /// How long a remote may say nothing.
    pub silence: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache: PathBuf::from(".sluice/mirrors"),
            base: PathBuf::new(),
            codecommit_endpoint: None,
            ssh_keys: Vec::new(),
            lock_wait: Duration::from_secs(300),
            tries: 4,
            pause: Duration::from_millis(500),
            silence: Duration::from_secs(120),
        }
    }
}

/// Fetches every kind of source that a plan can name.
pub struct Revisions {
    git: git::Git,
    buckets: Option<Arc<dyn Buckets>>,
}

impl Revisions {
    /// One with these settings, that asks `identities` for whoever signs for CodeCommit.
    #[must_use]
    pub fn new(config: Config, identities: codecommit::Identities) -> Self {
        Self { git: git::Git { config, identities, allowed: Names::default() }, buckets: None }
    }

    /// The same, that clones no other repositories than these, wherever they are named; submodules too.
    #[must_use]
    pub fn of_repositories(mut self, allowed: Names) -> Self {
        self.git.allowed = allowed;
        self
    }

    /// The same, that also fetches artifacts.
    #[must_use]
    pub fn with_buckets(mut self, buckets: Arc<dyn Buckets>) -> Self {
        self.buckets = Some(buckets);
        self
    }
}

/// Marks a folder that is being filled, so that an interrupted fetch can be told from somebody's files.
const UNFINISHED: &str = ".sluice-unfinished";

#[async_trait]
impl Sources for Revisions {
    async fn fetch(
        &self,
        source: &Source,
        into: &Path,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Revision, Fault> {
        begin(into).await?;
        let around = git::Around { progress, cancel };
        let revision = match source {
            Source::Folder { path } => folder::fetch(&self.git.config, path, into, around).await?,
            Source::Git { url, reference, depth, submodules } => {
                let wish = git::Wish { reference: reference.as_deref(), depth: *depth, submodules: *submodules };
                self.git.fetch(url, &wish, into, around).await?
            }
            Source::Artifact { bucket, key, revision } => {
                let object = Object { bucket: bucket.clone(), key: key.clone() };
                let Some(buckets) = &self.buckets else {
                    return Err(Fault::configuration(format!(
                        "{object}: only a worker's job has artifacts as a source"
                    )));
                };
                bundle::fetch(&self.git, buckets.as_ref(), &object, revision.as_deref(), into, around).await?
            }
        };
        end(into).map(|()| revision)
    }

    async fn copy(&self, fetched: &Path, into: &Path, progress: &Progress, cancel: &Cancel) -> Result<Revision, Fault> {
        begin(into).await?;
        let revision = folder::copy(fetched, into, git::Around { progress, cancel }).await?;
        end(into).map(|()| revision)
    }
}

/// Makes the folder ready: absent, empty, or left by an interrupted fetch.
async fn begin(into: &Path) -> Result<(), Fault> {
    let into = into.to_owned();
    git::on_thread(move || make_ready(&into)).await?
}

fn make_ready(into: &Path) -> Result<(), Fault> {
    fs::create_dir_all(into).map_err(io_fault(into))?;
    let mark = into.join(UNFINISHED);
    let found = fs::read_dir(into).map_err(io_fault(into))?.next().is_some();
    if mark.exists() {
        empty_but(into, &[UNFINISHED])?;
    } else if found {
        return Err(Fault::configuration(format!("{}: the folder is not empty", into.display()))
            .hint("give a folder that is empty or not there"));
    }
    fs::write(&mark, "").map_err(io_fault(&mark))
}

/// The folder is whole.
fn end(into: &Path) -> Result<(), Fault> {
    let mark = into.join(UNFINISHED);
    fs::remove_file(&mark).map_err(io_fault(&mark))
}

fn empty(folder: &Path) -> Result<(), Fault> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_fault(folder)(error)),
        _ => Ok(()),
    }
}

fn empty_but(folder: &Path, kept: &[&str]) -> Result<(), Fault> {
    for entry in fs::read_dir(folder).map_err(io_fault(folder))? {
        let entry = entry.map_err(io_fault(folder))?;
        if kept.iter().any(|kept| entry.file_name() == *kept) {
            continue;
        }
        let path = entry.path();
        let removed = match entry.file_type() {
            Ok(kind) if kind.is_dir() => fs::remove_dir_all(&path),
            _ => fs::remove_file(&path),
        };
        removed.map_err(io_fault(&path))?;
    }
    Ok(())
}
