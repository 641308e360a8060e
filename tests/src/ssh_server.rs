//! An SSH server of the test's own: OpenSSH's on a free port of loopback, with keys that are thrown away.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::port::{Server, free};

/// Where Debian's package `openssh-server` puts it.
const SSHD: &str = "/usr/sbin/sshd";

/// A running server that lets one key in, as the user of this process. Gone when dropped.
pub struct SshServer {
    server: Server,
    folder: tempfile::TempDir,
    user: String,
}

impl SshServer {
    /// Starts one; `None` when this machine has no SSH server.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Option<Self> {
        if !Path::new(SSHD).exists() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        for name in ["host", "user"] {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(folder.path().join(name));
            assert!(command.status().is_ok_and(|status| status.success()), "ssh-keygen makes no key");
        }
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
        let user = user.unwrap_or_else(|| panic!("the user of this process has no name")).name;
        if user == "root" {
            // Where it locks itself in; a service manager would make it.
            std::fs::create_dir_all("/run/sshd").unwrap_or_else(|error| panic!("/run/sshd: {error}"));
        }
        let port = free();
        let settings = folder.path().join("settings");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let text = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n",
            at("host"),
            at("user.pub")
        );
        std::fs::write(&settings, text).unwrap_or_else(|error| panic!("{}: {error}", settings.display()));
        let mut command = Command::new(SSHD);
        command.args(["-D", "-f"]).arg(&settings);
        Some(Self { server: Server::start(&mut command, port).await, folder, user })
    }

    /// The address of a repository that lies at that path of this machine.
    #[must_use]
    pub fn url(&self, path: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.server.port, path.display())
    }

    /// The private key that is let in.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("user")
    }

    /// What stands in `known_hosts` for whoever trusts it.
    ///
    /// # Panics
    /// When its key cannot be read.
    #[must_use]
    pub fn known_host(&self) -> String {
        let key = std::fs::read_to_string(self.folder.path().join("host.pub"));
        format!("[127.0.0.1]:{} {}", self.server.port, key.unwrap_or_else(|error| panic!("the host's key: {error}")))
    }
}
