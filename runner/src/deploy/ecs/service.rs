//! The calls to ECS about one service, and what their answers mean.

use aws_config::SdkConfig;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::error::ProvideErrorMetadata as _;
use aws_sdk_ecs::operation::register_task_definition::builders::RegisterTaskDefinitionInputBuilder;
use aws_sdk_ecs::types::{
    DeploymentControllerType, DeploymentRolloutState, DeploymentStrategy, DesiredStatus, Service, SortOrder, Tag, Task,
    TaskDefinition, TaskDefinitionField, TaskDefinitionStatus, TaskStopCode,
};

use super::follow::{Look, Rollout, RolloutState, ServiceEvent, StoppedTask};
use super::task_definition::{PREVIOUS, PREVIOUS_COUNT, TOKEN, short, tag};
use super::{Unused, no_such_service};
use crate::aws::fault;
use crate::deploy::Deployment;
use crate::fault::Fault;

/// How many of a family's newest revisions are looked through for one that a dead process left behind.
const RECENT: i32 = 10;

/// A service as one answer of ECS tells it.
pub(super) struct ServiceNow {
    pub(super) task_definition: String,
    pub(super) look: Look,
    desired: i32,
    status: String,
    unfit: Option<String>,
}

/// A revision of a task definition, with its tags.
pub(super) struct Revision {
    pub(super) definition: TaskDefinition,
    pub(super) tags: Vec<Tag>,
}

/// Calls about one service.
pub(super) struct ServiceCalls {
    client: Client,
    region: String,
    cluster: String,
    service: String,
}

