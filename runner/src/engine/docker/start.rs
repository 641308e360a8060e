//! Starting a sandbox. On the usual way (the image is here, no services, no secrets) these are two calls to the engine.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerStateStatusEnum};
use bollard::query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, StartContainerOptions};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::super::SandboxSpec;
use super::container::{self, RECORDS, TMP};
use super::errors::{self, Trouble, trouble};
use super::program::{Frame, compile, handed_over};
use super::{DockerEngine, clean, network, reader, seed, service, wait, warm};
use crate::cancel::Cancel;
use crate::clock;
use crate::fault::{Fault, io};
use crate::progress::Progress;

/// How long a container is waited for that the engine is making.
const BEING_MADE: Duration = Duration::from_secs(20);
/// Between two looks whether it is there.
const PAUSE: Duration = Duration::from_millis(200);

/// Whether a container is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// It was made now.
    Now,
    /// It had been made, and never started.
    Unstarted,
    /// It runs or has run.
    Before,
}

/// See [`super::super::Engine::start`]. Calls that make something are never cut short: one that the engine finishes
/// after we left would come into being behind the back of the clean-up.
pub(super) async fn start(
    engine: &DockerEngine,
    spec: &SandboxSpec,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<(), Fault> {
    spec.check()?;
    let client = engine.client().await?;
    let name = container::name(&spec.key);
    tokio::fs::create_dir_all(&spec.records).await.map_err(io(&spec.records))?;
    for image in std::iter::once(&spec.image).chain(spec.services.iter().map(|service| &service.image)) {
        tokio::select! {
            () = engine.refresh.refresh(&engine.pulls, client, image, progress) => {}
            _ = cancel.requested() => stop_if_asked(cancel)?,
        }
    }
    let network = match spec.services.is_empty() {
        true => None,
        false
            if state(client, &name).await.is_some_and(is_past_start)
                && !never_ran(client, &name).await
                && !unbegun(engine, client, spec, &name).await? =>
        {
            return Ok(());
        }
        false => {
            let network = network::ensure(engine, client, &spec.key).await?;
            service::start_all(engine, client, spec, &network, progress, cancel).await?;
            Some(network)
        }
    };
    if let Some(pool) = &engine.warm {
        stop_if_asked(cancel)?;
        if pool.start(client, spec).await? {
            engine.alone().insert(spec.key.clone());
            return Ok(());
        }
    }
    let body = container::build(spec, network.as_deref());
    let making = Making { engine, client, name: &name, image: &spec.image, body: &body, progress, cancel };
    if !ready(&making, spec).await? {
        return Ok(());
    }
    let mut started = run(client, spec, &name).await?;
    if started.as_ref().is_err_and(|error| trouble(error) == Trouble::Torn) {
        tracing::warn!(container = name, "the engine died while it started this; it is made anew");
        clean::remove(client, &name).await.map_err(|error| engine.fault(&format!("removing {name}"), &error))?;
        if reader::has_begun(&spec.records) || !ready(&making, spec).await? {
            return Ok(());
        }
        started = run(client, spec, &name).await?;
    }
    started
        .map_err(|error| errors::fault(format!("starting {name} from the image {}", spec.image), &spec.image, &error))
}

/// Makes the container and all that it needs. Returns whether it is to be started: one that runs or has run is not.
async fn ready(making: &Making<'_>, spec: &SandboxSpec) -> Result<bool, Fault> {
    let Making { engine, client, name, progress, cancel, .. } = *making;
    let mut made = making.make().await?;
    if made == Made::Before
        && (warm::give_up(client, &spec.key, &spec.records).await? || unbegun(engine, client, spec, name).await?)
    {
        made = making.make().await?;
    }
    match made {
        Made::Before => return Ok(false),
        // An engine that died while it started this one does not know of it; what it did is in its records.
        Made::Unstarted if reader::has_begun(&spec.records) => return Ok(false),
        Made::Unstarted => {}
        Made::Now => {
            if spec.services.is_empty() && !spec.mounts.iter().any(|mount| mount.seeded) {
                engine.alone().insert(spec.key.clone());
            }
            warm::give_back(&spec.records)?;
            forget(spec).await?;
        }
    }
    seed::fill(engine, client, spec, progress).await?;
    stop_if_asked(cancel)?;
    Ok(true)
}

/// A container that is to be made, and what that takes.
#[derive(Clone, Copy)]
pub(super) struct Making<'a> {
    pub(super) engine: &'a DockerEngine,
    pub(super) client: &'a Docker,
    pub(super) name: &'a str,
    pub(super) image: &'a str,
    pub(super) body: &'a ContainerCreateBody,
    pub(super) progress: &'a Progress,
    pub(super) cancel: &'a Cancel,
}

