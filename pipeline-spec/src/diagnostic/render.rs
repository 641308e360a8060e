//! Diagnostics for people: the message, the line of the text, a caret under the place, and a hint.

use std::collections::HashMap;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Diagnostics, Severity, Span};

/// How many bytes of a line before and after a place are looked at. A text of megabytes without a line break would
/// otherwise be looked through for each of its diagnostics.
const LONGEST: usize = 1000;

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
        let mut sources: HashMap<&str, Option<Lines<'s>>> = HashMap::new();
        for diagnostic in self.iter() {
            let file = diagnostic.file.as_str();
            let lines = sources.entry(file).or_insert_with(|| source_of(file).map(Lines::of));
            text.push_str(&diagnostic.render_lines(lines.as_ref(), colours));
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
        self.render_lines(source.map(Lines::of).as_ref(), colours)
    }

    fn render_lines(&self, lines: Option<&Lines<'_>>, colours: Colours) -> String {
        let renderer = match colours {
            Colours::Off => Renderer::plain(),
            Colours::On => Renderer::styled(),
        };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(&self.message).id(self.code));
        group = group.element(self.place(lines, self.span, AnnotationKind::Primary, None));
        for related in &self.related {
            group = group.element(self.place(lines, related.span, AnnotationKind::Context, Some(&related.message)));
        }
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint));
        }
        renderer.render(&[group])
    }

    /// The first line of the span with its part underlined, or only the name of the place when the line is not known
    /// or too long to be looked at.
    fn place<'s>(
        &'s self,
        lines: Option<&Lines<'s>>,
        span: Span,
        kind: AnnotationKind,
        label: Option<&'s str>,
    ) -> Element<'s> {
        let line = lines.map(|lines| lines.get(span.line)).unwrap_or_default();
        if line.is_empty() || span.column as usize > LONGEST {
            return Origin::path(&self.file).line(span.line as usize).char_column(span.column as usize).into();
        }
        let start = byte_of(line, span.column);
        let line = &line[..line.floor_char_boundary(start + LONGEST)];
        let end = if span.end_line == span.line { byte_of(line, span.end_column) } else { line.trim_end().len() };
        Snippet::source(line)
            .line_start(span.line as usize)
            .path(&self.file)
            .annotation(kind.span(start..end.max(start)).label(label))
            .into()
    }
}

/// A text and where its lines start. A line ends as YAML says: with `\n`, `\r\n` or `\r`.
struct Lines<'s> {
    text: &'s str,
    starts: Vec<usize>,
}

impl<'s> Lines<'s> {
    fn of(text: &'s str) -> Self {
        let mut starts = vec![0];
        let bytes = text.as_bytes();
        for (place, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(place + 1) != Some(&b'\n')) {
                starts.push(place + 1);
            }
        }
        Self { text, starts }
    }

    /// The line of that number without its break; empty when there is none.
    fn get(&self, number: u32) -> &'s str {
        let index = number.saturating_sub(1) as usize;
        let Some(start) = self.starts.get(index) else { return "" };
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        self.text[*start..end].trim_end_matches(['\n', '\r'])
    }
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
        let lines: Vec<&str> = (1..6).map(|number| Lines::of("a\nb\r\nc\rd").get(number)).collect();
        assert_eq!(lines, ["a", "b", "c", "d", ""]);
    }

    #[test]
    fn a_place_outside_the_text_is_no_reason_to_panic() {
        let mut diagnostics = Diagnostics::of("x.yml");
        let span = Span { line: 90, column: 7, end_line: 91, end_column: 3 };
        diagnostics.warning("odd", span, "odd").related(span, "and here");
        assert!(diagnostics.render(|_| Some("ä"), Colours::Off).contains("x.yml:90:7"));
        assert!(diagnostics.render(|_| None, Colours::Off).contains("x.yml:90:7"));
    }

    #[test]
    fn of_a_line_without_end_only_the_place_is_shown() {
        let mut diagnostics = Diagnostics::of("x.yml");
        let at = |column| Span { line: 1, column, end_line: 1, end_column: column + 1_000_000 };
        diagnostics.error("near", at(3), "near");
        diagnostics.error("far", at(300_000), "far");
        let shown = diagnostics.render(|_| Some(&SOURCE), Colours::Off);
        static SOURCE: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "äö".repeat(1_000_000));
        assert!(shown.contains("x.yml:1:3\n") && shown.contains("x.yml:1:300000\n"), "{shown}");
        assert!(shown.len() < 1000, "{} bytes", shown.len());
    }
}
