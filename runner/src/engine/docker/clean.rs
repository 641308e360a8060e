//! Removing what a run left in the engine, by label, and making sure that nothing stays.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions, WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;
use futures_util::future::{join_all, try_join3};

use super::super::SandboxKey;
use super::DockerEngine;
use super::container::{self, KEY, OWNER, ROLE, RUN};
use super::errors::{Trouble, trouble};
use super::{owner, warm};
use crate::fault::Fault;

/// Waits between rounds: endpoints detach and removals under way end in their own time.
const PAUSES: [u64; 8] = [20, 50, 100, 250, 500, 1000, 2000, 4000];

/// How long a container may take to end after its driver's last word: what it left running in it goes with it.
const LAST_WORD: Duration = Duration::from_secs(5);

/// What is left, by name.
#[derive(Debug, Default)]
struct Rest {
    /// Those of the containers whose folders may have to be given back before.
    owned: Vec<String>,
    containers: Vec<String>,
    networks: Vec<String>,
    volumes: Vec<String>,
}

/// See [`super::super::Sandboxes::destroy`].
pub(super) async fn destroy(engine: &DockerEngine, run: &str, name: Option<&str>) -> Result<(), Fault> {
    let adopted = adopted_slot(engine, run, name).await;
    remove_all(engine, run, name).await?;
    if let Some(slot) = adopted {
        warm::clear(slot).await;
    }
    if let Some(pool) = &engine.warm {
        pool.forget(run, name).await;
    }
    Ok(())
}

/// The slot of a sandbox that an earlier process made warm: no pool knows of it.
async fn adopted_slot(engine: &DockerEngine, run: &str, name: Option<&str>) -> Option<PathBuf> {
    let key = SandboxKey { run: run.to_owned(), name: name?.to_owned() };
    if engine.alone().contains(&key) {
        return None;
    }
    warm::slot_of(engine.client().await.ok()?, &container::name(&key)).await
}

async fn remove_all(engine: &DockerEngine, run: &str, name: Option<&str>) -> Result<(), Fault> {
    let client = engine.client().await?;
    let doing = match name {
        Some(name) => format!("cleaning up after {run}.{name}"),
        None => format!("cleaning up after {run}"),
    };
    if let Some(name) = name {
        // By far the most often there is this one container, so it goes without a question. One that this very process
        // made and has removed leaves nothing to look for.
        let key = SandboxKey { run: run.to_owned(), name: name.to_owned() };
        let container = container::name(&key);
        let completed = engine.completed().contains(&container);
        match completed {
            true => ended(client, &container).await,
            false => owner::give_back(client, &container).await.map_err(|error| engine.fault(&doing, &error))?,
        }
        let removed = remove(client, &container).await;
        engine.completed().remove(&container);
        let is_alone = engine.alone().remove(&key);
        if is_alone && removed.is_ok() {
            return Ok(());
        }
        gone_or_busy(removed).map_err(|error| engine.fault(&doing, &error))?;
    }
    let mut pauses = PAUSES.iter();
    loop {
        let rest = rest(client, run, name).await.map_err(|error| engine.fault(&doing, &error))?;
        if rest.is_empty() {
            engine.alone().retain(|key| key.run != run || name.is_some_and(|name| key.name != name));
            return Ok(());
        }
        rest.remove(client).await.map_err(|error| engine.fault(&doing, &error))?;
        match pauses.next() {
            Some(pause) => tokio::time::sleep(Duration::from_millis(*pause)).await,
            None => return Err(Fault::system(format!("{doing}: the engine keeps {rest:?}"))),
        }
    }
}

/// See [`super::super::Sandboxes::list`].
pub(super) async fn list(engine: &DockerEngine) -> Result<Vec<SandboxKey>, Fault> {
    let client = engine.client().await?;
    let filters = HashMap::from([("label".to_owned(), vec![RUN.to_owned()])]);
    let containers = ListContainersOptionsBuilder::default().all(true).filters(&ours()).build();
    let networks = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let (containers, networks) =
        futures_util::future::try_join(client.list_containers(Some(containers)), client.list_networks(Some(networks)))
            .await
            .map_err(|error| engine.fault("listing sandboxes", &error))?;
    let of_networks = networks.into_iter().filter_map(|network| labelled(&network.labels?));
    let keys: BTreeSet<SandboxKey> = containers.iter().filter_map(key).chain(of_networks).collect();
    Ok(keys.into_iter().collect())
}

