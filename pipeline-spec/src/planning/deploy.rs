//! Deploy actions, with their defaults.

use super::{optional, templates};
use crate::pipeline::Deploy as Written;
use crate::plan::{Deploy, DeployTarget, EcsService};
use crate::validate::Known;

/// A deployment takes an hour at the most unless it says otherwise: CodePipeline's limit for its ECS action.
const TIMEOUT: u64 = 3600;

pub(super) fn deploy(written: &Written, known: &Known<'_>) -> Option<Deploy> {
    let ecs = written.ecs.as_ref()?;
    let environment = ecs.environment.iter().map(|(name, variables)| (name.clone(), templates(variables, known)));
    Some(Deploy {
        role: written.role.as_ref().map(|role| known.fill(role)),
        region: optional(&written.region, known)?,
        target: DeployTarget::Ecs(EcsService {
            cluster: known.fill(ecs.cluster.as_ref()?),
            service: known.fill(ecs.service.as_ref()?),
            images: templates(&ecs.images, known),
            environment: environment.collect(),
            desired_count: ecs.desired_count,
        }),
        timeout_seconds: written.timeout.unwrap_or(TIMEOUT),
    })
}
