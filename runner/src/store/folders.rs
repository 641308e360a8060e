//! Where things are on this machine.
//!
//! ```text
//! STATE/record.db          the record
//! STATE/runs/RUN/          one run: lock, source/, logs/, artifacts/, builds/
//! STATE/mirrors/ caches/ images/ migrations/
//! STATE/shipments/         logs on their way to AWS
//! STATE/fetch-*            sources that are fetched before their run begins; fetch-job-* are jobs' own
//! STATE/left-in-engine/    runs whose containers could not be removed
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};

use fs4::FileExt;
use tempfile::TempDir;

use crate::fault::{Fault, io};

/// How the names of scratch folders begin.
pub(super) const SCRATCH: &str = "fetch-";

/// How those of a worker's jobs do.
const OF_JOBS: &str = "fetch-job-";

/// A state directory.
#[derive(Clone, Debug)]
pub struct StateFolders {
    root: PathBuf,
}

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunFolders {
    root: PathBuf,
    left: PathBuf,
    in_engine: String,
}

/// The right to go on with a run; given up when dropped or when the process dies.
#[derive(Debug)]
pub struct Ownership {
    _lock: File,
}

impl StateFolders {
    /// The state directory at that path. It must be absolute: the engine sees parts of it.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The state directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Bare mirrors of Git repositories.
    #[must_use]
    pub fn mirrors(&self) -> PathBuf {
        self.root.join("mirrors")
    }

    /// Structures of pipelines as they were before a migration.
    #[must_use]
    pub fn migrations(&self) -> PathBuf {
        self.root.join("migrations")
    }

    /// Cached paths of builds.
    #[must_use]
    pub fn caches(&self) -> PathBuf {
        self.root.join("caches")
    }

    /// What is known of pushed images.
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Logs on their way to AWS.
    #[must_use]
    pub fn shipments(&self) -> PathBuf {
        self.root.join("shipments")
    }

    /// A folder for a source that is fetched before its run begins, removed when dropped. What a process that was killed
    /// leaves of it goes with `sluice clean`.
    pub fn scratch(&self) -> Result<TempDir, Fault> {
        std::fs::create_dir_all(&self.root).map_err(io(&self.root))?;
        tempfile::Builder::new().prefix(SCRATCH).tempdir_in(&self.root).map_err(io(&self.root))
    }

    /// The folders of all runs.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// The folder of a run.
    #[must_use]
    pub fn run(&self, id: &str) -> RunFolders {
        let in_engine = id.to_owned();
        RunFolders { root: self.runs().join(id), left: self.left_in_engine().join(id), in_engine }
    }

    /// The runs of jobs that have a folder here, over or not.
    #[must_use]
    pub fn runs_of_jobs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.runs()).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|run| self.run(run).job().exists()).collect()
    }

    /// A folder for a revision that is fetched for a job, until it is dropped.
    pub fn scratch_of_job(&self) -> Result<TempDir, Fault> {
        tempfile::Builder::new().prefix(OF_JOBS).tempdir_in(&self.root).map_err(io(&self.root))
    }

    /// Removes what a worker that was killed has left of fetches. Only the worker of this state directory may.
    pub fn drop_fetches(&self) -> Result<(), Fault> {
        for entry in std::fs::read_dir(&self.root).map_err(io(&self.root))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(OF_JOBS) {
                std::fs::remove_dir_all(entry.path()).map_err(io(&entry.path()))?;
            }
        }
        Ok(())
    }

    /// The folders of containers that wait for builds.
    #[must_use]
    pub fn warm(&self) -> PathBuf {
        self.root.join("warm")
    }

    /// Where the worker of this state directory is spoken to.
    #[must_use]
    pub fn worker_socket(&self) -> PathBuf {
        self.root.join("worker.sock")
    }

    /// Takes the state directory for a worker: its name for leases, which stays the same as long as the directory
    /// does, and the right to use it. `None`: another worker has it.
    pub fn own_worker(&self) -> Result<Option<(String, Ownership)>, Fault> {
        std::fs::create_dir_all(&self.root).map_err(io(&self.root))?;
        let Some(ownership) = lock(&self.root.join("worker.lock"))? else { return Ok(None) };
        let path = self.root.join("worker-id");
        match std::fs::read_to_string(&path) {
            Ok(id) if !id.trim().is_empty() => Ok(Some((id.trim().to_owned(), ownership))),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&path)(error)),
            _ => {
                let id = super::new_worker_id();
                std::fs::write(&path, &id).map_err(io(&path))?;
                Ok(Some((id, ownership)))
            }
        }
    }

    /// The runs that may have left something in the engine, because it was away when they ended.
    #[must_use]
    pub fn runs_left_in_engine(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.left_in_engine()).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    fn left_in_engine(&self) -> PathBuf {
        self.root.join("left-in-engine")
    }
}

