//! A deployment target in memory for tests, as strict as ECS: it knows its services and their containers, remembers
//! tokens, replaces a deployment by the next one, and rolls failing ones back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::ecs::{no_such_container, no_such_service};
use super::{Deployer, Deployment, DeploymentOrder, DeploymentOutcome, TargetOrder};
use crate::cancel::{Cancel, Reason};
use crate::fault::Fault;
use crate::progress::Progress;

/// What comes of rolling out an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// Its tasks run.
    #[default]
    Runs,
    /// Its tasks fail, and the deployment is rolled back.
    Fails,
    /// Its tasks never become healthy, and nobody notices.
    Hangs,
}

/// Services in memory. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryDeployer {
    services: Arc<Mutex<BTreeMap<(String, String), Service>>>,
    fates: Arc<Mutex<BTreeMap<String, Fate>>>,
}

/// The revisions of a service, the first one running from the start, and its deployments.
#[derive(Clone, Default)]
struct Service {
    revisions: Vec<Revision>,
    deployments: Vec<Begun>,
    current: usize,
    count: u32,
}

#[derive(Clone, Default, PartialEq)]
struct Revision {
    images: BTreeMap<String, String>,
    environment: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Clone)]
struct Begun {
    token: String,
    revision: usize,
    previous: usize,
    previous_count: Option<u32>,
    failed: bool,
}

impl MemoryDeployer {
    /// Without services.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a service that runs one task of these images, by container.
    #[must_use]
    pub fn service(self, cluster: &str, service: &str, images: &[(&str, &str)]) -> Self {
        let images = images.iter().map(|(name, image)| ((*name).to_owned(), (*image).to_owned())).collect();
        let first = Revision { images, environment: BTreeMap::new() };
        let new = Service { revisions: vec![first], count: 1, ..Service::default() };
        lock(&self.services).insert((cluster.to_owned(), service.to_owned()), new);
        self
    }

    /// Decides what comes of an image; others run.
    #[must_use]
    pub fn fate(self, image: &str, fate: Fate) -> Self {
        lock(&self.fates).insert(image.to_owned(), fate);
        self
    }

    /// The images that the service runs, or tries to.
    #[must_use]
    pub fn running(&self, cluster: &str, service: &str) -> Option<BTreeMap<String, String>> {
        let services = lock(&self.services);
        let service = services.get(&(cluster.to_owned(), service.to_owned()))?;
        Some(service.revisions[service.current].images.clone())
    }

    /// The desired count of the service.
    #[must_use]
    pub fn count(&self, cluster: &str, service: &str) -> Option<u32> {
        lock(&self.services).get(&(cluster.to_owned(), service.to_owned())).map(|known| known.count)
    }

    /// How many deployments the service has begun.
    #[must_use]
    pub fn begun(&self, cluster: &str, service: &str) -> usize {
        lock(&self.services).get(&(cluster.to_owned(), service.to_owned())).map_or(0, |known| known.deployments.len())
    }

    fn with<T>(
        &self,
        order: &DeploymentOrder,
        then: impl FnOnce(&str, &mut Service) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let TargetOrder::Ecs { cluster, service, .. } = &order.target;
        let mut services = lock(&self.services);
        let known = services.get_mut(&(cluster.clone(), service.clone()));
        then(service, known.ok_or_else(|| no_such_service(service, cluster))?)
    }

    fn fate_of(&self, images: &BTreeMap<String, String>) -> Fate {
        let fates = lock(&self.fates);
        let of = |fate| images.values().any(|image| fates.get(image) == Some(&fate));
        if of(Fate::Fails) {
            Fate::Fails
        } else if of(Fate::Hangs) {
            Fate::Hangs
        } else {
            Fate::Runs
        }
    }
}

#[async_trait]
impl Deployer for MemoryDeployer {
    async fn begin(&self, order: &DeploymentOrder, _progress: &Progress) -> Result<Deployment, Fault> {
        check_token(&order.token)?;
        let TargetOrder::Ecs { images, environment, desired_count, .. } = &order.target;
        self.with(order, |name, service| {
            if let Some(index) = service.deployments.iter().position(|known| known.token == order.token) {
                return Ok(service.told(name, index));
            }
            let mut next = service.revisions[service.current].clone();
            let known: Vec<&str> = next.images.keys().map(String::as_str).collect();
            if let Some(other) = images.keys().chain(environment.keys()).find(|name| !known.contains(&name.as_str())) {
                return Err(no_such_container(other, &format!("{name}:{}", service.current + 1), &known));
            }
            next.images.extend(images.clone());
            for (container, variables) in environment {
                next.environment.entry(container.clone()).or_default().extend(variables.clone());
            }
            if next == service.revisions[service.current] {
                let arn = revision_name(name, service.current);
                return Ok(Deployment {
                    id: "memory-running".to_owned(),
                    revision: arn.clone(),
                    previous: Some(arn),
                    previous_count: service.set_count(*desired_count),
                    url: None,
                });
            }
            service.revisions.push(next);
            let begun = service.begin(name, &order.token, service.revisions.len() - 1);
            let previous_count = service.set_count(*desired_count);
            if let Some(begun) = service.deployments.last_mut() {
                begun.previous_count = previous_count;
            }
            Ok(Deployment { previous_count, ..begun })
        })
    }

