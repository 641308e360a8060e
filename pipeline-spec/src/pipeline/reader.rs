//! Takes mappings apart key by key, and says what is wrong with keys and values where they stand.

use crate::diagnostic::{Diagnostics, Span, nearest, shortened};
use crate::fields::Written;
use crate::interpolate;
use crate::plan::{Reference, Template};
use crate::quantity::{self, BadQuantity};
use crate::yaml::{self, Entry, Node};

/// A text that may hold references, and where they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text with its references.
    pub template: Template,
    /// Where it was written.
    pub span: Span,
    /// Where each reference of the template was written.
    pub reference_spans: Vec<Span>,
    /// Whether its value must be known before the run, so that only some references can stand in it.
    pub early: bool,
}

impl Text {
    /// The references and where they stand.
    pub fn references(&self) -> impl Iterator<Item = (&Reference, Span)> {
        self.template.references().zip(self.reference_spans.iter().copied())
    }
}

/// Words of other tools, and ours for the same thing.
const OTHER_WORDS: [(&str, &str); 14] = [
    ("env", "environment"),
    ("variables", "environment"),
    ("depends-on", "needs"),
    ("depends_on", "needs"),
    ("depend-on", "needs"),
    ("steps", "actions"),
    ("jobs", "actions"),
    ("phases", "buildspec"),
    ("run", "commands"),
    ("script", "commands"),
    ("conditions", "before-entry"),
    ("gates", "before-entry"),
    ("mem", "memory"),
    ("args", "build-args"),
];

/// The entries of one mapping.
pub(crate) struct Mapping<'n> {
    what: &'static str,
    /// Where the mapping stands.
    pub(crate) span: Span,
    entries: &'n [Entry],
}

impl<'n> Mapping<'n> {
    /// Opens a mapping that can have these keys. Other keys, and keys without a value, are reported.
    pub(crate) fn open(node: &'n Node, what: &'static str, keys: &[&str], d: &mut Diagnostics) -> Option<Self> {
        let Some(entries) = node.as_map() else {
            let found = node.as_text().map_or(node.kind().to_owned(), |text| format!("`{}`", shortened(text)));
            d.error("wrong-type", node.span, format!("{what} must be a mapping, not {found}"))
                .hint(format!("its keys are {}", keys.join(", ")));
            return None;
        };
        for entry in entries {
            if !keys.contains(&entry.key.as_str()) {
                unknown_key(entry, what, keys, d);
            } else if entry.value.is_null() {
                d.error("no-value", entry.key_span, format!("`{}` has no value", shortened(&entry.key)))
                    .hint("give it a value, or leave the key out");
            }
        }
        Some(Self { what, span: node.span, entries })
    }

    /// The entry of that key, unless it has no value.
    pub(crate) fn entry(&self, key: &str) -> Option<&'n Entry> {
        yaml::get(self.entries, key).filter(|entry| !entry.value.is_null())
    }

    /// Whether the key is there, with or without a value.
    pub(crate) fn has(&self, key: &str) -> bool {
        yaml::get(self.entries, key).is_some()
    }

    /// Reports that the key is missing, when it is.
    pub(crate) fn require(&self, key: &str, hint: &str, d: &mut Diagnostics) {
        if !self.has(key) {
            d.error("missing-key", self.span, format!("{} needs the key `{key}`", self.what)).hint(hint);
        }
    }

    /// Of these keys exactly one is there; otherwise that is reported.
    pub(crate) fn exactly_one_of(&self, keys: &[&str], hint: &str, d: &mut Diagnostics) {
        let names = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let mut there = self.entries.iter().filter(|entry| keys.contains(&entry.key.as_str()));
        match (there.next(), there.next()) {
            (Some(_), None) => {}
            (None, _) => {
                d.error("exactly-one-of", self.span, format!("{} needs one of {names}", self.what)).hint(hint);
            }
            (Some(first), Some(second)) => {
                let message = format!("{} has both `{}` and `{}`", self.what, first.key, second.key);
                d.error("exactly-one-of", second.key_span, message)
                    .hint(format!("keep one of {names}"))
                    .related(first.key_span, "the other one");
            }
        }
    }

    /// A text that may hold any reference.
    pub(crate) fn text(&self, key: &str, d: &mut Diagnostics) -> Option<Text> {
        text(&self.entry(key)?.value, key, d)
    }

    /// A text whose value must be known before the run.
    pub(crate) fn early_text(&self, key: &str, d: &mut Diagnostics) -> Option<Text> {
        Some(Text { early: true, ..text(&self.entry(key)?.value, key, d)? })
    }

    /// A text that stands for itself: it can hold no references.
    pub(crate) fn plain(&self, key: &str, d: &mut Diagnostics) -> Option<Written<&'n str>> {
        plain(&self.entry(key)?.value, key, d)
    }

    /// `true` or `false`, and YAML 1.1's other words for them.
    pub(crate) fn boolean(&self, key: &str, d: &mut Diagnostics) -> Option<bool> {
        let entry = self.entry(key)?;
        let value = entry.value.as_bool();
        if value.is_none() {
            wrong_type(&entry.value, key, "true or false", d);
        }
        value
    }

    /// A whole number in that range.
    pub(crate) fn number(&self, key: &str, range: std::ops::RangeInclusive<u32>, d: &mut Diagnostics) -> Option<u32> {
        let entry = self.entry(key)?;
        let number = entry.value.as_number().and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let wanted = format!("a whole number from {} to {}", range.start(), range.end());
            wrong_type(&entry.value, key, &wanted, d);
        }
        number
    }

    /// A duration in seconds.
    pub(crate) fn duration(&self, key: &str, d: &mut Diagnostics) -> Option<u64> {
        self.quantity(key, quantity::duration, d)
    }

    /// A quantity with a unit.
    pub(crate) fn quantity(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<u64, BadQuantity>,
        d: &mut Diagnostics,
    ) -> Option<u64> {
        let located = self.plain(key, d)?;
        match parse(located.value) {
            Ok(value) => Some(value),
            Err(bad) => {
                d.error("bad-value", located.span, bad.message).hint(bad.hint);
                None
            }
        }
    }

    /// The items of a list; a single text stands for a list of one.
    pub(crate) fn items(&self, key: &str, d: &mut Diagnostics) -> &'n [Node] {
        let Some(entry) = self.entry(key) else { return &[] };
        match (entry.value.as_list(), entry.value.as_text()) {
            (Some(items), _) => items,
            (None, Some(_)) => std::slice::from_ref(&entry.value),
            (None, None) => {
                wrong_type(&entry.value, key, "a list", d);
                &[]
            }
        }
    }

    /// The entries of a mapping whose keys are the user's own.
    pub(crate) fn entries(&self, key: &str, d: &mut Diagnostics) -> &'n [Entry] {
        let Some(entry) = self.entry(key) else { return &[] };
        entry.value.as_map().unwrap_or_else(|| {
            wrong_type(&entry.value, key, "a mapping", d);
            &[]
        })
    }

    /// A mapping from the user's own keys to texts that may hold references.
    pub(crate) fn texts(&self, key: &str, d: &mut Diagnostics) -> Vec<(String, Text)> {
        let entries = self.entries(key, d);
        entries.iter().filter_map(|entry| Some((entry.key.clone(), text(&entry.value, &entry.key, d)?))).collect()
    }
}

