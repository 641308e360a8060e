//! `batch`: several builds of one file. It is read and checked, and not run yet.

mod graph;

use super::UNSUPPORTED;
use crate::diagnostic::{Diagnostics, Severity, Span};
use crate::fields::{Fields, Written, text_of, wrong_type};
use crate::yaml::Entry;

/// `batch` as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Where its key stands.
    pub span: Span,
    /// Whether the first failure stops the others.
    pub fast_fail: bool,
    /// Which builds there are; `None` when no known kind is written.
    pub kind: Option<BatchKind>,
}

/// The four ways to write several builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchKind {
    /// Builds that do not depend on each other.
    List(Vec<BatchTask>),
    /// Builds that may wait for others.
    Graph(Vec<BatchTask>),
    /// One build for each combination.
    Matrix(BatchMatrix),
    /// The same build so many times, each with its share of the tests.
    Fanout {
        /// How many.
        parallelism: u64,
        /// Whether a failure of one does not count.
        ignore_failure: bool,
    },
}

/// A build of a list or graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchTask {
    /// Unique in the batch.
    pub identifier: Written<String>,
    /// Its own buildspec; not written: this one.
    pub buildspec: Option<String>,
    /// Whether a person can look into it.
    pub debug_session: bool,
    /// What differs from the project.
    pub env: BatchEnv,
    /// Whether its failure does not count.
    pub ignore_failure: bool,
    /// The identifiers that it waits for.
    pub depend_on: Vec<Written<String>>,
}

/// What a build of a batch changes in the project's environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchEnv {
    /// The size of the machine.
    pub compute_type: Option<String>,
    /// The fleet; excludes the size.
    pub fleet: Option<String>,
    /// The image.
    pub image: Option<String>,
    /// Whether it may run Docker.
    pub privileged_mode: Option<bool>,
    /// The kind of machine.
    pub kind: Option<String>,
    /// Further variables.
    pub variables: Vec<(String, String)>,
}

/// A matrix: what all builds share, and what is combined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchMatrix {
    /// Whether failures do not count.
    pub ignore_failure: bool,
    /// Whether the builds may run Docker.
    pub privileged_mode: Option<bool>,
    /// The kind of machine.
    pub kind: Option<String>,
    /// The buildspecs.
    pub buildspecs: Vec<String>,
    /// The sizes.
    pub compute_types: Vec<String>,
    /// The images.
    pub images: Vec<String>,
    /// The variables with all their values.
    pub variables: Vec<(String, Vec<String>)>,
}

/// The keys of which one is written.
const KINDS: [&str; 4] = ["build-list", "build-graph", "build-matrix", "build-fanout"];

pub(super) fn read(entry: &Entry, d: &mut Diagnostics) -> Option<Batch> {
    let mut fields = Fields::of(&entry.value, "`batch`", entry.key_span, d)?;
    let fast_fail = fields.flag("fast-fail", d).is_some_and(|flag| flag.value);
    let written: Vec<&Entry> = KINDS.iter().filter_map(|key| fields.entry(key)).collect();
    if let [_, second, ..] = written[..] {
        let message = format!("a batch has one of {}, not several", KINDS.join(", "));
        d.error("batch", second.key_span, message);
    }
    let kind = written.first().and_then(|entry| match &*entry.key {
        "build-list" => tasks(entry, false, d).map(BatchKind::List),
        "build-graph" => tasks(entry, true, d).map(BatchKind::Graph),
        "build-matrix" => matrix(entry, d).map(BatchKind::Matrix),
        _ => fanout(entry, d),
    });
    fields.finish(Severity::Warning, d);
    Some(Batch { span: entry.key_span, fast_fail, kind })
}

/// What becomes of a batch as long as none is run. A run of nothing would end well, and nobody would see that it did
/// nothing.
pub(super) fn report(batch: &Batch, without_phases: bool, d: &mut Diagnostics) {
    if without_phases {
        let message = "batches are not run yet, and there are no phases: a run of this file would do nothing";
        d.error(UNSUPPORTED, batch.span, message).hint("add `phases`, or run its builds as actions of a pipeline.yml");
    } else {
        let message = "batches are not run yet: the phases run as a single build";
        d.warning(UNSUPPORTED, batch.span, message);
    }
}

fn tasks(entry: &Entry, graph: bool, d: &mut Diagnostics) -> Option<Vec<BatchTask>> {
    let Some(items) = entry.value.as_list() else {
        wrong_type(&entry.value, &entry.key, "a list of builds", entry.key_span, d);
        return None;
    };
    let mut tasks = Vec::with_capacity(items.len());
    for item in items {
        let Some(mut fields) = Fields::of(item, "a build of the batch", item.span, d) else { continue };
        fields.required("identifier", d);
        let identifier = fields.text("identifier", d);
        let buildspec = fields.text("buildspec", d).map(|text| text.value);
        let debug_session = fields.flag("debug-session", d);
        if let Some(Written { value: true, span }) = debug_session {
            d.warning(UNSUPPORTED, span, "debug sessions are not supported yet");
        }
        let env = fields.entry("env").and_then(|entry| env(entry, d)).unwrap_or_default();
        let ignore_failure = fields.flag("ignore-failure", d).is_some_and(|flag| flag.value);
        let depend_on = if graph { fields.texts("depend-on", d).unwrap_or_default() } else { Vec::new() };
        fields.finish(Severity::Warning, d);
        if let Some(identifier) = identifier {
            let debug_session = debug_session.is_some_and(|flag| flag.value);
            tasks.push(BatchTask { identifier, buildspec, debug_session, env, ignore_failure, depend_on });
        }
    }
    graph::check(&tasks, d);
    Some(tasks)
}

