//! `matrix` of a build: one action for each combination of values.

use super::reader::{self, Mapping};
use crate::diagnostic::Diagnostics;
use crate::fields::Written;
use crate::name::{Name, VariableName};

/// How many combinations a matrix can have.
pub const MOST_COMBINATIONS: usize = 256;

/// A name and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The name, as in `${matrix.NAME}`.
    pub name: Written<VariableName>,
    /// The values, at least one.
    pub values: Vec<String>,
}

/// One value of each axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combination {
    /// The action's name with the values behind it.
    pub action: Name,
    /// The axes and their values.
    pub values: Vec<(String, String)>,
}

/// The combinations of an action's matrix, the last axis changing fastest; one without values when it has none.
#[must_use]
pub fn combinations(action: &Name, axes: &[Axis]) -> Vec<Combination> {
    let mut rows: Vec<Vec<&str>> = vec![Vec::new()];
    for axis in axes {
        rows = rows
            .iter()
            .flat_map(|row| axis.values.iter().map(move |value| [row.as_slice(), &[value.as_str()]].concat()))
            .take(MOST_COMBINATIONS)
            .collect();
    }
    rows.into_iter()
        .map(|row| {
            let action = match row.as_slice() {
                [] => action.clone(),
                values => Name::sanitised(&format!("{action}-{}", values.join("-"))),
            };
            let named = axes.iter().zip(row).map(|(axis, value)| (axis.name.value.to_string(), value.to_owned()));
            Combination { action, values: named.collect() }
        })
        .collect()
}

pub(super) fn read(map: &Mapping<'_>, d: &mut Diagnostics) -> Vec<Axis> {
    let mut axes = Vec::new();
    let mut count = 1_usize;
    for entry in map.entries("matrix", d) {
        let name = match VariableName::new(&entry.key) {
            Ok(value) => Written { value, span: entry.key_span },
            Err(bad) => {
                d.error("bad-name", entry.key_span, bad.message).hint(bad.hint);
                continue;
            }
        };
        let Some(items) = entry.value.as_list() else {
            reader::wrong_type(&entry.value, &entry.key, "a list of values", d);
            continue;
        };
        if items.is_empty() {
            d.error("empty", entry.value.span, format!("`{}` has no values", entry.key))
                .hint("give it at least one, or remove it");
            continue;
        }
        let values = items.iter().filter_map(|node| reader::plain(node, &entry.key, d));
        axes.push(Axis { name, values: values.map(|value| value.value.to_owned()).collect() });
        count = count.saturating_mul(items.len());
    }
    if let (true, Some(entry)) = (count > MOST_COMBINATIONS, map.entry("matrix")) {
        let message = format!("the matrix has {count} combinations, more than {MOST_COMBINATIONS}");
        d.error("too-many", entry.key_span, message).hint("leave out a list, or some of its values");
    }
    axes
}
