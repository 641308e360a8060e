//! A mapping read key by key: what is missing, of the wrong type or unknown is reported where it stands.
//!
//! This module knows no format; the readers of buildspecs and pipelines say which keys there are.

use crate::diagnostic::{Diagnostics, Severity, Span, did_you_mean, shortened};
use crate::yaml::{Entry, Node, get};

/// A value and the place that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

/// The keys of one mapping. Each key that is asked for is known; [`Fields::finish`] reports the others.
pub struct Fields<'n> {
    what: String,
    span: Span,
    entries: &'n [Entry],
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The keys of `node`, which messages call `what`. Anything but a mapping is reported at `at`, the place of the
    /// key that leads to it.
    pub fn of(node: &'n Node, what: impl Into<String>, at: Span, d: &mut Diagnostics) -> Option<Self> {
        let what = what.into();
        match node.as_map() {
            Some(entries) => Some(Self { what, span: at, entries, known: Vec::new() }),
            None => {
                wrong_type(node, &what, "a mapping", at, d);
                None
            }
        }
    }

    /// The entry of that key. A key with nothing after it counts as not written.
    pub fn entry(&mut self, key: &'static str) -> Option<&'n Entry> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        get(self.entries, key).filter(|entry| !entry.value.is_null())
    }

    /// The entry of a key that must be there.
    pub fn required(&mut self, key: &'static str, d: &mut Diagnostics) -> Option<&'n Entry> {
        let entry = self.entry(key);
        if entry.is_none() {
            match get(self.entries, key) {
                Some(empty) => d.error("missing-value", empty.key_span, format!("there is nothing below `{key}`")),
                None => d.error("missing-key", self.span, format!("{} needs the key `{key}`", self.what)),
            };
        }
        entry
    }

    /// A text.
    pub fn text(&mut self, key: &'static str, d: &mut Diagnostics) -> Option<Written<String>> {
        let entry = self.entry(key)?;
        text_of(&entry.value, key, entry.key_span, d)
    }

    /// `yes`, `no`, `true` or `false`.
    pub fn flag(&mut self, key: &'static str, d: &mut Diagnostics) -> Option<Written<bool>> {
        let entry = self.entry(key)?;
        let flag = entry.value.as_bool();
        if flag.is_none() {
            wrong_type(&entry.value, key, "yes or no", entry.key_span, d);
        }
        flag.map(|value| Written { value, span: entry.value.span })
    }

    /// A whole number.
    pub fn number(&mut self, key: &'static str, d: &mut Diagnostics) -> Option<Written<u64>> {
        let entry = self.entry(key)?;
        let number = entry.value.as_number();
        if number.is_none() {
            wrong_type(&entry.value, key, "a whole number", entry.key_span, d);
        }
        number.map(|value| Written { value, span: entry.value.span })
    }

    /// A list of texts, or one text that stands for a list of one. `None` when the key is not written.
    pub fn texts(&mut self, key: &'static str, d: &mut Diagnostics) -> Option<Vec<Written<String>>> {
        texts_of(self.entry(key)?, d)
    }

    /// Reports every key that was not asked for.
    pub fn finish(self, severity: Severity, d: &mut Diagnostics) {
        self.finish_with(severity, d, |_| None);
    }

    /// Reports every key that was not asked for; `hint` may know more about one than that it is unknown.
    pub fn finish_with(self, severity: Severity, d: &mut Diagnostics, hint: impl Fn(&str) -> Option<String>) {
        for entry in self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let message = format!("{} has no key `{}`", self.what, shortened(&entry.key));
            let kept = !d.is_full();
            let found = match severity {
                Severity::Error => d.error("unknown-key", entry.key_span, message),
                Severity::Warning => d.warning("unknown-key", entry.key_span, format!("{message}; it is ignored")),
            };
            // Guessing costs more than all the rest, so it is not done for what nobody will see.
            if kept {
                found.hint(hint(&entry.key).unwrap_or_else(|| did_you_mean(&entry.key, &self.known)));
            }
        }
    }
}

/// The texts of an entry: a list of them, or one that stands for a list of one.
pub fn texts_of(entry: &Entry, d: &mut Diagnostics) -> Option<Vec<Written<String>>> {
    match entry.value.as_list() {
        Some(items) => {
            let what = format!("an item of `{}`", shortened(&entry.key));
            Some(items.iter().filter_map(|item| text_of(item, &what, item.span, d)).collect())
        }
        None => text_of(&entry.value, &entry.key, entry.key_span, d).map(|text| vec![text]),
    }
}

/// The text of a scalar; anything else is reported at `at` under the name `what`.
pub fn text_of(node: &Node, what: &str, at: Span, d: &mut Diagnostics) -> Option<Written<String>> {
    match node.as_text() {
        Some(text) => Some(Written { value: text.to_owned(), span: node.span }),
        None => {
            wrong_type(node, what, "a text", at, d);
            None
        }
    }
}

/// Reports that `what` is not what was expected. A scalar is pointed to itself, anything longer by its key.
pub fn wrong_type(node: &Node, what: &str, expected: &str, at: Span, d: &mut Diagnostics) {
    let what = if what.contains([' ', '`']) { what.to_owned() } else { format!("`{what}`") };
    let (found, span) = match node.as_text() {
        Some(text) => (format!("`{}`", shortened(text)), node.span),
        None => (node.kind().to_owned(), at),
    };
    d.error("wrong-type", span, format!("{what} must be {expected}, not {found}"));
}