fn env(entry: &Entry, d: &mut Diagnostics) -> Option<BatchEnv> {
    let mut fields = Fields::of(&entry.value, "`env` of a batch", entry.key_span, d)?;
    let text = |text: Option<Written<String>>| text.map(|text| text.value);
    let fleet = fields.text("fleet", d);
    let compute_type = text(fields.text("compute-type", d));
    if let (Some(fleet), Some(_)) = (&fleet, &compute_type) {
        d.error("batch", fleet.span, "`fleet` and `compute-type` exclude each other");
    }
    let env = BatchEnv {
        compute_type,
        fleet: text(fleet),
        image: text(fields.text("image", d)),
        privileged_mode: fields.flag("privileged-mode", d).map(|flag| flag.value),
        kind: text(fields.text("type", d)),
        variables: fields.entry("variables").map(|entry| variables(entry, d)).unwrap_or_default(),
    };
    fields.finish(Severity::Warning, d);
    Some(env)
}

fn variables(entry: &Entry, d: &mut Diagnostics) -> Vec<(String, String)> {
    let Some(entries) = entry.value.as_map() else {
        wrong_type(&entry.value, "variables", "a mapping of variables", entry.key_span, d);
        return Vec::new();
    };
    let mut read = Vec::with_capacity(entries.len());
    for variable in entries.iter().filter(|variable| !variable.value.is_null()) {
        if let Some(text) = text_of(&variable.value, &variable.key, variable.key_span, d) {
            read.push((variable.key.clone(), text.value));
        }
    }
    read
}

fn matrix(entry: &Entry, d: &mut Diagnostics) -> Option<BatchMatrix> {
    let mut matrix = BatchMatrix::default();
    let mut fields = Fields::of(&entry.value, "`build-matrix`", entry.key_span, d)?;
    if let Some(entry) = fields.entry("static")
        && let Some(mut fields) = Fields::of(&entry.value, "`static`", entry.key_span, d)
    {
        matrix.ignore_failure = fields.flag("ignore-failure", d).is_some_and(|flag| flag.value);
        let shared = fields.entry("env").and_then(|entry| env(entry, d)).unwrap_or_default();
        (matrix.privileged_mode, matrix.kind) = (shared.privileged_mode, shared.kind);
        fields.finish(Severity::Warning, d);
    }
    if let Some(entry) = fields.entry("dynamic")
        && let Some(mut fields) = Fields::of(&entry.value, "`dynamic`", entry.key_span, d)
    {
        matrix.buildspecs = plain(fields.texts("buildspec", d));
        if let Some(entry) = fields.entry("env") {
            dynamic_env(entry, &mut matrix, d);
        }
        fields.finish(Severity::Warning, d);
    }
    fields.finish(Severity::Warning, d);
    Some(matrix)
}

fn dynamic_env(entry: &Entry, matrix: &mut BatchMatrix, d: &mut Diagnostics) {
    let Some(mut fields) = Fields::of(&entry.value, "`env` of a matrix", entry.key_span, d) else { return };
    matrix.compute_types = plain(fields.texts("compute-type", d));
    matrix.images = plain(fields.texts("image", d));
    if let Some(entry) = fields.entry("variables") {
        let Some(entries) = entry.value.as_map() else {
            wrong_type(&entry.value, "variables", "a mapping of variables", entry.key_span, d);
            return;
        };
        for variable in entries {
            let values = crate::fields::texts_of(variable, d).unwrap_or_default();
            matrix.variables.push((variable.key.clone(), plain(Some(values))));
        }
    }
    fields.finish(Severity::Warning, d);
}

fn fanout(entry: &Entry, d: &mut Diagnostics) -> Option<BatchKind> {
    let mut fields = Fields::of(&entry.value, "`build-fanout`", entry.key_span, d)?;
    fields.required("parallelism", d);
    let parallelism = fields.number("parallelism", d);
    let ignore_failure = fields.flag("ignore-failure", d).is_some_and(|flag| flag.value);
    fields.finish(Severity::Warning, d);
    parallelism.map(|parallelism| BatchKind::Fanout { parallelism: parallelism.value, ignore_failure })
}

fn plain(texts: Option<Vec<Written<String>>>) -> Vec<String> {
    texts.unwrap_or_default().into_iter().map(|text| text.value).collect()
}
