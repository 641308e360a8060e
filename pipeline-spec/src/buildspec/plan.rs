//! From a buildspec to the build that is planned. Total: whatever was read without an error can be planned.

use super::{Artifacts, Buildspec, Command, OnFailure, Phase, Report, Version};
use crate::plan::{
    self, Build, CommandPlan, NextAfterFailure, PhaseRule, Plan, ReportFormat, Shell, Source, Stage, Work,
};

impl Buildspec {
    /// The build that this buildspec describes, of the project of that name. What a buildspec does not say (image,
    /// services, limits, time-outs) has the default; the caller sets it.
    #[must_use]
    pub fn to_build(&self, project: &str) -> Build {
        Build {
            image: None,
            buildspec: self.file.clone(),
            project: project.to_owned(),
            shell: self.env.shell.unwrap_or(Shell::Sh),
            carries_state: self.version == Version::V0_2,
            environment: self.env.variables.clone(),
            exported_variables: self.exported(),
            git_credential_helper: self.env.git_credential_helper,
            phases: plan::phases().iter().map(|rule| self.phase(rule)).collect(),
            reports: self.reports.iter().filter_map(report).collect(),
            artifacts: self.artifacts.as_ref().filter(|artifacts| !artifacts.files.is_empty()).map(artifacts),
            secondary_artifacts: self.secondary(),
            cache: self
                .cache
                .as_ref()
                .filter(|cache| !cache.paths.is_empty())
                .map(|cache| plan::Cache { paths: cache.paths.clone() }),
            services: Vec::new(),
            limits: plan::Limits::default(),
            timeouts: plan::Timeouts::default(),
        }
    }

    /// Every phase is entered, also one that is not written (CodeBuild's log shows all four).
    fn phase(&self, rule: &'static PhaseRule) -> plan::Phase {
        let written = self.phases.iter().find(|phase| phase.rule == rule);
        let (on_failure, retry) = failure(rule, written);
        let of = |list: fn(&Phase) -> &Vec<Command>| written.map(|phase| commands(list(phase))).unwrap_or_default();
        plan::Phase {
            name: rule.name.to_owned(),
            run_as: written.and_then(|phase| phase.run_as.clone()).or_else(|| self.run_as.clone()),
            commands: of(|phase| &phase.commands),
            finally: of(|phase| &phase.finally),
            retry,
            on_failure,
            written: written.is_some(),
        }
    }

    /// CodeBuild never exports names that start with `AWS_`.
    fn exported(&self) -> Vec<String> {
        self.env.exported_variables.iter().filter(|name| !name.starts_with("AWS_")).cloned().collect()
    }

    fn secondary(&self) -> Vec<plan::SecondaryArtifacts> {
        let secondary = self.artifacts.iter().flat_map(|artifacts| &artifacts.secondary);
        secondary
            .map(|one| plan::SecondaryArtifacts {
                identifier: one.identifier.clone(),
                artifacts: artifacts(&one.artifacts),
            })
            .collect()
    }
}

/// The plan of a buildspec alone: a stage `Build` with one action `build`.
#[must_use]
pub fn plan_of_buildspec(buildspec: &Buildspec, project: &str, source: Source) -> Plan {
    let build = plan::Action {
        name: "build".to_owned(),
        needs: Vec::new(),
        work: Work::Build(Box::new(buildspec.to_build(project))),
    };
    let stage = Stage {
        name: "Build".to_owned(),
        before_entry: Vec::new(),
        actions: vec![build],
        on_success: Vec::new(),
        on_failure: plan::OnFailure::Fail,
    };
    Plan { name: project.to_owned(), source, variables: std::collections::BTreeMap::new(), stages: vec![stage] }
}

/// A phase that was tried again in vain fails as it would have failed without.
fn failure(rule: &PhaseRule, written: Option<&Phase>) -> (NextAfterFailure, Option<plan::Retry>) {
    match written.and_then(|phase| phase.on_failure.clone()) {
        None => (rule.on_failure, None),
        Some(OnFailure::Abort) => (NextAfterFailure::End, None),
        Some(OnFailure::Continue) => (NextAfterFailure::NextPhase, None),
        Some(OnFailure::Retry(retry)) => (rule.on_failure, Some(retry)),
    }
}

fn commands(commands: &[Command]) -> Vec<CommandPlan> {
    commands.iter().map(|command| CommandPlan { text: command.text.clone(), line: command.line }).collect()
}

/// A report in another format than JUnit's is left out; its reader was told so.
fn report(report: &Report) -> Option<plan::ReportGroup> {
    let format = match report.file_format.as_deref() {
        None | Some("JUNITXML") => ReportFormat::JunitXml,
        Some(_) => return None,
    };
    Some(plan::ReportGroup {
        name: report.name.clone(),
        files: report.files.clone(),
        format,
        base_directory: report.base_directory.clone(),
    })
}

fn artifacts(artifacts: &Artifacts) -> plan::Artifacts {
    plan::Artifacts {
        files: artifacts.files.clone(),
        name: artifacts.name.clone(),
        discard_paths: artifacts.discard_paths,
        base_directory: artifacts.base_directory.clone(),
        exclude_paths: artifacts.exclude_paths.clone(),
        enable_symlinks: artifacts.enable_symlinks,
    }
}
