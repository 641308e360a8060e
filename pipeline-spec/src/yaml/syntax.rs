//! What to do about a text that is not YAML. The parser says what it expected; most people made one of these slips.

use granit_parser::{ErrorKind, ScanError};

use super::parse::span_of;
use crate::diagnostic::Diagnostics;

pub(super) fn report(error: &ScanError, d: &mut Diagnostics) {
    let message = format!("this is not YAML: {}", error.info().trim_end_matches('.'));
    let found = d.error("yaml", span_of(error.marker(), error.marker()), message);
    if let Some(hint) = hint(error.kind()) {
        found.hint(hint);
    }
}

fn hint(kind: &ErrorKind) -> Option<&'static str> {
    use ErrorKind as K;
    Some(match kind {
        K::UnknownAnchor | K::MissingAnchorOrAliasName => "a text that starts with `*` or `&` must stand in quotes",
        K::MappingValueNotAllowed | K::InvalidSimpleKey => {
            "a text that holds `: ` must stand in quotes; or the line is indented wrongly"
        }
        K::TabNotAllowed | K::TabInBlockIndentation | K::TabInIndentation | K::TabInPlainScalar => {
            "indent with spaces, not with tabs"
        }
        K::UnknownQuotedScalarEscape => "write the text in single quotes, where a backslash is only a backslash",
        K::ExpectedBlockMappingKey | K::ExpectedBlockSequenceEntry | K::InvalidIndentation => {
            "this line, or the one before it, is indented wrongly or goes on after a closing bracket or quote"
        }
        K::ExpectedFlowSequenceSeparator
        | K::ExpectedFlowMappingSeparator
        | K::UnclosedFlowCollection { .. }
        | K::MisplacedFlowCollectionEnd
        | K::MismatchedFlowCollectionEnd { .. } => "a text with `[`, `{`, `]` or `}` in it must stand in quotes",
        K::InvalidBlockScalarHeader => "a text that starts with `|` or `>` must stand in quotes",
        K::UnexpectedCharacter { .. } => {
            "a text that starts with a sign such as `@` or a backtick must stand in quotes"
        }
        K::UnclosedQuotedScalar | K::DocumentIndicatorInQuotedScalar => "the closing quote is missing",
        _ => return None,
    })
}
