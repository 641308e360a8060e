//! A Docker engine of a test's own, which can be killed and started again: what happens to it happens to no other test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::worker::eventually;

/// A `dockerd` with everything of its own, and no network. Its containers outlive it: they are a `containerd`'s, as where
/// both are services of the system and `live-restore` is on. For root on Linux.
pub struct PrivateEngine {
    folder: PathBuf,
    containerd: Child,
    daemon: Child,
}

impl PrivateEngine {
    /// Starts one whose state lies in that folder, and gives it an image of the tests' engine.
    ///
    /// # Panics
    /// When it does not start: it needs root.
    pub async fn start(folder: &Path, image: &str) -> Self {
        std::fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let (containerd, daemon) = (containerd(folder), daemon(folder));
        let engine = Self { folder: folder.to_owned(), containerd, daemon };
        engine.wait().await;
        let mut save = Command::new("docker");
        let mut save = save.args(["save", image]).stdout(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("{e}"));
        let archive = save.stdout.take().unwrap_or_else(|| panic!("docker save has no output"));
        let loaded = engine.docker(&["load", "--quiet"]).stdin(archive).stdout(Stdio::null()).status();
        assert!(loaded.is_ok_and(|status| status.success()) && save.wait().is_ok_and(|status| status.success()));
        engine
    }

    /// Where it listens, as `DOCKER_HOST` says it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.join("s").display())
    }

    /// Kills it without a word, and starts it again.
    ///
    /// # Panics
    /// When it does not come back within a minute.
    pub async fn restart(&mut self) {
        self.daemon.kill().and_then(|()| self.daemon.wait()).unwrap_or_else(|error| panic!("dockerd: {error}"));
        self.daemon = daemon(&self.folder);
        self.wait().await;
    }

    async fn wait(&self) {
        let version = || self.docker(&["version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        eventually("engine", || version().is_ok_and(|status| status.success()).then_some(())).await;
    }

    fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", self.host()).args(arguments);
        command
    }
}

fn containerd(folder: &Path) -> Child {
    let mut command = Command::new("containerd");
    command.args([at("root", folder, "c/root"), at("state", folder, "c/state"), at("address", folder, "c/s")]);
    spawned(command, folder)
}

fn daemon(folder: &Path) -> Child {
    // A daemon that was killed leaves this behind, and its successor would take another process for it.
    std::fs::remove_file(folder.join("pid")).ok();
    // In a network of its own: a daemon without a bridge removes the one that it finds, which is another engine's.
    let mut command = Command::new("unshare");
    command.args(["--net", "dockerd"]).arg(format!("--host=unix://{}", folder.join("s").display()));
    command.args([at("data-root", folder, "data"), at("exec-root", folder, "run"), at("pidfile", folder, "pid")]);
    command.args([at("containerd", folder, "c/s"), "--live-restore".to_owned(), "--bridge=none".to_owned()]);
    command.args(["--iptables=false", "--ip6tables=false", "--log-level=error"]);
    spawned(command, folder)
}

fn at(option: &str, folder: &Path, name: &str) -> String {
    format!("--{option}={}", folder.join(name).display())
}

fn spawned(mut command: Command, folder: &Path) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log"));
    let log = log.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let copy = log.try_clone().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    command.stdin(Stdio::null()).stdout(copy).stderr(log);
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        for process in [&mut self.daemon, &mut self.containerd] {
            kill(Pid::from_raw(i32::try_from(process.id()).unwrap_or(0)), Signal::SIGTERM).ok();
            process.wait().ok();
        }
        // A daemon with containers that are to outlive it mounts this folder over itself, and leaves it so.
        Command::new("umount").arg("--lazy").arg(self.folder.join("data")).output().ok();
    }
}
