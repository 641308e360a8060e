//! Giving the folders of a sandbox back to their owner when it ended before its driver could.
//!
//! A driver does that as its last act (see `driver.sh`). One that was killed, with its container or for the memory that
//! the build used, leaves files of root behind, which a user without rights cannot even remove. So before such a
//! container goes, a short one of the same image is run on the same folders.

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse, HostConfig, Mount, MountPoint, MountType};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, KillContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    WaitContainerOptions,
};
use futures_util::StreamExt as _;

use super::container::{self, OWNER};
use super::errors::{Trouble, trouble};

/// What is run: the words after it are the owner and the folders. It does as `give` of the driver does.
const GIVE: &str = r#"owner=$1
shift
for folder in "$@"; do
    find "$folder" -xdev ! -user "${owner%:*}" -exec chown -h "$owner" {} + 2>/dev/null || chown -hR "$owner" "$folder"
done"#;

/// Gives back what the container had mounted, unless its driver has done so or it never ran. It runs no more after it.
///
/// A helper that fails is told to the operator and holds nothing up: it would fail again.
pub(super) async fn give_back(client: &Docker, name: &str) -> Result<(), Error> {
    let inspected = match client.inspect_container(name, None).await {
        Err(error) if trouble(&error) == Trouble::NotFound => return Ok(()),
        other => other?,
    };
    let Some(owner) = owner_of(&inspected) else { return Ok(()) };
    let state = inspected.state.clone().unwrap_or_default();
    if state.running == Some(true) {
        let kill = KillContainerOptionsBuilder::default().signal("KILL").build();
        over(client.kill_container(name, Some(kill)).await)?;
        wait(client, name).await?;
    } else if state.exit_code == Some(0) {
        // Never started, or at its end with all given back.
        return Ok(());
    }
    let helper = format!("{}_owner", name_of(&inspected).unwrap_or(name));
    let body = body(&inspected, &owner);
    remove(client, &helper).await?;
    let options = CreateContainerOptionsBuilder::default().name(&helper).build();
    let given = match client.create_container(Some(options), body).await {
        Ok(_) => run(client, &helper).await,
        Err(error) => Err(error),
    };
    match given {
        Ok(0) => {}
        Ok(status) => tracing::warn!(container = name, status, "its folders could not be given back to their owner"),
        Err(error) => tracing::warn!(container = name, %error, "its folders could not be given back to their owner"),
    }
    remove(client, &helper).await
}

async fn run(client: &Docker, helper: &str) -> Result<i64, Error> {
    client.start_container(helper, None::<StartContainerOptions>).await?;
    wait(client, helper).await
}

/// Waits until it does not run; its exit status.
async fn wait(client: &Docker, name: &str) -> Result<i64, Error> {
    match client.wait_container(name, None::<WaitContainerOptions>).next().await {
        Some(Ok(ended)) => Ok(ended.status_code),
        Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(error),
        None => Ok(0),
    }
}

async fn remove(client: &Docker, name: &str) -> Result<(), Error> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    over(client.remove_container(name, Some(options)).await)
}

/// What is gone or over already is as good as done.
fn over(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if matches!(trouble(&error), Trouble::NotFound | Trouble::NotRunning | Trouble::Busy) => Ok(()),
        other => other,
    }
}

/// `user:group` of the label; nobody's where the build's folders are root's.
fn owner_of(inspected: &ContainerInspectResponse) -> Option<String> {
    inspected.config.as_ref()?.labels.as_ref()?.get(OWNER).cloned()
}

fn name_of(inspected: &ContainerInspectResponse) -> Option<&str> {
    inspected.name.as_deref().map(|name| name.trim_start_matches('/'))
}

/// The helper: the same image, the same folders, the same labels but for its role, so that a clean-up finds it too.
fn body(inspected: &ContainerInspectResponse, owner: &str) -> ContainerCreateBody {
    let writable =
        |mount: &&MountPoint| mount.rw == Some(true) && mount.source.is_some() && mount.destination.is_some();
    let binds: Vec<&MountPoint> = inspected.mounts.iter().flatten().filter(writable).collect();
    let folders = binds.iter().filter_map(|mount| mount.destination.clone());
    let words = ["sh".to_owned(), owner.to_owned()].into_iter().chain(folders);
    let mounts = binds.iter().map(|mount| Mount {
        typ: Some(MountType::BIND),
        source: mount.source.clone(),
        target: mount.destination.clone(),
        ..Mount::default()
    });
    let mut labels = inspected.config.as_ref().and_then(|config| config.labels.clone()).unwrap_or_default();
    labels.retain(|name, _| [container::RUN, container::KEY].contains(&name.as_str()));
    // A warm one says by its name alone what it became.
    let key = name_of(inspected).and_then(container::key_of);
    labels.extend(key.map(|key| container::labels(&key, "owner")).unwrap_or_default());
    labels.insert(container::ROLE.to_owned(), "owner".to_owned());
    ContainerCreateBody {
        image: inspected.image.clone(),
        entrypoint: Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), GIVE.to_owned()]),
        cmd: Some(words.collect()),
        user: Some("0".to_owned()),
        labels: Some(labels),
        host_config: Some(HostConfig {
            mounts: Some(mounts.collect()),
            network_mode: Some("none".to_owned()),
            log_config: Some(container::log("none", &[])),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}
