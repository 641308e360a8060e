//! References in text: `${path.to.value}` becomes a [`Template`], and `$${` stands for a literal `${`.
//!
//! Pure and total. What a reference means is decided by its path alone ([`Meaning`]); whether that thing exists, and
//! is known by then, is for `validate` to say.

use std::fmt;

use crate::diagnostic::nearest;
use crate::plan::{Part, Reference, Template};

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The byte of the text that it is about.
    pub at: usize,
    /// One sentence, lower case, no period.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// What the path of a reference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// `variables.NAME`: a variable of the pipeline, known before the run.
    Variable(&'a str),
    /// `matrix.NAME`: a value of the action's own matrix, known before the run.
    Matrix(&'a str),
    /// `pipeline.name`, known before the run.
    PipelineName,
    /// `source.commit` and its like, known once the source is fetched.
    Source,
    /// `run.id`.
    RunId,
    /// `ACTION.uri` and its like, known when the image action has ended.
    Image {
        /// The action.
        action: &'a str,
    },
    /// `ACTION.variables.NAME`: exported by a build action, known when it has ended.
    Exported {
        /// The action.
        action: &'a str,
        /// The variable.
        variable: &'a str,
    },
}

/// What can stand after `source.`.
pub const SOURCE_VALUES: [&str; 6] = ["commit", "short-commit", "branch", "message", "author", "repository"];

/// What can stand after the name of an image action.
pub const IMAGE_VALUES: [&str; 4] = ["uri", "digest", "repository", "tag"];

/// First words of a path that no action can be named.
pub const RESERVED: [&str; 5] = ["variables", "matrix", "pipeline", "source", "run"];

/// Reads a text with references.
///
/// # Errors
/// The first place where a reference is not closed, is empty, or has a character that no reference has.
pub fn parse(text: &str) -> Result<Template, SyntaxError> {
    let mut template = Template::default();
    let mut rest = text;
    while let Some(dollar) = rest.find("${") {
        let (before, from_dollar) = rest.split_at(dollar);
        if let Some(literal) = before.strip_suffix('$') {
            push_text(&mut template, literal);
            push_text(&mut template, "${");
            rest = &from_dollar[2..];
            continue;
        }
        push_text(&mut template, before);
        let inside = &from_dollar[2..];
        let at = text.len() - from_dollar.len();
        let Some(end) = inside.find('}') else {
            return Err(SyntaxError {
                at,
                message: "the reference is not closed".to_owned(),
                hint: "close it with `}`, or write `$${` for a literal `${`".to_owned(),
            });
        };
        template.parts.push(Part::Reference(reference(&inside[..end], at)?));
        rest = &inside[end + 1..];
    }
    push_text(&mut template, rest);
    Ok(template)
}

fn reference(path: &str, at: usize) -> Result<Reference, SyntaxError> {
    let good = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    if path.split('.').all(good) {
        return Ok(Reference { path: path.split('.').map(str::to_owned).collect() });
    }
    Err(SyntaxError {
        at,
        message: format!("`${{{path}}}` is not a reference"),
        hint: format!("a reference is a path such as `${{source.commit}}`; write `$${{{path}}}` for the text itself"),
    })
}

/// Adds text, joined to the text before it. An empty text adds nothing.
fn push_text(template: &mut Template, text: &str) {
    match template.parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(last)) => last.push_str(text),
        _ => template.parts.push(Part::Text(text.to_owned())),
    }
}

/// The template with the references filled in that `value_of` knows; the others stay.
#[must_use]
pub fn fill(template: &Template, value_of: impl Fn(&Reference) -> Option<String>) -> Template {
    let mut filled = Template::default();
    for part in &template.parts {
        match part {
            Part::Text(text) => push_text(&mut filled, text),
            Part::Reference(reference) => match value_of(reference) {
                Some(value) => push_text(&mut filled, &value),
                None => filled.parts.push(part.clone()),
            },
        }
    }
    filled
}

/// The text of a template that has no references.
#[must_use]
pub fn literal(template: &Template) -> Option<String> {
    template.render(|_| None).ok()
}

/// What the reference means, by its path.
///
/// # Errors
/// What is wrong with the path, and the hint that mends it.
pub fn meaning(reference: &Reference) -> Result<Meaning<'_>, Unknown> {
    let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["variables", name] => Ok(Meaning::Variable(name)),
        ["matrix", name] => Ok(Meaning::Matrix(name)),
        ["pipeline", "name"] => Ok(Meaning::PipelineName),
        ["run", "id"] => Ok(Meaning::RunId),
        ["source", value] if SOURCE_VALUES.contains(value) => Ok(Meaning::Source),
        ["source", value, ..] => Err(Unknown::value("source", value, &SOURCE_VALUES)),
        ["pipeline", value, ..] => Err(Unknown::value("pipeline", value, &["name"])),
        ["run", value, ..] => Err(Unknown::value("run", value, &["id"])),
        [first @ ("variables" | "matrix"), ..] => Err(Unknown {
            hint: format!("write `${{{first}.NAME}}`"),
            message: format!("`{reference}` names no variable"),
        }),
        [action, "variables", variable] => Ok(Meaning::Exported { action, variable }),
        [action, value] if IMAGE_VALUES.contains(value) => Ok(Meaning::Image { action }),
        [action, value, ..] => Err(Unknown {
            message: format!("no action has a value `{value}`"),
            hint: format!(
                "an image action has {}; a build action has `variables.NAME`{}",
                list(&IMAGE_VALUES),
                nearest(value, IMAGE_VALUES)
                    .map_or_else(String::new, |near| format!("; did you mean `${{{action}.{near}}}`?")),
            ),
        }),
        _ => Err(Unknown {
            message: format!("`{reference}` is not a reference that is known here"),
            hint: format!("write `${reference}` for the text itself, or `${{variables.…}}` for a variable"),
        }),
    }
}

