//! `variables`: values that a run may be given, with defaults.

use super::reader::{self, Mapping};
use crate::diagnostic::Diagnostics;
use crate::fields::Written;
use crate::name::VariableName;
use crate::yaml::{Entry, Node};

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
        default = map.entry("default").map(|entry| text_of(&entry.value, "default", d));
        description = map.plain("description", d).map(|text| text.value.to_owned());
    } else if !entry.value.is_null() {
        default = Some(text_of(&entry.value, &entry.key, d));
    }
    Some(Variable { name: name?, default, description })
}

/// The text of a default. One that was reported is empty, so that it does not count as missing too.
fn text_of(node: &Node, key: &str, d: &mut Diagnostics) -> String {
    reader::plain(node, key, d).map_or_else(String::new, |text| text.value.to_owned())
}
