//! What is known of shipments on the disk.
//!
//! ```text
//! STATE/shipments/lock              held by the process that sends
//! STATE/shipments/RUN.ACTION/
//!   shipment.json                   what goes where; written once, by whoever opens it
//!   over                            the log is whole; written by whoever says so
//!   forsaken                        it will never be, because another machine has the run; likewise
//!   sent.json                       how far it is sent; written by the process that sends, by rename
//!   archived                        it is in S3
//!   log.gz                          it is on its way there
//! ```
//!
//! Each file has one writer, so opening and sending may happen in two processes.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs4::FileExt;
use serde::{Deserialize, Serialize};

use super::Shipment;
use crate::fault::{Fault, io};

const SHIPMENT: &str = "shipment.json";
const SENT: &str = "sent.json";
const OVER: &str = "over";
const FORSAKEN: &str = "forsaken";
const ARCHIVED: &str = "archived";

/// Which shipment: its run and its action.
pub(super) type Key = (String, String);

/// The folder of all shipments.
#[derive(Clone)]
pub(super) struct Journal {
    root: PathBuf,
}

/// How far a shipment is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Sent {
    /// Bytes of the log that were taken.
    pub(super) offset: u64,
    /// Their CRC-32: a log that was written anew is noticed.
    pub(super) check: u32,
    /// The time of the last event.
    pub(super) time: i64,
    /// Whether the last event is the beginning of a line.
    pub(super) mid_line: bool,
    /// Events that the service left out.
    pub(super) rejected: u64,
}

/// The right to send; given up when the last clone is dropped or the process dies.
pub(super) type Sender = Arc<File>;

impl Journal {
    pub(super) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Takes the right to send. `None`: another process has it.
    pub(super) fn sender(&self) -> Result<Option<Sender>, Fault> {
        make_folder(&self.root)?;
        let path = self.root.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
        match FileExt::try_lock(&lock) {
            Ok(()) => Ok(Some(Arc::new(lock))),
            Err(fs4::TryLockError::WouldBlock) => Ok(None),
            Err(fs4::TryLockError::Error(error)) => Err(io(&path)(error)),
        }
    }

    /// Writes a shipment down. One that is there already stays.
    pub(super) fn open(&self, shipment: &Shipment) -> Result<(), Fault> {
        let folder = self.folder(&key_of(shipment));
        if folder.join(SHIPMENT).exists() {
            // Whoever opens it has the run, again or still.
            let forsaken = folder.join(FORSAKEN);
            return fs::remove_file(&forsaken).or_else(none_there).map_err(io(&forsaken));
        }
        // What a removal left that did not come to its end says nothing about this one.
        fs::remove_dir_all(&folder).or_else(none_there).map_err(io(&folder))?;
        make_folder(&folder)?;
        write(&folder.join(SHIPMENT), shipment, false)
    }

    /// Marks a log as whole. Nothing happens when it has no shipment, or no longer.
    pub(super) fn end(&self, key: &Key) -> Result<bool, Fault> {
        self.mark(key, OVER)
    }

    /// Whether its log is whole.
    pub(super) fn is_over(&self, key: &Key) -> bool {
        self.folder(key).join(OVER).exists()
    }

    /// Marks a log as one that will never be whole. What there is of it is sent, and not archived.
    pub(super) fn forsake(&self, key: &Key) -> Result<bool, Fault> {
        self.mark(key, FORSAKEN)
    }

    /// Whether it is.
    pub(super) fn is_forsaken(&self, key: &Key) -> bool {
        self.folder(key).join(FORSAKEN).exists()
    }

    /// Whether nothing more comes of a log.
    pub(super) fn has_all(&self, key: &Key) -> bool {
        self.is_over(key) || self.is_forsaken(key)
    }

    /// Marks a log as archived.
    pub(super) fn archived(&self, key: &Key) -> Result<bool, Fault> {
        self.mark(key, ARCHIVED)
    }

    /// Whether it is archived.
    pub(super) fn is_archived(&self, key: &Key) -> bool {
        self.folder(key).join(ARCHIVED).exists()
    }

    /// Where the packed log is on its way.
    pub(super) fn packed(&self, key: &Key) -> PathBuf {
        self.folder(key).join("log.gz")
    }

    /// How far it is sent.
    pub(super) fn sent(&self, key: &Key) -> Result<Sent, Fault> {
        Ok(read(&self.folder(key).join(SENT))?.unwrap_or_default())
    }

    /// Writes down how far it is sent, for good.
    pub(super) fn put_sent(&self, key: &Key, sent: &Sent) -> Result<(), Fault> {
        write(&self.folder(key).join(SENT), sent, true)
    }