/// A path that means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// One sentence, lower case, no period.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Unknown {
    fn value(of: &str, value: &str, known: &[&str]) -> Self {
        Self {
            message: format!("`{of}` has no value `{value}`"),
            hint: match nearest(value, known.iter().copied()) {
                Some(near) => format!("did you mean `${{{of}.{near}}}`?"),
                None => format!("`{of}` has {}", list(known)),
            },
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        match parse(text) {
            Ok(template) => format!("{:?}", template.parts.iter().map(part).collect::<Vec<_>>()),
            Err(error) => format!("{}: {}", error.at, error.message),
        }
    }

    fn part(part: &Part) -> String {
        match part {
            Part::Text(text) => text.clone(),
            Part::Reference(reference) => format!("<{}>", reference.path.join("/")),
        }
    }

    #[test]
    fn text_and_references_are_told_apart() {
        assert_eq!(shown("Ship ${source.short-commit}?"), r#"["Ship ", "<source/short-commit>", "?"]"#);
        assert_eq!(shown("${a.uri}${b.uri}"), r#"["<a/uri>", "<b/uri>"]"#);
        assert_eq!(shown("$HOME costs $5 {x}"), r#"["$HOME costs $5 {x}"]"#);
        assert_eq!(shown(""), "[]");
    }

    #[test]
    fn two_dollars_stand_for_one() {
        assert_eq!(shown("a $${HOME} b"), r#"["a ${HOME} b"]"#);
        assert_eq!(shown("$$${x.y}"), r#"["$${x.y}"]"#);
        assert_eq!(shown("$$ and $$x"), r#"["$$ and $$x"]"#);
    }

    #[test]
    fn what_is_no_reference_is_told_with_its_place() {
        assert_eq!(shown("ab${source.commit"), "2: the reference is not closed");
        assert_eq!(shown("ab${}"), "2: `${}` is not a reference");
        assert_eq!(shown("${HOME:-x}"), "0: `${HOME:-x}` is not a reference");
        assert_eq!(shown("${a..b}"), "0: `${a..b}` is not a reference");
    }

    #[test]
    fn a_path_has_one_meaning() {
        let meant = |text: &str| {
            let template = parse(text).unwrap();
            let reference = template.references().next().unwrap();
            match meaning(reference) {
                Ok(meaning) => format!("{meaning:?}"),
                Err(unknown) => format!("{unknown} ({})", unknown.hint),
            }
        };
        assert_eq!(meant("${variables.service}"), r#"Variable("service")"#);
        assert_eq!(meant("${image.uri}"), r#"Image { action: "image" }"#);
        assert_eq!(meant("${test.variables.V}"), r#"Exported { action: "test", variable: "V" }"#);
        assert_eq!(meant("${source.comit}"), "`source` has no value `comit` (did you mean `${source.commit}`?)");
        assert_eq!(
            meant("${image.ur}"),
            "no action has a value `ur` (an image action has `uri`, `digest`, `repository`, `tag`; a build action has \
             `variables.NAME`; did you mean `${image.uri}`?)"
        );
        assert_eq!(
            meant("${HOME}"),
            "`${HOME}` is not a reference that is known here (write `$${HOME}` for the text itself, or \
             `${variables.…}` for a variable)"
        );
    }

    #[test]
    fn what_is_known_is_filled_in_and_joined() {
        let template = parse("a-${variables.x}-${source.commit}").unwrap();
        let filled = fill(&template, |reference| (reference.path[0] == "variables").then(|| "1".to_owned()));
        assert_eq!(filled.parts.len(), 2);
        assert_eq!(filled.to_string(), "a-1-${source.commit}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_panics_and_what_has_no_references_is_itself(text in any::<String>()) {
            if let Ok(template) = parse(&text) && !text.contains("${") {
                prop_assert_eq!(literal(&template), Some(text));
            }
        }

        #[test]
        fn every_text_can_be_written(text in r"[a${}.]*") {
            let escaped = text.replace("${", "$${");
            // A `$` right before the `${` would read as part of the escape.
            if !text.contains("$${") {
                prop_assert_eq!(literal(&parse(&escaped).unwrap()), Some(text));
            }
        }
    }
}
