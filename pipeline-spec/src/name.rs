//! Names that cannot be bad: of pipelines, stages, actions and variables.

use std::borrow::Borrow;
use std::fmt;

/// The longest name, as CodePipeline has it for stages and actions.
const LONGEST: usize = 100;

/// The name of a pipeline, a stage or an action: `[A-Za-z0-9][A-Za-z0-9_-]*`, at most 100 characters. It is safe in a
/// reference, a label of the engine, a file name and a graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// The name of a variable: `[A-Za-z_][A-Za-z0-9_-]*`, at most 128 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariableName(String);

/// Why a text is no name, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName {
    /// One sentence that names the text, lower case, no period.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Name {
    /// The name that the text is.
    ///
    /// # Errors
    /// [`BadName`] when it is empty, too long, or has other characters.
    pub fn new(text: &str) -> Result<Self, BadName> {
        if text.chars().count() > LONGEST {
            return Err(BadName {
                message: format!("the name is {} characters long", text.chars().count()),
                hint: format!("a name has at most {LONGEST} characters"),
            });
        }
        if text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(is_name_byte) {
            return Ok(Self(text.to_owned()));
        }
        let sanitised = Self::sanitised(text);
        Err(BadName {
            message: if text.is_empty() { "the name is empty".to_owned() } else { format!("`{text}` is not a name") },
            hint: if sanitised.0 == "unnamed" {
                "a name has letters, digits, `_` and `-`, and starts with a letter or digit".to_owned()
            } else {
                format!("a name has letters, digits, `_` and `-`, such as `{sanitised}`")
            },
        })
    }

    /// A name as near to the text as a name can be; `unnamed` when nothing of the text is left.
    #[must_use]
    pub fn sanitised(text: &str) -> Self {
        let mut name = String::with_capacity(text.len().min(LONGEST));
        for character in text.chars() {
            if name.len() == LONGEST {
                break;
            }
            match character {
                'A'..='Z' | 'a'..='z' | '0'..='9' => name.push(character),
                '_' | '-' if !name.is_empty() => name.push(character),
                _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
                _ => {}
            }
        }
        let kept = name.trim_end_matches('-');
        Self(if kept.is_empty() { "unnamed".to_owned() } else { kept.to_owned() })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl VariableName {
    /// The name that the text is.
    ///
    /// # Errors
    /// [`BadName`] when it is empty, too long, or has other characters.
    pub fn new(text: &str) -> Result<Self, BadName> {
        let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        if starts && text.len() <= 128 && text.bytes().all(is_name_byte) {
            return Ok(Self(text.to_owned()));
        }
        Err(BadName {
            message: format!("`{text}` is not the name of a variable"),
            hint: "such a name has letters, digits, `_` and `-`, does not start with a digit, and has at most 128 \
                   characters"
                .to_owned(),
        })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for VariableName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_letters_digits_and_two_marks() {
        for good in ["a", "9", "roll-out_2", &"x".repeat(100)] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "_a", "a b", "a.b", "ä", "a/b", "${x}", &"x".repeat(101)] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bad_name_is_answered_with_a_good_one() {
        assert_eq!(
            Name::new("roll out!").unwrap_err().hint,
            "a name has letters, digits, `_` and `-`, such as `roll-out`"
        );
    }

    #[test]
    fn whatever_is_sanitised_is_a_name() {
        for (text, expected) in [
            ("test-1.95-linux", "test-1-95-linux"),
            ("  --a//b..", "a-b"),
            ("ÄÖ", "unnamed"),
            ("", "unnamed"),
            ("a_-_b", "a_-_b"),
        ] {
            let name = Name::sanitised(text);
            assert_eq!(name.as_str(), expected);
            assert_eq!(Name::new(expected).unwrap(), name);
        }
        assert!(Name::new(Name::sanitised(&"é1".repeat(200)).as_str()).is_ok());
    }

    #[test]
    fn a_variable_does_not_start_with_a_digit() {
        assert!(VariableName::new("image_tag").is_ok());
        assert!(VariableName::new("_x-1").is_ok());
        assert!(VariableName::new("1x").is_err());
        assert!(VariableName::new("").is_err());
    }
}
