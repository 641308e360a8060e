//! The actions by name, each combination of a matrix as an action of its own.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use crate::diagnostic::{Diagnostics, Span};
use crate::fields::Written;
use crate::interpolate::RESERVED;
use crate::name::Name;
use crate::pipeline::{Action, Combination, Pipeline, Work, combinations};
use crate::plan::Build;

/// How many actions a pipeline can have, as CodePipeline has it.
const MOST_ACTIONS: usize = 1000;

/// An action of the plan to be.
pub(crate) struct Member<'a> {
    /// Its name and the values of its matrix.
    pub(crate) combination: Combination,
    /// The place of its stage.
    pub(crate) stage: usize,
    /// The action as written.
    pub(crate) action: &'a Action,
    /// For a build action the build that its buildspec makes, when that could be read.
    pub(crate) build: Option<Build>,
}

/// All of them.
pub(crate) struct Members<'a> {
    all: Vec<Member<'a>>,
    /// Each name as written and the members that it became.
    groups: HashMap<&'a str, Range<usize>>,
    by_name: HashMap<String, usize>,
}

impl<'a> Members<'a> {
    /// Finds them, and reports names that are used twice. `None` when there are too many to go on.
    pub(crate) fn of(pipeline: &'a Pipeline, d: &mut Diagnostics) -> Option<Self> {
        stage_names(pipeline, d);
        let mut members = Self { all: Vec::new(), groups: HashMap::new(), by_name: HashMap::new() };
        let mut spans: BTreeMap<String, Span> = BTreeMap::new();
        for (stage, action) in actions(pipeline) {
            let Some(name) = &action.name else { continue };
            if RESERVED.contains(&name.value.as_str()) {
                d.error("bad-name", name.span, format!("no action can be named `{}`", name.value))
                    .hint(format!("references such as `${{{}.…}}` mean something else", name.value));
            }
            members.add(stage, action, name, &mut spans, d);
            if members.all.len() > MOST_ACTIONS {
                d.error("too-many", name.span, format!("the pipeline has more than {MOST_ACTIONS} actions"))
                    .hint("split it into several pipelines, or put commands that belong together into one build");
                return None;
            }
        }
        Some(members)
    }

    fn add(
        &mut self,
        stage: usize,
        action: &'a Action,
        name: &'a Written<Name>,
        spans: &mut BTreeMap<String, Span>,
        d: &mut Diagnostics,
    ) {
        let axes = match &action.work {
            Some(Work::Build(build)) => build.matrix.as_slice(),
            _ => &[],
        };
        // The name of a matrix means all its combinations, so that no other action can have it either.
        if !axes.is_empty() && !claim(name.value.as_str(), name.span, spans, d) {
            return;
        }
        let first = self.all.len();
        for combination in combinations(&name.value, axes) {
            let member = combination.action.to_string();
            if claim(&member, name.span, spans, d) {
                self.by_name.insert(member, self.all.len());
                self.all.push(Member { combination, stage, action, build: None });
            }
        }
        if self.all.len() > first {
            self.groups.insert(name.value.as_str(), first..self.all.len());
        }
    }

    /// All of them, in the order of the file.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Member<'a>> {
        self.all.iter()
    }

    /// All of them, to be completed.
    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Member<'a>> {
        self.all.iter_mut()
    }

    /// The member at that place.
    pub(crate) fn at(&self, place: usize) -> Option<&Member<'a>> {
        self.all.get(place)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The places of the members that a name means: one action, or all combinations of a matrix.
    pub(crate) fn named(&self, name: &str) -> Option<Range<usize>> {
        let one = || self.by_name.get(name).map(|place| *place..place + 1);
        self.groups.get(name).cloned().or_else(one)
    }

    /// The names as written, in the order of the file.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.all.iter().filter_map(|member| member.action.name.as_ref()).map(|name| name.value.as_str())
    }
}

fn actions(pipeline: &Pipeline) -> impl Iterator<Item = (usize, &Action)> {
    let stages = pipeline.stages.iter().enumerate();
    stages.flat_map(|(place, stage)| stage.actions.iter().map(move |action| (place, action)))
}

/// Takes a name, or reports that it is taken.
fn claim(name: &str, span: Span, spans: &mut BTreeMap<String, Span>, d: &mut Diagnostics) -> bool {
    if let Some(other) = spans.get(name) {
        d.error("duplicate-name", span, format!("there are two actions `{name}`"))
            .hint("the names of actions are unique in the whole pipeline; a matrix adds its values to the name")
            .related(*other, "the other one");
        return false;
    }
    spans.insert(name.to_owned(), span);
    true
}

fn stage_names(pipeline: &Pipeline, d: &mut Diagnostics) {
    let mut spans: HashMap<&str, Span> = HashMap::new();
    for name in pipeline.stages.iter().filter_map(|stage| stage.name.as_ref()) {
        if let Some(other) = spans.insert(name.value.as_str(), name.span) {
            d.error("duplicate-name", name.span, format!("there are two stages `{}`", name.value))
                .hint("give each a name of its own")
                .related(other, "the other one");
        }
    }
}
