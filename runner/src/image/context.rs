//! The build context: a folder as a stream of tar, so that it is never whole in memory. Knows no engine.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::dockerignore::DockerIgnore;

/// A context that was looked at and can be sent.
pub(super) struct Context {
    folder: PathBuf,
    /// Relative to the folder, cleaned.
    pub(super) dockerfile: String,
    ignore: DockerIgnore,
}

impl Context {
    /// Looks at the folder, the Dockerfile and the ignore file (`<Dockerfile>.dockerignore` before `.dockerignore`).
    /// The error is a sentence for the user: what is wrong with the sources, by path.
    pub(super) fn open(folder: &Path, dockerfile: &str) -> Result<Self, String> {
        if !folder.is_dir() {
            return Err(format!("the build context {} is no folder", folder.display()));
        }
        let path = folder.join(dockerfile);
        let relative = inside(dockerfile).ok_or_else(|| {
            format!("the Dockerfile {dockerfile} is outside of the build context {}", folder.display())
        })?;
        if !path.is_file() {
            return Err(format!(
                "there is no Dockerfile at {} (`dockerfile` is relative to `context`)",
                path.display()
            ));
        }
        let own = folder.join(format!("{relative}.dockerignore"));
        let file = if own.is_file() { own } else { folder.join(".dockerignore") };
        let ignore = match std::fs::read_to_string(&file) {
            Ok(text) => DockerIgnore::parse(&text).map_err(|wrong| format!("{}: {wrong}", file.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => DockerIgnore::default(),
            Err(error) => return Err(format!("{}: {error}", file.display())),
        };
        Ok(Self { folder: folder.to_owned(), dockerfile: relative, ignore })
    }

    /// Sends the tar, in pieces, from a thread of its own. An unreadable or changing file ends it with an error that
    /// names the path. A receiver that goes away ends it too.
    pub(super) fn stream(self) -> mpsc::Receiver<io::Result<Bytes>> {
        let (pieces, receiver) = mpsc::channel(8);
        tokio::task::spawn_blocking(move || {
            let mut tar = tar::Builder::new(Pieces { send: pieces.clone(), buffer: Vec::with_capacity(PIECE) });
            tar.follow_symlinks(false);
            let result = self.folder(&mut tar, "").and_then(|()| tar.into_inner()).and_then(|mut rest| rest.flush());
            if let Err(error) = result {
                // The build hears of it as a cut stream; the text is in the error.
                pieces.blocking_send(Err(error)).ok();
            }
        });
        receiver
    }

    /// Adds what is in a folder, in the order of names, so that the same tree always gives the same stream.
    fn folder(&self, tar: &mut tar::Builder<Pieces>, relative: &str) -> io::Result<()> {
        let path = self.folder.join(relative);
        let read = std::fs::read_dir(&path).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        let mut entries = read.map_err(|error| named(&path, &error))?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let Ok(name) = entry.file_name().into_string() else {
                return Err(io::Error::other(format!("{}: the file's name is not UTF-8", entry.path().display())));
            };
            let below = if relative.is_empty() { name } else { format!("{relative}/{name}") };
            let metadata = entry.metadata().map_err(|error| named(&entry.path(), &error))?;
            let kept = !self.ignore.excludes(&below) || self.always(&below);
            if kept {
                self.entry(tar, &below, &metadata)?;
            }
            if metadata.is_dir() && (kept || self.ignore.may_take_back_below(&below) || self.holds_dockerfile(&below)) {
                self.folder(tar, &below)?;
            }
        }
        Ok(())
    }

    /// What the builder itself needs, ignored or not.
    fn always(&self, path: &str) -> bool {
        path == self.dockerfile || path == ".dockerignore"
    }

    fn holds_dockerfile(&self, folder: &str) -> bool {
        self.dockerfile.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// One file, folder or link, owned by root as Docker's own client sends it. Sockets are left out.
    fn entry(&self, tar: &mut tar::Builder<Pieces>, relative: &str, metadata: &Metadata) -> io::Result<()> {
        let path = self.folder.join(relative);
        let kind = metadata.file_type();
        if kind.is_socket() || kind.is_fifo() || kind.is_block_device() || kind.is_char_device() {
            return Ok(());
        }
        let mut header = tar::Header::new_gnu();
        header.set_metadata_in_mode(metadata, tar::HeaderMode::Complete);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
        if kind.is_symlink() {
            header.set_size(0);
            let target = std::fs::read_link(&path).map_err(|error| named(&path, &error))?;
            return tar.append_link(&mut header, relative, target);
        }
        if kind.is_dir() {
            header.set_size(0);
            return tar.append_data(&mut header, format!("{relative}/"), io::empty());
        }
        let file = File::open(&path).map_err(|error| named(&path, &error))?;
        let exact = Exactly { left: metadata.len(), file: BufReader::with_capacity(PIECE, file), path: &path };
        tar.append_data(&mut header, relative, exact)
    }
}

/// A relative path without `.` and `..`; `None` when it leaves its folder.
fn inside(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    (!path.starts_with('/') && !parts.is_empty()).then(|| parts.join("/"))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

const PIECE: usize = 256 * 1024;

/// A file of exactly the size that its header told, even if it grows; one that shrinks is an error.
struct Exactly<'a> {
    left: u64,
    file: BufReader<File>,
    path: &'a Path,
}

impl Read for Exactly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(&mut buffer[..most]).map_err(|error| named(self.path, &error))?;
        if read == 0 && most > 0 {
            return Err(io::Error::other(format!("{}: the file shrank while it was read", self.path.display())));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// Gathers what is written into pieces worth sending.
struct Pieces {
    send: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        if piece.is_empty() {
            return Ok(());
        }
        self.send.blocking_send(Ok(piece.into())).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    async fn listing(folder: &Path, dockerfile: &str) -> Vec<String> {
        let mut stream = Context::open(folder, dockerfile).unwrap().stream();
        let mut bytes = Vec::new();
        while let Some(piece) = stream.recv().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let link = entry.link_name().unwrap().map(|to| format!(" -> {}", to.display())).unwrap_or_default();
            let header = entry.header();
            let owner = (header.uid().unwrap(), header.gid().unwrap());
            assert_eq!(owner, (0, 0));
            format!("{:o} {}{link}", header.mode().unwrap() & 0o777, entry.path().unwrap().display())
        });
        entries.collect()
    }

    fn write(folder: &Path, path: &str, text: &str, mode: u32) {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[tokio::test]
    async fn a_context_keeps_modes_and_links_and_leaves_out_what_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        write(at, "Dockerfile", "FROM scratch", 0o644);
        write(at, ".dockerignore", "*\n!src\n!run.sh", 0o644);
        write(at, "src/main.rs", "fn main() {}", 0o600);
        write(at, "target/big", "…", 0o644);
        write(at, "run.sh", "#!/bin/sh", 0o755);
        symlink("/etc/passwd", at.join("src/out")).unwrap();
        std::fs::set_permissions(at.join("src"), std::fs::Permissions::from_mode(0o750)).unwrap();
        assert_eq!(
            listing(at, "./Dockerfile").await,
            [
                "644 .dockerignore",
                "644 Dockerfile",
                "755 run.sh",
                "750 src/",
                "600 src/main.rs",
                "777 src/out -> /etc/passwd"
            ]
        );
    }

    #[tokio::test]
    async fn a_dockerfile_has_an_ignore_file_of_its_own_and_is_always_sent() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        write(at, "build/app.Dockerfile", "FROM scratch", 0o644);
        write(at, "build/app.Dockerfile.dockerignore", "build\nb", 0o644);
        write(at, ".dockerignore", "a", 0o644);
        write(at, "a", "", 0o644);
        write(at, "b", "", 0o644);
        assert_eq!(
            listing(at, "build/app.Dockerfile").await,
            ["644 .dockerignore", "644 a", "644 build/app.Dockerfile"]
        );
    }

    #[test]
    fn what_is_wrong_with_the_sources_is_told_by_path() {
        let folder = tempfile::tempdir().unwrap();
        let wrong = |folder: &Path, dockerfile| Context::open(folder, dockerfile).err().unwrap();
        assert!(wrong(folder.path(), "Dockerfile").contains("/Dockerfile"));
        assert!(wrong(folder.path(), "../Dockerfile").contains("outside of the build context"));
        assert!(wrong(folder.path(), "/etc/passwd").contains("outside"));
        assert!(wrong(&folder.path().join("none"), "Dockerfile").contains("none is no folder"));
        write(folder.path(), "Dockerfile", "", 0o644);
        write(folder.path(), ".dockerignore", "!", 0o644);
        assert!(wrong(folder.path(), "Dockerfile").contains(".dockerignore: illegal"));
    }
}
