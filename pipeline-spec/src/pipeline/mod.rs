//! `pipeline.yml` as it is written: one file a top-level key or a kind of work.
//!
//! Reading finds unknown keys, wrong types and values that can be none; what hangs together with what is for
//! `validate` to say. An `Option` is a key that was left out, or whose value was reported.

mod action;
mod build;
mod deploy;
mod environment;
mod gate;
mod image;
mod matrix;
pub(crate) mod reader;
mod service;
mod source;
mod stage;
mod variables;
mod window;

use crate::diagnostic::{Diagnostics, Span};
use crate::fields::Written;
use crate::name::Name;
use crate::yaml::Node;
use reader::Mapping;

pub use action::{Action, Work};
pub use build::{Build, BuildspecAt};
pub use deploy::{Deploy, Ecs};
pub use environment::{Origin, Variable as EnvironmentVariable};
pub use gate::Rule;
pub use image::{Image, Secret};
pub use matrix::{Axis, Combination, MOST_COMBINATIONS, combinations};
pub use reader::Text;
pub use service::Service;
pub use source::Source;
pub use stage::Stage;
pub use variables::Variable;

/// The keys of a pipeline.
pub(crate) const KEYS: [&str; 5] = ["version", "name", "source", "variables", "stages"];

/// The keys that there are, for the schema.
#[cfg(test)]
pub(crate) mod keys {
    pub(crate) use super::KEYS as PIPELINE;
    pub(crate) use super::action::KEYS as ACTION;
    pub(crate) use super::build::{KEYS as BUILD, LIMITS_KEYS as LIMITS};
    pub(crate) use super::deploy::{ECS_KEYS as ECS, KEYS as DEPLOY};
    pub(crate) use super::gate::{
        APPROVAL_KEYS as APPROVAL, CHECK_KEYS as CHECK, LATER_RULES, RULES, WINDOW_KEYS as WINDOW,
    };
    pub(crate) use super::image::{KEYS as IMAGE, SCAN_KEYS as SCAN};
    pub(crate) use super::service::KEYS as SERVICE;
    pub(crate) use super::source::KEYS as SOURCE;
    pub(crate) use super::stage::KEYS as STAGE;
}

/// A pipeline as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// Its name; left out, the project's.
    pub name: Option<Written<Name>>,
    /// Where its revision comes from; left out, the folder that it is in.
    pub source: Option<Source>,
    /// Its variables.
    pub variables: Vec<Variable>,
    /// Where the key `variables` stands, or the file's start.
    pub variables_span: Span,
    /// Its stages.
    pub stages: Vec<Stage>,
}

/// Reads a pipeline; `None` when the text is no mapping.
pub(crate) fn read(root: &Node, d: &mut Diagnostics) -> Option<Pipeline> {
    let map = Mapping::open(root, "a pipeline", &KEYS, d)?;
    map.require("version", "write `version: 1`", d);
    if let Some(version) = map.plain("version", d)
        && version.value != "1"
    {
        let message = format!("there is no version `{}` of pipelines", version.value);
        d.error("bad-value", version.span, message).hint("write `version: 1`");
    }
    map.require("stages", "a pipeline has at least one stage: `stages: [{ name: Build, actions: […] }]`", d);
    Some(Pipeline {
        name: reader::name(map.plain("name", d), d),
        source: map.entry("source").and_then(|entry| source::read(&entry.value, d)),
        variables: variables::read(map.entries("variables", d), d),
        variables_span: map.entry("variables").map_or(Span::START, |entry| entry.key_span),
        stages: stage::read_all(&map, d),
    })
}
