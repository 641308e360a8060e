//! A registry of the test's own: Debian's `docker-registry` on a free port, its files in a temporary folder.

use std::path::Path;
use std::process::Command;

use crate::port::{Server, free};

/// A running registry, gone with its files when dropped.
pub struct Registry {
    server: Server,
    folder: tempfile::TempDir,
    passwords: Option<tempfile::NamedTempFile>,
}

/// Who may use a guarded registry.
pub const USER: &str = "ann";
/// Their password.
pub const PASSWORD: &str = "correct horse";
/// Its bcrypt hash, the only kind that the registry takes.
const PASSWORD_HASH: &str = "$2b$04$urFiRwaQJvYklUZ0MBiIROIpIylAVSXOQORZhMddyCwLYmfSJW9XG";

impl Registry {
    /// Starts one that everybody may use.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        Self::with(String::new()).await
    }

    /// Starts one that asks for [`USER`] and [`PASSWORD`].
    ///
    /// # Panics
    /// When it does not start.
    pub async fn guarded() -> Self {
        let passwords = tempfile::NamedTempFile::new().unwrap_or_else(|error| panic!("no temporary file: {error}"));
        let write = std::fs::write(passwords.path(), format!("{USER}:{PASSWORD_HASH}\n"));
        write.unwrap_or_else(|error| panic!("{}: {error}", passwords.path().display()));
        let guarded = format!("auth: {{ htpasswd: {{ realm: tests, path: {} }} }}\n", passwords.path().display());
        Self { passwords: Some(passwords), ..Self::with(guarded).await }
    }

    async fn with(more: String) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let port = free();
        let settings = folder.path().join("settings.yml");
        let text = format!(
            "version: 0.1\nlog: {{ level: error, accesslog: {{ disabled: true }} }}\n\
             storage: {{ filesystem: {{ rootdirectory: {} }}, delete: {{ enabled: true }} }}\n\
             http: {{ addr: \"127.0.0.1:{port}\" }}\n{more}",
            folder.path().join("files").display()
        );
        std::fs::write(&settings, text).unwrap_or_else(|error| panic!("{}: {error}", settings.display()));
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&settings);
        Self { server: Server::start(&mut command, port).await, folder, passwords: None }
    }

    /// Whether it asks who somebody is.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.passwords.is_some()
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
