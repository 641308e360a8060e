//! `actions`: a name, what must have ended before, and one kind of work.

use super::reader::{self, Mapping};
use super::{Build, Deploy, Image, Text, build, deploy, image};
use crate::diagnostic::{Diagnostics, Span};
use crate::fields::Written;
use crate::name::Name;
use crate::yaml::Node;

/// The keys of an action.
pub(crate) const KEYS: [&str; 5] = ["name", "needs", "build", "image", "deploy"];

/// An action as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Its name.
    pub name: Option<Written<Name>>,
    /// Where it starts.
    pub span: Span,
    /// Actions of the stage that must have succeeded before.
    pub needs: Vec<Written<String>>,
    /// What it does.
    pub work: Option<Work>,
}

/// The kinds of work as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// `build`
    Build(Box<Build>),
    /// `image`
    Image(Box<Image>),
    /// `deploy`
    Deploy(Box<Deploy>),
}

impl Action {
    /// Calls `visit` with every text of its work.
    pub fn each_text<'a>(&'a self, visit: &mut dyn FnMut(&'a Text)) {
        match &self.work {
            Some(Work::Build(build)) => build.each_text(visit),
            Some(Work::Image(image)) => image.each_text(visit),
            Some(Work::Deploy(deploy)) => deploy.each_text(visit),
            None => {}
        }
    }
}

pub(super) fn read(node: &Node, d: &mut Diagnostics) -> Option<Action> {
    let map = Mapping::open(node, "an action", &KEYS, d)?;
    map.require("name", "give it a name, such as `name: test`", d);
    let example = "such as `build: { image: …, commands: […] }`";
    map.exactly_one_of(&["build", "image", "deploy"], example, d);
    let work = if let Some(entry) = map.entry("build") {
        build::read(&entry.value, d).map(|build| Work::Build(Box::new(build)))
    } else if let Some(entry) = map.entry("image") {
        image::read(&entry.value, d).map(|image| Work::Image(Box::new(image)))
    } else {
        map.entry("deploy").and_then(|entry| deploy::read(&entry.value, d)).map(|deploy| Work::Deploy(Box::new(deploy)))
    };
    let needs = map.items("needs", d).iter().filter_map(|node| reader::plain(node, "needs", d));
    Some(Action {
        needs: needs.map(|need| Written { value: need.value.to_owned(), span: need.span }).collect(),
        name: reader::name(map.plain("name", d), d),
        span: map.span,
        work,
    })
}
