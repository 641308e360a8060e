//! `environment`: variables of a build, plain or by the name of a secret.

use super::Text;
use super::reader::{self, Mapping};
use crate::diagnostic::{Diagnostics, Span};
use crate::yaml::Entry;

/// The keys of a variable in its long form.
pub(crate) const KEYS: [&str; 3] = ["value", "parameter-store", "secrets-manager"];

/// A variable as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Text.
    Plain(Text),
    /// A name in Parameter Store.
    ParameterStore(Text),
    /// `secret-id:json-key:version-stage:version-id`.
    SecretsManager(Text),
}

impl Origin {
    /// The text, whatever it means.
    #[must_use]
    pub fn text(&self) -> &Text {
        match self {
            Self::Plain(text) | Self::ParameterStore(text) | Self::SecretsManager(text) => text,
        }
    }
}

pub(super) fn read(map: &Mapping<'_>, d: &mut Diagnostics) -> Vec<Variable> {
    map.entries("environment", d).iter().filter_map(|entry| variable(entry, d)).collect()
}

fn variable(entry: &Entry, d: &mut Diagnostics) -> Option<Variable> {
    check_name(&entry.key, entry.key_span, d);
    let origin = if entry.value.as_map().is_some() {
        let map = Mapping::open(&entry.value, "a variable", &KEYS, d)?;
        map.exactly_one_of(&KEYS, "such as `{ parameter-store: /billing/token }`", d);
        secret(&map, d).or_else(|| map.text("value", d).map(Origin::Plain))
    } else if entry.value.is_null() {
        d.error("no-value", entry.key_span, format!("`{}` has no value", entry.key)).hint("write `\"\"` for no text");
        None
    } else {
        reader::text(&entry.value, &entry.key, d).map(Origin::Plain)
    };
    Some(Variable { name: entry.key.clone(), origin: origin? })
}

/// The reference to a secret that the mapping holds, if it does.
pub(super) fn secret(map: &Mapping<'_>, d: &mut Diagnostics) -> Option<Origin> {
    let parameter = map.early_text("parameter-store", d).map(Origin::ParameterStore);
    parameter.or_else(|| map.early_text("secrets-manager", d).map(Origin::SecretsManager))
}

pub(super) fn check_name(name: &str, span: Span, d: &mut Diagnostics) {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if !starts || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        d.error("bad-name", span, format!("`{name}` is not the name of an environment variable"))
            .hint("such a name has letters, digits and `_`, and does not start with a digit");
    } else if name.starts_with("CODEBUILD_") && !name.starts_with("CODEBUILD_CONFIG_") {
        d.warning("reserved-name", span, format!("`{name}` is a name that builds set themselves"))
            .hint("choose a name that does not start with `CODEBUILD_`");
    }
}
