//! The log of each action as a file: its output, byte for byte, between the lines that CodeBuild writes.
//!
//! A build that is adopted is told again from its first output on, so its log is cut off there and written again. What
//! is written is what was there: whoever has read a part of it can go on where they were.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::Sink;
use crate::event::{Event, What};
use crate::fault::{Fault, io};
use crate::report::build_log;
use crate::report::codebuild_log::Line;
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

    /// The log of an action. `keep` tells how much of it stays when it is to be cut off.
    fn log(&mut self, action: &str, keep: Option<Keep>) -> Result<&mut Log, Fault> {
        if keep.is_some() {
            self.open.remove(action);
        }
        match self.open.entry(action.to_owned()) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let path = self.folders.log(action);
                let open = || -> std::io::Result<(File, bool)> {
                    let mut file = File::options().create(true).read(true).append(true).open(&path)?;
                    if let Some(keep) = keep {
                        let length = keep(&mut file)?;
                        file.set_len(length)?;
                    }
                    let at_line_start = ends_a_line(&mut file)?;
                    Ok((file, at_line_start))
                };
                let (file, at_line_start) = open().map_err(io(&path))?;
                Ok(entry.insert(Log { path, file: BufWriter::with_capacity(1 << 16, file), at_line_start }))
            }
        }
    }
}

/// Tells how much of a log stays.
type Keep = fn(&mut File) -> std::io::Result<u64>;

/// What comes before a build's first output: the last of it says that the source is there. All of it, when nothing
/// says so: then there was no output yet.
fn before_output(file: &mut File) -> std::io::Result<u64> {
    let said = format!(" {}\n", Line::PhaseComplete("DOWNLOAD_SOURCE", "SUCCEEDED"));
    let (mut length, mut line, mut found) = (0, Vec::new(), false);
    file.seek(SeekFrom::Start(0))?;
    let mut lines = BufReader::new(file);
    while !found && lines.read_until(b'\n', &mut line)? > 0 {
        length += line.len() as u64;
        if line.ends_with(said.as_bytes()) {
            found = true;
            // The phase's context follows it.
            line.clear();
            lines.read_until(b'\n', &mut line)?;
            length += line.len() as u64;
        }
        line.clear();
    }
    Ok(length)
}

/// Whether the next byte begins a line.
fn ends_a_line(file: &mut File) -> std::io::Result<bool> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut last = [b'\n'];
    if end > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    Ok(last == *b"\n")
}

impl Sink for LogFiles {
    fn take(&mut self, event: &Event, state: &RunState) -> Result<(), Fault> {
        let Some(action) = event.what.action() else { return Ok(()) };
        match &event.what {
            What::Doing { .. } | What::Transferred { .. } => Ok(()),
            // Brought out at once: who follows the log sees a slow build's lines when they are printed.
            What::Output { text, .. } => {
                let log = self.log(action, None)?;
                log.output(text)?;
                log.flush()
            }
            what => {
                let keep: Option<Keep> = match what {
                    What::ActionStarted { .. } => Some(|_| Ok(0)),
                    What::BuildAdopted { .. } => Some(before_output),
                    _ => None,
                };
                let lines = build_log::lines(event, state);
                let log = self.log(action, keep)?;
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
