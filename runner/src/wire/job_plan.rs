//! What a job is to do, as a plan: its words, and what it finds in its source.

use std::collections::BTreeMap;
use std::path::Path;

use pipeline_spec::Purpose;
use pipeline_spec::diagnostic::{Colours, Diagnostics};
use pipeline_spec::plan::{
    Action, Deploy, DeployTarget, EcsService, OnFailure, Plan, Stage, Template, Work as PlannedWork,
};

use crate::deploy::handoff;
use crate::fault::Fault;
use crate::queue::{Deployment, JobOrder, Spec};
use crate::spec;

/// A deployment of a job takes an hour at the most unless it says otherwise, as CodePipeline's ECS action.
const DEPLOYMENT: u64 = 3600;

/// What a spec was warned of, by the action in whose log it is read.
type Warnings = BTreeMap<String, Vec<String>>;

/// What a spec says, with what the job lays over it, and what was found in it that is no error.
pub(super) fn of_spec(wish: &Spec, project: &str, folder: &Path) -> Result<(Plan, Warnings), Fault> {
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
    let warnings = warnings(&checked.diagnostics, &plan);
    Ok((plan, warnings))
}

/// Nobody sees what a worker prints, so a warning is told by the build that it is about, or else by the first action.
fn warnings(diagnostics: &Diagnostics, plan: &Plan) -> Warnings {
    let mut warnings = Warnings::new();
    let actions = || plan.stages.iter().flat_map(|stage| &stage.actions);
    for found in diagnostics.iter() {
        let is_about = |action: &&Action| match &action.work {
            PlannedWork::Build(build) => build.buildspec == found.file,
            PlannedWork::Image(_) | PlannedWork::Deploy(_) => false,
        };
        if let Some(action) = actions().find(is_about).or_else(|| actions().next()) {
            let hint = found.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            let text = format!("{}:{}: {}{hint}", found.file, found.span.line, found.message);
            warnings.entry(action.name.clone()).or_default().push(text);
        }
    }
    warnings
}

/// One roll-out of the images that a file of the revision names.
pub(super) fn of_deployment(wish: &Deployment, order: &JobOrder, folder: &Path) -> Result<Plan, Fault> {
    let text = spec::text_in(folder, &wish.file)?;
    let images = handoff::read_image_definitions(&text).map_err(|fault| fault.doing(&wish.file))?;
    let target = DeployTarget::Ecs(EcsService {
        cluster: Template::literal(&wish.cluster),
        service: Template::literal(&wish.service),
        images: images.into_iter().map(|(name, image)| (name, Template::literal(image))).collect(),
        environment: BTreeMap::new(),
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
        variables: BTreeMap::new(),
        stages: vec![stage],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_told_by_the_build_that_it_is_about() {
        let source = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(source.path().join(name), text).unwrap();
        write("clean.yml", "version: 0.2\nphases: { build: { commands: [ls] } }\n");
        write("odd.yml", "version: 0.2\nodd: true\nphases: { build: { commands: [ls] } }\n");
        write(
            "pipeline.yml",
            "version: 1
stages:
  - name: Build
    actions:
      - { name: first, build: { buildspec: clean.yml } }
      - { name: second, build: { buildspec: odd.yml } }
      - { name: third, build: { buildspec: odd.yml } }
",
        );
        let (_, warnings) = of_spec(&Spec::default(), "app", source.path()).unwrap();
        assert_eq!(warnings.keys().collect::<Vec<_>>(), ["second"], "once, though two actions have the buildspec");
        assert!(warnings["second"][0].starts_with("odd.yml:2: "), "{warnings:?}");
        let path = Some("odd.yml".to_owned());
        let (_, warnings) = of_spec(&Spec { path, ..Spec::default() }, "app", source.path()).unwrap();
        assert_eq!(warnings["build"].len(), 1);
    }

    #[test]
    fn a_buildspec_of_a_batch_alone_is_no_build_of_nothing() {
        let inline = Some("batch: { build-fanout: { parallelism: 5 } }\n".to_owned());
        let wish = Spec { inline, ..Spec::default() };
        let fault = of_spec(&wish, "app", tempfile::tempdir().unwrap().path()).unwrap_err();
        assert!(fault.message.contains("there are no phases"), "{}", fault.message);
    }
}
