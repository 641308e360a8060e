//! Copies a selection into a folder or a zip. Never more than one buffer of a file is in memory.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use sha2::{Digest as _, Sha256};

use crate::cancel::Cancel;
use crate::fault::{self, Fault};
use crate::progress::Progress;

use super::{Bundle, Member, MemberKind, Selection, zipped};

/// Where a bundle is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A folder, made if it is absent; what is in it stays unless a member has the same name.
    Folder(PathBuf),
    /// A zip, which appears under its name only when it is complete.
    Zip(PathBuf),
}

/// Stores a selection. It blocks, and may be repeated.
///
/// Two stores of the same files give the same bytes: the order is that of the names, and a zip holds no times.
///
/// # Errors
/// A `Configuration` fault for a file that cannot be read, a `System` fault when writing fails, `Stopped` on a cancel.
pub fn store(
    selection: &Selection,
    destination: &Destination,
    progress: &Progress,
    cancel: &Cancel,
) -> Result<Bundle, Fault> {
    let mut copying = Copying::of(selection, progress, cancel);
    let (path, sha256) = match destination {
        Destination::Folder(folder) => (folder, into_folder(selection, folder, &mut copying)?),
        Destination::Zip(path) => (path, zipped::into_zip(selection, path, &mut copying)?),
    };
    Ok(Bundle { path: path.clone(), files: copying.files, bytes: copying.bytes, sha256 })
}

/// The state of a copy: counts, tells progress, hears of a stop.
pub(super) struct Copying<'a> {
    progress: &'a Progress,
    cancel: &'a Cancel,
    buffer: Vec<u8>,
    total: u64,
    pub(super) files: u64,
    bytes: u64,
}

impl<'a> Copying<'a> {
    fn of(selection: &Selection, progress: &'a Progress, cancel: &'a Cancel) -> Self {
        let size = |member: &Member| if let MemberKind::File { bytes, .. } = member.kind { bytes } else { 0 };
        let total = selection.members.iter().map(size).sum();
        Self { progress, cancel, buffer: vec![0; 256 * 1024], total, files: 0, bytes: 0 }
    }

    /// Copies one file; `written` names what is written to.
    pub(super) fn file(&mut self, member: &Member, to: &mut impl Write, written: &Path) -> Result<(), Fault> {
        let mut from = open(&member.path).map_err(unreadable(member))?;
        loop {
            if let Some(reason) = self.cancel.reason() {
                return Err(Fault::stopped(format!("storing {}: {reason:?}", member.name)));
            }
            let count = match from.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(member)(error)),
            };
            to.write_all(&self.buffer[..count]).map_err(fault::io(written))?;
            self.bytes += count as u64;
            self.progress.bytes("artifact", self.bytes, Some(self.total.max(self.bytes)));
        }
        self.files += 1;
        Ok(())
    }
}

/// Opens a file that was listed, by its real path. If that leads elsewhere by now, it is an error: who may still write
/// there (builds of one run share their further inputs) could have put a link into it.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let opened = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    if opened == path { Ok(file) } else { Err(io::Error::other("it has become a link, or was replaced")) }
}

fn unreadable(member: &Member) -> impl FnOnce(io::Error) -> Fault + '_ {
    |error| {
        Fault::configuration(format!("the artifact's file {} cannot be read: {error}", member.name))
            .hint("let the build leave it readable, or leave it out with exclude-paths")
    }
}

fn into_folder(selection: &Selection, folder: &Path, copying: &mut Copying<'_>) -> Result<String, Fault> {
    let mut whole = Sha256::new();
    std::fs::create_dir_all(folder).map_err(fault::io(folder))?;
    for member in &selection.members {
        let path = folder.join(&member.name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(fault::io(parent))?;
        }
        let (what, content) = match &member.kind {
            MemberKind::EmptyDirectory { mode } => {
                std::fs::create_dir_all(&path).map_err(fault::io(&path))?;
                std::fs::set_permissions(&path, Permissions::from_mode(*mode)).map_err(fault::io(&path))?;
                (format!("directory {mode:o}"), String::new())
            }
            MemberKind::Link { target } => {
                clear(&path)?;
                std::os::unix::fs::symlink(target, &path).map_err(fault::io(&path))?;
                copying.files += 1;
                ("link".to_owned(), hex::encode(Sha256::digest(target)))
            }
            MemberKind::File { mode, .. } => {
                clear(&path)?;
                (format!("file {mode:o}"), copy_file(member, &path, *mode, copying)?)
            }
        };
        whole.update(format!("{}\0{what}\0{content}\n", member.name));
    }
    Ok(hex::encode(whole.finalize()))
}

/// Copies a file with its mode and time; the SHA-256 of what was copied.
fn copy_file(member: &Member, path: &Path, mode: u32, copying: &mut Copying<'_>) -> Result<String, Fault> {
    let file = File::create_new(path).map_err(fault::io(path))?;
    let mut hashing = Hashing { to: file, hash: Sha256::new() };
    copying.file(member, &mut hashing, path)?;
    hashing.to.set_permissions(Permissions::from_mode(mode)).map_err(fault::io(path))?;
    if let Ok(modified) = std::fs::metadata(&member.path).and_then(|metadata| metadata.modified()) {
        hashing.to.set_modified(modified).map_err(fault::io(path))?;
    }
    Ok(hex::encode(hashing.hash.finalize()))
}

/// Makes way for a file, so that an old link in its place is not written through.
fn clear(path: &Path) -> Result<(), Fault> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault::io(path)(error)),
        _ => Ok(()),
    }
}

struct Hashing {
    to: File,
    hash: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
