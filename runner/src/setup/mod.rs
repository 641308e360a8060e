//! What an account and a machine need for workers, as text: a CloudFormation template and systemd units. Everything here
//! is a function from [`Stack`] to text. It calls nothing, and knows neither the clock nor the machine that it runs on.

mod action_types;
mod arn;
mod ecs;
mod events;
mod fleet;
mod permissions;
mod records;
mod systemd;
mod template;
mod yaml;

#[cfg(test)]
mod fleet_tests;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::queue::codepipeline::action_type::Category;

pub use records::{EXPIRES, PARTITION_KEY, SORT_KEY};
pub use systemd::{UnitOrder, unit};
pub use template::template;
pub use yaml::yaml;

/// What a template is to hold. Names are taken as they are; [`template`] says which of them cannot be.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Names the installation: its machines, and its part of Parameter Store and Secrets Manager.
    pub name: String,
    /// The pools of machines, by the names that actions ask for.
    pub pools: Vec<String>,
    /// The action types to make.
    pub types: Vec<Category>,
    /// Buckets, by name or ARN, that workers put whole logs into and take the sources of submitted runs from. What
    /// CodePipeline hands over in its own bucket needs no permission: each job brings credentials for it.
    pub buckets: Vec<String>,
    /// ECR repositories, by name or ARN, to push to and to pull from.
    pub images: Vec<String>,
    /// Whether those of them that are missing may be made.
    pub creates_repositories: bool,
    /// ECR repositories, by name or ARN, to pull from only.
    pub base_images: Vec<String>,
    /// CodeCommit repositories, by name or ARN, to clone.
    pub repositories: Vec<String>,
    /// Whether a push to one of the repositories is a job of the first pool.
    pub on_push: bool,
    /// Roles, by ARN, that deployments may assume.
    pub deploy_roles: Vec<String>,
    /// ECS services of this account and Region, as `CLUSTER/SERVICE`, that workers deploy to without another role.
    pub services: Vec<String>,
    /// Roles, by ARN, that the tasks of these services have: who registers a task definition passes them on.
    pub task_roles: Vec<String>,
    /// Beginnings of names in Parameter Store and Secrets Manager that builds may read.
    pub secrets: Vec<String>,
    /// Keys, by ARN, that these secrets and buckets are encrypted with, where they are the account's own.
    pub keys: Vec<String>,
    /// Whether the stack runs the machines too, in an Auto Scaling group a pool.
    pub autoscaling: bool,
    /// How long the worker of such a machine may take to end its jobs when it is stopped.
    pub stop: Duration,
}

impl Default for Stack {
    /// One pool and all action types, on machines that somebody else runs.
    fn default() -> Self {
        Self {
            name: "sluice".to_owned(),
            pools: vec!["default".to_owned()],
            types: Category::ALL.to_vec(),
            buckets: Vec::new(),
            images: Vec::new(),
            creates_repositories: false,
            base_images: Vec::new(),
            repositories: Vec::new(),
            on_push: false,
            deploy_roles: Vec::new(),
            services: Vec::new(),
            task_roles: Vec::new(),
            secrets: Vec::new(),
            keys: Vec::new(),
            autoscaling: false,
            stop: UnitOrder::DEFAULT_STOP,
        }
    }
}
