//! What a worker needs to deploy to ECS services of its own account and Region, without another role. The calls are
//! those of `deploy/ecs`; whatever is anywhere else is deployed to through a role of that place.

use serde_json::json;

use super::Stack;
use super::arn::{self, checked, sub};
use super::permissions::{Statement, all};
use crate::fault::Fault;

/// Each names a service, a revision of it, or a task.
const SERVICE: &[&str] = &[
    "ecs:DescribeServiceRevisions",
    "ecs:DescribeServices",
    "ecs:DescribeTasks",
    "ecs:ListServiceDeployments",
    "ecs:UpdateService",
];
/// IAM knows the cluster of this call only as a condition.
const LIST_TASKS: &[&str] = &["ecs:ListTasks"];
/// IAM has no resource for these.
const LOOK: &[&str] = &["ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"];
/// A service does not tell in its name which family its task definitions are of.
const REGISTER: &[&str] = &["ecs:RegisterTaskDefinition"];
const TAG: &[&str] = &["ecs:TagResource"];
const PASS: &[&str] = &["iam:PassRole"];

const OWN: &str = "arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:";

/// Nothing where no service is named.
pub(super) fn statements(stack: &Stack) -> Result<Vec<Statement>, Fault> {
    let named = stack.services.iter().map(|given| cluster_and_service(given)).collect::<Result<Vec<_>, _>>()?;
    let roles = all(&stack.task_roles, |role| arn::of("iam", role).map(Into::into))?;
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let own = |resource: String| sub(&format!("{OWN}{resource}"));
    let services = named.iter().flat_map(|(cluster, service)| {
        let whole = format!("{cluster}/{service}");
        [format!("service/{whole}"), format!("service-revision/{whole}/*"), format!("task/{cluster}/*")].map(own)
    });
    let clusters: Vec<_> = named.iter().map(|(cluster, _)| own(format!("cluster/{cluster}"))).collect();
    let definitions = vec![own("task-definition/*:*".to_owned())];
    let registering = json!({ "StringEquals": { "ecs:CreateAction": "RegisterTaskDefinition" } });
    let of_tasks = json!({ "StringEquals": { "iam:PassedToService": "ecs-tasks.amazonaws.com" } });
    Ok(vec![
        Statement::new("RollOutServices", SERVICE, services.collect()),
        Statement::new("ListTasks", LIST_TASKS, vec!["*".into()])
            .when(json!({ "ArnLike": { "ecs:cluster": clusters } })),
        Statement::new("LookAtTaskDefinitions", LOOK, vec!["*".into()]),
        Statement::new("RegisterTaskDefinitions", REGISTER, definitions.clone()),
        Statement::new("TagTaskDefinitions", TAG, definitions).when(registering),
        Statement::new("PassTaskRoles", PASS, roles).when(of_tasks),
    ])
}

fn cluster_and_service(given: &str) -> Result<(&str, &str), Fault> {
    match given.split_once('/') {
        Some((cluster, service)) if !service.contains('/') => {
            // A `*` alone is meant here: all services of a cluster are named by it.
            let service = if service == "*" { service } else { checked(service)? };
            Ok((checked(cluster)?, service))
        }
        _ => Err(Fault::configuration(format!("`{given}` is no ECS service"))
            .hint("write CLUSTER/SERVICE; a service of another account or Region needs a role: --deploy-role")),
    }
}
