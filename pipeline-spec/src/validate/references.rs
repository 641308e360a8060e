//! References: to things that there are, and that are known by then.

use std::ops::Range;

use super::members::{Member, Members};
use super::needs::Graph;
use crate::diagnostic::{Diagnostics, Span, did_you_mean, nearest};
use crate::interpolate::{self, Meaning};
use crate::pipeline::{Axis, Pipeline, Text, Work};
use crate::plan::Reference;

/// Where a text stands, and so what is known when it is needed.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// Before all stages.
    Source,
    /// In the gate before that stage.
    Entry(usize),
    /// In the gate after that stage.
    Exit(usize),
    /// In the work of the member at that place.
    Action(usize, &'a [Axis]),
}

/// Reports every reference that will have no value when it is needed.
pub(super) fn check(pipeline: &Pipeline, members: &Members<'_>, graph: &Graph, d: &mut Diagnostics) {
    let checker = Checker { pipeline, members, graph };
    if let Some(source) = &pipeline.source {
        source.each_text(&mut |text| checker.text(text, Place::Source, d));
    }
    for (stage, written) in pipeline.stages.iter().enumerate() {
        for rule in &written.before_entry {
            rule.each_text(&mut |text| checker.text(text, Place::Entry(stage), d));
        }
        for rule in &written.on_success {
            rule.each_text(&mut |text| checker.text(text, Place::Exit(stage), d));
        }
    }
    let mut last: Option<&crate::pipeline::Action> = None;
    for (place, member) in members.iter().enumerate() {
        // The combinations of a matrix stand side by side and share one text.
        if last.is_some_and(|last| std::ptr::eq(last, member.action)) {
            continue;
        }
        last = Some(member.action);
        let axes = match &member.action.work {
            Some(Work::Build(build)) => build.matrix.as_slice(),
            _ => &[],
        };
        member.action.each_text(&mut |text| checker.text(text, Place::Action(place, axes), d));
    }
}

struct Checker<'a> {
    pipeline: &'a Pipeline,
    members: &'a Members<'a>,
    graph: &'a Graph,
}

