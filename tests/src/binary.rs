//! The binary as a user has it, and the repository that it was built from.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The binary `sluice` that was built beside these tests.
///
/// # Panics
/// When there is none: `cargo build --bins` makes it, and `tests/run.sh` calls that first.
#[must_use]
pub fn sluice() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|error| panic!("no path of this test: {error}"));
    let found = own.ancestors().map(|folder| folder.join("sluice")).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no binary near {}: cargo build --bins", own.display()))
}

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Runs a command to its end without a terminal: what it printed, both streams in their order, and its exit code.
///
/// # Panics
/// When it cannot be started, or a signal ended it.
pub fn output_of(command: &mut Command) -> (String, i32) {
    let mut printed = tempfile::tempfile().unwrap_or_else(|error| panic!("no temporary file: {error}"));
    let both = || printed.try_clone().unwrap_or_else(|error| panic!("no second handle: {error}"));
    let (stdout, stderr) = (both(), both());
    let status = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).status();
    let status = status.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut printed).and_then(|()| std::io::Read::read_to_end(&mut printed, &mut bytes)).ok();
    let code = status.code().unwrap_or_else(|| panic!("{command:?}: {status}"));
    (String::from_utf8_lossy(&bytes).into_owned(), code)
}
