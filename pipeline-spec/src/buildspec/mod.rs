//! `buildspec.yml` as it is written, versions 0.1 and 0.2 (CodeBuild user guide, "Build specification reference").
//!
//! One file a top-level key: it reads the key and checks it. Keys that CodeBuild passes over are passed over with a
//! warning; what CodeBuild does and this runner does not do yet is a warning of the code `unsupported`. Nothing is
//! dropped in silence. This module does not know how a build is run; [`plan`] makes the [`Build`](crate::plan::Build).

mod artifacts;
mod batch;
mod cache;
mod env;
mod on_failure;
mod phases;
mod plan;
mod proxy;
mod reports;
mod secret;

use crate::diagnostic::{Diagnostics, Reading, Severity, Span, shortened};
use crate::fields::{Fields, Written};
use crate::plan::rule_of;
use crate::yaml::{self, Node};

pub use artifacts::{Artifacts, SecondaryArtifacts};
pub use batch::{Batch, BatchEnv, BatchKind, BatchMatrix, BatchTask};
pub use cache::{Cache, CacheAction};
pub use env::Env;
pub use on_failure::OnFailure;
pub use phases::{Command, Phase};
pub use plan::plan_of_buildspec;
pub use proxy::Proxy;
pub use reports::Report;
pub use secret::secret_reference;

/// What a message calls a key that works on AWS and not here, as the code of its diagnostic.
const UNSUPPORTED: &str = "unsupported";

/// A buildspec as written. What is not written is `None` or empty; defaults are filled in by the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Buildspec {
    /// Where it was read from, for the plan and for messages.
    pub file: String,
    /// The version of the format.
    pub version: Version,
    /// The user of all commands.
    pub run_as: Option<String>,
    /// Shell and variables.
    pub env: Env,
    /// Whether CodeBuild's own traffic goes through the project's proxy.
    pub proxy: Option<Proxy>,
    /// Several builds instead of one.
    pub batch: Option<Batch>,
    /// The phases that are written, in the order of the file.
    pub phases: Vec<Phase>,
    /// The report groups.
    pub reports: Vec<Report>,
    /// What leaves the build.
    pub artifacts: Option<Artifacts>,
    /// What is kept for the next build.
    pub cache: Option<Cache>,
}

/// The versions of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 0.1: every command has a shell of its own, and nothing is carried from one to the next.
    V0_1,
    /// 0.2: directory and variables are carried from command to command.
    V0_2,
}

/// Reads a buildspec. `file` is what messages and the plan call it.
#[must_use]
pub fn read_buildspec(file: &str, text: &str) -> Reading<Buildspec> {
    let Reading { value: root, diagnostics: mut d } = yaml::parse(file, text);
    let buildspec = root.and_then(|root| buildspec_of(&root, file, Span::START, &mut d));
    Reading::of(buildspec, d)
}

/// Reads a buildspec that is part of another file. `at` is the place of the key that it stands under.
pub fn buildspec_of(node: &Node, file: &str, at: Span, d: &mut Diagnostics) -> Option<Buildspec> {
    let mut fields = Fields::of(node, "a buildspec", at, d)?;
    let version = version_of(&mut fields, d);
    let run_as = fields.text("run-as", d).map(|user| user.value);
    let env = env::read(&mut fields, version, d);
    let proxy = fields.entry("proxy").and_then(|entry| proxy::read(entry, d));
    let batch = fields.entry("batch").and_then(|entry| batch::read(entry, d));
    let phases = phases::read(&mut fields, batch.is_some(), d);
    if let Some(batch) = &batch {
        batch::report(batch, phases.is_empty(), d);
    }
    let reports = fields.entry("reports").map(|entry| reports::read(entry, d)).unwrap_or_default();
    let artifacts = fields.entry("artifacts").and_then(|entry| artifacts::read(entry, version, d));
    let cache = fields.entry("cache").and_then(|entry| cache::read(entry, d));
    fields.finish_with(Severity::Warning, d, hint_for);
    Some(Buildspec { file: file.to_owned(), version, run_as, env, proxy, batch, phases, reports, artifacts, cache })
}

/// What was meant by a key that is not one of the top level.
fn hint_for(key: &str) -> Option<String> {
    match key {
        "environment_variables" => Some("in version 0.2 it is `env`, with `variables` below it".to_owned()),
        key if rule_of(key).is_some() => {
            Some(format!("it is a phase: write it below `phases`, indented more than `{key}` is"))
        }
        _ => None,
    }
}

/// `version`, as text: `0.2` and `"0.2"` are the same.
fn version_of(fields: &mut Fields<'_>, d: &mut Diagnostics) -> Version {
    let text = match fields.entry("version") {
        Some(_) => fields.text("version", d),
        // CodeBuild's batches take a file that has nothing but `batch`.
        None if fields.entry("batch").is_some() && fields.entry("phases").is_none() => return Version::V0_2,
        None => {
            fields.required("version", d);
            return Version::V0_2;
        }
    };
    match text {
        Some(Written { value, .. }) if value == "0.1" => Version::V0_1,
        Some(Written { value, .. }) if value == "0.2" => Version::V0_2,
        Some(Written { value, span }) => {
            let message = format!("there is no version `{}` of the buildspec format", shortened(&value));
            d.error("version", span, message).hint("write `version: 0.2`");
            Version::V0_2
        }
        None => Version::V0_2,
    }
}
