//! Text with references in it: `Ship ${source.short-commit}?`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text whose references are filled in when the run knows their values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template {
    /// Its parts, in order.
    pub parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Text as it stands.
    Text(String),
    /// A value to be filled in.
    Reference(Reference),
}

/// `${path.to.value}`: the names between the dots, checked to exist when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reference {
    /// Such as `["source", "commit"]` or `["image", "uri"]`.
    pub path: Vec<String>,
}

impl Template {
    /// A template without references.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Text(text.into())] }
    }

    /// The references in it, in order.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Reference(reference) => Some(reference),
            Part::Text(_) => None,
        })
    }

    /// The text with every reference filled in.
    ///
    /// # Errors
    /// The first reference that `value_of` has no value for.
    pub fn render(&self, value_of: impl Fn(&Reference) -> Option<String>) -> Result<String, Reference> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Reference(reference) => match value_of(reference) {
                    Some(value) => text.push_str(&value),
                    None => return Err(reference.clone()),
                },
            }
        }
        Ok(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${{{}}}", self.path.join("."))
    }
}

impl fmt::Display for Template {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Reference(reference) => reference.fmt(f),
        })
    }
}
