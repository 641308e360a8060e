//! Diagnostics for people: the message, the line of the text, a caret under the place, and a hint.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Diagnostics, Severity, Span};

/// Whether escape sequences for colours are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// Plain text.
    Off,
    /// Text with ANSI escape sequences.
    On,
}

impl Diagnostics {
    /// All findings as text, one below the other. `source_of` gives the text of a file by the name that the diagnostic
    /// has for it; without a text only the place is named.
    pub fn render<'s>(&self, source_of: impl Fn(&str) -> Option<&'s str>, colours: Colours) -> String {
        let mut text = String::new();
        for diagnostic in self.iter() {
            text.push_str(&diagnostic.render(source_of(&diagnostic.file), colours));
            text.push('\n');
        }
        if self.omitted() > 0 {
            text.push_str(&format!("… and {} more\n", self.omitted()));
        }
        text
    }
}

impl Diagnostic {
    /// The finding as text, without a line break at its end.
    #[must_use]
    pub fn render(&self, source: Option<&str>, colours: Colours) -> String {
        let renderer = match colours {
            Colours::Off => Renderer::plain(),
            Colours::On => Renderer::styled(),
        };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(&self.message).id(self.code));
        group = match source {
            Some(source) => group.elements(self.snippets(source)),
            None => group.element(annotate_snippets::Origin::path(&self.file).line(self.span.line as usize)),
        };
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint));
        }
        renderer.render(&[group])
    }

    /// One snippet a place; only the lines that are shown are handed on, so that a long file costs no more.
    fn snippets<'s>(&'s self, source: &'s str) -> Vec<Snippet<'s, Annotation<'s>>> {
        let mut snippets = vec![snippet(&self.file, source, self.span, AnnotationKind::Primary, None)];
        for related in &self.related {
            snippets.push(snippet(&self.file, source, related.span, AnnotationKind::Context, Some(&related.message)));
        }
        snippets
    }
}

/// The first line of the span with its part underlined.
fn snippet<'s>(
    file: &'s str,
    source: &'s str,
    span: Span,
    kind: AnnotationKind,
    label: Option<&'s str>,
) -> Snippet<'s, Annotation<'s>> {
    let line = line_of(source, span.line);
    let start = byte_of(line, span.column);
    let end = if span.end_line == span.line { byte_of(line, span.end_column) } else { line.trim_end().len() };
    Snippet::source(line)
        .line_start(span.line as usize)
        .path(file)
        .annotation(kind.span(start..end.max(start)).label(label))
}

/// The line of that number, without its break. A line ends as YAML says: with `\n`, `\r\n` or `\r`.
fn line_of(source: &str, number: u32) -> &str {
    let mut rest = source;
    for _ in 1..number {
        let Some(end) = rest.find(['\n', '\r']) else { return "" };
        let length = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[end + length..];
    }
    rest.split(['\n', '\r']).next().unwrap_or_default()
}

/// The byte at which that column of a line starts.
fn byte_of(line: &str, column: u32) -> usize {
    line.char_indices().nth(column.saturating_sub(1) as usize).map_or(line.len(), |(byte, _)| byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_text() {
        let mut diagnostics = Diagnostics::of("buildspec.yml");
        let span = Span { line: 2, column: 3, end_line: 2, end_column: 11 };
        diagnostics.error("unknown-key", span, "unknown phase `prebuild`").hint("did you mean `pre_build`?");
        let source = "phases:\n  prebuild:\n    commands: [ls]\n";
        let expected = "\
error[unknown-key]: unknown phase `prebuild`
 --> buildspec.yml:2:3
  |
2 |   prebuild:
  |   ^^^^^^^^
  |
  = help: did you mean `pre_build`?
";
        assert_eq!(diagnostics.render(|_| Some(source), Colours::Off), expected);
    }

    #[test]
    fn lines_end_as_in_yaml() {
        let lines: Vec<&str> = (1..6).map(|number| line_of("a\nb\r\nc\rd", number)).collect();
        assert_eq!(lines, ["a", "b", "c", "d", ""]);
    }

    #[test]
    fn a_place_outside_the_text_is_no_reason_to_panic() {
        let mut diagnostics = Diagnostics::of("x.yml");
        let span = Span { line: 90, column: 7, end_line: 91, end_column: 3 };
        diagnostics.warning("odd", span, "odd").related(span, "and here");
        assert!(diagnostics.render(|_| Some("ä"), Colours::Off).contains("x.yml:90"));
        assert!(diagnostics.render(|_| None, Colours::Off).contains("x.yml"));
    }
}