    /// All that is not done. What cannot be read is told, and set aside.
    pub(super) fn list(&self) -> Vec<Shipment> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let folders = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
        folders.filter_map(|folder| self.shipment(&folder)).collect()
    }

    fn shipment(&self, folder: &Path) -> Option<Shipment> {
        let path = folder.join(SHIPMENT);
        match read(&path) {
            Ok(found) => found,
            Err(fault) => {
                tracing::error!(%fault, "a log's shipment cannot be read, and is set aside: the log stays on this machine");
                fs::rename(&path, folder.join("unreadable.json")).ok();
                None
            }
        }
    }

    /// Forgets a shipment that is done.
    pub(super) fn remove(&self, key: &Key) -> Result<(), Fault> {
        let folder = self.folder(key);
        // Without this file there is no shipment, whatever else is left.
        let first = folder.join(SHIPMENT);
        fs::remove_file(&first).or_else(none_there).map_err(io(&first))?;
        fs::remove_dir_all(&folder).or_else(none_there).map_err(io(&folder))
    }

    /// A mark is an empty file. `false`: there is no such shipment.
    fn mark(&self, key: &Key, mark: &str) -> Result<bool, Fault> {
        let folder = self.folder(key);
        if !folder.join(SHIPMENT).exists() {
            return Ok(false);
        }
        let path = folder.join(mark);
        match fs::write(&path, "") {
            // It was removed meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            written => written.map(|()| true).map_err(io(&path)),
        }
    }

    fn folder(&self, (run, action): &Key) -> PathBuf {
        self.root.join(format!("{run}.{action}"))
    }
}

/// The key of a shipment.
pub(super) fn key_of(shipment: &Shipment) -> Key {
    (shipment.run.clone(), shipment.action.clone())
}

/// For this user only, like all that is about logs.
fn make_folder(folder: &Path) -> Result<(), Fault> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io(folder))
}

fn none_there(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, Fault> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.map_err(io(path))?,
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| Fault::system(format!("{}: {error}", path.display())))
}

/// Writes beside the file and renames. `for_good`: also when the power fails.
fn write(path: &Path, value: &impl Serialize, for_good: bool) -> Result<(), Fault> {
    let new = path.with_extension("new");
    let text = serde_json::to_vec(value).map_err(|error| Fault::system(format!("{}: {error}", path.display())))?;
    let written = || -> std::io::Result<()> {
        let mut file = File::create(&new)?;
        file.write_all(&text)?;
        if for_good {
            file.sync_data()?;
        }
        fs::rename(&new, path)
    };
    written().map_err(io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipment() -> Shipment {
        let file = PathBuf::from("/state/runs/one/logs/test.log");
        let opened = "2026-07-14T09:57:49Z".parse().unwrap();
        Shipment { run: "one".into(), action: "test".into(), file, stream: None, archive: None, opened }
    }

    #[test]
    fn what_is_written_down_is_there_for_the_next_process_and_gone_when_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let journal = || Journal::at(folder.path().join("shipments"));
        let key = key_of(&shipment());
        assert_eq!((journal().list(), journal().end(&key).unwrap()), (Vec::new(), false));
        journal().open(&shipment()).unwrap();
        let sent = Sent { offset: 7, check: 8, time: 9, mid_line: true, rejected: 1 };
        journal().put_sent(&key, &sent).unwrap();
        // Opened again by a process that goes on: nothing is forgotten.
        journal().open(&shipment()).unwrap();
        assert_eq!((journal().sent(&key).unwrap(), journal().is_over(&key)), (sent, false));
        assert!(journal().end(&key).unwrap() && journal().archived(&key).unwrap());
        assert!(journal().is_over(&key) && journal().is_archived(&key));
        assert!(journal().forsake(&key).unwrap() && journal().is_forsaken(&key) && journal().has_all(&key));
        journal().open(&shipment()).unwrap();
        assert!(!journal().is_forsaken(&key), "whoever opens it has the run again");
        assert_eq!(journal().list(), [shipment()]);
        journal().remove(&key).unwrap();
        journal().remove(&key).unwrap();
        assert_eq!((journal().list(), journal().is_over(&key)), (Vec::new(), false));
        // A removal that did not come to its end leaves nothing to the next shipment of that name.
        fs::create_dir(folder.path().join("shipments/one.test")).unwrap();
        fs::write(folder.path().join("shipments/one.test/over"), "").unwrap();
        journal().open(&shipment()).unwrap();
        assert_eq!((journal().is_over(&key), journal().sent(&key).unwrap()), (false, Sent::default()));
    }

    #[test]
    fn one_process_sends_and_a_shipment_that_cannot_be_read_stops_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::at(folder.path().to_owned());
        let sender = journal.sender().unwrap().unwrap();
        assert!(journal.sender().unwrap().is_none());
        assert!(journal.list().is_empty() && folder.path().join("lock").is_file(), "the lock is no shipment");
        drop(sender);
        assert!(journal.sender().unwrap().is_some());
        journal.open(&shipment()).unwrap();
        fs::create_dir(folder.path().join("two.test")).unwrap();
        fs::write(folder.path().join("two.test/shipment.json"), "{").unwrap();
        assert_eq!(journal.list(), [shipment()]);
        assert!(folder.path().join("two.test/unreadable.json").exists());
    }
}