/// What finds every container of ours, those included that wait for a program.
fn ours() -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![ROLE.to_owned()])])
}

/// The sandbox that a container belongs to: labels say so, but a warm one was given a name when it was taken.
fn key(container: &ContainerSummary) -> Option<SandboxKey> {
    let labels = container.labels.as_ref()?;
    labelled(labels).or_else(|| container.names.iter().flatten().find_map(|name| container::key_of(name)))
}

fn labelled(labels: &HashMap<String, String>) -> Option<SandboxKey> {
    Some(SandboxKey { run: labels.get(RUN)?.clone(), name: labels.get(KEY)?.clone() })
}

/// The labels to look for.
pub(super) fn filters(run: &str, name: Option<&str>) -> HashMap<String, Vec<String>> {
    let labels = std::iter::once(format!("{RUN}={run}")).chain(name.map(|name| format!("{KEY}={name}")));
    HashMap::from([("label".to_owned(), labels.collect())])
}

async fn rest(client: &Docker, run: &str, name: Option<&str>) -> Result<Rest, Error> {
    let filters = filters(run, name);
    let containers = ListContainersOptionsBuilder::default().all(true).filters(&ours()).build();
    let networks = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let volumes = ListVolumesOptionsBuilder::default().filters(&filters).build();
    let (containers, networks, volumes) = try_join3(
        client.list_containers(Some(containers)),
        client.list_networks(Some(networks)),
        client.list_volumes(Some(volumes)),
    )
    .await?;
    let is_it = |key: SandboxKey| key.run == run && name.is_none_or(|name| key.name == name);
    let containers: Vec<_> = containers.into_iter().filter(|container| key(container).is_some_and(is_it)).collect();
    let owned = containers.iter().filter(|container| container.labels.iter().flatten().any(|(name, _)| name == OWNER));
    Ok(Rest {
        owned: owned.filter_map(|container| container.id.clone()).collect(),
        containers: containers.into_iter().filter_map(|container| container.id).collect(),
        networks: networks.into_iter().filter_map(|network| network.id).collect(),
        volumes: volumes.volumes.into_iter().flatten().map(|volume| volume.name).collect(),
    })
}

impl Rest {
    fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.networks.is_empty() && self.volumes.is_empty()
    }

    /// Containers first: networks and volumes hang on them.
    async fn remove(&self, client: &Docker) -> Result<(), Error> {
        all(self.owned.iter().map(|container| owner::give_back(client, container))).await?;
        all(self.containers.iter().map(async |container| gone_or_busy(remove(client, container).await))).await?;
        all(self.networks.iter().map(async |network| gone_or_busy(client.remove_network(network).await))).await?;
        let options = None::<RemoveVolumeOptions>;
        all(self.volumes.iter().map(async |volume| gone_or_busy(client.remove_volume(volume, options.clone()).await)))
            .await
    }
}

async fn all(removals: impl Iterator<Item = impl Future<Output = Result<(), Error>>>) -> Result<(), Error> {
    join_all(removals).await.into_iter().collect()
}

/// Waits for a container whose driver has said its last word, and is about to end by itself. Killing it at that moment
/// would take the engine longer than letting it go.
async fn ended(client: &Docker, name: &str) {
    let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
    let mut ending = client.wait_container(name, Some(options));
    // Whatever comes of it: what has not ended is killed next.
    let _ = tokio::time::timeout(LAST_WORD, ending.next()).await;
}

/// Kills and removes, with anonymous volumes.
pub(super) async fn remove(client: &Docker, name: &str) -> Result<(), Error> {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    client.remove_container(name, Some(options)).await
}

/// What is gone already is as good as removed, and what is busy gets another round.
pub(super) fn gone_or_busy(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if matches!(trouble(&error), Trouble::NotFound | Trouble::Busy | Trouble::Conflict) => Ok(()),
        other => other,
    }
}
