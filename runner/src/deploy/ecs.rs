//! Rolling deployments of Amazon ECS services.
//!
//! A deployment is a new revision of the service's task definition (the current one, with images and variables
//! swapped) and an update of the service to it. The revision carries two tags, the order's token and what ran before,
//! so that whoever comes later finds out from ECS alone what was begun.

mod follow;
mod service;
mod task_definition;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::{Deployer, Deployment, DeploymentOrder, DeploymentOutcome, TargetOrder};
use crate::aws::Aws;
use crate::cancel::{Cancel, Reason};
use crate::fault::{Fault, FaultKind};
use crate::progress::Progress;
use follow::{Following, RolloutState};
use service::{Revision, ServiceCalls, ServiceNow};
use task_definition::{Change, Marks, short};

/// How often ECS is asked, and how long for.
#[derive(Clone, Copy, Debug)]
pub struct EcsConfig {
    /// The pause after the first look. Each pause is a half longer than the one before it.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long a roll-back may take.
    pub roll_back: Duration,
    /// How many looks in a row may fail on the system's side before the deployment is given up on.
    pub patience: u32,
}

impl Default for EcsConfig {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(5),
            roll_back: Duration::from_secs(30 * 60),
            patience: 10,
        }
    }
}

/// Deploys to ECS services.
#[derive(Clone)]
pub struct EcsDeployer {
    aws: Aws,
    config: EcsConfig,
}

impl EcsDeployer {
    /// With the caller's AWS.
    #[must_use]
    pub fn new(aws: Aws, config: EcsConfig) -> Self {
        Self { aws, config }
    }

    async fn calls(&self, order: &DeploymentOrder) -> Result<ServiceCalls, Fault> {
        let TargetOrder::Ecs { cluster, service, .. } = &order.target;
        let config = self.aws.config(order.role.as_deref(), order.region.as_deref()).await?;
        Ok(ServiceCalls::new(&config, cluster, service))
    }

    /// Looks again and again until the deployment has come to an end.
    async fn watch(
        &self,
        calls: &ServiceCalls,
        deployment: &str,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<DeploymentOutcome, Fault> {
        let mut following = Following::new(deployment);
        let (mut pause, mut failures, mut told_failed) = (self.config.first_pause, 0, 0);
        loop {
            match calls.describe().await {
                Ok(now) => {
                    failures = 0;
                    let ours = now.look.rollouts.iter().find(|rollout| rollout.id == deployment);
                    if let Some(ours) =
                        ours.filter(|ours| ours.failed > told_failed || ours.progress == RolloutState::Failed)
                    {
                        told_failed = ours.failed;
                        let stopped = calls.stopped_tasks(&ours.revision).await.unwrap_or_default();
                        tell(progress, &following.stopped(&stopped));
                    }
                    let seen = following.look(&now.look);
                    tell(progress, &seen.lines);
                    progress.doing(format!("rolling out {}: {}", calls.name(), seen.standing));
                    if let Some(outcome) = seen.outcome {
                        return Ok(outcome);
                    }
                }
                Err(fault) if fault.kind == FaultKind::System && failures < self.config.patience => {
                    failures += 1;
                    tell(progress, &[format!("looking again after: {fault}")]);
                }
                Err(fault) => return Err(fault),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = self.config.longest_pause.min(pause * 3 / 2),
                reason = cancel.requested() => return match reason {
                    Reason::TimedOut => Ok(DeploymentOutcome::TimedOut(following.out_of_time())),
                    Reason::Sibling | Reason::Stopped | Reason::Killed | Reason::Lost => Err(Fault::stopped(format!(
                        "stopped while {} was rolled out; ECS goes on with it",
                        calls.name()
                    ))),
                },
            }
        }
    }
}

#[async_trait]
impl Deployer for EcsDeployer {
    async fn begin(&self, order: &DeploymentOrder, progress: &Progress) -> Result<Deployment, Fault> {
        let calls = self.calls(order).await?;
        progress.doing(format!("looking at {}", calls.name()));
        let now = calls.describe().await?;
        now.check(&calls)?;
        let current = calls.revision(&now.task_definition).await?;
        if let Some(known) = find_begun(&calls, &now, &current, &order.token).await? {
            tell(progress, &[format!("deployment {} of {} was begun before", known.id, short(&known.revision))]);
            return Ok(known);
        }
        let TargetOrder::Ecs { images, environment, desired_count, .. } = &order.target;
        let change = Change { images, environment };
        let previous_count = now.count_before(*desired_count);
        if let Some(running) = now.runs_already(task_definition::has_all(&current.definition, change)?) {
            tell(progress, &[format!("{} runs exactly this already", short(&running.revision))]);
            if previous_count.is_some() {
                calls.update(None, *desired_count).await?;
            }
            let (id, revision) = (running.id.clone(), running.revision.clone());
            return Ok(Deployment {
                id,
                previous: Some(revision.clone()),
                revision,
                previous_count,
                url: calls.page(),
            });
        }
        let revision = match calls.unused_revision(&current, &order.token).await? {
            Some(Unused::Registered(revision)) => revision,
            Some(Unused::Ended(deployment)) => return Ok(deployment),
            None => {
                let marks = Marks { token: &order.token, previous_count };
                calls.register(task_definition::next(&current.definition, &current.tags, change, marks)?).await?
            }
        };
        tell(progress, &described(&revision, images));
        let id = calls.update(Some(&revision), *desired_count).await?;
        Ok(Deployment { id, revision, previous: Some(now.task_definition), previous_count, url: calls.page() })
    }

