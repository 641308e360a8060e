//! The ledger of one machine, in a SQLite file of its own.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};

use super::{Entry, Holder, Ledger, REMEMBERED, Taken, decide};
use crate::fault::Fault;
use crate::store::{BUSY, broken};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS jobs (
        job TEXT PRIMARY KEY, owner TEXT NOT NULL, fence INTEGER NOT NULL, until INTEGER NOT NULL,
        closed INTEGER NOT NULL, body TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS open_jobs ON jobs (job) WHERE closed = 0;
    CREATE INDEX IF NOT EXISTS closed_jobs ON jobs (until) WHERE closed = 1;
";

/// A ledger in a file.
pub struct SqliteLedger {
    connection: Mutex<Connection>,
}

impl SqliteLedger {
    /// Opens `jobs.db` in a folder, and makes it when there is none.
    ///
    /// # Errors
    /// A `System` fault when the file cannot be opened or is damaged.
    pub fn open(folder: &Path) -> Result<Self, Fault> {
        std::fs::create_dir_all(folder).map_err(crate::fault::io(folder))?;
        let file = folder.join("jobs.db");
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(&file)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            // A job that is acknowledged must be known after a power cut too.
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| broken(&file.display().to_string(), &error))?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn take(&self, job: &str, holder: &Holder, body: &str) -> Result<Taken, Fault> {
        let mut connection = self.lock();
        let take = || -> rusqlite::Result<Taken> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let sql = "SELECT job, owner, fence, until, closed, body FROM jobs WHERE job = ?1";
            let taken = decide(transaction.query_row(sql, params![job], entry).optional()?, job, holder, body);
            if let Taken::Ours(entry) = &taken {
                let sql = "INSERT OR REPLACE INTO jobs (job, owner, fence, until, closed, body)
                           VALUES (?1, ?2, ?3, ?4, 0, ?5)";
                let fence = entry.fence.cast_signed();
                let until = entry.until.as_millisecond();
                transaction.execute(sql, params![entry.job, entry.owner, fence, until, entry.body])?;
            }
            let old = holder.now.as_millisecond().saturating_sub(millis(REMEMBERED));
            transaction.execute("DELETE FROM jobs WHERE closed = 1 AND until < ?1", params![old])?;
            transaction.commit()?;
            Ok(taken)
        };
        let mut take = take;
        take().map_err(|error| broken(&format!("job {job}"), &error))
    }

    async fn write(&self, entry: &Entry) -> Result<bool, Fault> {
        // A late renewal must not open again what is closed. Of a job that is over nothing need be known but that it is.
        let sql = "UPDATE jobs SET until = ?4, closed = ?5, body = CASE ?5 WHEN 1 THEN '' ELSE ?6 END
                   WHERE job = ?1 AND owner = ?2 AND fence = ?3 AND closed <= ?5";
        let Entry { job, owner, fence, until, closed, body } = entry;
        let written =
            self.lock().execute(sql, params![job, owner, fence.cast_signed(), until.as_millisecond(), closed, body]);
        written.map(|rows| rows == 1).map_err(|error| broken(&format!("job {job}"), &error))
    }

    async fn forget(&self, entry: &Entry) -> Result<(), Fault> {
        let sql = "DELETE FROM jobs WHERE job = ?1 AND owner = ?2 AND fence = ?3 AND closed = 0";
        let gone = self.lock().execute(sql, params![entry.job, entry.owner, entry.fence.cast_signed()]);
        gone.map(|_| ()).map_err(|error| broken(&format!("job {}", entry.job), &error))
    }

    async fn open(&self) -> Result<Vec<Entry>, Fault> {
        let connection = self.lock();
        let read = || -> rusqlite::Result<Vec<Entry>> {
            let sql = "SELECT job, owner, fence, until, closed, body FROM jobs WHERE closed = 0 ORDER BY job";
            connection.prepare(sql)?.query_map([], entry)?.collect()
        };
        read().map_err(|error| broken("the ledger", &error))
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        job: row.get(0)?,
        owner: row.get(1)?,
        fence: row.get::<_, i64>(2)?.cast_unsigned(),
        until: Timestamp::from_millisecond(row.get(3)?).unwrap_or(Timestamp::MAX),
        closed: row.get(4)?,
        body: row.get(5)?,
    })
}

fn millis(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
