//! What is known of an action: its build, and all that it made.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BuildState, Span};
use crate::deploy::{Deployment, DeploymentOrder};
use crate::event::{ActionKind, What};
use crate::image::PushedImage;
use crate::report::junit::TestReport;

/// What is known of an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ActionState {
    /// Its name.
    pub name: String,
    /// Its stage.
    pub stage: String,
    /// What it does.
    pub kind: ActionKind,
    /// When and how.
    pub span: Span,
    /// What its log is sent under, unless it is a build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Its build.
    pub build: Option<BuildState>,
    /// Its exported variables.
    pub variables: BTreeMap<String, String>,
    /// Those of them whose values are not known: a secret was in them when they were recorded.
    #[serde(default)]
    pub withheld: BTreeSet<String>,
    /// Its artifacts: identifier (the primary one is empty) to path.
    pub artifacts: BTreeMap<String, ArtifactState>,
    /// Its test reports.
    pub reports: Vec<TestReport>,
    /// The image that it pushed.
    pub image: Option<PushedImage>,
    /// The deployment that it was going to make.
    pub order: Option<DeploymentOrder>,
    /// The deployment that it began.
    pub deployment: Option<Deployment>,
    /// How taking it back went.
    pub rollback: Option<Span>,
}

/// What is known of an artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ArtifactState {
    /// The file or folder on this machine.
    pub path: String,
    /// How many files.
    pub files: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl ActionState {
    /// One of which nothing is known but that it was started.
    pub(super) fn new(stage: &str, name: &str, kind: ActionKind) -> Self {
        Self {
            name: name.to_owned(),
            stage: stage.to_owned(),
            kind,
            span: Span::default(),
            log: None,
            build: None,
            variables: BTreeMap::new(),
            withheld: BTreeSet::new(),
            artifacts: BTreeMap::new(),
            reports: Vec::new(),
            image: None,
            order: None,
            deployment: None,
            rollback: None,
        }
    }

    /// `project:uuid`, which its log is sent under. `None`: it is a build that has not begun.
    #[must_use]
    pub fn log_id(&self) -> Option<&str> {
        self.build.as_ref().map(|build| &build.id).or(self.log.as_ref()).map(String::as_str)
    }

    pub(super) fn apply(&mut self, what: &What, at: Timestamp) {
        match what {
            What::ActionFinished { outcome, .. } => self.span.finish(at, outcome),
            What::BuildStarted { build, number, image, source_directory, buildspec, phases, .. } => {
                self.reports.clear();
                self.build = Some(BuildState {
                    id: build.clone(),
                    number: *number,
                    image: image.clone(),
                    source_directory: source_directory.clone(),
                    buildspec: buildspec.clone(),
                    listed: phases.clone(),
                    ..BuildState::default()
                });
            }
            What::VariableExported { name, value, withheld, .. } => {
                self.variables.insert(name.clone(), value.clone());
                match withheld {
                    true => self.withheld.insert(name.clone()),
                    false => self.withheld.remove(name),
                };
            }
            What::ArtifactStored { identifier, path, files, bytes, .. } => {
                let artifact = ArtifactState { path: path.clone(), files: *files, bytes: *bytes };
                self.artifacts.insert(identifier.clone().unwrap_or_default(), artifact);
            }
            What::ReportRead { report, .. } => self.reports.push(report.clone()),
            What::ImagePushed { image, .. } => self.image = Some(image.clone()),
            What::DeploymentIntended { order, .. } => self.order = Some(order.clone()),
            What::DeploymentBegun { deployment, .. } => self.deployment = Some(deployment.clone()),
            What::RollbackStarted { .. } => {
                self.rollback = Some(Span { started: Some(at), ..Span::default() });
            }
            What::RollbackFinished { outcome, .. } => {
                if let Some(rollback) = &mut self.rollback {
                    rollback.finish(at, outcome);
                }
            }
            other => {
                if let What::BuildAdopted { .. } = other {
                    // The build is told from its start again, and so are its reports.
                    self.reports.clear();
                }
                if let Some(build) = &mut self.build {
                    build.apply(other, at);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_that_is_told_again_has_its_reports_once() {
        let action = || "unit".to_owned();
        let read = What::ReportRead { action: action(), report: TestReport { total: 3, ..TestReport::default() } };
        let mut state = ActionState::new("test", "unit", ActionKind::Build);
        for what in [read.clone(), What::BuildAdopted { action: action() }, read.clone(), read] {
            state.apply(&what, Timestamp::UNIX_EPOCH);
        }
        // Two groups of one build are two reports.
        assert_eq!(state.reports.len(), 2);
    }
}
