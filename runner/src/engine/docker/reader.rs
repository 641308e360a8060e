//! Reads a sandbox's records from its folder while they are written. Does not know the engine.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use nix::libc;
use tokio::sync::mpsc;

use super::super::{Record, What};
use super::mark::{Clock, Item, Mark, Splitter};
use crate::clock;
use crate::fault::{Fault, io};

/// The file that a driver writes.
const OUTPUT: &str = "output";
/// How much is read at once, and so what a reader holds in memory.
const PIECE: usize = 256 * 1024;
/// What the kernel lets a variable hold, and then some.
const LONGEST_VALUE: u64 = 1024 * 1024;
/// How many values are read: more than any program asks for. A build can write as many files as it likes there.
const MOST_VALUES: usize = 1000;
/// How many bytes of values are read in all.
const ALL_VALUES: u64 = 16 * 1024 * 1024;

/// Whether a driver has written anything into that folder.
pub(super) fn has_begun(folder: &Path) -> bool {
    folder.join(OUTPUT).metadata().is_ok_and(|output| output.len() > 0)
}

/// Follows one sandbox's records from their beginning.
pub(super) struct Reader {
    folder: PathBuf,
    /// `None` until the file is there.
    file: Option<File>,
    piece: Vec<u8>,
    splitter: Splitter,
    /// Seconds since 1970 when the sandbox's kernel booted.
    booted: Option<f64>,
    /// The time of the last mark.
    last: Timestamp,
    ended: bool,
}

impl Reader {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            file: None,
            piece: Vec::new(),
            splitter: Splitter::new(),
            booted: None,
            last: clock::now(),
            ended: false,
        }
    }

    /// Whether the program came to its end, and all was told.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Whether the program ever began.
    pub(super) fn begun(&self) -> bool {
        self.splitter.has_begun()
    }

    /// Tells all that is there by now. Returns whether there was anything.
    pub(super) async fn drain(&mut self, tell: &mpsc::Sender<Record>) -> Result<bool, Fault> {
        let mut any = false;
        while !self.ended {
            let (piece, read) = self.read().await?;
            if read == 0 {
                self.piece = piece;
                break;
            }
            any = true;
            let records = self.understand(&piece[..read]);
            self.piece = piece;
            for record in records {
                send(tell, record).await?;
            }
            // A file that is read to its end for now: whoever runs after it finds ever smaller pieces, each as dear as a
            // large one.
            if read < PIECE {
                break;
            }
        }
        Ok(any)
    }

    /// Tells what was held back because it looked like the beginning of a mark, when nothing more will come.
    pub(super) async fn close(&mut self, tell: &mpsc::Sender<Record>) -> Result<(), Fault> {
        match self.splitter.rest() {
            Some(rest) => send(tell, Record { at: self.last, what: What::Output(rest) }).await,
            None => Ok(()),
        }
    }

    /// One read, off the runtime's own threads. The buffer and the file travel there and back.
    async fn read(&mut self) -> Result<(Vec<u8>, usize), Fault> {
        let path = self.folder.join(OUTPUT);
        let file = self.file.take();
        let mut piece = std::mem::take(&mut self.piece);
        let (file, piece, result) = tokio::task::spawn_blocking(move || {
            piece.resize(PIECE, 0);
            let (file, result) = match file.map_or_else(|| open(&path), Ok) {
                Ok(mut file) => {
                    let result = file.read(&mut piece);
                    (Some(file), result)
                }
                Err(error) if error.kind() == ErrorKind::NotFound => (None, Ok(0)),
                Err(error) => (None, Err(error)),
            };
            (file, piece, result.map_err(io(&path)))
        })
        .await
        .map_err(|error| Fault::system(format!("reading a sandbox's records: {error}")))?;
        self.file = file;
        Ok((piece, result?))
    }

    /// The records in a piece. Output gets the time of the mark that follows it, or the present if none does yet.
    fn understand(&mut self, piece: &[u8]) -> Vec<Record> {
        let mut items = Vec::new();
        self.splitter.feed(piece, |item| items.push(item));
        let caught_up = piece.len() < PIECE;
        let mut records: Vec<Record> = Vec::with_capacity(items.len());
        let mut undated = 0;
        for item in items {
            match item {
                Item::Output(bytes) => records.push(Record { at: self.last, what: What::Output(bytes) }),
                Item::Mark { up, what } => {
                    self.date(up, what);
                    records[undated..].iter_mut().for_each(|record| record.at = self.last);
                    let at = self.last;
                    records.extend(self.tell(what).into_iter().map(|what| Record { at, what }));
                    undated = records.len();
                }
            }
        }
        if caught_up {
            let now = clock::now().max(self.last);
            records[undated..].iter_mut().for_each(|record| record.at = now);
        }
        records
    }

    /// Moves `last` to the time of a mark.
    fn date(&mut self, up: f64, what: Mark) {
        if let Mark::Begun(clock) = what {
            self.booted = match clock {
                Clock::Booted(epoch) => Some(epoch),
                Clock::Now(now) => Some(now - up),
                Clock::Unknown => None,
            };
        }
        // Kernels tell their time to a hundredth of a second; the rest would be noise of the arithmetic.
        let at = self.booted.and_then(|booted| {
            let since = SignedDuration::try_from_secs_f64(booted + up).ok()?;
            Timestamp::from_millisecond(i64::try_from(since.as_millis()).ok()?).ok()
        });
        self.last = at.unwrap_or_else(clock::now);
    }

    /// The records of a mark.
    fn tell(&mut self, mark: Mark) -> Vec<What> {
        vec![match mark {
            Mark::Begun(_) => return Vec::new(),
            Mark::Section(section, attempt) => What::SectionStarted { section, attempt },
            Mark::Step(section, step, finally) => What::StepStarted { section, step, finally },
            Mark::StepEnd(section, step, finally, status) => What::StepFinished { section, step, finally, status },
            Mark::SectionEnd(section, succeeded) => What::SectionFinished { section, succeeded },
            Mark::End => {
                self.ended = true;
                return values(&self.folder.join("values"));
            }
        }]
    }
}

