//! The event stream itself, one JSON object a line.

use std::io::Write;

use super::Sink;
use crate::event::Event;
use crate::fault::Fault;
use crate::state::RunState;

/// Writes every event to `out`.
pub struct JsonLines<W> {
    out: W,
}

impl<W: Write + Send> JsonLines<W> {
    /// To that place.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Sink for JsonLines<W> {
    /// A reader that has gone away ends nothing: the record has it all.
    fn take(&mut self, event: &Event, _: &RunState) -> Result<(), Fault> {
        if let Ok(line) = serde_json::to_string(event) {
            let written = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
            written.unwrap_or_else(|error| tracing::debug!(%error, "the event stream has no reader"));
        }
        Ok(())
    }
}