    async fn follow(
        &self,
        order: &DeploymentOrder,
        deployment: &Deployment,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<DeploymentOutcome, Fault> {
        let calls = self.calls(order).await?;
        self.watch(&calls, &deployment.id, progress, cancel).await
    }

    /// A service that somebody else has deployed to since is left alone, and so is a desired count that somebody else
    /// has set. The circuit breaker takes images back, and no count.
    async fn roll_back(
        &self,
        order: &DeploymentOrder,
        deployment: &Deployment,
        progress: &Progress,
    ) -> Result<DeploymentOutcome, Fault> {
        let Some(previous) = &deployment.previous else {
            return Ok(DeploymentOutcome::Failed("there is nothing to go back to".to_owned()));
        };
        let calls = self.calls(order).await?;
        let now = calls.describe().await?;
        let TargetOrder::Ecs { desired_count, .. } = &order.target;
        let count = deployment.previous_count.filter(|_| now.count_before(*desired_count).is_none());
        let id = if now.task_definition == *previous {
            tell(progress, &[format!("{} is back already", short(previous))]);
            tell(progress, &told_count(count));
            match count {
                Some(_) => calls.update(None, count).await?,
                None => now.primary().map(|primary| primary.id.clone()).unwrap_or_default(),
            }
        } else if now.task_definition == deployment.revision {
            tell(progress, &[format!("going back from {} to {}", short(&deployment.revision), short(previous))]);
            tell(progress, &told_count(count));
            calls.update(Some(previous), count).await?
        } else {
            let runs = short(&now.task_definition);
            let why = format!("{} runs {runs} by now, which is not ours to take back", calls.name());
            return Ok(DeploymentOutcome::Failed(why));
        };
        let never = Cancel::new();
        match tokio::time::timeout(self.config.roll_back, self.watch(&calls, &id, progress, &never)).await {
            Ok(outcome) => outcome,
            Err(_) => Ok(DeploymentOutcome::TimedOut(format!(
                "{} did not come back to {} in time",
                calls.name(),
                short(previous)
            ))),
        }
    }
}

/// A revision that carries the token, and that the service has no deployment of now.
enum Unused {
    /// The service was never updated to it.
    Registered(String),
    /// The service ran it, and does no more.
    Ended(Deployment),
}

/// The deployment that the token began, when the service still lists it.
async fn find_begun(
    calls: &ServiceCalls,
    now: &ServiceNow,
    current: &Revision,
    token: &str,
) -> Result<Option<Deployment>, Fault> {
    for rollout in &now.look.rollouts {
        let described;
        let revision = if rollout.revision == now.task_definition {
            current
        } else {
            described = calls.revision(&rollout.revision).await?;
            &described
        };
        if task_definition::tag(&revision.tags, task_definition::TOKEN) == Some(token) {
            return Ok(Some(calls.begun(&rollout.id, &rollout.revision, &revision.tags)));
        }
    }
    Ok(None)
}

fn described(revision: &str, images: &BTreeMap<String, String>) -> Vec<String> {
    let images = images.iter().map(|(container, image)| format!("  {container}: {image}"));
    std::iter::once(format!("rolling out {}", short(revision))).chain(images).collect()
}

fn told_count(count: Option<u32>) -> Vec<String> {
    count.map(|count| format!("the desired count goes back to {count}")).into_iter().collect()
}

fn tell(progress: &Progress, lines: &[String]) {
    for line in lines {
        progress.output(format!("{line}\n"));
    }
}

/// Shared with the fake, so that both say the same.
pub(super) fn no_such_container(name: &str, revision: &str, known: &[&str]) -> Fault {
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    Fault::configuration(format!("container `{name}` is not in the task definition {revision}"))
        .hint(format!("its containers are {}", known.join(", ")))
}

/// Shared with the fake, so that both say the same.
pub(super) fn no_such_service(service: &str, cluster: &str) -> Fault {
    Fault::configuration(format!("there is no ECS service `{service}` in the cluster `{cluster}`"))
        .hint("check the names, the Region, and the account of the role")
}
