//! `artifacts`: what leaves the build.

use super::{UNSUPPORTED, Version};
use crate::diagnostic::{Diagnostics, Severity, shortened};
use crate::fields::{Fields, wrong_type};
use crate::yaml::Entry;

/// `artifacts`, or one of its `secondary-artifacts`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artifacts {
    /// Globs of the files; empty when there are only secondary artifacts.
    pub files: Vec<String>,
    /// The artifact's name, shell text.
    pub name: Option<String>,
    /// All files into one folder.
    pub discard_paths: bool,
    /// Where the globs start, shell text.
    pub base_directory: Option<String>,
    /// Globs of what is left out.
    pub exclude_paths: Vec<String>,
    /// Symbolic links that stay inside are kept.
    pub enable_symlinks: bool,
    /// The beginning of the place in S3.
    pub s3_prefix: Option<String>,
    /// Further artifacts.
    pub secondary: Vec<SecondaryArtifacts>,
}

/// An artifact and its identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondaryArtifacts {
    /// The name that a pipeline knows it by.
    pub identifier: String,
    /// What it holds; it has no secondary artifacts itself.
    pub artifacts: Artifacts,
}

/// As many as CodeBuild takes.
const MAX_SECONDARY: usize = 12;

pub(super) fn read(entry: &Entry, version: Version, d: &mut Diagnostics) -> Option<Artifacts> {
    let mut fields = Fields::of(&entry.value, "`artifacts`", entry.key_span, d)?;
    let mut artifacts = one(&mut fields, d);
    if let Some(kind) = fields.text("type", d)
        && version == Version::V0_2
    {
        d.warning("deprecated", kind.span, "`type` is a key of version 0.1; it is ignored");
    }
    if let Some(entry) = fields.entry("secondary-artifacts") {
        artifacts.secondary = secondary(entry, d);
    }
    if artifacts.secondary.is_empty() {
        fields.required("files", d);
    }
    fields.finish(Severity::Warning, d);
    Some(artifacts)
}

/// The keys that primary and secondary artifacts have in common.
fn one(fields: &mut Fields<'_>, d: &mut Diagnostics) -> Artifacts {
    let texts = |texts: Option<Vec<_>>| {
        texts.unwrap_or_default().into_iter().map(|text: crate::fields::Written<_>| text.value).collect()
    };
    let files = texts(fields.texts("files", d));
    let exclude_paths = texts(fields.texts("exclude-paths", d));
    let s3_prefix = fields.text("s3-prefix", d);
    if let Some(prefix) = &s3_prefix {
        d.warning(UNSUPPORTED, prefix.span, "`s3-prefix` has no effect yet: artifacts stay on this machine");
    }
    let mut not_empty =
        |key, d: &mut Diagnostics| fields.text(key, d).map(|text| text.value).filter(|text| !text.is_empty());
    let (name, base_directory) = (not_empty("name", d), not_empty("base-directory", d));
    Artifacts {
        files,
        name,
        discard_paths: fields.flag("discard-paths", d).is_some_and(|flag| flag.value),
        base_directory,
        exclude_paths,
        enable_symlinks: fields.flag("enable-symlinks", d).is_some_and(|flag| flag.value),
        s3_prefix: s3_prefix.map(|text| text.value),
        secondary: Vec::new(),
    }
}

fn secondary(entry: &Entry, d: &mut Diagnostics) -> Vec<SecondaryArtifacts> {
    let Some(entries) = entry.value.as_map() else {
        wrong_type(&entry.value, "secondary-artifacts", "a mapping of artifacts", entry.key_span, d);
        return Vec::new();
    };
    if let Some(extra) = entries.get(MAX_SECONDARY) {
        d.error("too-many", extra.key_span, format!("a build has {MAX_SECONDARY} secondary artifacts at the most"));
    }
    let mut read = Vec::new();
    for entry in entries {
        let what = format!("the artifact `{}`", shortened(&entry.key));
        let Some(mut fields) = Fields::of(&entry.value, what, entry.key_span, d) else { continue };
        let artifacts = one(&mut fields, d);
        fields.required("files", d);
        fields.finish(Severity::Warning, d);
        read.push(SecondaryArtifacts { identifier: entry.key.clone(), artifacts });
    }
    read
}