impl ServiceCalls {
    pub(super) fn new(config: &SdkConfig, cluster: &str, service: &str) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        Self { client: Client::new(config), region, cluster: cluster.to_owned(), service: service.to_owned() }
    }

    /// `cluster/service`, for people.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", short(&self.cluster), short(&self.service))
    }

    /// The page of the service's deployments in the console.
    pub(super) fn page(&self) -> Option<String> {
        let (host, region) = match self.region.split('-').next()? {
            "cn" => ("console.amazonaws.cn", &self.region),
            _ => ("console.aws.amazon.com", &self.region),
        };
        let (cluster, service) = (short(&self.cluster), short(&self.service));
        Some(format!(
            "https://{region}.{host}/ecs/v2/clusters/{cluster}/services/{service}/deployments?region={region}"
        ))
    }

    pub(super) async fn describe(&self) -> Result<ServiceNow, Fault> {
        let call = self.client.describe_services().cluster(&self.cluster).services(&self.service);
        let answer = call.send().await.map_err(|error| {
            if error.code() == Some("ClusterNotFoundException") {
                Fault::configuration(format!("there is no ECS cluster `{}`", self.cluster))
                    .hint("check the name, the Region, and the account of the role")
            } else {
                fault(format!("cannot describe the ECS service {}", self.name()), &error)
            }
        })?;
        let service = answer.services().first().ok_or_else(|| no_such_service(&self.service, &self.cluster))?;
        Ok(ServiceNow::of(service))
    }

    pub(super) async fn revision(&self, arn: &str) -> Result<Revision, Fault> {
        let call = self.client.describe_task_definition().task_definition(arn).include(TaskDefinitionField::Tags);
        let doing = || format!("cannot describe the task definition {}", short(arn));
        let answer = call.send().await.map_err(|error| fault(doing(), &error))?;
        let tags = answer.tags().to_vec();
        let definition =
            answer.task_definition.ok_or_else(|| Fault::system(format!("{}: an empty answer", doing())))?;
        Ok(Revision { definition, tags })
    }

    /// A revision newer than the current one that carries the token: what a process left behind that died between
    /// registering and updating, or the rest of a deployment that ended without anybody looking.
    pub(super) async fn unused_revision(&self, current: &Revision, token: &str) -> Result<Option<Unused>, Fault> {
        let Some(family) = current.definition.family() else { return Ok(None) };
        let call = self.client.list_task_definitions().family_prefix(family).status(TaskDefinitionStatus::Active);
        let answer = call.sort(SortOrder::Desc).max_results(RECENT).send().await;
        let answer = answer.map_err(|error| fault(format!("cannot list the task definitions of {family}"), &error))?;
        for arn in answer.task_definition_arns() {
            if number(arn) <= i64::from(current.definition.revision()) || short(arn).split(':').next() != Some(family) {
                continue;
            }
            let revision = self.revision(arn).await?;
            if tag(&revision.tags, TOKEN) == Some(token) {
                let ended = self.ended(arn).await?.map(|id| Unused::Ended(self.begun(&id, arn, &revision.tags)));
                return Ok(Some(ended.unwrap_or_else(|| Unused::Registered(arn.clone()))));
            }
        }
        Ok(None)
    }

    /// A deployment of that revision in the service's history, by its ARN.
    async fn ended(&self, revision: &str) -> Result<Option<String>, Fault> {
        let doing = || format!("cannot list the deployments of the ECS service {}", self.name());
        let call = self.client.list_service_deployments().cluster(&self.cluster).service(&self.service);
        let answer = call.max_results(RECENT).send().await.map_err(|error| fault(doing(), &error))?;
        for brief in answer.service_deployments() {
            let Some(target) = brief.target_service_revision_arn() else { continue };
            let call = self.client.describe_service_revisions().service_revision_arns(target);
            let answer = call.send().await.map_err(|error| fault(doing(), &error))?;
            if answer.service_revisions().iter().any(|known| known.task_definition() == Some(revision)) {
                return Ok(brief.service_deployment_arn().map(str::to_owned));
            }
        }
        Ok(None)
    }

    pub(super) fn begun(&self, id: &str, revision: &str, tags: &[Tag]) -> Deployment {
        let previous = tag(tags, PREVIOUS).map(str::to_owned);
        let previous_count = tag(tags, PREVIOUS_COUNT).and_then(|count| count.parse().ok());
        Deployment { id: id.to_owned(), revision: revision.to_owned(), previous, previous_count, url: self.page() }
    }

    pub(super) async fn register(&self, revision: RegisterTaskDefinitionInputBuilder) -> Result<String, Fault> {
        let doing = format!("cannot register a task definition for the ECS service {}", self.name());
        let answer = revision.send_with(&self.client).await.map_err(|error| fault(&doing, &error))?;
        let arn = answer.task_definition().and_then(TaskDefinition::task_definition_arn);
        arn.map(str::to_owned).ok_or_else(|| Fault::system(format!("{doing}: an empty answer")))
    }

    /// Updates the service; gives the id of the deployment that it tries to run then.
    pub(super) async fn update(&self, revision: Option<&str>, desired: Option<u32>) -> Result<String, Fault> {
        let doing = format!("cannot update the ECS service {}", self.name());
        let call = self.client.update_service().cluster(&self.cluster).service(&self.service);
        let call = call.set_task_definition(revision.map(str::to_owned));
        let call = call.set_desired_count(desired.map(|count| i32::try_from(count).unwrap_or(i32::MAX)));
        let answer = call.send().await.map_err(|error| fault(&doing, &error))?;
        let now = answer.service().map(ServiceNow::of);
        let ours = now.as_ref().and_then(|now| {
            let of_revision = |rollout: &&Rollout| revision.is_none_or(|revision| rollout.revision == revision);
            now.look.rollouts.iter().filter(of_revision).max_by_key(|rollout| (rollout.primary, rollout.created))
        });
        ours.map(|rollout| rollout.id.clone())
            .ok_or_else(|| Fault::system(format!("{doing}: it tells of no deployment")))
    }

    /// Tasks of a revision that stopped by themselves.
    pub(super) async fn stopped_tasks(&self, revision: &str) -> Result<Vec<StoppedTask>, Fault> {
        let doing = || format!("cannot list the stopped tasks of the ECS service {}", self.name());
        let call = self.client.list_tasks().cluster(&self.cluster).service_name(short(&self.service));
        let listed =
            call.desired_status(DesiredStatus::Stopped).send().await.map_err(|error| fault(doing(), &error))?;
        if listed.task_arns().is_empty() {
            return Ok(Vec::new());
        }
        let call = self.client.describe_tasks().cluster(&self.cluster).set_tasks(listed.task_arns);
        let answer = call.send().await.map_err(|error| fault(doing(), &error))?;
        let ours = answer.tasks().iter().filter(|task| task.task_definition_arn() == Some(revision));
        Ok(ours.filter(|task| stopped_by_itself(task)).map(stopped).collect())
    }
}

impl ServiceNow {
    pub(super) fn primary(&self) -> Option<&Rollout> {
        self.look.rollouts.iter().find(|rollout| rollout.primary)
    }

    /// Whether the service can be rolled over at all.
    pub(super) fn check(&self, calls: &ServiceCalls) -> Result<(), Fault> {
        if self.status != "ACTIVE" {
            return Err(Fault::configuration(format!("the ECS service {} is {}", calls.name(), self.status)));
        }
        match &self.unfit {
            Some(what) => Err(Fault::configuration(format!("the ECS service {} is deployed by {what}", calls.name()))
                .hint("a rolling deployment needs the deployment controller ECS and the strategy ROLLING")),
            None => Ok(()),
        }
    }

    /// The deployment to follow when the current task definition has everything already. One that failed does not
    /// count: it is worth a new try.
    pub(super) fn runs_already(&self, has_all: bool) -> Option<&Rollout> {
        self.primary().filter(|primary| has_all && primary.progress != RolloutState::Failed)
    }

