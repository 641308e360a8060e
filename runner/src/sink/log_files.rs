//! The log of each action as a file: its output, byte for byte, between the lines that CodeBuild writes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use super::Sink;
use crate::event::{Event, What};
use crate::fault::{Fault, io};
use crate::report::build_log;
use crate::state::RunState;
use crate::store::RunFolders;

/// Writes `logs/ACTION.log` in the run's folder.
pub struct LogFiles {
    folders: RunFolders,
    open: HashMap<String, Log>,
}

struct Log {
    path: PathBuf,
    file: BufWriter<File>,
    /// Whether the next byte begins a line.
    at_line_start: bool,
}

impl LogFiles {
    /// For that run.
    #[must_use]
    pub fn new(folders: RunFolders) -> Self {
        Self { folders, open: HashMap::new() }
    }

    fn log(&mut self, action: &str, anew: bool) -> Result<&mut Log, Fault> {
        if anew {
            self.open.remove(action);
        }
        match self.open.entry(action.to_owned()) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let path = self.folders.log(action);
                let file = File::options()
                    .create(true)
                    .write(true)
                    .truncate(anew)
                    .append(!anew)
                    .open(&path)
                    .map_err(io(&path))?;
                Ok(entry.insert(Log { path, file: BufWriter::with_capacity(1 << 16, file), at_line_start: true }))
            }
        }
    }
}

impl Sink for LogFiles {
    fn take(&mut self, event: &Event, state: &RunState) -> Result<(), Fault> {
        let Some(action) = event.what.action() else { return Ok(()) };
        match &event.what {
            What::Doing { .. } | What::Transferred { .. } => Ok(()),
            What::Output { text, .. } => self.log(action, false)?.output(text),
            what => {
                let anew = matches!(what, What::ActionStarted { .. } | What::BuildAdopted { .. });
                let lines = build_log::lines(event, state);
                let log = self.log(action, anew)?;
                log.lines(&lines)?;
                if matches!(what, What::ActionFinished { .. }) {
                    log.flush()?;
                    self.open.remove(action);
                }
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.open.values_mut().try_for_each(Log::flush)
    }
}

impl Log {
    fn output(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if let Some(last) = bytes.last() {
            self.at_line_start = *last == b'\n';
            self.file.write_all(bytes).map_err(io(&self.path))?;
        }
        Ok(())
    }

    /// Our own lines start on a line of their own, also after output that ended without one.
    fn lines(&mut self, lines: &[String]) -> Result<(), Fault> {
        for line in lines {
            let newline = if self.at_line_start { "" } else { "\n" };
            writeln!(self.file, "{newline}{line}").map_err(io(&self.path))?;
            self.at_line_start = true;
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.file.flush().map_err(io(&self.path))
    }
}