impl Making<'_> {
    /// Creates the container, pulling its image if need be. One that is there by that name is taken as it is. One that the
    /// engine is making just now, for a process that has died meanwhile, is waited for: the name is given away, and nothing
    /// else known.
    pub(super) async fn make(&self) -> Result<Made, Fault> {
        let begun = Instant::now();
        loop {
            stop_if_asked(self.cancel)?;
            match self.attempt().await? {
                Some(made) => return Ok(made),
                None if begun.elapsed() < BEING_MADE => tokio::time::sleep(PAUSE).await,
                None => {
                    let name = self.name;
                    let text = format!("creating {name}: its name is in use, and the engine knows no such container");
                    return Err(Fault::system(text).hint("restart the engine: it has lost sight of the container"));
                }
            }
        }
    }

    /// One attempt. `None`: the name is in use, and there is no such container, or not yet.
    async fn attempt(&self) -> Result<Option<Made>, Fault> {
        let Self { client, name, image, .. } = *self;
        let mut created = self.create().await;
        if created.as_ref().is_err_and(|error| trouble(error) == Trouble::Conflict) && never_ran(client, name).await {
            let removed = clean::remove(client, name).await;
            removed.map_err(|error| errors::fault(format!("removing {name}"), image, &error))?;
            created = self.create().await;
        }
        if created.as_ref().is_err_and(|error| trouble(error) == Trouble::NoImage) {
            self.engine.pulls.pull(client, image, self.progress, self.cancel).await?;
            created = self.create().await;
        }
        match created {
            Ok(()) => Ok(Some(Made::Now)),
            Err(error) if trouble(&error) == Trouble::Conflict => {
                let state = state(client, name).await;
                Ok(state.map(|state| if is_past_start(state) { Made::Before } else { Made::Unstarted }))
            }
            Err(error) => Err(errors::fault(format!("creating {name} from the image {image}"), image, &error)),
        }
    }

    async fn create(&self) -> Result<(), Error> {
        let options = CreateContainerOptionsBuilder::default().name(self.name).build();
        self.client.create_container(Some(options), self.body.clone()).await.map(|_| ())
    }
}

/// A fault if somebody asked for a stop.
pub(super) fn stop_if_asked(cancel: &Cancel) -> Result<(), Fault> {
    match cancel.reason() {
        Some(_) => Err(Fault::stopped("stopped while the sandbox was being made ready")),
        None => Ok(()),
    }
}

/// Whether a container is what is left of a warm sandbox whose maker died before it had a program.
async fn never_ran(client: &Docker, name: &str) -> bool {
    let state = client.inspect_container(name, None).await.ok().and_then(|inspected| inspected.state);
    state.is_some_and(|state| wait::had_no_program(&state))
}

/// Removes a container that was killed before its driver said anything. Returns whether it was one.
async fn unbegun(engine: &DockerEngine, client: &Docker, spec: &SandboxSpec, name: &str) -> Result<bool, Fault> {
    let state = client.inspect_container(name, None).await.ok().and_then(|inspected| inspected.state);
    if reader::has_begun(&spec.records) || !state.is_some_and(|state| wait::was_killed(&state)) {
        return Ok(false);
    }
    let removed = clean::remove(client, name).await;
    removed.map(|()| true).map_err(|error| engine.fault(&format!("removing {name}"), &error))
}

