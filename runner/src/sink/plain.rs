//! Plain lines, for pipes, files and `grep`: what CodeBuild's log says, with the action's name before each line when
//! several run at one time.

use std::collections::HashMap;
use std::io::Write;

use super::Sink;
use crate::event::{Event, What};
use crate::fault::Fault;
use crate::report::{build_log, progress_lines, summary};
use crate::state::RunState;

/// Writes lines to `out`.
pub struct Plain<W> {
    out: W,
    /// Whether lines name their action.
    named: bool,
    /// Lines that have not ended, by action.
    partial: HashMap<String, Vec<u8>>,
    /// Whether output that names no action ended within a line.
    is_open: bool,
}

impl<W: Write + Send> Plain<W> {
    /// `named`: whether the plan has more than one action.
    pub fn new(out: W, named: bool) -> Self {
        Self { out, named, partial: HashMap::new(), is_open: false }
    }

    fn output(&mut self, action: &str, bytes: &[u8]) -> std::io::Result<()> {
        if !self.named {
            self.is_open = bytes.last().map_or(self.is_open, |last| *last != b'\n');
            return self.out.write_all(bytes);
        }
        let partial = self.partial.entry(action.to_owned()).or_default();
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            write!(self.out, "[{action}] ")?;
            self.out.write_all(partial)?;
            partial.clear();
            self.out.write_all(&rest[..=end])?;
            rest = &rest[end + 1..];
        }
        // A line that never ends is shown in pieces, so that memory stays flat.
        partial.extend_from_slice(rest);
        if partial.len() > 1 << 16 {
            write!(self.out, "[{action}] ")?;
            self.out.write_all(partial)?;
            partial.clear();
            writeln!(self.out)?;
        }
        Ok(())
    }

    fn line(&mut self, action: Option<&str>, line: &str) -> std::io::Result<()> {
        match action.filter(|_| self.named) {
            Some(action) => {
                if let Some(partial) = self.partial.remove(action).filter(|partial| !partial.is_empty()) {
                    write!(self.out, "[{action}] ")?;
                    self.out.write_all(&partial)?;
                    writeln!(self.out)?;
                }
                writeln!(self.out, "[{action}] {line}")
            }
            None => {
                if std::mem::take(&mut self.is_open) {
                    writeln!(self.out)?;
                }
                writeln!(self.out, "{line}")
            }
        }
    }

    fn write(&mut self, event: &Event, state: &RunState) -> std::io::Result<()> {
        let action = event.what.action();
        match &event.what {
            What::Output { action, text } => self.output(action, text)?,
            What::Transferred { .. } => return Ok(()),
            What::RunFinished { .. } => write!(self.out, "\n{}", summary::text(state))?,
            _ => {
                for line in build_log::lines(event, state).iter().chain(&progress_lines::lines(event)) {
                    self.line(action, line)?;
                }
            }
        }
        self.out.flush()
    }
}

impl<W: Write + Send> Sink for Plain<W> {
    /// A reader that has gone away ends nothing: the log files have it all.
    fn take(&mut self, event: &Event, state: &RunState) -> Result<(), Fault> {
        let written = self.write(event, state);
        written.unwrap_or_else(|error| tracing::debug!(%error, "the output has no reader"));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.out.flush().unwrap_or_else(|error| tracing::debug!(%error, "the output has no reader"));
        Ok(())
    }
}
