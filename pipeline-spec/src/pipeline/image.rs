//! `image`: an image built and pushed to a registry.

use super::Text;
use super::environment::{self, Origin};
use super::reader::{self, Mapping, wrong_type};
use crate::diagnostic::{Diagnostics, Span, did_you_mean};
use crate::fields::Written;
use crate::plan::Severity;
use crate::yaml::Node;

/// The keys of an image.
pub(crate) const KEYS: [&str; 15] = [
    "context",
    "dockerfile",
    "target",
    "build-args",
    "secrets",
    "labels",
    "platform",
    "repository",
    "registry",
    "tags",
    "create-repository",
    "scan",
    "role",
    "region",
    "timeout",
];
/// The keys of its scan.
pub(crate) const SCAN_KEYS: [&str; 3] = ["fail-on", "timeout", "allow-unscanned"];
/// The keys of one of its secrets.
pub(crate) const SECRET_KEYS: [&str; 2] = ["parameter-store", "secrets-manager"];
/// The severities, from the least.
pub(crate) const SEVERITIES: [&str; 5] = ["informational", "low", "medium", "high", "critical"];

/// An image as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The folder that the build sees.
    pub context: Option<Text>,
    /// The Dockerfile in it.
    pub dockerfile: Option<Text>,
    /// The stage to build.
    pub target: Option<Text>,
    /// Build arguments.
    pub build_args: Vec<(String, Text)>,
    /// Secrets by mount id.
    pub secrets: Vec<Secret>,
    /// Labels.
    pub labels: Vec<(String, Text)>,
    /// The platform.
    pub platform: Option<Text>,
    /// The repository.
    pub repository: Option<Text>,
    /// The registry's host.
    pub registry: Option<Text>,
    /// Tags.
    pub tags: Vec<Text>,
    /// Whether a missing repository is created.
    pub create_repository: Option<bool>,
    /// The least severity that fails.
    pub fail_on: Option<Severity>,
    /// Seconds to wait for findings.
    pub scan_timeout: Option<u64>,
    /// Whether an image that cannot be scanned passes.
    pub allow_unscanned: Option<bool>,
    /// A role for the registry.
    pub role: Option<Text>,
    /// The registry's Region.
    pub region: Option<Text>,
    /// Seconds.
    pub timeout: Option<u64>,
}

/// A secret of an image build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// The `id` of the mount.
    pub id: Written<String>,
    /// Where its value is.
    pub origin: Origin,
}

impl Image {
    /// Calls `visit` with every text.
    pub fn each_text<'a>(&'a self, visit: &mut dyn FnMut(&'a Text)) {
        let Self { context, dockerfile, target, platform, repository, registry, role, region, .. } = self;
        [context, dockerfile, target, platform, repository, registry, role, region]
            .into_iter()
            .flatten()
            .for_each(&mut *visit);
        self.build_args.iter().chain(&self.labels).for_each(|(_, text)| visit(text));
        self.secrets.iter().for_each(|secret| visit(secret.origin.text()));
        self.tags.iter().for_each(visit);
    }
}

pub(super) fn read(node: &Node, d: &mut Diagnostics) -> Option<Image> {
    let map = Mapping::open(node, "an image", &KEYS, d)?;
    map.require("repository", "the repository that it is pushed to, such as `repository: billing-api`", d);
    map.require("tags", "at least one, such as `tags: [\"${source.short-commit}\"]`", d);
    let tags = map.items("tags", d);
    if let (true, Some(entry)) = (tags.is_empty(), map.entry("tags"))
        && entry.value.as_list().is_some()
    {
        d.error("empty", entry.value.span, "the image has no tags").hint("write at least one");
    }
    let mut image = Image {
        context: map.text("context", d),
        dockerfile: map.early_text("dockerfile", d),
        target: map.early_text("target", d),
        build_args: map.texts("build-args", d),
        secrets: secrets(&map, d),
        labels: map.texts("labels", d),
        platform: map.early_text("platform", d),
        repository: map.text("repository", d),
        registry: map.text("registry", d),
        tags: tags.iter().filter_map(|node| reader::text(node, "tags", d)).collect(),
        create_repository: map.boolean("create-repository", d),
        role: map.text("role", d),
        region: map.early_text("region", d),
        timeout: map.duration("timeout", d),
        ..Image::default()
    };
    if let Some(entry) = map.entry("scan") {
        scan(&entry.value, &mut image, d);
    }
    Some(image)
}

fn secrets(map: &Mapping<'_>, d: &mut Diagnostics) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for entry in map.entries("secrets", d) {
        let Some(map) = Mapping::open(&entry.value, "a secret", &SECRET_KEYS, d) else { continue };
        map.exactly_one_of(&SECRET_KEYS, "such as `{ parameter-store: /billing/npm-token }`", d);
        if let Some(origin) = environment::secret(&map, d) {
            secrets.push(Secret { id: Written { value: entry.key.clone(), span: entry.key_span }, origin });
        }
    }
    secrets
}

/// A mapping, or the bare severity.
fn scan(node: &Node, image: &mut Image, d: &mut Diagnostics) {
    if let Some(word) = node.as_text() {
        image.fail_on = severity(word, node.span, d);
        return;
    }
    let Some(map) = Mapping::open(node, "a scan", &SCAN_KEYS, d) else { return };
    map.require("fail-on", "the least severity that fails, such as `fail-on: high`", d);
    if let Some(entry) = map.entry("fail-on") {
        match entry.value.as_text() {
            Some(word) => image.fail_on = severity(word, entry.value.span, d),
            None => wrong_type(&entry.value, "fail-on", "a severity", d),
        }
    }
    image.scan_timeout = map.duration("timeout", d);
    image.allow_unscanned = map.boolean("allow-unscanned", d);
}

fn severity(word: &str, span: Span, d: &mut Diagnostics) -> Option<Severity> {
    match word.to_ascii_lowercase().as_str() {
        "informational" => Some(Severity::Informational),
        "low" => Some(Severity::Low),
        "medium" => Some(Severity::Medium),
        "high" => Some(Severity::High),
        "critical" => Some(Severity::Critical),
        other => {
            d.error("bad-value", span, format!("there is no severity `{word}`")).hint(did_you_mean(other, &SEVERITIES));
            None
        }
    }
}
