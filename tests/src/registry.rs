//! A registry of the test's own: Debian's `docker-registry` on a free port, its files in a temporary folder.

use std::path::Path;
use std::process::Command;

use crate::port::{Server, free};

/// A running registry without authentication, gone with its files when dropped.
pub struct Registry {
    server: Server,
    folder: tempfile::TempDir,
}

impl Registry {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let port = free();
        let settings = folder.path().join("settings.yml");
        let text = format!(
            "version: 0.1\nlog: {{ level: error, accesslog: {{ disabled: true }} }}\n\
             storage: {{ filesystem: {{ rootdirectory: {} }}, delete: {{ enabled: true }} }}\n\
             http: {{ addr: \"127.0.0.1:{port}\" }}\n",
            folder.path().join("files").display()
        );
        std::fs::write(&settings, text).unwrap_or_else(|error| panic!("{}: {error}", settings.display()));
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&settings);
        Self { server: Server::start(&mut command, port).await, folder }
    }

    /// `127.0.0.1:port`
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.server.port)
    }

    /// Where it keeps its files.
    #[must_use]
    pub fn files(&self) -> &Path {
        self.folder.path()
    }
}
