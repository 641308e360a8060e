//! The log of each action as a file: its output, byte for byte, between the lines that CodeBuild writes.
//!
//! A build that is adopted is told again from its first output on, so its log is cut off there and written again. What
//! is written is what was there: whoever has read a part of it can go on where they were.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

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
                        cut(&file, &path, keep)?;
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

/// How much of a log stays when it is cut off.
#[derive(Clone, Copy)]
enum Keep {
    Nothing,
    /// What comes before the build's first output.
    Head,
}

/// Where the length of a log's head is: everything up to the build's first output. A file of its own, because nothing in
/// the log itself says where it ends, and because it must outlive this process.
fn head(log: &Path) -> PathBuf {
    log.with_extension("head")
}

/// Cuts a log off.
fn cut(file: &File, log: &Path, keep: Keep) -> std::io::Result<()> {
    match keep {
        Keep::Nothing => {
            forget_head(log)?;
            file.set_len(0)
        }
        // Where no head was noted there was no output yet.
        Keep::Head => match std::fs::read_to_string(head(log)).ok().and_then(|length| length.parse::<u64>().ok()) {
            Some(length) if length <= file.metadata()?.len() => file.set_len(length),
            _ => Ok(()),
        },
    }
}

fn forget_head(log: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(head(log)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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
                    What::ActionStarted { .. } => Some(Keep::Nothing),
                    What::BuildAdopted { .. } => Some(Keep::Head),
                    _ => None,
                };
                let mut lines = build_log::lines(event, state);
                lines.extend(build_log::warning(event));
                let log = self.log(action, keep)?;
                if matches!(what, What::BuildAdopted { .. }) && !head(&log.path).exists() {
                    // Whoever adopts it after this process finds where its output begins.
                    log.note_head()?;
                }
                log.lines(&lines)?;
                match what {
                    What::PhaseStarted { phase, .. } if phase == LAST_OF_HEAD => {
                        forget_head(&log.path).map_err(io(&log.path))?;
                    }
                    What::PhaseFinished { phase, outcome, .. } if phase == LAST_OF_HEAD && outcome.succeeded() => {
                        log.note_head()?;
                    }
                    What::ActionFinished { .. } => {
                        forget_head(&log.path).map_err(io(&log.path))?;
                        self.open.remove(action);
                    }
                    _ => {}
                }
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.open.values_mut().try_for_each(Log::flush)
    }
}

/// The phase after which the build's own output begins.
const LAST_OF_HEAD: &str = "PROVISIONING";

impl Log {
    /// Notes that all that comes now is the build's. It is noted before any of that is written.
    fn note_head(&mut self) -> Result<(), Fault> {
        self.flush()?;
        let path = head(&self.path);
        let length = self.file.get_ref().metadata().map_err(io(&self.path))?.len();
        std::fs::write(&path, length.to_string()).map_err(io(&path))
    }

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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::clock;
    use crate::store::StateFolders;

    /// A process that tells that, and dies.
    fn tell(folders: &RunFolders, all: impl IntoIterator<Item = What>) {
        let mut files = LogFiles::new(folders.clone());
        for what in all {
            files.take(&Event { sequence: 1, at: clock::now(), what }, &RunState::default()).unwrap();
        }
    }

    #[test]
    fn a_build_that_is_adopted_before_its_output_began_is_not_written_twice() {
        let root = tempfile::tempdir().unwrap();
        let folders = StateFolders::new(root.path().to_owned()).run("one");
        folders.create().unwrap();
        let action = || "build".to_owned();
        let begins = What::PhaseStarted { action: action(), phase: LAST_OF_HEAD.into(), attempt: 1, commands: 0 };
        tell(&folders, [begins]);
        for _ in 0..2 {
            let text = Bytes::from_static(b"one\n");
            tell(&folders, [What::BuildAdopted { action: action() }, What::Output { action: action(), text }]);
        }
        let log = std::fs::read_to_string(folders.log("build")).unwrap();
        assert_eq!(log.matches("one\n").count(), 1, "{log}");
    }
}
