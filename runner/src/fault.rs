//! Faults: *we* broke, or what we stand on did. A build that fails is no fault; it is a value (`event::Outcome`).

use std::error::Error;
use std::fmt;

/// Whose turn it is to mend a fault, in CodePipeline's words for failure types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// What we were told to do cannot be done as told (an image that does not exist, a missing cluster).
    Configuration,
    /// Credentials are missing, expired, or not allowed to.
    Permission,
    /// The revision does not exist or cannot be had.
    Revision,
    /// The machine, the network, the engine or a service failed.
    System,
    /// Somebody stopped us; the reason is in `cancel`.
    Stopped,
}

/// An error with its kind, and a hint that says what to do. The text names the thing, lower case, no period.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Whose turn it is.
    pub kind: FaultKind,
    /// What happened, with the causes that are worth reading.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether what we stand on did not answer at all: it may be back in a moment.
    pub away: bool,
}

impl Fault {
    /// A fault of that kind.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, away: false }
    }

    /// A [`FaultKind::Configuration`] fault.
    pub fn configuration(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Configuration, message)
    }

    /// A [`FaultKind::Permission`] fault.
    pub fn permission(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Permission, message)
    }

    /// A [`FaultKind::Revision`] fault.
    pub fn revision(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Revision, message)
    }

    /// A [`FaultKind::System`] fault.
    pub fn system(message: impl Into<String>) -> Self {
        Self::new(FaultKind::System, message)
    }

    /// A [`FaultKind::Stopped`] fault.
    pub fn stopped(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Stopped, message)
    }

    /// The same fault with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same fault, of something that did not answer.
    #[must_use]
    pub fn away(self) -> Self {
        Self { away: true, ..self }
    }

    /// The same fault with what was being done in front of its message.
    #[must_use]
    pub fn doing(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Fault {}

/// An error and all its causes on one line, each once.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

/// Turns an I/O error into a [`FaultKind::System`] fault that names the path.
pub fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Fault + '_ {
    move |error| {
        let fault = Fault::system(format!("{}: {error}", path.display()));
        match error.kind() {
            std::io::ErrorKind::StorageFull => fault.hint("free some disk space, or move the state directory"),
            std::io::ErrorKind::PermissionDenied => {
                fault.hint("check who owns the path, or choose another state directory")
            }
            _ => fault,
        }
    }
}
