//! YAML as a tree with positions.
//!
//! Scalars keep their source text (`3.10` stays `3.10`) and are read as what the asker wants: the same `yes` is a text
//! in one place and a boolean in another, as in CodeBuild. This module knows no key by name.

mod parse;
mod syntax;
#[cfg(test)]
mod tests;

use crate::diagnostic::Span;

pub use parse::{MAX_BYTES, parse};

/// A value in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it stands. A list or mapping over several lines is pointed to at its first character.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// The three kinds of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text, number, boolean or null.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the text; merge keys (`<<`) are already merged in.
    Map(Vec<Entry>),
}

/// A scalar as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// Its text, after quotes, escapes and folding.
    pub text: String,
    /// Whether it stood bare, so that it may be a boolean, a number or null.
    pub plain: bool,
}

/// A key of a mapping and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Whether nothing is written there: an empty value, `~` or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar(scalar) => scalar.plain && matches!(&*scalar.text, "" | "~" | "null" | "Null" | "NULL"),
            _ => false,
        }
    }

    /// The source text of a scalar that is not null, whatever it looks like.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) if !self.is_null() => Some(&scalar.text),
            _ => None,
        }
    }

    /// A boolean of YAML 1.1 or 1.2 in any case, quoted or not: CodeBuild's documentation writes `no` and `"false"`.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.as_text()?.trim().to_ascii_lowercase().as_str() {
            "yes" | "true" | "on" | "y" => Some(true),
            "no" | "false" | "off" | "n" => Some(false),
            _ => None,
        }
    }

    /// A whole number without sign.
    #[must_use]
    pub fn as_number(&self) -> Option<u64> {
        let text = self.as_text()?.trim();
        if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
    }

    /// The items of a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping.
    #[must_use]
    pub fn as_map(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// What a message calls it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar(_) if self.is_null() => "nothing",
            Value::Scalar(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// The value of that key.
#[must_use]
pub fn get<'n>(entries: &'n [Entry], key: &str) -> Option<&'n Entry> {
    entries.iter().find(|entry| entry.key == key)
}
