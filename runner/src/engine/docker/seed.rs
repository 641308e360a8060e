//! Filling the empty folders of caches with what the image has in their places, as the engine itself does with a new
//! volume: a mount would hide it, and a build that finds its image's settings gone would fail for no reason of its own.
//!
//! A container of the image is made, never started, and copied from. It carries the labels of its sandbox.

use std::path::Path;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder};

use super::super::{Mount, SandboxSpec};
use super::DockerEngine;
use super::container;
use super::copy::download;
use super::errors::{Trouble, trouble};
use crate::fault::{Fault, io};
use crate::progress::Progress;

/// Fills the folders that ask for it, and are empty.
pub(super) async fn fill(
    engine: &DockerEngine,
    client: &Docker,
    spec: &SandboxSpec,
    progress: &Progress,
) -> Result<(), Fault> {
    let empty: Vec<&Mount> = spec.mounts.iter().filter(|mount| mount.seeded && is_empty(&mount.host)).collect();
    if empty.is_empty() {
        return Ok(());
    }
    progress.doing(format!("filling new caches from the image {}", spec.image));
    let name = format!("{}_seed", container::name(&spec.key));
    let body = ContainerCreateBody {
        image: Some(spec.image.clone()),
        entrypoint: Some(vec!["/bin/sh".to_owned()]),
        labels: Some(container::labels(&spec.key, "seed")),
        ..ContainerCreateBody::default()
    };
    let doing = |error: &Error| engine.fault(&format!("making {name} to fill caches from"), error);
    remove(client, &name).await.map_err(|error| doing(&error))?;
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    client.create_container(Some(options), body).await.map_err(|error| doing(&error))?;
    let mut filled = Ok(());
    for mount in empty {
        filled = filled.and(seed(engine, &name, mount).await);
    }
    remove(client, &name).await.map_err(|error| doing(&error))?;
    filled
}

/// Copies beside the folder first: one that was left half full must not pass for a cache.
async fn seed(engine: &DockerEngine, name: &str, mount: &Mount) -> Result<(), Fault> {
    let beside = mount.host.with_extension("seed");
    let copied = copy(engine, name, mount, &beside).await;
    match tokio::fs::remove_dir_all(&beside).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => copied.and(Err(io(&beside)(error))),
        _ => copied,
    }
}

async fn copy(engine: &DockerEngine, name: &str, mount: &Mount, beside: &Path) -> Result<(), Fault> {
    let last = Path::new(&mount.container).file_name().unwrap_or_default();
    // A path that is a link in the image leads elsewhere: what lies there is not hidden by the mount.
    if download(engine, name, &mount.container, beside).await? && is_folder(&beside.join(last)) {
        tokio::fs::rename(beside.join(last), &mount.host).await.map_err(io(&mount.host))?;
    }
    Ok(())
}

async fn remove(client: &Docker, name: &str) -> Result<(), Error> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match client.remove_container(name, Some(options)).await {
        Err(error) if matches!(trouble(&error), Trouble::NotFound | Trouble::Busy) => Ok(()),
        other => other,
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}
