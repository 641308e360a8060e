//! The folders of runs that are over, as things that may go: their logs and artifacts on this machine. What happened in
//! them stays in the record.

use std::path::PathBuf;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{Record, StateFolders};
use crate::clock;
use crate::disk::{Kept, Shelf, bytes_under, looking};
use crate::event::What;
use crate::fault::{Fault, io};

/// A run that is over for less than this may still be looked at, and its artifacts be on their way.
const FRESH: SignedDuration = SignedDuration::from_hours(1);

/// What a run whose logs are not sent has besides them, as a thing of its own.
const ARTIFACTS: &str = "/artifacts";

/// The runs of a state directory. A run that waits, or that was cut off and may be resumed, is in use; so is one whose
/// logs are not yet all sent to where they are to go.
#[derive(Clone, Debug)]
pub struct OldRuns {
    folders: StateFolders,
}

impl OldRuns {
    /// Those of that state directory.
    #[must_use]
    pub fn of(folders: StateFolders) -> Self {
        Self { folders }
    }

    fn all(&self) -> Result<Vec<Kept>, Fault> {
        let record = Record::open(self.folders.root())?;
        let runs = self.folders.runs();
        let folders = std::fs::read_dir(&runs).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
        let mut kept = Vec::new();
        for entry in folders {
            let name = entry.file_name().to_string_lossy().into_owned();
            let ended = ended(&record, &name)?;
            let last_use = ended.unwrap_or_else(clock::now);
            let in_use = ended.is_none_or(|ended| clock::now().duration_since(ended) < FRESH);
            let mut bytes = bytes_under(&entry.path());
            let is_unsent = self.is_unsent(&name);
            if is_unsent && !in_use {
                // Its artifacts are where they belong, and need not wait for its logs.
                let of_artifacts = bytes_under(&self.artifacts(&name));
                bytes = bytes.saturating_sub(of_artifacts);
                kept.push(Kept { name: format!("{name}{ARTIFACTS}"), bytes: of_artifacts, last_use, in_use });
            }
            kept.push(Kept { name, bytes, last_use, in_use: in_use || is_unsent });
        }
        Ok(kept)
    }

    fn artifacts(&self, run: &str) -> PathBuf {
        self.folders.run(run).root().join("artifacts")
    }

    /// Removes a run's folder, or its artifacts, while nobody has the run.
    fn remove_one(&self, name: &str) -> Result<bool, Fault> {
        let (name, of_all) = name.strip_suffix(ARTIFACTS).map_or((name, true), |run| (run, false));
        let folder = if of_all { self.folders.run(name).root().to_owned() } else { self.artifacts(name) };
        if !folder.is_dir() {
            return Ok(true);
        }
        let Some(_ownership) = self.folders.run(name).own()? else { return Ok(false) };
        let record = Record::open(self.folders.root())?;
        if ended(&record, name)?.is_none() || (of_all && self.is_unsent(name)) {
            return Ok(false);
        }
        std::fs::remove_dir_all(&folder).map_err(io(&folder)).map(|()| true)
    }

    /// Whether logs of the run are on their way.
    fn is_unsent(&self, run: &str) -> bool {
        let beginning = format!("{run}.");
        let shipments = std::fs::read_dir(self.folders.shipments()).into_iter().flatten().flatten();
        shipments.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().starts_with(&beginning))
    }
}

/// When the run was over; `None` while it is not, or is not known.
fn ended(record: &Record, run: &str) -> Result<Option<Timestamp>, Fault> {
    let last = record.last_event(run)?;
    Ok(last.filter(|event| matches!(event.what, What::RunFinished { .. })).map(|event| event.at))
}

#[async_trait]
impl Shelf for OldRuns {
    fn kind(&self) -> &'static str {
        "run"
    }

    async fn list(&self) -> Result<Vec<Kept>, Fault> {
        let runs = self.clone();
        looking(move || runs.all()).await
    }

    async fn remove(&self, name: &str) -> Result<bool, Fault> {
        let (runs, name) = (self.clone(), name.to_owned());
        looking(move || runs.remove_one(&name)).await
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::event::{Event, Outcome};
    use crate::store::RunRow;

    /// A run that said that, and its log.
    fn run(folders: &StateFolders, id: &str, what: What, at: Timestamp) {
        let mut record = Record::open(folders.root()).unwrap();
        let empty = String::new;
        let (id, pipeline) = (id.to_owned(), "billing".to_owned());
        record.begin(&RunRow { id: id.clone(), pipeline, started: at, plan: empty(), options: empty() }).unwrap();
        record.append(&id, &[Event { sequence: 1, at, what }]).unwrap();
        folders.run(&id).create().unwrap();
        fs::write(folders.run(&id).log("test"), "said").unwrap();
    }

    #[tokio::test]
    async fn a_run_goes_when_it_is_over_and_sent_and_nobody_has_it() {
        let root = tempfile::tempdir().unwrap();
        let folders = StateFolders::new(root.path().to_owned());
        let over = || What::RunFinished { outcome: Outcome::Succeeded };
        let long_ago = clock::now() - SignedDuration::from_hours(2);
        run(&folders, "old", over(), long_ago);
        run(&folders, "new", over(), clock::now());
        run(&folders, "cut", What::RunResumed {}, long_ago);
        run(&folders, "unsent", over(), long_ago);
        run(&folders, "held", over(), long_ago);
        fs::create_dir_all(folders.shipments().join("unsent.test")).unwrap();
        let _held = folders.run("held").own().unwrap();
        let runs = OldRuns::of(folders.clone());
        let mut free: Vec<String> =
            runs.list().await.unwrap().into_iter().filter(|kept| !kept.in_use).map(|kept| kept.name).collect();
        free.sort();
        assert_eq!(free, ["held", "old", "unsent/artifacts"]);
        for run in ["unsent", "held"] {
            fs::create_dir_all(folders.run(run).artifacts("test")).unwrap();
        }
        for (name, is_gone) in [("unsent/artifacts", true), ("held/artifacts", false)] {
            assert_eq!(runs.remove(name).await.unwrap(), is_gone, "{name}");
        }
        assert!(!folders.run("unsent").artifacts("test").exists() && folders.run("held").artifacts("test").exists());
        for (name, is_gone) in [("old", true), ("held", false), ("cut", false), ("unsent", false), ("absent", true)] {
            assert_eq!(runs.remove(name).await.unwrap(), is_gone, "{name}");
            assert!(is_gone || folders.run(name).log("test").is_file(), "{name}");
        }
        assert!(!folders.run("old").root().exists());
        let record = Record::open(folders.root()).unwrap();
        assert_eq!(record.events("old", 0).unwrap().len(), 1, "what happened stays");
    }
}
