//! One file of a folder, copied while somebody may still be writing it.
//!
//! What is copied is bounded by the size that the file has when it is opened, so a log that grows as fast as it is read
//! ends all the same. What has become something else than a file by then is never waited for.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

use crate::cancel::Cancel;

/// How much is copied between two looks at whether somebody asked for a stop.
const PIECE: u64 = 64 << 20;

/// What came of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Copied {
    /// All that it held when it was opened.
    Whole,
    /// Less than that: it became shorter meanwhile.
    Shrunk,
    /// It is gone, or is no file any more.
    Gone,
    /// Somebody asked for a stop.
    Stopped,
}

/// Copies a file and its mode. What lies at the target before is replaced.
pub(super) fn file(from: &Path, to: &Path, cancel: &Cancel) -> io::Result<Copied> {
    let opened = OpenOptions::new().read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(from);
    let source = match opened {
        Ok(file) => file,
        Err(_) if !from.is_file() || from.is_symlink() => return Ok(Copied::Gone),
        Err(error) => return Err(error),
    };
    let stat = source.metadata()?;
    if !stat.is_file() {
        return Ok(Copied::Gone);
    }
    let mode = stat.permissions().mode();
    let target = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(to)?;
    target.set_permissions(stat.permissions())?;
    bounded(&source, &target, stat.len(), cancel)
}

/// Copies so many bytes at the most.
fn bounded(mut source: &File, mut target: &File, size: u64, cancel: &Cancel) -> io::Result<Copied> {
    let mut left = size;
    while left > 0 {
        let piece = left.min(PIECE);
        let copied = io::copy(&mut source.by_ref().take(piece), &mut target)?;
        left -= copied;
        if copied < piece {
            return Ok(Copied::Shrunk);
        }
        if left > 0 && cancel.reason().is_some() {
            return Ok(Copied::Stopped);
        }
    }
    Ok(Copied::Whole)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;
    use crate::cancel::Reason;

    #[test]
    fn a_copy_ends_where_the_file_ended_when_it_was_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "0123456789").unwrap();
        let source = File::open(&path).unwrap();
        let (to, cancel) = (folder.path().join("copy"), Cancel::new());
        let target = File::create(&to).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"and more").unwrap();
        assert_eq!(bounded(&source, &target, 10, &cancel).unwrap(), Copied::Whole);
        assert_eq!(fs::read_to_string(&to).unwrap(), "0123456789");
    }

    #[test]
    fn a_file_that_became_shorter_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "0123").unwrap();
        let target = File::create(folder.path().join("copy")).unwrap();
        assert_eq!(bounded(&File::open(&path).unwrap(), &target, 10, &Cancel::new()).unwrap(), Copied::Shrunk);
    }

    #[test]
    fn what_is_no_file_any_more_is_gone_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, link, to) = (folder.path().join("pipe"), folder.path().join("link"), folder.path().join("copy"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        for path in [&pipe, &link, &folder.path().join("absent")] {
            assert_eq!(file(path, &to, &Cancel::new()).unwrap(), Copied::Gone, "{}", path.display());
        }
        assert!(!to.exists());
    }

    #[test]
    fn a_stop_is_heeded_in_the_middle_of_a_large_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, to, cancel) = (folder.path().join("large"), folder.path().join("copy"), Cancel::new());
        File::create(&path).unwrap().set_len(3 * PIECE).unwrap();
        cancel.request(Reason::Stopped);
        assert_eq!(file(&path, &to, &cancel).unwrap(), Copied::Stopped);
        assert_eq!(fs::metadata(&to).unwrap().len(), PIECE);
    }
}
