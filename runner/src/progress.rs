//! How far a long piece of work is, told by adapters that do not know who listens.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// One message of progress.
#[derive(Clone, Debug)]
pub enum Progressed {
    /// What is being done now, in a few words: `pulling postgres:16`.
    Doing(String),
    /// So many bytes of so many; `what` names the bar (`pull`, `push`, `clone`).
    Bytes {
        /// The bar.
        what: &'static str,
        /// Bytes so far.
        done: u64,
        /// Bytes in all, when known.
        total: Option<u64>,
    },
    /// Text for the action's log, as it comes, with its newlines.
    Output(Bytes),
}

/// Where to tell progress to. Cheap to clone; never blocks for long.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Progressed) + Send + Sync>);

impl Progress {
    /// Tells `listen`.
    pub fn new(listen: impl Fn(Progressed) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listen))
    }

    /// Tells nobody.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Says what is being done now.
    pub fn doing(&self, what: impl Into<String>) {
        (self.0)(Progressed::Doing(what.into()));
    }

    /// Says how many bytes are done.
    pub fn bytes(&self, what: &'static str, done: u64, total: Option<u64>) {
        (self.0)(Progressed::Bytes { what, done, total });
    }

    /// Adds to the action's log.
    pub fn output(&self, text: impl Into<Bytes>) {
        (self.0)(Progressed::Output(text.into()));
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
