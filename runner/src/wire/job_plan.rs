//! What a job is to do, as a plan: its words, and what it finds in its source.

use std::path::Path;

use pipeline_spec::Purpose;
use pipeline_spec::diagnostic::Colours;
use pipeline_spec::plan::{
    Action, Deploy, DeployTarget, EcsService, OnFailure, Plan, Stage, Template, Work as PlannedWork,
};

use crate::deploy::handoff;
use crate::fault::Fault;
use crate::queue::{Deployment, JobOrder, Spec};
use crate::spec;

/// A deployment of a job takes an hour at the most unless it says otherwise, as CodePipeline's ECS action.
const DEPLOYMENT: u64 = 3600;

/// What a spec says, with what the job lays over it.
pub(super) fn of_spec(wish: &Spec, project: &str, folder: &Path) -> Result<Plan, Fault> {
    let (variables, purpose) = (&wish.variables, Purpose::Run);
    let checked = match (&wish.inline, &wish.path) {
        (Some(text), _) => spec::read_text("Buildspec", text.clone(), folder, variables, Some(project), purpose),
        (None, path) => {
            let (name, text) = spec::of_source(folder, path.as_deref())?;
            spec::read_text(&name, text, folder, variables, Some(project), purpose)
        }
    };
    let Some(mut plan) = checked.plan.as_ref().cloned() else {
        return Err(Fault::configuration(checked.render(Colours::Off)));
    };
    for action in plan.stages.iter_mut().flat_map(|stage| &mut stage.actions) {
        if let PlannedWork::Build(build) = &mut action.work {
            // A start's variables win over the buildspec's (CodeBuild user guide, "Environment variables in build environments").
            build.environment.extend(wish.environment.iter().cloned());
            if let Some(seconds) = wish.timeout_seconds {
                build.timeouts.build_seconds = seconds;
            }
        }
    }
    Ok(plan)
}

/// One roll-out of the images that a file of the revision names.
pub(super) fn of_deployment(wish: &Deployment, order: &JobOrder, folder: &Path) -> Result<Plan, Fault> {
    let text = spec::text_in(folder, &wish.file)?;
    let images = handoff::read_image_definitions(&text).map_err(|fault| fault.doing(&wish.file))?;
    let target = DeployTarget::Ecs(EcsService {
        cluster: Template::literal(&wish.cluster),
        service: Template::literal(&wish.service),
        images: images.into_iter().map(|(name, image)| (name, Template::literal(image))).collect(),
        environment: std::collections::BTreeMap::new(),
        desired_count: None,
    });
    let deploy = Deploy {
        role: wish.role.as_ref().map(Template::literal),
        region: wish.region.clone(),
        target,
        timeout_seconds: wish.timeout_seconds.unwrap_or(DEPLOYMENT),
    };
    let name = |name: &str, otherwise: &str| if name.is_empty() { otherwise.to_owned() } else { name.to_owned() };
    let action = Action {
        name: name(&order.place.action, "deploy"),
        needs: Vec::new(),
        work: PlannedWork::Deploy(Box::new(deploy)),
    };
    let stage = Stage {
        name: name(&order.place.stage, "Deploy"),
        before_entry: Vec::new(),
        actions: vec![action],
        on_success: Vec::new(),
        on_failure: OnFailure::Fail,
    };
    Ok(Plan {
        name: order.project.clone(),
        source: order.source.clone(),
        variables: std::collections::BTreeMap::new(),
        stages: vec![stage],
    })
}
