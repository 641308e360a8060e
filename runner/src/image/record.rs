//! What this machine knows of layers: SQLite in the cache folder. It only saves work; nothing here is ever trusted
//! without asking the registry, and a lost or broken record costs one compression of each layer.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::fault::Fault;

/// A compressed layer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Blob {
    /// `sha256:…` of the compressed bytes.
    pub(super) digest: String,
    /// Their number.
    pub(super) size: u64,
}

/// The record. Clones share one connection.
#[derive(Clone)]
pub(super) struct LayerRecord(Arc<Mutex<Connection>>);

const TABLES: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS blob (diff_id TEXT PRIMARY KEY, digest TEXT NOT NULL, size INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS place (diff_id TEXT, host TEXT, repository TEXT, PRIMARY KEY (diff_id, host, repository));
    CREATE TABLE IF NOT EXISTS export (name TEXT PRIMARY KEY, diff_id TEXT NOT NULL);
";

impl LayerRecord {
    /// Opens the record in a folder, which is made. A broken one is begun anew.
    pub(super) fn open(folder: &Path) -> Result<Self, Fault> {
        std::fs::create_dir_all(folder).map_err(crate::fault::io(folder))?;
        let path = folder.join("layers.sqlite");
        let connection = open(&path).or_else(|_| {
            std::fs::remove_file(&path).ok();
            open(&path).map_err(|error| Fault::system(format!("{}: {error}", path.display())))
        })?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// How a layer was compressed before.
    pub(super) fn blob(&self, diff_id: &str) -> Option<Blob> {
        self.ask(|connection| {
            let row = |row: &rusqlite::Row<'_>| {
                let size: i64 = row.get(1)?;
                Ok(Blob { digest: row.get(0)?, size: size.unsigned_abs() })
            };
            connection.query_row("SELECT digest, size FROM blob WHERE diff_id = ?", [diff_id], row).optional()
        })
    }

    /// Another repository of the host where the layer was seen.
    pub(super) fn elsewhere(&self, diff_id: &str, host: &str, repository: &str) -> Option<String> {
        const ASK: &str = "SELECT repository FROM place WHERE diff_id = ? AND host = ? AND repository <> ?";
        self.ask(|connection| connection.query_row(ASK, [diff_id, host, repository], |row| row.get(0)).optional())
    }

    /// The layer that the engine exports under that name.
    pub(super) fn exported(&self, name: &str) -> Option<String> {
        const ASK: &str = "SELECT diff_id FROM export WHERE name = ?";
        self.ask(|connection| connection.query_row(ASK, [name], |row| row.get(0)).optional())
    }

    /// Writes down a layer, what it became, and where it is.
    pub(super) fn keep(&self, diff_id: &str, blob: &Blob, host: &str, repository: &str) {
        self.ask(|connection| {
            let size = i64::try_from(blob.size).unwrap_or(i64::MAX);
            connection.execute("INSERT OR REPLACE INTO blob VALUES (?, ?, ?)", params![diff_id, blob.digest, size])?;
            connection.execute("INSERT OR IGNORE INTO place VALUES (?, ?, ?)", [diff_id, host, repository])?;
            Ok(Some(()))
        });
    }

    /// Writes down under which name the engine exports a layer.
    pub(super) fn keep_export(&self, name: &str, diff_id: &str) {
        self.ask(|connection| {
            connection.execute("INSERT OR REPLACE INTO export VALUES (?, ?)", [name, diff_id]).map(Some)
        });
    }

    /// A record that fails is a record that knows nothing.
    fn ask<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<Option<T>>) -> Option<T> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        question(&connection).unwrap_or_else(|error| {
            tracing::warn!(%error, "the record of layers failed");
            None
        })
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.execute_batch(TABLES)?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_remembered_and_a_broken_record_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let record = LayerRecord::open(folder.path()).unwrap();
        let blob = Blob { digest: "sha256:b".into(), size: 7 };
        record.keep("sha256:a", &blob, "h", "one");
        record.keep_export("dir", "sha256:a");
        drop(record);
        let record = LayerRecord::open(folder.path()).unwrap();
        assert_eq!(record.blob("sha256:a"), Some(blob));
        assert_eq!(record.elsewhere("sha256:a", "h", "two"), Some("one".into()));
        assert_eq!(record.elsewhere("sha256:a", "h", "one"), None);
        assert_eq!(record.exported("dir"), Some("sha256:a".into()));
        drop(record);
        let junk = b"this is no database, and long enough to be read as a header of one. ".repeat(20);
        for name in ["layers.sqlite", "layers.sqlite-wal"] {
            std::fs::write(folder.path().join(name), &junk).unwrap();
        }
        assert_eq!(LayerRecord::open(folder.path()).unwrap().blob("sha256:a"), None);
    }
}