async fn send(tell: &mpsc::Sender<Record>, record: Record) -> Result<(), Fault> {
    tell.send(record).await.map_err(|_| Fault::stopped("nobody listens to the sandbox's records any more"))
}

/// Opens a file that a build may have replaced: nothing but a plain file is opened, and no link is followed, so that a
/// build cannot have this machine's files told as its own.
fn open(path: &Path) -> std::io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(std::io::Error::new(ErrorKind::InvalidInput, "not a plain file")),
    }
}

/// The values that the driver wrote, in the program's order. What a build did to the folder itself is its own loss.
fn values(folder: &Path) -> Vec<What> {
    if !folder.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Vec::new();
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.take(MOST_VALUES).collect();
    names.sort();
    // Exported variables come before expansions.
    let (exported, expanded): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.contains("-exported-"));
    let mut left = ALL_VALUES;
    exported.into_iter().chain(expanded).filter_map(|name| value(folder, &name, &mut left)).collect()
}

/// One value; `left` is how much may be read of it and of all that follow. What does not fit is left out.
fn value(folder: &Path, file: &str, left: &mut u64) -> Option<What> {
    let mut value = Vec::new();
    let read = open(&folder.join(file)).ok()?.take(LONGEST_VALUE.min(*left)).read_to_end(&mut value).ok()?;
    *left = left.checked_sub(read as u64).filter(|left| *left > 0)?;
    let mut parts = file.splitn(3, '-').skip(1);
    match (parts.next()?, parts.next()?.to_owned()) {
        ("exported", name) => Some(What::Exported { name, value }),
        ("expanded", name) => {
            // The text was expanded as a line of its own.
            value.pop_if(|last| *last == b'\n');
            Some(What::Expanded { name, value })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_writes_among_the_values_is_not_read_without_bound() {
        let folder = tempfile::tempdir().unwrap();
        let large = File::create(folder.path().join("large")).unwrap();
        large.set_len(LONGEST_VALUE).unwrap();
        for number in 0..MOST_VALUES + 100 {
            let name = format!("{number}-exported-V{number}");
            std::fs::hard_link(folder.path().join("large"), folder.path().join(name)).unwrap();
        }
        let read = values(folder.path());
        let bytes: usize =
            read.iter().map(|what| if let What::Exported { value, .. } = what { value.len() } else { 0 }).sum();
        assert!(!read.is_empty() && bytes as u64 <= ALL_VALUES, "{} values, {bytes} bytes", read.len());
    }
}
