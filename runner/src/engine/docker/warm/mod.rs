//! Warm sandboxes: containers of the images used lately that are started already and wait for a program.
//!
//! Each runs one program and is removed like any other; none is used twice. What a container's making decides is its
//! [`Kind`]; all else (program, environment, secrets, folders) is given to it when it is taken, and it gets the name of
//! the sandbox that it becomes. Whatever asks for sandboxes by key then finds it by that name, in this process and in
//! the next. A sandbox does not qualify, and is made cold, when it has services (their network is part of a container's
//! making), or folders elsewhere than under `/codebuild/output` (most caches are such), within one another, read-only, or
//! to be filled from the image. Which user its commands run as makes no difference: the driver changes that.
//!
//! A warm sandbox waits on its standard input, which its maker holds: it ends with its maker. It takes the place of a
//! cold one only as long as all goes well: whatever goes wrong before its program has begun leads to a cold one. Which of
//! the two it is, is settled once, by a [`claim`].

mod claim;
mod home;
mod made;
mod pool;
mod slot;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use pipeline_spec::plan::Limits;

use super::super::{Mount, SandboxKey, SandboxSpec};
use super::container::{self, WARM};
use super::errors::{self, Trouble};
use crate::fault::Fault;

pub(super) use home::sweep;
pub(super) use pool::Pool;
pub(super) use slot::{give_back, is_moved};

/// What a sandbox ends with that was given no program.
pub(super) const NO_PROGRAM: i64 = 76;

/// How many warm sandboxes are kept, and where.
#[derive(Clone, Debug)]
pub struct WarmConfig {
    /// Their folders, on the file system of the runs' folders. Several processes may share it.
    pub folder: PathBuf,
    /// How many of one kind.
    pub each: usize,
    /// How many in all.
    pub most: usize,
    /// How long one is kept that nobody asks for.
    pub idle: Duration,
    /// How long after a build's start the next one is made: the build that has just begun goes first.
    pub after: Duration,
}

impl WarmConfig {
    /// One of each kind and four in all, for half an hour, in that folder.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        let (idle, after) = (Duration::from_secs(1800), Duration::from_millis(300));
        Self { folder, each: 1, most: 4, idle, after }
    }
}

/// Removes a sandbox that was taken and never got its program, if it is one; what has begun is left alone.
pub(super) async fn give_up(client: &Docker, key: &SandboxKey, records: &Path) -> Result<bool, Fault> {
    let name = container::name(key);
    let fault = |error: &Error| errors::fault(format!("looking at {name}"), "", error);
    let inspected = match client.inspect_container(&name, None).await {
        Err(error) if errors::trouble(&error) == Trouble::NotFound => return Ok(false),
        other => other.map_err(|error| fault(&error))?,
    };
    let labels = inspected.config.and_then(|config| config.labels).unwrap_or_default();
    if !labels.contains_key(WARM) || !claim::give_up(records) {
        return Ok(false);
    }
    home::remove(client, &name).await.map_err(|error| fault(&error))?;
    give_back(records)?;
    Ok(true)
}

/// The folder of a container's slot, if it was made warm.
pub(super) async fn slot_of(client: &Docker, name: &str) -> Option<PathBuf> {
    let inspected = client.inspect_container(name, None).await.ok()?;
    inspected.config?.labels?.remove(WARM).map(PathBuf::from)
}

/// Removes the slot of a container that another process made, and that is gone.
pub(super) async fn clear(slot: PathBuf) {
    home::clear(slot::Slot::left(slot)).await;
}

/// What cannot be changed about a container once it is made.
#[derive(Clone, Debug, PartialEq)]
struct Kind {
    image: String,
    limits: Limits,
    owner: Option<(u32, u32)>,
}

impl Kind {
    /// The kind that a sandbox could be; `None` when it must be cold.
    fn of(spec: &SandboxSpec) -> Option<Self> {
        let has_place = |mount: &Mount| {
            let others = spec.mounts.iter().filter(|other| *other != mount);
            let is_apart = others.into_iter().all(|other| !Path::new(&mount.container).starts_with(&other.container));
            !mount.read_only && !mount.seeded && is_apart && slot::place(&mount.container).is_some()
        };
        // `env` sets the variables: what it would take for an option, or the kernel for an end, is none.
        let is_plain = |name: &str, value: &str| {
            !name.is_empty() && !name.starts_with('-') && !name.contains(['=', '\0']) && !value.contains('\0')
        };
        let qualifies = spec.services.is_empty()
            && spec.mounts.iter().all(has_place)
            && spec.environment.iter().all(|(name, value)| is_plain(name, value));
        qualifies.then(|| Self { image: spec.image.clone(), limits: spec.limits.clone(), owner: spec.owner })
    }
}
