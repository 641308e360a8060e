//! `build`: a build in a container.

use super::environment::{self, Variable};
use super::reader::{Mapping, wrong_type};
use super::{Axis, Service, Text, matrix, service};
use crate::diagnostic::{Diagnostics, Span};
use crate::fields::Written;
use crate::quantity;
use crate::yaml::Node;

/// The keys of a build.
pub(crate) const KEYS: [&str; 12] = [
    "image",
    "buildspec",
    "commands",
    "environment",
    "services",
    "limits",
    "timeout",
    "queued-timeout",
    "command-timeout",
    "matrix",
    "project",
    "privileged",
];
/// The keys of its limits.
pub(crate) const LIMITS_KEYS: [&str; 3] = ["cpu", "memory", "pids"];

/// A build as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Where it starts.
    pub span: Span,
    /// The image.
    pub image: Option<Text>,
    /// Its phases; left out, the file `buildspec.yml`.
    pub buildspec: Option<BuildspecAt>,
    /// Variables that win over the buildspec's.
    pub environment: Vec<Variable>,
    /// Containers beside it.
    pub services: Vec<Service>,
    /// Thousandths of a core.
    pub cpu: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Seconds from its first phase.
    pub timeout: Option<u64>,
    /// Seconds in the queue.
    pub queued_timeout: Option<u64>,
    /// Seconds for any one command.
    pub command_timeout: Option<u64>,
    /// One build for each combination.
    pub matrix: Vec<Axis>,
    /// The project's name.
    pub project: Option<Text>,
}

/// Where the phases of a build are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildspecAt {
    /// In a file, relative to the source directory.
    Path(Text),
    /// Here, as a buildspec.
    Inline(Box<Node>),
    /// Here, as a list of commands for the phase BUILD.
    Commands(Box<Written<Node>>),
}

impl Build {
    /// Calls `visit` with every text.
    pub fn each_text<'a>(&'a self, visit: &mut dyn FnMut(&'a Text)) {
        self.image.iter().chain(&self.project).for_each(&mut *visit);
        if let Some(BuildspecAt::Path(path)) = &self.buildspec {
            visit(path);
        }
        self.environment.iter().for_each(|variable| visit(variable.origin.text()));
        for service in &self.services {
            service.image.iter().for_each(&mut *visit);
            service.environment.iter().for_each(|(_, text)| visit(text));
        }
    }
}

pub(super) fn read(node: &Node, d: &mut Diagnostics) -> Option<Build> {
    let map = Mapping::open(node, "a build", &KEYS, d)?;
    if map.boolean("privileged", d) == Some(true)
        && let Some(entry) = map.entry("privileged")
    {
        d.error("unsupported", entry.key_span, "not supported yet: privileged builds")
            .hint("an `image` action builds images without it");
    }
    let mut build = Build {
        span: map.span,
        image: map.text("image", d),
        buildspec: buildspec(&map, d),
        environment: environment::read(&map, d),
        services: service::read(&map, d),
        cpu: None,
        memory: None,
        pids: None,
        timeout: map.duration("timeout", d),
        queued_timeout: map.duration("queued-timeout", d),
        command_timeout: map.duration("command-timeout", d),
        matrix: matrix::read(&map, d),
        project: map.early_text("project", d),
    };
    if let Some(entry) = map.entry("limits")
        && let Some(limits) = Mapping::open(&entry.value, "limits", &LIMITS_KEYS, d)
    {
        build.cpu = limits.quantity("cpu", quantity::cores, d);
        build.memory = limits.quantity("memory", quantity::size, d);
        build.pids = limits.number("pids", 1..=4_194_304, d).map(u64::from);
    }
    Some(build)
}

fn buildspec(map: &Mapping<'_>, d: &mut Diagnostics) -> Option<BuildspecAt> {
    if let (Some(buildspec), Some(commands)) = (map.entry("buildspec"), map.entry("commands")) {
        d.error("exactly-one-of", commands.key_span, "a build has both `buildspec` and `commands`")
            .hint("put the commands into the buildspec's phase `build`")
            .related(buildspec.key_span, "the other one");
    }
    if let Some(entry) = map.entry("buildspec") {
        if entry.value.as_map().is_some() {
            return Some(BuildspecAt::Inline(Box::new(entry.value.clone())));
        }
        if entry.value.as_text().is_some_and(|text| text.trim_end().contains('\n')) {
            d.error("wrong-type", entry.value.span, "the buildspec is a text of several lines")
                .hint("write it as a mapping: leave out the `|`");
            return None;
        }
        return map.early_text("buildspec", d).map(BuildspecAt::Path);
    }
    let entry = map.entry("commands")?;
    if entry.value.as_map().is_some() {
        wrong_type(&entry.value, "commands", "a list of commands", d);
        return None;
    }
    let commands = Written { value: entry.value.clone(), span: entry.key_span };
    Some(BuildspecAt::Commands(Box::new(commands)))
}
