//! What is wrong with a text, where, and what to do about it.
//!
//! All diagnostics of a file are collected and shown together. This module does not know what the texts mean.

mod render;
mod suggest;

use serde::Serialize;

pub use render::Colours;
pub use suggest::{did_you_mean, nearest};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing can be run from this text.
    Error,
    /// It runs, though perhaps not as its author thinks.
    Warning,
}

/// A stretch of text. Lines and columns count from 1, columns in characters; the end is the first place after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Span {
    /// The first line.
    pub line: u32,
    /// The first character's column in it.
    pub column: u32,
    /// The line that it ends on.
    pub end_line: u32,
    /// The column after the last character.
    pub end_column: u32,
}

impl Span {
    /// The very start of a file, for what concerns the file as a whole.
    pub const START: Self = Self { line: 1, column: 1, end_line: 1, end_column: 1 };
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable word for the kind of finding, such as `unknown-key`.
    pub code: &'static str,
    /// What is wrong, in one sentence without a capital or a period.
    pub message: String,
    /// The file that it is in, as the caller named it.
    pub file: String,
    /// Where it is in the file.
    pub span: Span,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Other places in the same file that belong to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
}

/// Another place that a finding speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Related {
    /// What is there.
    pub message: String,
    /// Where it is.
    pub span: Span,
}

impl Diagnostic {
    /// Says what to do about it.
    pub fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    /// Points to another place.
    pub fn related(&mut self, span: Span, message: impl Into<String>) -> &mut Self {
        self.related.push(Related { message: message.into(), span });
        self
    }
}

/// All findings of a reading, at most [`Diagnostics::KEPT`] of them; the rest is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    file: String,
    items: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

impl Diagnostics {
    /// How many findings are kept. A file that is another kind of file altogether would fill the memory with them.
    pub const KEPT: usize = 500;

    /// No findings yet; those to come are of that file.
    #[must_use]
    pub fn of(file: impl Into<String>) -> Self {
        Self { file: file.into(), items: Vec::new(), errors: 0, warnings: 0 }
    }

    /// Adds an error, which can be given a hint.
    pub fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Error, code, span, message.into())
    }

    /// Adds a warning, which can be given a hint.
    pub fn warning(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Warning, code, span, message.into())
    }

    fn push(&mut self, severity: Severity, code: &'static str, span: Span, message: String) -> &mut Diagnostic {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        let diagnostic =
            Diagnostic { severity, code, message, file: self.file.clone(), span, hint: None, related: Vec::new() };
        // One more than is kept, so that there is always one to hand out; `iter` leaves it out.
        self.items.truncate(Self::KEPT);
        self.items.push(diagnostic);
        let last = self.items.len() - 1;
        &mut self.items[last]
    }

    /// Takes over the findings of another reading, which may be of another file.
    pub fn append(&mut self, other: Self) {
        self.errors += other.errors;
        self.warnings += other.warnings;
        self.items.extend(other.items);
        self.items.truncate(Self::KEPT + 1);
    }

    /// Puts them in the order of their places, file by file.
    pub fn sort(&mut self) {
        let mut files: Vec<String> = Vec::new();
        for diagnostic in &self.items {
            if !files.contains(&diagnostic.file) {
                files.push(diagnostic.file.clone());
            }
        }
        let rank = |file: &str| files.iter().position(|known| known == file);
        self.items.sort_by_key(|diagnostic| (rank(&diagnostic.file), diagnostic.span, diagnostic.severity));
    }

    /// The file that new findings are of.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The findings that are kept.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.items[..self.items.len().min(Self::KEPT)].iter()
    }

    /// Whether further findings are only counted.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.items.len() >= Self::KEPT
    }

    /// How many findings are not kept.
    #[must_use]
    pub fn omitted(&self) -> usize {
        (self.errors + self.warnings).saturating_sub(Self::KEPT)
    }

    /// Whether there is an error, so that nothing can be run.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many errors were found, kept or not.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// How many warnings were found, kept or not.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.warnings
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.errors + self.warnings == 0
    }
}

impl Serialize for Diagnostics {
    /// As the list of the findings that are kept.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// What came of reading a text: a value unless there was an error, and what was found on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading<T> {
    /// The value; `None` when the diagnostics hold an error.
    pub value: Option<T>,
    /// Everything found, in the order of the text.
    pub diagnostics: Diagnostics,
}

impl<T> Reading<T> {
    /// A reading whose value counts only when no error was found.
    #[must_use]
    pub fn of(value: Option<T>, mut diagnostics: Diagnostics) -> Self {
        diagnostics.sort();
        let value = if diagnostics.has_errors() { None } else { value };
        Self { value, diagnostics }
    }
}

/// What is wrong with a regular expression, without the drawing of it: the last line of what the regex crate says.
#[must_use]
pub fn reason_of(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// A text as a message can hold it: one line, and not a long one.
#[must_use]
pub fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(60).collect();
    if short.len() < text.trim_end().len() {
        short.push('…');
    }
    short
}