impl Checker<'_> {
    fn text(&self, text: &Text, place: Place<'_>, d: &mut Diagnostics) {
        for (reference, span) in text.references() {
            match interpolate::meaning(reference) {
                Ok(meaning) => self.meaning(reference, meaning, span, text.early, place, d),
                Err(unknown) => {
                    d.error("unknown-reference", span, unknown.message).hint(unknown.hint);
                }
            }
        }
    }

    fn meaning(
        &self,
        reference: &Reference,
        meaning: Meaning<'_>,
        span: Span,
        early: bool,
        place: Place<'_>,
        d: &mut Diagnostics,
    ) {
        match meaning {
            Meaning::PipelineName => {}
            Meaning::Variable(name) => self.variable(name, span, d),
            Meaning::Matrix(name) => axis(name, place, span, d),
            _ if early => {
                d.error("reference-too-early", span, format!("`{reference}` is known only during the run"))
                    .hint("this value must be known before: only `${variables.…}` can stand here");
            }
            Meaning::Source | Meaning::RunId => {}
            Meaning::Image { action } => {
                let value = reference.path.last().map_or("", String::as_str);
                if let Some(member) = self.action(action, reference, span, place, d)
                    && !matches!(member.action.work, Some(Work::Image(_)) | None)
                {
                    d.error("unknown-reference", span, format!("`{action}` is no image action: it has no `{value}`"))
                        .hint("image actions have `uri`, `digest`, `repository` and `tag`");
                }
            }
            Meaning::Exported { action, variable } => {
                if let Some(member) = self.action(action, reference, span, place, d) {
                    exported(member, action, variable, span, d);
                }
            }
        }
    }

    fn variable(&self, name: &str, span: Span, d: &mut Diagnostics) {
        let names: Vec<&str> = self.pipeline.variables.iter().map(|variable| variable.name.value.as_str()).collect();
        if !names.contains(&name) {
            let hint = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `${{variables.{near}}}`?"),
                None => format!("declare it at the top: `variables: {{ {name}: … }}`"),
            };
            d.error("unknown-reference", span, format!("there is no variable `{name}`")).hint(hint);
        }
    }

    /// The one action that the name means, when there is one and it has ended by then; otherwise that is reported.
    fn action(
        &self,
        name: &str,
        reference: &Reference,
        span: Span,
        place: Place<'_>,
        d: &mut Diagnostics,
    ) -> Option<&Member<'_>> {
        let Some(range) = self.members.named(name) else {
            // The guess looks at every name; what is not kept needs none.
            let guess = d.errors() < Diagnostics::KEPT;
            let hint = match guess.then(|| nearest(name, self.members.names())).flatten() {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write `${reference}` for the text itself"),
            };
            d.error("unknown-reference", span, format!("there is no action `{name}`")).hint(hint);
            return None;
        };
        let member = self.members.at(range.start)?;
        if range.len() > 1 {
            let one = member.combination.action.as_str();
            let rest = reference.path.get(1..).unwrap_or_default().join(".");
            d.error("unknown-reference", span, format!("`{name}` is a matrix of {} actions", range.len()))
                .hint(format!("name one of them, such as `${{{one}.{rest}}}`"));
            return None;
        }
        self.order(name, range, span, place, d).then_some(member)
    }

    /// Whether the action has ended when the text is needed.
    fn order(&self, name: &str, range: Range<usize>, span: Span, place: Place<'_>, d: &mut Diagnostics) -> bool {
        let Some(earlier) = self.members.at(range.start) else { return false };
        let known_before = match place {
            Place::Source => 0,
            Place::Entry(stage) => stage,
            Place::Exit(stage) => stage + 1,
            Place::Action(later, _) => {
                let stage = self.members.at(later).map_or(0, |member| member.stage);
                if later == range.start {
                    d.error("reference-order", span, format!("`{name}` refers to what it makes itself"))
                        .hint("the value is known when the action has ended");
                    return false;
                }
                if earlier.stage == stage {
                    let follows = self.graph.follows(later, range.start);
                    if !follows {
                        d.error("reference-order", span, format!("`{name}` need not have ended by then"))
                            .hint(format!("add it to the action's needs: `needs: [{name}]`"));
                    }
                    return follows;
                }
                stage
            }
        };
        let ended = earlier.stage < known_before;
        if !ended {
            d.error("reference-order", span, format!("`{name}` has not run by then"))
                .hint("move it to an earlier stage, or this to a later one");
        }
        ended
    }
}

fn axis(name: &str, place: Place<'_>, span: Span, d: &mut Diagnostics) {
    let axes = match place {
        Place::Action(_, axes) => axes,
        _ => &[],
    };
    let names: Vec<&str> = axes.iter().map(|axis| axis.name.value.as_str()).collect();
    if names.is_empty() {
        d.error("unknown-reference", span, "there is no matrix here")
            .hint("`${matrix.…}` stands in a build that has a `matrix`");
    } else if !names.contains(&name) {
        d.error("unknown-reference", span, format!("the matrix has no `{name}`")).hint(did_you_mean(name, &names));
    }
}

fn exported(member: &Member<'_>, action: &str, variable: &str, span: Span, d: &mut Diagnostics) {
    if !matches!(member.action.work, Some(Work::Build(_)) | None) {
        d.error("unknown-reference", span, format!("`{action}` is no build action: it exports no variables"))
            .hint("build actions export what their buildspec names in `env: exported-variables`");
        return;
    }
    let Some(build) = &member.build else { return };
    if !build.exported_variables.iter().any(|exported| exported == variable) {
        let near = nearest(variable, build.exported_variables.iter().map(String::as_str));
        let hint = match near {
            Some(near) => format!("did you mean `${{{action}.variables.{near}}}`?"),
            None => format!("add `{variable}` to `env: exported-variables` of its buildspec"),
        };
        d.error("unknown-reference", span, format!("`{action}` does not export `{variable}`")).hint(hint);
    }
}
