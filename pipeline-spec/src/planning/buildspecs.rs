//! The buildspecs of build actions: inline, as a list of commands, or by a path that the caller reads.

use std::collections::HashMap;

use crate::buildspec::{Buildspec, buildspec_of, read_buildspec};
use crate::diagnostic::{Diagnostics, Reading, Span};
use crate::fields::Written;
use crate::pipeline::{Build as WrittenBuild, BuildspecAt, Work};
use crate::plan::Build;
use crate::validate::{Known, Member, Members};
use crate::yaml::{Entry, Node, Scalar, Value};

/// The file that is taken when a build names none, as CodeBuild does.
const DEFAULT_PATH: &str = "buildspec.yml";

/// Reads each file once, however many actions name it.
pub(crate) struct Buildspecs<'a> {
    text_of: &'a dyn Fn(&str) -> Result<String, String>,
    read: HashMap<String, Option<Buildspec>>,
}

impl<'a> Buildspecs<'a> {
    /// Files are read through that function; its error says why there is no text.
    pub(crate) fn new(text_of: &'a dyn Fn(&str) -> Result<String, String>) -> Self {
        Self { text_of, read: HashMap::new() }
    }

    /// Gives every build action the build that its buildspec describes.
    pub(crate) fn complete(&mut self, members: &mut Members<'_>, known: &Known<'_>, d: &mut Diagnostics) {
        // The combinations of a matrix share what is written inline, and its diagnostics.
        let mut last: Option<(*const WrittenBuild, Option<Buildspec>)> = None;
        for member in members.iter_mut() {
            let Some(Work::Build(written)) = &member.action.work else { continue };
            let written: &WrittenBuild = written;
            let known = Known { matrix: &member.combination.values, ..*known };
            let buildspec = match (&last, &written.buildspec) {
                (_, None | Some(BuildspecAt::Path(_))) => self.by_path(written, &known, d),
                (Some((same, buildspec)), _) if std::ptr::eq(*same, written) => buildspec.clone(),
                (_, Some(BuildspecAt::Inline(node))) => inline(node, d),
                (_, Some(BuildspecAt::Commands(commands))) => inline(&with_commands(commands), d),
            };
            member.build = buildspec.as_ref().map(|buildspec| build(buildspec, member, &known));
            last = Some((written, buildspec));
        }
    }

    fn by_path(&mut self, written: &WrittenBuild, known: &Known<'_>, d: &mut Diagnostics) -> Option<Buildspec> {
        let (path, span) = match &written.buildspec {
            Some(BuildspecAt::Path(path)) => (known.text(path)?, path.span),
            _ => (DEFAULT_PATH.to_owned(), written.span),
        };
        if let Some(known) = self.read.get(&path) {
            return known.clone();
        }
        let buildspec = self.open(&path, span, d);
        self.read.insert(path, buildspec.clone());
        buildspec
    }

    fn open(&self, path: &str, span: Span, d: &mut Diagnostics) -> Option<Buildspec> {
        match (self.text_of)(path) {
            Ok(text) => {
                let Reading { value, diagnostics } = read_buildspec(path, &text);
                d.append(diagnostics);
                value
            }
            Err(reason) => {
                d.error("no-buildspec", span, format!("the buildspec `{path}` cannot be read: {reason}"))
                    .hint("the path starts at the source's folder; or write the commands here: `commands: […]`");
                None
            }
        }
    }
}

fn inline(node: &Node, d: &mut Diagnostics) -> Option<Buildspec> {
    let file = format!("{} (inline)", d.file());
    buildspec_of(node, &file, node.span, d)
}

/// The project is the pipeline's and the action's name together, so that counters and caches are the action's own.
fn build(buildspec: &Buildspec, member: &Member<'_>, known: &Known<'_>) -> Build {
    buildspec.to_build(&format!("{}-{}", known.pipeline, member.combination.action))
}

/// The buildspec that has these commands in its phase `build`, and nothing else.
fn with_commands(commands: &Written<Node>) -> Node {
    let span = commands.span;
    let node = |value: Value| Node { span, value };
    let entry = |key: &str, value: Node| Entry { key: key.to_owned(), key_span: span, value };
    let version = node(Value::Scalar(Scalar { text: "0.2".to_owned(), plain: true }));
    let build = node(Value::Map(vec![entry("commands", commands.value.clone())]));
    let phases = node(Value::Map(vec![entry("build", build)]));
    node(Value::Map(vec![entry("version", version), entry("phases", phases)]))
}