    /// The desired count, when the wanted one is another.
    pub(super) fn count_before(&self, wanted: Option<u32>) -> Option<u32> {
        let now = u32::try_from(self.desired).unwrap_or_default();
        wanted.filter(|wanted| *wanted != now).map(|_| now)
    }

    fn of(service: &Service) -> Self {
        let settings = service.deployment_configuration();
        let breaker = settings.and_then(|settings| settings.deployment_circuit_breaker());
        let alarms = settings.and_then(|settings| settings.alarms()).filter(|alarms| alarms.enable());
        let enabled = breaker.filter(|breaker| breaker.enable());
        let events = service.events().iter().map(|event| ServiceEvent {
            id: event.id().unwrap_or_default().to_owned(),
            at: milliseconds(event.created_at()),
            message: event.message().unwrap_or_default().to_owned(),
        });
        let controller = service.deployment_controller().map(|controller| controller.r#type());
        let strategy = settings.and_then(|settings| settings.strategy());
        let unfit = controller
            .filter(|kind| **kind != DeploymentControllerType::Ecs)
            .map(DeploymentControllerType::as_str)
            .or_else(|| strategy.filter(|kind| **kind != DeploymentStrategy::Rolling).map(DeploymentStrategy::as_str));
        let rollouts: Vec<Rollout> =
            service.deployments().iter().map(|deployment| rollout(service, deployment)).collect();
        // What the service is told to run; its own field may lag behind while ECS rolls back.
        let primary = rollouts.iter().find(|rollout| rollout.primary).map(|rollout| rollout.revision.clone());
        Self {
            task_definition: primary.unwrap_or_else(|| service.task_definition().unwrap_or_default().to_owned()),
            desired: service.desired_count(),
            status: service.status().unwrap_or_default().to_owned(),
            unfit: unfit.map(str::to_owned),
            look: Look {
                rollouts,
                events: events.collect(),
                notices: enabled.is_some() || alarms.is_some(),
                rolls_back: enabled.is_some_and(|breaker| breaker.rollback())
                    || alarms.is_some_and(|alarms| alarms.rollback()),
            },
        }
    }
}

fn rollout(service: &Service, deployment: &aws_sdk_ecs::types::Deployment) -> Rollout {
    let (running, pending, desired) =
        (deployment.running_count(), deployment.pending_count(), deployment.desired_count());
    let alone = service.deployments().len() == 1;
    let progress = match deployment.rollout_state() {
        Some(DeploymentRolloutState::Completed) => RolloutState::Completed,
        Some(DeploymentRolloutState::Failed) => RolloutState::Failed,
        // Behind a Classic Load Balancer ECS gives no state; then it is done when it is alone and all its tasks run.
        None if alone && pending == 0 && running == desired => RolloutState::Completed,
        _ => RolloutState::InProgress,
    };
    Rollout {
        id: deployment.id().unwrap_or_default().to_owned(),
        primary: deployment.status() == Some("PRIMARY"),
        revision: deployment.task_definition().unwrap_or_default().to_owned(),
        progress,
        reason: deployment.rollout_state_reason().unwrap_or_default().to_owned(),
        desired,
        running,
        pending,
        failed: deployment.failed_tasks(),
        created: milliseconds(deployment.created_at()),
    }
}

/// Tasks that a roll-out or a person stopped say nothing about the image.
fn stopped_by_itself(task: &Task) -> bool {
    let scaled = task.stopped_reason().is_some_and(|reason| reason.starts_with("Scaling activity"));
    !scaled && task.stop_code() != Some(&TaskStopCode::UserInitiated)
}

fn stopped(task: &Task) -> StoppedTask {
    let containers = task.containers().iter().filter_map(|container| {
        let name = container.name().unwrap_or_default();
        match (container.reason(), container.exit_code()) {
            (Some(reason), _) => Some(format!("{name}: {reason}")),
            (None, Some(code)) if code != 0 => Some(format!("{name}: exit code {code}")),
            (None, _) => None,
        }
    });
    let containers: Vec<String> = containers.collect();
    let said = task.stopped_reason().unwrap_or("no reason given");
    let reason = if containers.is_empty() { said.to_owned() } else { format!("{said} ({})", containers.join(", ")) };
    StoppedTask { arn: task.task_arn().unwrap_or_default().to_owned(), reason }
}

fn milliseconds(at: Option<&aws_sdk_ecs::primitives::DateTime>) -> i64 {
    at.and_then(|at| at.to_millis().ok()).unwrap_or_default()
}

/// The revision of an ARN.
fn number(arn: &str) -> i64 {
    arn.rsplit_once(':').and_then(|(_, number)| number.parse().ok()).unwrap_or_default()
}
