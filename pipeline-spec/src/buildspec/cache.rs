//! `cache`: what one build keeps for the next.

use super::UNSUPPORTED;
use crate::diagnostic::{Diagnostics, Severity, did_you_mean, shortened};
use crate::fields::{Fields, Written};
use crate::yaml::Entry;

/// `cache` as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// The key of a cache in S3, shell text.
    pub key: Option<String>,
    /// Beginnings of other keys, in the order of their trial.
    pub fallback_keys: Vec<String>,
    /// What is done; not written: both.
    pub action: Option<CacheAction>,
    /// Globs of what is kept.
    pub paths: Vec<String>,
}

/// Half of what a cache does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheAction {
    /// It is only read.
    Restore,
    /// It is only written.
    Save,
}

/// As many as CodeBuild tries.
const MAX_FALLBACK_KEYS: usize = 5;

pub(super) fn read(entry: &Entry, d: &mut Diagnostics) -> Option<Cache> {
    if entry.value.as_list().is_some() {
        d.warning("wrong-type", entry.key_span, "`cache` must be a mapping, not a list; it is ignored")
            .hint("write the list below `paths`, and `paths` below `cache`");
        return None;
    }
    let mut fields = Fields::of(&entry.value, "`cache`", entry.key_span, d)?;
    let key = fields.text("key", d);
    let fallback_keys = fields.texts("fallback-keys", d).unwrap_or_default();
    let action = fields.text("action", d);
    let written = key.iter().chain(&fallback_keys).chain(&action).map(|text| text.span).min();
    if let Some(span) = written {
        let message = "caches in S3 with keys are not supported yet: the paths are kept on this machine";
        d.warning(UNSUPPORTED, span, message);
    }
    if let Some(extra) = fallback_keys.get(MAX_FALLBACK_KEYS) {
        d.error("too-many", extra.span, format!("at most {MAX_FALLBACK_KEYS} fallback keys are tried"));
    }
    let paths = fields.texts("paths", d).unwrap_or_default();
    fields.finish_with(Severity::Warning, d, |key| {
        ["modes", "type", "location"]
            .contains(&key)
            .then(|| "it belongs to the project, not to its buildspec".to_owned())
    });
    Some(Cache {
        key: key.map(|text| text.value),
        fallback_keys: fallback_keys.into_iter().map(|text| text.value).collect(),
        action: action.and_then(|text| action_of(&text, d)),
        paths: paths.into_iter().map(|text| text.value).collect(),
    })
}

fn action_of(text: &Written<String>, d: &mut Diagnostics) -> Option<CacheAction> {
    match text.value.to_ascii_lowercase().as_str() {
        "restore" => Some(CacheAction::Restore),
        "save" => Some(CacheAction::Save),
        other => {
            let message = format!("`action` has no value `{}`", shortened(other));
            d.error("wrong-type", text.span, message).hint(did_you_mean(other, &["restore", "save"]));
            None
        }
    }
}
