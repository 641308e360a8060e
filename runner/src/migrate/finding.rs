//! What cannot be carried over, each by a name of its own, so that it can be talked about and accepted.

/// What a finding means for its action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Different from before, and probably meant to be.
    Note,
    /// A build would probably fail or mean something else: the action is left as it is until somebody accepts that.
    Ask,
    /// It cannot be.
    Refused,
}

/// One thing that is different after a swap, or in its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// What it means for the action.
    pub weight: Weight,
    /// What it is: lower case, no period.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The names that may be accepted.
pub const ACCEPTABLE: &[&str] = &[
    "certificate",
    "codebuild-image",
    "file-systems",
    "full-clone",
    "gpu",
    "lambda",
    "masked-secret",
    "privileged",
    "registry-credential",
    "service-role",
];

impl Finding {
    pub(super) fn note(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, weight: Weight::Note, text: text.into(), hint: None }
    }

    pub(super) fn ask(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, weight: Weight::Ask, text: text.into(), hint: None }
    }

    pub(super) fn refused(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, weight: Weight::Refused, text: text.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether the action stays as it is because of this.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.weight != Weight::Note
    }

    /// The same finding after somebody accepted these.
    pub(super) fn accepting(mut self, accepted: &[String]) -> Self {
        if self.weight == Weight::Ask && accepted.iter().any(|name| name == self.name) {
            self.weight = Weight::Note;
        }
        self
    }
}