    async fn follow(
        &self,
        order: &DeploymentOrder,
        deployment: &Deployment,
        _progress: &Progress,
        cancel: &Cancel,
    ) -> Result<DeploymentOutcome, Fault> {
        let name = format!("deployment {} of {}", deployment.id, deployment.revision);
        let images = self.with(order, |service, known| {
            let is_current = revision_name(service, known.current) == deployment.revision;
            let failed = known
                .deployments
                .iter()
                .any(|begun| begun.failed && revision_name(service, begun.revision) == deployment.revision);
            if failed {
                return Ok(Err(failure(&name, deployment)));
            }
            if !is_current {
                return Ok(Err(format!("{name} was replaced by {}", revision_name(service, known.current))));
            }
            Ok(Ok(known.revisions[known.current].images.clone()))
        })?;
        let images = match images {
            Ok(images) => images,
            Err(why) => return Ok(DeploymentOutcome::Failed(why)),
        };
        match self.fate_of(&images) {
            Fate::Runs => Ok(DeploymentOutcome::Succeeded),
            Fate::Fails => self.with(order, |_, known| {
                if let Some(begun) = known.deployments.last_mut() {
                    begun.failed = true;
                    known.current = begun.previous;
                }
                Ok(DeploymentOutcome::Failed(failure(&name, deployment)))
            }),
            Fate::Hangs => match cancel.requested().await {
                Reason::TimedOut => Ok(DeploymentOutcome::TimedOut(format!("{name} did not become stable in time"))),
                Reason::Sibling | Reason::Stopped | Reason::Killed | Reason::Lost => {
                    Err(Fault::stopped(format!("stopped while {name} was rolled out")))
                }
            },
        }
    }

    async fn roll_back(
        &self,
        order: &DeploymentOrder,
        deployment: &Deployment,
        _progress: &Progress,
    ) -> Result<DeploymentOutcome, Fault> {
        let Some(previous) = &deployment.previous else {
            return Ok(DeploymentOutcome::Failed("there is nothing to go back to".to_owned()));
        };
        self.with(order, |name, service| {
            let runs = revision_name(name, service.current);
            let TargetOrder::Ecs { desired_count, .. } = &order.target;
            let count = deployment.previous_count.filter(|_| *desired_count == Some(service.count));
            let back = (0..service.revisions.len()).find(|index| revision_name(name, *index) == *previous);
            match back {
                _ if runs == *previous => {
                    service.set_count(count);
                    Ok(DeploymentOutcome::Succeeded)
                }
                Some(back) if runs == deployment.revision => {
                    service.set_count(count);
                    service.begin(name, &format!("{}-back", order.token), back);
                    Ok(DeploymentOutcome::Succeeded)
                }
                _ => {
                    Ok(DeploymentOutcome::Failed(format!("{name} runs {runs} by now, which is not ours to take back")))
                }
            }
        })
    }
}

impl Service {
    fn begin(&mut self, name: &str, token: &str, revision: usize) -> Deployment {
        let previous = self.current;
        let token = token.to_owned();
        self.deployments.push(Begun { token, revision, previous, previous_count: None, failed: false });
        self.current = revision;
        self.told(name, self.deployments.len() - 1)
    }

    fn told(&self, name: &str, index: usize) -> Deployment {
        let begun = &self.deployments[index];
        Deployment {
            id: format!("memory-{}", index + 1),
            revision: revision_name(name, begun.revision),
            previous: Some(revision_name(name, begun.previous)),
            previous_count: begun.previous_count,
            url: None,
        }
    }

    /// Sets the count; gives the one before when it was another.
    fn set_count(&mut self, wanted: Option<u32>) -> Option<u32> {
        let before = self.count;
        self.count = wanted.unwrap_or(before);
        (self.count != before).then_some(before)
    }
}

fn failure(name: &str, deployment: &Deployment) -> String {
    let back = deployment.previous.as_deref().unwrap_or("nothing");
    format!("{name} failed: the circuit breaker was triggered; rolled back to {back}")
}

fn revision_name(service: &str, index: usize) -> String {
    format!("{service}:{}", index + 1)
}

fn check_token(token: &str) -> Result<(), Fault> {
    let fits =
        (1..=64).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fits { Ok(()) } else { Err(Fault::configuration(format!("`{token}` is no deployment token"))) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
