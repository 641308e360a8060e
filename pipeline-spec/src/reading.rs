//! The front door: a text of either kind becomes a plan.

use std::collections::BTreeMap;

use crate::buildspec::{buildspec_of, plan_of_buildspec};
use crate::diagnostic::{Diagnostics, Reading, Span};
use crate::pipeline;
use crate::plan::{Plan, Source};
use crate::planning::{self, Buildspecs};
use crate::validate::{self, Known, Members};
use crate::yaml::{self, Node};

/// What a text is read with.
pub struct ReadOptions<'a> {
    /// The project's name: of a lone buildspec, and of a pipeline that does not name itself. The folder's name, say.
    pub project: &'a str,
    /// Values for the pipeline's variables; they win over the defaults.
    pub variables: BTreeMap<String, String>,
    /// What the plan is for.
    pub purpose: Purpose,
    /// The text of a buildspec by its path from the source's folder, or why there is none: one sentence, lower case,
    /// no period. It is asked once for each path.
    pub buildspec: &'a dyn Fn(&str) -> Result<String, String>,
}

/// What a text is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To say whether it is good. A variable without a value is no error; there is no plan then.
    Validate,
    /// To run it: every variable must have a value.
    Run,
}

/// The two kinds of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `buildspec.yml`
    Buildspec,
    /// `pipeline.yml`
    Pipeline,
}

/// Reads `buildspec.yml` or `pipeline.yml`, whichever the text is. `file` is what diagnostics and the plan call it.
///
/// All that is wrong is in the diagnostics, of the file and of the buildspecs that it names. There is a plan exactly
/// when none of it is an error (and, for [`Purpose::Validate`], every variable has a value).
#[must_use]
pub fn read(file: &str, text: &str, options: &ReadOptions<'_>) -> Reading<Plan> {
    let Reading { value: root, diagnostics: mut d } = yaml::parse(file, text);
    let Some(root) = root else { return Reading::of(None, d) };
    let plan = match kind_of(file, &root) {
        Some(Kind::Buildspec) => of_buildspec(file, &root, options, &mut d),
        Some(Kind::Pipeline) => of_pipeline(&root, options, &mut d),
        None => {
            d.error("unknown-kind", Span::START, "this is neither a buildspec nor a pipeline")
                .hint("a buildspec has `version: 0.2` and `phases`, a pipeline has `version: 1` and `stages`");
            None
        }
    };
    Reading::of(plan, d)
}

/// The folder that a pipeline names as its source, as it is written; `None` for any other text.
#[must_use]
pub fn source_folder(file: &str, text: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    let Reading { value, diagnostics: mut d } = yaml::parse(file, text);
    let root = value.filter(|root| kind_of(file, root) == Some(Kind::Pipeline))?;
    let pipeline = pipeline::read(&root, &mut d)?;
    let variables = validate::variables(&pipeline, variables, false, &mut d);
    let known = Known { pipeline: "", variables: &variables, matrix: &[] };
    known.text(pipeline.source.as_ref()?.path.as_ref()?)
}

/// Which kind of text this is: by what only one of them has, and else by the file's name.
#[must_use]
pub fn kind_of(file: &str, root: &Node) -> Option<Kind> {
    let entries = root.as_map()?;
    let has = |key: &str| yaml::get(entries, key).is_some();
    let version = yaml::get(entries, "version").and_then(|entry| entry.value.as_text());
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file).to_lowercase();
    match version {
        _ if has("stages") => Some(Kind::Pipeline),
        _ if has("phases") => Some(Kind::Buildspec),
        Some("1") => Some(Kind::Pipeline),
        Some(version) if version.starts_with("0.") => Some(Kind::Buildspec),
        _ if name.contains("buildspec") => Some(Kind::Buildspec),
        _ if name.contains("pipeline") => Some(Kind::Pipeline),
        _ => None,
    }
}

fn of_buildspec(file: &str, root: &Node, options: &ReadOptions<'_>, d: &mut Diagnostics) -> Option<Plan> {
    for name in options.variables.keys() {
        d.error(
            "unknown-variable",
            Span::START,
            format!("a value is given for `{name}`, and a buildspec has no variables"),
        )
        .hint("variables belong to pipelines; in a build, `env: variables` sets the environment");
    }
    let buildspec = buildspec_of(root, file, Span::START, d)?;
    Some(plan_of_buildspec(&buildspec, options.project, Source::Folder { path: ".".to_owned() }))
}

fn of_pipeline(root: &Node, options: &ReadOptions<'_>, d: &mut Diagnostics) -> Option<Plan> {
    let pipeline = pipeline::read(root, d)?;
    let needed = options.purpose == Purpose::Run;
    let variables = validate::variables(&pipeline, &options.variables, needed, d);
    let name = planning::name(&pipeline, options.project);
    let known = Known { pipeline: name.as_str(), variables: &variables, matrix: &[] };
    let mut members = Members::of(&pipeline, d)?;
    Buildspecs::new(options.buildspec).complete(&mut members, &known, d);
    validate::check(&pipeline, &members, &known, d);
    if d.has_errors() || variables.len() < pipeline.variables.len() {
        return None;
    }
    planning::plan(&pipeline, members, &known)
}
