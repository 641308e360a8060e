//! What a scripted step does.

use std::time::Duration;

use bytes::Bytes;

/// What a step does. The default: nothing, at once, with success.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What it prints, and when after its start.
    pub output: Vec<(Duration, Bytes)>,
    /// Its exit status.
    pub status: i32,
    /// How long it takes.
    pub takes: Duration,
    /// Whether it never ends by itself.
    pub hangs: bool,
    /// Whether SIGTERM does nothing to it.
    pub ignores_terminate: bool,
    /// The sandbox dies of it: the status of its main process, and whether it was for its memory.
    pub dies: Option<(i64, bool)>,
    /// Variables that it sets.
    pub sets: Vec<(String, String)>,
    /// Files that it writes, by their path in the sandbox, in which variables may stand. In a mounted folder they are
    /// real.
    pub writes: Vec<(String, Vec<u8>)>,
}

impl Outcome {
    /// Prints and succeeds.
    #[must_use]
    pub fn printing(text: impl Into<Bytes>) -> Self {
        Self { output: vec![(Duration::ZERO, text.into())], ..Self::default() }
    }

    /// Ends with that status.
    #[must_use]
    pub fn failing(status: i32) -> Self {
        Self { status, ..Self::default() }
    }

    /// Never ends by itself.
    #[must_use]
    pub fn hanging() -> Self {
        Self { hangs: true, ..Self::default() }
    }

    /// The sandbox dies of it.
    #[must_use]
    pub fn dying(status: i64, out_of_memory: bool) -> Self {
        Self { dies: Some((status, out_of_memory)), ..Self::default() }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: i32) -> Self {
        self.status = status;
        self
    }

    /// The same, taking so long.
    #[must_use]
    pub fn taking(mut self, takes: Duration) -> Self {
        self.takes = takes;
        self
    }

    /// The same, printing that so long after its start.
    #[must_use]
    pub fn printing_at(mut self, after: Duration, text: impl Into<Bytes>) -> Self {
        self.output.push((after, text.into()));
        self
    }

    /// The same, deaf to SIGTERM.
    #[must_use]
    pub fn ignoring_terminate(mut self) -> Self {
        self.ignores_terminate = true;
        self
    }

    /// The same, setting a variable.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.sets.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, writing a file.
    #[must_use]
    pub fn writing(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.writes.push((path.to_owned(), content.into()));
        self
    }
}
