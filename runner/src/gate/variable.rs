//! The variable rule: CodePipeline's VariableCheck.

use pipeline_spec::plan::VariableOperator;
use regex::Regex;

use super::Verdict;

/// Whether a `MATCHES` pattern is one that can be matched.
///
/// # Errors
/// What is wrong with it. CodePipeline takes Java's expressions; look-around and back-references are not known here.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    whole(pattern).map(|_| ())
}

pub(super) fn evaluate(variable: &str, operator: VariableOperator, value: &str) -> Verdict {
    let (holds, words) = match operator {
        VariableOperator::Equals => (variable == value, "equals"),
        VariableOperator::NotEquals => (variable != value, "differs from"),
        VariableOperator::Contains => (variable.contains(value), "contains"),
        VariableOperator::Matches => match whole(value) {
            Ok(pattern) => (pattern.is_match(variable), "matches"),
            Err(why) => return Verdict::Failed { why },
        },
    };
    if holds {
        Verdict::Passed { why: format!("`{variable}` {words} `{value}`") }
    } else {
        Verdict::Failed { why: format!("it does not hold that `{variable}` {words} `{value}`") }
    }
}

/// The pattern, to match a whole value as Java's `matches` does.
fn whole(pattern: &str) -> Result<Regex, String> {
    // Compiled on its own first: `)(` would otherwise be valid inside the group.
    let known = Regex::new(pattern).and_then(|_| Regex::new(&format!(r"\A(?:{pattern})\z")));
    known.map_err(|error| {
        let last = error.to_string();
        let last = last.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        format!("the pattern `{pattern}` cannot be matched: {last}")
    })
}

#[cfg(test)]
mod tests {
    use VariableOperator::{Contains, Equals, Matches, NotEquals};

    use super::*;

    #[test]
    fn each_operator_compares_as_codepipeline_does() {
        for (variable, operator, value, passes) in [
            ("main", Equals, "main", true),
            ("main", Equals, "Main", false),
            ("main", NotEquals, "dev", true),
            ("main", NotEquals, "main", false),
            ("feature/login", Contains, "/", true),
            ("feature/login", Contains, "logout", false),
            ("", Contains, "", true),
            ("v1.20.3", Matches, r"v\d+\.\d+\.\d+", true),
            ("v1.20.3-rc1", Matches, r"v\d+\.\d+\.\d+", false),
            ("dev", Matches, "main|dev", true),
            ("develop", Matches, "main|dev", false),
            ("main\n", Matches, "main", false),
        ] {
            let verdict = evaluate(variable, operator, value);
            let passed = matches!(verdict, Verdict::Passed { .. });
            assert_eq!(passed, passes, "{variable:?} {operator:?} {value:?}: {verdict:?}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_matched_fails_and_says_why() {
        let expected = "the pattern `(?=a)` cannot be matched: look-around, including look-ahead and look-behind, is not supported";
        assert_eq!(check_pattern("(?=a)"), Err(expected.to_owned()));
        assert_eq!(evaluate("a", Matches, "(?=a)"), Verdict::Failed { why: expected.to_owned() });
        assert!(check_pattern("a)(b").is_err());
        assert_eq!(check_pattern("a|b"), Ok(()));
    }
}
