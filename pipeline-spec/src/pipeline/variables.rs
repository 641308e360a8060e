//! `variables`: values that a run may be given, with defaults.

use super::reader::{self, Mapping, wrong_type};
use crate::fields::Written;
use crate::diagnostic::Diagnostics;
use crate::name::VariableName;
use crate::yaml::Entry;

/// The keys of a variable in its long form.
pub(crate) const KEYS: [&str; 2] = ["default", "description"];

/// A variable as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: Written<VariableName>,
    /// Its value when the run is given none; `None`: the run must be given one.
    pub default: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

pub(super) fn read(entries: &[Entry], d: &mut Diagnostics) -> Vec<Variable> {
    entries.iter().filter_map(|entry| variable(entry, d)).collect()
}

fn variable(entry: &Entry, d: &mut Diagnostics) -> Option<Variable> {
    let name = match VariableName::new(&entry.key) {
        Ok(value) => Some(Written { value, span: entry.key_span }),
        Err(bad) => {
            d.error("bad-name", entry.key_span, bad.message).hint(bad.hint);
            None
        }
    };
    let (mut default, mut description) = (None, None);
    if entry.value.as_map().is_some() {
        let map = Mapping::open(&entry.value, "a variable", &KEYS, d)?;
        default = map.plain("default", d).map(|text| text.value.to_owned());
        description = map.plain("description", d).map(|text| text.value.to_owned());
    } else if entry.value.as_list().is_some() {
        wrong_type(&entry.value, &entry.key, "a text or a mapping with `default` and `description`", d);
    } else if !entry.value.is_null() {
        default = reader::plain(&entry.value, &entry.key, d).map(|text| text.value.to_owned());
    }
    Some(Variable { name: name?, default, description })
}
