//! What is known before the run: the pipeline's name, its variables, the values of a matrix.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostics, Span, did_you_mean};
use crate::interpolate::{self, Meaning};
use crate::pipeline::{Pipeline, Text};
use crate::plan::{Reference, Template};

/// The values that references can be replaced by before the run.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// The pipeline's name.
    pub(crate) pipeline: &'a str,
    /// Variables that have a value.
    pub(crate) variables: &'a BTreeMap<String, String>,
    /// The values of the action's matrix.
    pub(crate) matrix: &'a [(String, String)],
}

impl Known<'_> {
    /// The text with everything filled in that is known.
    pub(crate) fn fill(&self, text: &Text) -> Template {
        interpolate::fill(&text.template, |reference| self.value(reference))
    }

    /// The text itself, when all of it is known.
    pub(crate) fn text(&self, text: &Text) -> Option<String> {
        text.template.render(|reference| self.value(reference)).ok()
    }

    fn value(&self, reference: &Reference) -> Option<String> {
        match interpolate::meaning(reference).ok()? {
            Meaning::Variable(name) => self.variables.get(name).cloned(),
            Meaning::Matrix(name) => self.matrix.iter().find(|(axis, _)| axis == name).map(|(_, value)| value.clone()),
            Meaning::PipelineName => Some(self.pipeline.to_owned()),
            Meaning::Source | Meaning::RunId | Meaning::Image { .. } | Meaning::Exported { .. } => None,
        }
    }
}

/// The variables' values: what the caller gives wins over the default. Whatever is given and not declared is
/// reported, and when a value is `needed` every variable without one.
pub(crate) fn variables(
    pipeline: &Pipeline,
    given: &BTreeMap<String, String>,
    needed: bool,
    d: &mut Diagnostics,
) -> BTreeMap<String, String> {
    let declared: Vec<&str> = pipeline.variables.iter().map(|variable| variable.name.value.as_str()).collect();
    for name in given.keys().filter(|name| !declared.contains(&name.as_str())) {
        let hint = if declared.is_empty() {
            format!("declare it: `variables: {{ {name}: … }}`")
        } else {
            did_you_mean(name, &declared)
        };
        let message = format!("a value is given for `{name}`, and the pipeline has no such variable");
        d.error("unknown-variable", pipeline.variables_span, message).hint(hint);
    }
    let mut values = BTreeMap::new();
    for variable in &pipeline.variables {
        let name = variable.name.value.as_str();
        match given.get(name).or(variable.default.as_ref()) {
            Some(value) => {
                values.insert(name.to_owned(), value.clone());
            }
            None if needed => missing(name, variable.name.span, d),
            None => {}
        }
    }
    values
}

fn missing(name: &str, span: Span, d: &mut Diagnostics) {
    d.error("no-value", span, format!("the variable `{name}` has no value"))
        .hint(format!("give it one with `--var {name}=…`, or give it a default"));
}
