//! `on-failure` of a phase.

use regex::Regex;

use crate::diagnostic::{Diagnostics, did_you_mean, reason_of, shortened};
use crate::fields::Written;
use crate::plan::Retry;

/// What a failure of the phase leads to. Not written: the phase's own rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The build ends.
    Abort,
    /// The next phase runs.
    Continue,
    /// The phase runs again.
    Retry(Retry),
}

/// CodeBuild's own count and pattern of `RETRY`.
const DEFAULT_COUNT: u32 = 3;
const DEFAULT_PATTERN: &str = ".*";
const MAX_COUNT: u32 = 100;

/// `ABORT`, `CONTINUE`, `RETRY`, `RETRY-<count>`, `RETRY-<regex>` or `RETRY-<count>-<regex>`. CodeBuild's own examples
/// write `RETRY` and `Retry`, so the word is read in any case.
pub(super) fn read(text: &Written<String>, d: &mut Diagnostics) -> Option<OnFailure> {
    let value = text.value.trim();
    match value.to_ascii_uppercase().as_str() {
        "ABORT" => return Some(OnFailure::Abort),
        "CONTINUE" => return Some(OnFailure::Continue),
        "RETRY" => return Some(retry(DEFAULT_COUNT, DEFAULT_PATTERN)),
        _ => {}
    }
    let Some(rest) = value.get(..6).filter(|word| word.eq_ignore_ascii_case("RETRY-")).and_then(|_| value.get(6..))
    else {
        let message = format!("`on-failure` has no value `{}`", shortened(value));
        d.error("on-failure", text.span, message).hint(did_you_mean(value, &["ABORT", "CONTINUE", "RETRY"]));
        return None;
    };
    let (count, pattern) = split(rest);
    let pattern = pattern.unwrap_or(DEFAULT_PATTERN);
    let count = match count.map(str::parse::<u32>) {
        None => DEFAULT_COUNT,
        Some(Ok(count)) if count <= MAX_COUNT => count,
        Some(_) => {
            d.error("on-failure", text.span, format!("a phase is tried again {MAX_COUNT} times at the most"));
            return None;
        }
    };
    if pattern.is_empty() {
        d.error("on-failure", text.span, "`RETRY-` needs a count or a regular expression after it");
        return None;
    }
    if let Err(error) = Regex::new(pattern) {
        let message = format!("`{}` is not a regular expression", shortened(pattern));
        d.error("on-failure", text.span, message).hint(reason_of(&error));
        return None;
    }
    Some(retry(count, pattern))
}

fn retry(count: u32, pattern: &str) -> OnFailure {
    OnFailure::Retry(Retry { count, pattern: pattern.to_owned() })
}

/// The count, when there is nothing but digits before the next dash or the end, and the expression.
fn split(rest: &str) -> (Option<&str>, Option<&str>) {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match rest.split_once('-') {
        Some((count, pattern)) if digits(count) => (Some(count), Some(pattern)),
        _ if digits(rest) => (Some(rest), None),
        _ => (None, Some(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Span;

    fn check(text: &str, expected: Option<OnFailure>) {
        let mut d = Diagnostics::of("f.yml");
        let read = read(&Written { value: text.to_owned(), span: Span::START }, &mut d);
        assert_eq!(read, expected, "{text}: {d:?}");
        assert_eq!(d.has_errors(), expected.is_none(), "{text}");
    }

    #[test]
    fn every_documented_form_is_read_in_any_case() {
        check("ABORT", Some(OnFailure::Abort));
        check("continue", Some(OnFailure::Continue));
        check("RETRY", Some(retry(3, ".*")));
        check("RETRY-4", Some(retry(4, ".*")));
        check("Retry-3-.*connection timed out.*", Some(retry(3, ".*connection timed out.*")));
        check("RETRY-.*-timed-out", Some(retry(3, ".*-timed-out")));
        check("RETRY-0", Some(retry(0, ".*")));
    }

    #[test]
    fn other_forms_are_refused() {
        for text in ["ABORT | CONTINUE", "RETRY-101", "RETRY-", "RETRY-3-(", "RETRYÄ", "RETRY-99999999999", ""] {
            check(text, None);
        }
    }
}