/// A text that may hold references; whatever is wrong with it is reported.
pub(crate) fn text(node: &Node, key: &str, d: &mut Diagnostics) -> Option<Text> {
    let Some(written) = node.as_text() else {
        wrong_type(node, key, "a text", d);
        return None;
    };
    match interpolate::parse(written) {
        Ok(template) => {
            let mut from = 0;
            let spans = template.references().map(|reference| {
                let shown = reference.to_string();
                let at = written[from..].find(&shown).map_or(0, |at| at + from);
                from = at + shown.len();
                within(node.span, written, at, shown.len())
            });
            let reference_spans = spans.collect();
            Some(Text { template, span: node.span, reference_spans, early: false })
        }
        Err(error) => {
            d.error("bad-reference", within(node.span, written, error.at, 2), error.message).hint(error.hint);
            None
        }
    }
}

/// A text without references.
pub(crate) fn plain<'n>(node: &'n Node, key: &str, d: &mut Diagnostics) -> Option<Written<&'n str>> {
    let Some(value) = node.as_text() else {
        wrong_type(node, key, "a text", d);
        return None;
    };
    if let Some(at) = value.find("${") {
        d.error("bad-reference", within(node.span, value, at, 2), format!("`{key}` can hold no reference"))
            .hint("write the value itself; references are filled in where text is expected");
        return None;
    }
    Some(Written { value, span: node.span })
}

/// Reports a value of another kind than is wanted.
pub(crate) fn wrong_type(node: &Node, key: &str, wanted: &str, d: &mut Diagnostics) {
    crate::fields::wrong_type(node, key, wanted, node.span, d);
}

/// Reports a name that is none.
pub(crate) fn name(located: Option<Written<&str>>, d: &mut Diagnostics) -> Option<Written<crate::name::Name>> {
    let located = located?;
    match crate::name::Name::new(located.value) {
        Ok(value) => Some(Written { value, span: located.span }),
        Err(bad) => {
            d.error("bad-name", located.span, bad.message).hint(bad.hint);
            None
        }
    }
}

fn unknown_key(entry: &Entry, what: &str, keys: &[&str], d: &mut Diagnostics) {
    let ours = OTHER_WORDS.iter().find(|(other, ours)| *other == entry.key && keys.contains(ours)).map(|pair| pair.1);
    let hint = match ours.or_else(|| nearest(&entry.key, keys.iter().copied())) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("its keys are {}", keys.join(", ")),
    };
    d.error("unknown-key", entry.key_span, format!("{what} has no key `{}`", shortened(&entry.key))).hint(hint);
}

/// The part of a scalar from byte `at` on, when its text stands on one line as it is (bare, or in quotes without
/// escapes); otherwise the whole.
fn within(span: Span, written: &str, at: usize, length: usize) -> Span {
    let characters = written.chars().count();
    let width = span.end_column.saturating_sub(span.column) as usize;
    let quote = match width.checked_sub(characters) {
        Some(quotes @ (0 | 2)) if span.line == span.end_line => quotes / 2,
        _ => return span,
    };
    let before = written.get(..at).map_or(0, |before| before.chars().count());
    let marked = written.get(at..at + length).map_or(1, |part| part.chars().count());
    let offset = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let column = span.column.saturating_add(offset(before + quote));
    Span { column, end_column: column.saturating_add(offset(marked)), ..span }
}
