//! The plan: everything that will happen in a run, decided before it starts.
//!
//! A plan is a value. It can be printed, hashed, stored and compared; it holds the *names* of secrets and never their
//! values. Policy (when a phase runs, what a failure does) is data in it, so that whoever interprets a plan needs to
//! know no special phase. What only the run can know (a commit, an image digest) stands in it as a [`Template`].
//!
//! This module knows nothing of the texts that a plan was made from.

mod build;
mod codebuild;
mod deploy;
mod gate;
mod hash;
mod image;
mod source;
mod template;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use build::{
    Artifacts, Build, Cache, CommandPlan, EnvironmentVariable, Limits, NextAfterFailure, Phase, ReportFormat,
    ReportGroup, Retry, SecondaryArtifacts, SecretReference, Service, ServiceReadiness, Shell, Timeouts, ValueSource,
};
pub use codebuild::{PhaseRule, phases, rule_of};
pub use deploy::{Deploy, DeployTarget, EcsService};
pub use gate::{OnFailure, Rule, VariableOperator};
pub use image::{Image, ImageSecret, Scan, Severity};
pub use source::Source;
pub use template::{Part, Reference, Template};

/// Everything that one run will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// The pipeline's name; for a lone buildspec the project's name.
    pub name: String,
    /// Where the revision comes from, unless the caller brings one.
    pub source: Source,
    /// Pipeline variables with their values for this run, defaults and `--var` already merged.
    pub variables: BTreeMap<String, String>,
    /// The stages, in order; each starts when the one before it succeeded.
    pub stages: Vec<Stage>,
}

/// A stage: a gate to enter, actions, and what its end leads to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stage {
    /// Unique in the plan.
    pub name: String,
    /// Rules that must all pass before the first action starts.
    pub before_entry: Vec<Rule>,
    /// The actions; an action starts when all it needs have succeeded.
    pub actions: Vec<Action>,
    /// Rules that must all pass after the last action succeeded.
    pub on_success: Vec<Rule>,
    /// What happens when an action of the stage, or `on_success`, failed.
    pub on_failure: OnFailure,
}

/// An action: one piece of work in a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Action {
    /// Unique in the whole plan, so that `${name.…}` needs no stage.
    pub name: String,
    /// Actions of the same stage that must have succeeded before.
    pub needs: Vec<String>,
    /// What the action does.
    pub work: Work,
}

/// The three kinds of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// A CodeBuild-like build in a container.
    Build(Box<Build>),
    /// An image built and pushed to a registry.
    Image(Box<Image>),
    /// A hand-off to a deployment target.
    Deploy(Box<Deploy>),
}

impl Plan {
    /// The action of that name and the stage that it is in.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<(&Stage, &Action)> {
        self.stages
            .iter()
            .flat_map(|stage| stage.actions.iter().map(move |action| (stage, action)))
            .find(|(_, action)| action.name == name)
    }
}
