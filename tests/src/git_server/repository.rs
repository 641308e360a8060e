//! Commits for tests, made by Git itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs Git in a folder and returns what it printed, without the last newline.
///
/// # Panics
/// When Git fails.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main", "-c", "advice.detachedHead=false"])
        .args(arguments)
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null"), ("GIT_TERMINAL_PROMPT", "0")])
        .envs([("GIT_AUTHOR_NAME", "Ann"), ("GIT_AUTHOR_EMAIL", "ann@example.org")])
        .envs([("GIT_COMMITTER_NAME", "Ann"), ("GIT_COMMITTER_EMAIL", "ann@example.org")])
        .output()
        .unwrap_or_else(|error| panic!("git: {error}"));
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}

/// A work tree whose commits are pushed to a bare repository.
pub struct WorkTree {
    folder: tempfile::TempDir,
}

impl WorkTree {
    /// An empty one that pushes to `remote`.
    ///
    /// # Panics
    /// When Git fails.
    #[must_use]
    pub fn of(remote: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        git(folder.path(), &["init", "-q", "-b", "main"]);
        git(folder.path(), &["remote", "add", "origin", &remote.display().to_string()]);
        Self { folder }
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Writes a file, with the folders that it needs.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.folder.path().join(name);
        let parent = path.parent().unwrap_or(self.folder.path());
        let write = || fs::create_dir_all(parent).and_then(|()| fs::write(&path, text));
        write().unwrap_or_else(|error| panic!("{name}: {error}"));
        self
    }

    /// Commits everything and returns the commit's id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Pushes all branches and tags, by force.
    pub fn push(&self) {
        self.git(&["push", "-q", "--force", "--all"]);
        self.git(&["push", "-q", "--force", "--tags"]);
    }

    /// Runs Git in it.
    pub fn git(&self, arguments: &[&str]) -> String {
        git(self.folder.path(), arguments)
    }
}
