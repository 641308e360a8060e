//! Servers of a test: a free port on loopback, and a wait until something answers there.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server process of a test, ended when the test lets go of it.
pub struct Server {
    child: Child,
    /// Where it listens, on loopback.
    pub port: u16,
}

impl Server {
    /// Starts `command` (its output goes nowhere) and waits until `port` takes connections.
    ///
    /// # Panics
    /// When it cannot be started, ends at once, or does not listen within half a minute.
    pub async fn start(command: &mut Command, port: u16) -> Self {
        let program = command.get_program().to_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error} (tests/run.sh installs it)", program.display()));
        let mut server = Self { child, port };
        for _ in 0..1200 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return server;
            }
            if let Ok(Some(status)) = server.child.try_wait() {
                panic!("{} ended with {status} before it listened", program.display());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{} does not listen on port {port}", program.display())
    }
}

impl Drop for Server {
    /// Asks it to end first, because the emulator removes the containers that it started only then.
    fn drop(&mut self) {
        let process = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).ok();
        for _ in 0..600 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A port that nothing listens on just now.
///
/// # Panics
/// When loopback has no free port.
#[must_use]
pub fn free() -> u16 {
    let listener =
        std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap_or_else(|error| panic!("no free port: {error}"));
    listener.local_addr().unwrap_or_else(|error| panic!("no address: {error}")).port()
}