async fn state(client: &Docker, name: &str) -> Option<ContainerStateStatusEnum> {
    client.inspect_container(name, None).await.ok()?.state?.status
}

fn is_past_start(state: ContainerStateStatusEnum) -> bool {
    state != ContainerStateStatusEnum::CREATED
}

/// Starts the container with a driver of its own, and hands the secrets over by its standard input: the engine's records
/// never hold them.
async fn run(client: &Docker, spec: &SandboxSpec, name: &str) -> Result<Result<(), Error>, Fault> {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    write_driver(spec, &nonce, &[]).await?;
    if spec.secrets.is_empty() {
        return Ok(client.start_container(name, None::<StartContainerOptions>).await);
    }
    let given = async {
        let options = AttachContainerOptionsBuilder::default().stdin(true).stream(true).build();
        let mut attached = client.attach_container(name, Some(options)).await?;
        client.start_container(name, None::<StartContainerOptions>).await?;
        let secrets = spec.secrets.iter().map(|(name, value)| (name.as_str(), value.expose()));
        attached.input.write_all(handed_over(secrets, &nonce).as_bytes()).await?;
        attached.input.shutdown().await?;
        Ok(())
    };
    Ok(given.await)
}

/// Removes the records of an earlier sandbox of the same key, which was destroyed.
async fn forget(spec: &SandboxSpec) -> Result<(), Fault> {
    for name in ["output", "stop"] {
        let path = spec.records.join(name);
        match tokio::fs::remove_file(&path).await {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(&path)(error)),
            _ => {}
        }
    }
    let values = spec.records.join("values");
    match tokio::fs::remove_dir_all(&values).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io(&values)(error)),
        _ => Ok(()),
    }
}

/// Writes the driver beside its name and moves it there: a container that is starting sees the old one or the new.
/// `also` are further folders of this machine that the build may write to.
pub(super) async fn write_driver(spec: &SandboxSpec, nonce: &str, also: &[&str]) -> Result<(), Fault> {
    let owned: Vec<&str> = std::iter::once(RECORDS)
        .chain(also.iter().copied())
        .chain(spec.mounts.iter().filter(|mount| !mount.read_only).map(|mount| mount.container.as_str()))
        .collect();
    let (boot, epoch) = kernel_clock().await;
    let script = compile(
        &spec.program,
        &Frame {
            records: RECORDS,
            tmp: TMP,
            sh: "/bin/sh",
            nonce,
            boot: &boot,
            epoch: &epoch,
            secrets: !spec.secrets.is_empty(),
            owner: spec.owner,
            owned: &owned,
        },
    );
    let values = spec.records.join("values");
    tokio::fs::create_dir_all(&values).await.map_err(io(&values))?;
    let path = spec.records.join("driver.sh");
    let beside = spec.records.join(format!("driver.{nonce}"));
    tokio::fs::write(&beside, script).await.map_err(io(&beside))?;
    tokio::fs::rename(&beside, &path).await.map_err(io(&path))
}

/// This kernel's boot id, and when it booted in seconds since 1970. Empty where there is no such thing.
async fn kernel_clock() -> (String, String) {
    let read = async |path: &str| tokio::fs::read_to_string(Path::new(path)).await.ok();
    let (Some(boot), Some(uptime)) = (read("/proc/sys/kernel/random/boot_id").await, read("/proc/uptime").await) else {
        return (String::new(), String::new());
    };
    let up: f64 = uptime.split(' ').next().and_then(|up| up.parse().ok()).unwrap_or_default();
    (boot.trim().to_owned(), format!("{:.3}", clock::now().as_duration().as_secs_f64() - up))
}