impl RunFolders {
    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the run is called in the engine: its id, unless it was called something else there.
    #[must_use]
    pub fn in_engine(&self) -> &str {
        &self.in_engine
    }

    /// The same folder, of a run that another machine began: two machines may have one engine, and what one of them
    /// cleans up there must not be the other's.
    #[must_use]
    pub fn called(self, in_engine: &str) -> Self {
        let left = self.left.with_file_name(in_engine);
        Self { left, in_engine: in_engine.to_owned(), ..self }
    }

    /// Says that the run does a job, and what it is called in the engine. A later start of the worker removes it.
    #[must_use]
    pub fn job(&self) -> PathBuf {
        self.root.join("job")
    }

    /// The revision as it was fetched.
    #[must_use]
    pub fn source(&self) -> PathBuf {
        self.root.join("source")
    }

    /// The further inputs as they were fetched.
    #[must_use]
    pub fn inputs(&self) -> PathBuf {
        self.root.join("inputs")
    }

    /// One of them.
    #[must_use]
    pub fn input(&self, name: &str) -> PathBuf {
        self.inputs().join(name)
    }

    /// The log of an action.
    #[must_use]
    pub fn log(&self, action: &str) -> PathBuf {
        self.root.join("logs").join(format!("{action}.log"))
    }

    /// The artifacts of an action, and the files that it hands on.
    #[must_use]
    pub fn artifacts(&self, action: &str) -> PathBuf {
        self.root.join("artifacts").join(action)
    }

    /// What the build of an action needs while it runs.
    #[must_use]
    pub fn build(&self, action: &str) -> PathBuf {
        self.root.join("builds").join(action)
    }

    /// Notes whether the run may have left something in the engine, for the next run on this machine to remove.
    pub fn note_left_in_engine(&self, left: bool) -> Result<(), Fault> {
        match (left, self.left.parent()) {
            (true, Some(folder)) => {
                std::fs::create_dir_all(folder).map_err(io(folder))?;
                std::fs::write(&self.left, "").map_err(io(&self.left))
            }
            _ => match std::fs::remove_file(&self.left) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&self.left)(error)),
                _ => Ok(()),
            },
        }
    }

    /// Removes the source and the builds' folders; logs and artifacts stay.
    pub fn drop_workspaces(&self) {
        for folder in [self.source(), self.inputs(), self.root.join("builds")] {
            match std::fs::remove_dir_all(&folder) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(folder = %folder.display(), %error, "a workspace could not be removed"),
            }
        }
    }

    /// Makes the folder, for this user only: it holds the user's source and output.
    pub fn create(&self) -> Result<(), Fault> {
        use std::os::unix::fs::DirBuilderExt;
        for folder in [self.root.clone(), self.root.join("logs")] {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(io(&folder))?;
        }
        Ok(())
    }

    /// Takes the run. `None`: another process has it.
    pub fn own(&self) -> Result<Option<Ownership>, Fault> {
        self.create()?;
        lock(&self.root.join("lock"))
    }
}

fn lock(path: &Path) -> Result<Option<Ownership>, Fault> {
    let lock = File::options().create(true).truncate(false).write(true).open(path).map_err(io(path))?;
    match FileExt::try_lock(&lock) {
        Ok(()) => Ok(Some(Ownership { _lock: lock })),
        Err(fs4::TryLockError::WouldBlock) => Ok(None),
        Err(fs4::TryLockError::Error(error)) => Err(io(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_worker_left_of_fetches_goes_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let folders = StateFolders::new(root.path().to_owned());
        let left = folders.scratch_of_job().unwrap().keep();
        std::fs::write(left.join("file"), "half").unwrap();
        folders.run("r").create().unwrap();
        folders.drop_fetches().unwrap();
        assert!(!left.exists() && folders.run("r").root().is_dir());
    }
}
