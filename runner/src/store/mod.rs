//! The record: runs, their events, the answers to approvals, and build numbers. SQLite on one machine.
//!
//! This module does not know what events mean. Several processes may have the same record open.

mod abandoned;
mod answers;
mod folders;
pub mod history;
mod ids;
pub mod ledger;
mod numbers;
mod old_runs;
mod table;

use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, params};

use crate::event::Event;
use crate::fault::Fault;

pub use abandoned::Abandoned;
pub use folders::{Ownership, RunFolders, StateFolders};
pub use ids::{new_action_id, new_run_id, new_worker_id};
pub use numbers::BuildNumbers;
pub use old_runs::OldRuns;
pub use table::Table;

/// How long one process waits for another's write before it gives up.
pub(crate) const BUSY: Duration = Duration::from_secs(20);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS runs (
        id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, started TEXT NOT NULL, plan TEXT NOT NULL, options TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS events (
        run TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, sequence INTEGER NOT NULL, event TEXT NOT NULL,
        PRIMARY KEY (run, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS decisions (
        run TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, stage TEXT NOT NULL, slot TEXT NOT NULL,
        rule INTEGER NOT NULL, decision TEXT NOT NULL, PRIMARY KEY (run, stage, slot, rule)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS projects (name TEXT PRIMARY KEY, builds INTEGER NOT NULL) STRICT;
";

/// The version of [`SCHEMA`], kept in the file: a newer one is refused and not damaged.
const VERSION: i64 = 1;

/// A run as the record lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// Its pipeline.
    pub pipeline: String,
    /// When it was made.
    pub started: Timestamp,
    /// Its plan, as JSON.
    pub plan: String,
    /// What else it was started with, as JSON.
    pub options: String,
}

/// The record of one state directory.
pub struct Record {
    connection: Connection,
    /// Brings a new record's file to the disk.
    birth: Mutex<Option<JoinHandle<std::io::Result<()>>>>,
}

impl Record {
    /// Opens the record in a folder, and makes it when there is none.
    ///
    /// # Errors
    /// A `System` fault when the file cannot be opened, is damaged, or was written by a newer version.
    pub fn open(folder: &Path) -> Result<Self, Fault> {
        std::fs::create_dir_all(folder).map_err(crate::fault::io(folder))?;
        let file = folder.join("record.db");
        let is_new = file.metadata().map_or(true, |metadata| metadata.len() == 0);
        let open = || -> rusqlite::Result<Self> {
            let connection = Connection::open(&file)?;
            connection.busy_timeout(BUSY)?;
            // A closing process need not wait for the disk; [`Record::settle`] and the next writers bring it there.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            if is_new {
                // Nothing can be lost of a record that holds nothing, so nobody waits for the disk here.
                connection.pragma_update(None, "synchronous", "OFF")?;
            }
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(Self { connection, birth: Mutex::default() })
        };
        let record = open().map_err(|error| broken(&file.display().to_string(), &error))?;
        record.prepare(&file)?;
        if is_new {
            // The folder may be as new as the file.
            let places = [Some(file.as_path()), Some(folder), folder.parent()];
            let places: Vec<_> = places.into_iter().flatten().map(Path::to_owned).collect();
            // SQLite throws the log of a file away that a loss of power left empty. So that must not be, and by the time
            // that something depends on it, it has long been done.
            let birth = std::thread::spawn(move || places.iter().try_for_each(|place| File::open(place)?.sync_all()));
            *record.birth.lock().unwrap_or_else(PoisonError::into_inner) = Some(birth);
        }
        Ok(record)
    }

    /// Waits until a new record's file is on the disk: nothing must be done in the world before that, which a later
    /// process would have to know of.
    ///
    /// # Errors
    /// A `System` fault when the disk fails.
    pub fn born(&self) -> Result<(), Fault> {
        let birth = self.birth.lock().unwrap_or_else(PoisonError::into_inner).take();
        match birth.map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(Fault::system(format!("a new record cannot be brought to the disk: {error}"))),
            Some(Err(_)) => Err(Fault::system("a new record cannot be brought to the disk")),
        }
    }

    fn prepare(&self, file: &Path) -> Result<(), Fault> {
        let fault = |error| broken(&file.display().to_string(), &error);
        let version: i64 = self.connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fault)?;
        match version {
            VERSION => Ok(()),
            0 => {
                let all_or_none = format!("BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;");
                self.connection.execute_batch(&all_or_none).map_err(fault)
            }
            newer => {
                Err(Fault::system(format!("{}: written by a newer sluice (record version {newer})", file.display()))
                    .hint("use that version, or another state directory"))
            }
        }
    }

    /// Enters a new run.
    pub fn begin(&self, run: &RunRow) -> Result<(), Fault> {
        self.connection
            .execute(
                "INSERT INTO runs (id, pipeline, started, plan, options) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![run.id, run.pipeline, run.started.to_string(), run.plan, run.options],
            )
            .map(|_| ())
            .map_err(|error| broken(&format!("run {}", run.id), &error))
    }

    /// Adds events, all or none of them, durably.
    pub fn append(&mut self, run: &str, events: &[Event]) -> Result<(), Fault> {
        self.write(run, events, false)
    }

    fn write(&mut self, run: &str, events: &[Event], anew: bool) -> Result<(), Fault> {
        let mut add = || -> rusqlite::Result<()> {
            let transaction = self.connection.transaction()?;
            if anew {
                transaction.execute("DELETE FROM events WHERE run = ?1", params![run])?;
            }
            {
                let mut statement =
                    transaction.prepare("INSERT INTO events (run, sequence, event) VALUES (?1, ?2, ?3)")?;
                for event in events {
                    let text = serde_json::to_string(event).unwrap_or_default();
                    statement.execute(params![run, event.sequence.cast_signed(), text])?;
                }
            }
            transaction.commit()
        };
        add().map_err(|error| broken(&format!("run {run}"), &error))
    }

    /// Brings what was written so far to where a loss of power cannot take it. Others may write meanwhile.
    pub fn settle(&self) -> Result<(), Fault> {
        self.born()?;
        let settled = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        settled.map_err(|error| broken("the record", &error))
    }

    /// Puts other events in the place of a run's, all or none of them.
    pub fn replace(&mut self, run: &str, events: &[Event]) -> Result<(), Fault> {
        self.write(run, events, true)
    }

    /// The events of a run after that number, in order.
    pub fn events(&self, run: &str, after: u64) -> Result<Vec<Event>, Fault> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self
                .connection
                .prepare("SELECT event FROM events WHERE run = ?1 AND sequence > ?2 ORDER BY sequence")?;
            statement.query_map(params![run, after.cast_signed()], |row| row.get(0))?.collect()
        };
        let texts = read().map_err(|error| broken(&format!("run {run}"), &error))?;
        texts
            .iter()
            .map(|text| serde_json::from_str(text))
            .collect::<Result<_, _>>()
            .map_err(|error| Fault::system(format!("run {run}: an event in the record cannot be read: {error}")))
    }

    /// The last event of a run.
    pub fn last_event(&self, run: &str) -> Result<Option<Event>, Fault> {
        let sql = "SELECT event FROM events WHERE run = ?1 ORDER BY sequence DESC LIMIT 1";
        let text: Option<String> = self
            .connection
            .query_row(sql, params![run], |row| row.get(0))
            .optional()
            .map_err(|error| broken(&format!("run {run}"), &error))?;
        let parsed = text.map(|text| serde_json::from_str(&text)).transpose();
        parsed.map_err(|error| Fault::system(format!("run {run}: an event in the record cannot be read: {error}")))
    }

    /// The newest runs, newest first.
    pub fn runs(&self, limit: usize) -> Result<Vec<RunRow>, Fault> {
        self.rows(
            "SELECT id, pipeline, started, plan, options FROM runs ORDER BY started DESC, id DESC LIMIT ?1",
            &[&(i64::try_from(limit).unwrap_or(i64::MAX))],
        )
    }

    /// The run of exactly that id.
    pub fn find(&self, id: &str) -> Result<Option<RunRow>, Fault> {
        let sql = "SELECT id, pipeline, started, plan, options FROM runs WHERE id = ?1";
        Ok(self.rows(sql, &[&id])?.pop())
    }

    /// The run whose id starts with that text; `None` is the newest run.
    ///
    /// # Errors
    /// A `Configuration` fault when there is none, or more than one.
    pub fn run(&self, prefix: Option<&str>) -> Result<RunRow, Fault> {
        let sql = "SELECT id, pipeline, started, plan, options FROM runs WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2";
        let found = prefix.map_or_else(|| self.runs(1), |prefix| self.rows(sql, &[&prefix]))?;
        history::only(found, prefix)
    }

    fn rows(&self, sql: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<RunRow>, Fault> {
        let read = || -> rusqlite::Result<Vec<RunRow>> {
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map(params, |row| {
                let started: String = row.get(2)?;
                Ok(RunRow {
                    id: row.get(0)?,
                    pipeline: row.get(1)?,
                    started: started.parse().unwrap_or_default(),
                    plan: row.get(3)?,
                    options: row.get(4)?,
                })
            })?;
            rows.collect()
        };
        read().map_err(|error| broken("the record", &error))
    }

    /// The next build number of a project: 1, 2, 3, … for ever, also across processes.
    pub fn next_build_number(&self, project: &str) -> Result<u64, Fault> {
        let sql = "INSERT INTO projects (name, builds) VALUES (?1, 1)
                   ON CONFLICT (name) DO UPDATE SET builds = builds + 1 RETURNING builds";
        let number = self.connection.query_row(sql, params![project], |row| row.get::<_, i64>(0));
        number.map(i64::cast_unsigned).map_err(|error| broken(&format!("project {project}"), &error))
    }

    /// Whether the record itself is sound; its own words when it is not.
    pub fn check(&self) -> Option<String> {
        let said: Option<String> =
            self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).optional().ok().flatten();
        said.filter(|said| said != "ok")
    }
}

pub(crate) fn broken(what: &str, error: &rusqlite::Error) -> Fault {
    let fault = Fault::system(format!("{what}: the record cannot be used: {error}"));
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => fault.hint("free some disk space, or move the state directory"),
        Some(rusqlite::ErrorCode::DatabaseBusy) => fault.hint("another process holds it; try again"),
        Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly) => {
            fault.hint("check who owns the state directory, or choose another with --state-dir")
        }
        _ => fault,
    }
}
