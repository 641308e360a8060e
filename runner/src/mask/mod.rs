//! Masking: what is secret never leaves in readable form, wherever a stream of output happens to be cut.
//!
//! [`Needles`] are made once from the secrets of a run; each stream of output gets a [`Masker`] of its own. A secret
//! is looked for as it is and in the forms that tools print it in (`forms`), in the text as it stands and in the text
//! as a terminal shows it, without escape sequences (`escape`). Occurrences that overlap or touch become one `***`;
//! escape sequences inside of an occurrence go with it. AWS access key ids are masked as CodeBuild does, by their look.
//!
//! A stream is held back only as long as its end may still become a secret. A prompt that equals the beginning of a
//! secret therefore waits for what follows, or for the end of the stream.
//!
//! This module does not know where secrets come from, nor who prints.

mod automaton;
mod escape;
mod forms;
mod shadow;
mod spans;
mod stream;

use std::fmt;
use std::sync::Arc;

use crate::fault::Fault;
use crate::secret::SecretText;

use automaton::Automaton;
use forms::Form;

pub use stream::Masker;

/// What stands in a secret's place.
pub const MASK: &str = "***";

/// Values with fewer characters are masked only as whole words.
pub const SHORTEST: usize = 6;

/// All forms of all secrets, ready to be looked for. Cloning is for [`Needles::add`]; share it by [`Arc`].
#[derive(Clone)]
pub struct Needles {
    forms: Vec<Form>,
    automaton: Automaton,
}

/// A value so short that masking it everywhere would shred the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortValue {
    /// The name that it goes by.
    pub name: String,
}

impl fmt::Display for ShortValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the value of {} has fewer than {SHORTEST} characters: it is masked only where it stands as a whole word",
            self.name
        )
    }
}

impl Needles {
    /// The needles of named secrets, and a warning for each value that is too short to be masked everywhere. Empty
    /// values are passed over. Without any secret, access key ids are still masked.
    ///
    /// # Errors
    /// A `Configuration` fault when the values together are too large to be looked for (gigabytes).
    pub fn of<'a>(
        secrets: impl IntoIterator<Item = (&'a str, &'a SecretText)>,
    ) -> Result<(Self, Vec<ShortValue>), Fault> {
        let mut forms = forms::access_keys();
        let mut short = Vec::new();
        for (name, value) in secrets {
            short.extend(take_in(&mut forms, name, value));
        }
        let automaton = Automaton::of(&forms)?;
        Ok((Self { forms, automaton }, short))
    }

    /// Takes in one more value; streams that have begun learn it by [`Masker::adopt`].
    ///
    /// # Errors
    /// As [`Needles::of`]; the needles are then as before.
    pub fn add(&mut self, name: &str, value: &SecretText) -> Result<Option<ShortValue>, Fault> {
        let mut forms = self.forms.clone();
        let short = take_in(&mut forms, name, value);
        self.automaton = Automaton::of(&forms)?;
        self.forms = forms;
        Ok(short)
    }

    /// A masker for one stream.
    #[must_use]
    pub fn masker(self: &Arc<Self>) -> Masker {
        Masker::new(Arc::clone(self))
    }

    /// A whole text masked: for our own messages, names and errors.
    #[must_use]
    pub fn mask_text(self: &Arc<Self>, text: &str) -> String {
        let mut masked = Vec::with_capacity(text.len());
        let mut masker = self.masker();
        masker.push(text.as_bytes(), &mut masked);
        masker.finish(&mut masked);
        String::from_utf8(masked).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

/// Adds a value's forms, each once.
fn take_in(forms: &mut Vec<Form>, name: &str, value: &SecretText) -> Option<ShortValue> {
    for form in forms::of_value(value.expose()) {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    let characters = value.expose().trim().chars().count();
    (1..SHORTEST).contains(&characters).then(|| ShortValue { name: name.to_owned() })
}

#[cfg(test)]
mod tests;
