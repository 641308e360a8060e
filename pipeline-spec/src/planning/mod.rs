//! From a pipeline that was found good to the plan. Nothing is decided here that the file does not say, but defaults.
//!
//! Every `?` in this module stands for something whose absence `pipeline` or `validate` has reported, so that a
//! pipeline without errors always becomes a plan.

mod build;
mod buildspecs;
mod deploy;
mod gate;
mod image;

use std::collections::BTreeMap;

use crate::name::Name;
use crate::pipeline::{Pipeline, Source as WrittenSource, Text, Work as WrittenWork};
use crate::plan::{Action, Plan, Source, Stage, Template, Work};
use crate::validate::{Known, Member, Members};

pub(crate) use buildspecs::Buildspecs;

/// The plan.
pub(crate) fn plan(pipeline: &Pipeline, members: Members<'_>, known: &Known<'_>) -> Option<Plan> {
    let mut actions: Vec<Vec<Action>> = pipeline.stages.iter().map(|_| Vec::new()).collect();
    for member in members.iter() {
        let needs = needs(member, &members);
        let known = Known { matrix: &member.combination.values, ..*known };
        actions.get_mut(member.stage)?.push(Action {
            name: member.combination.action.to_string(),
            needs,
            work: work(member, &known)?,
        });
    }
    let stages = pipeline.stages.iter().zip(actions).map(|(stage, actions)| {
        Some(Stage {
            name: stage.name.as_ref()?.value.to_string(),
            before_entry: gate::rules(&stage.before_entry, known)?,
            actions,
            on_success: gate::rules(&stage.on_success, known)?,
            on_failure: stage.on_failure,
        })
    });
    Some(Plan {
        name: known.pipeline.to_owned(),
        source: match &pipeline.source {
            Some(written) => source(written, known)?,
            None => Source::Folder { path: ".".to_owned() },
        },
        variables: known.variables.clone(),
        stages: stages.collect::<Option<_>>()?,
    })
}

/// The pipeline's name: its own, or the project's made fit.
pub(crate) fn name(pipeline: &Pipeline, project: &str) -> Name {
    pipeline.name.as_ref().map_or_else(|| Name::sanitised(project), |name| name.value.clone())
}

/// The names of the actions that must have ended; the name of a matrix stands for all its actions.
fn needs(member: &Member<'_>, members: &Members<'_>) -> Vec<String> {
    let mut needs = Vec::new();
    for need in &member.action.needs {
        for place in members.named(&need.value).into_iter().flatten() {
            let Some(name) = members.at(place).map(|other| other.combination.action.to_string()) else { continue };
            if !needs.contains(&name) {
                needs.push(name);
            }
        }
    }
    needs
}

fn work(member: &Member<'_>, known: &Known<'_>) -> Option<Work> {
    match member.action.work.as_ref()? {
        WrittenWork::Build(written) => {
            build::build(written, member.build.clone()?, known).map(|build| Work::Build(Box::new(build)))
        }
        WrittenWork::Image(written) => image::image(written, known).map(|image| Work::Image(Box::new(image))),
        WrittenWork::Deploy(written) => deploy::deploy(written, known).map(|deploy| Work::Deploy(Box::new(deploy))),
    }
}

fn source(written: &WrittenSource, known: &Known<'_>) -> Option<Source> {
    if let Some(path) = &written.path {
        return Some(Source::Folder { path: known.text(path)? });
    }
    let url = match &written.codecommit {
        Some(repository) => codecommit(&known.text(repository)?, optional(&written.region, known)?),
        None => known.text(written.git.as_ref()?)?,
    };
    Some(Source::Git {
        url,
        reference: optional(&written.reference, known)?,
        depth: written.depth,
        submodules: written.submodules.unwrap_or(false),
    })
}

/// The URL of a CodeCommit repository that is written by its name or as a URL, with the Region unless that has one.
fn codecommit(written: &str, region: Option<String>) -> String {
    if written.starts_with("codecommit::") {
        return written.to_owned();
    }
    let repository = written.strip_prefix("codecommit://").unwrap_or(written);
    match region {
        Some(region) => format!("codecommit::{region}://{repository}"),
        None => format!("codecommit://{repository}"),
    }
}

/// The text that must be known by now, when it is written at all. The outer `None`: it is not known.
fn optional(text: &Option<Text>, known: &Known<'_>) -> Option<Option<String>> {
    match text {
        Some(text) => known.text(text).map(Some),
        None => Some(None),
    }
}

/// Texts by name, filled in as far as they are known.
fn templates(texts: &[(String, Text)], known: &Known<'_>) -> BTreeMap<String, Template> {
    texts.iter().map(|(name, text)| (name.clone(), known.fill(text))).collect()
}
