//! Copying out of a sandbox: the engine's archive, unpacked as it streams, never outside its place.

use std::io::Read;
use std::path::{Path, PathBuf};

use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use tar::EntryType;
use tokio::sync::mpsc;

use super::super::SandboxKey;
use super::DockerEngine;
use super::container;
use super::errors::{Trouble, trouble};
use crate::fault::{Fault, io};

/// Pieces of the archive that may wait for the disk.
const AHEAD: usize = 16;

/// See [`super::super::Sandboxes::copy_out`].
pub(super) async fn copy_out(engine: &DockerEngine, key: &SandboxKey, path: &str, into: &Path) -> Result<bool, Fault> {
    download(engine, &container::name(key), path, into).await
}

/// The same for a container by its name.
pub(super) async fn download(engine: &DockerEngine, name: &str, path: &str, into: &Path) -> Result<bool, Fault> {
    let client = engine.client().await?;
    let doing = format!("copying {path} out of {name}");
    let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
    let mut archive = client.download_from_container(name, Some(options));
    let first = match archive.next().await {
        None => return Ok(false),
        // So it is when the path is not there, and when the container is not.
        Some(Err(error)) if trouble(&error) == Trouble::NotFound => {
            let there = client.inspect_container(name, None).await;
            return there.map(|_| false).map_err(|error| engine.fault(&doing, &error));
        }
        Some(first) => first.map_err(|error| engine.fault(&doing, &error))?,
    };
    let (send, pieces) = mpsc::channel(AHEAD);
    let folder = into.to_owned();
    let unpacking = tokio::task::spawn_blocking(move || unpack(Pieces { pieces, piece: first }, &folder));
    while let Some(piece) = archive.next().await {
        let piece = piece.map_err(|error| engine.fault(&doing, &error))?;
        if send.send(piece).await.is_err() {
            break;
        }
    }
    drop(send);
    let unpacked = unpacking.await.map_err(|error| Fault::system(format!("{doing}: {error}")))?;
    unpacked.map(|()| true).map_err(|fault| fault.doing(doing))
}

/// The pieces as one reader, for the library, which is not async.
struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Unpacks files, folders and links; what else there may be (devices, sockets) has no business in an artifact.
///
/// `unpack_in` refuses `..`, absolute paths, and ways through links that lead outside. A symbolic link itself is kept
/// as it is, wherever it points: following it or not is the reader's decision. Folders get their modes last, so that
/// one that may not be written can still be filled.
fn unpack(archive: impl Read, into: &Path) -> Result<(), Fault> {
    std::fs::create_dir_all(into).map_err(io(into))?;
    let mut archive = tar::Archive::new(archive);
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(true);
    let mut folders: Vec<(PathBuf, u32)> = Vec::new();
    for entry in archive.entries().map_err(io(into))? {
        let mut entry = entry.map_err(io(into))?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::Directory => {
                let mode = entry.header().mode().map_err(io(into))?;
                let path = entry.path().map_err(io(into))?.into_owned();
                entry.set_preserve_permissions(false);
                if entry.unpack_in(into).map_err(io(into))? {
                    folders.push((into.join(path), mode));
                }
            }
            EntryType::Regular | EntryType::Continuous | EntryType::Symlink | EntryType::Link => {
                entry.unpack_in(into).map_err(io(into))?;
            }
            _ => {}
        }
    }
    folders.iter().rev().try_for_each(|(path, mode)| set_mode(path, *mode))
}

/// Sets a folder's mode, if it still is a folder.
fn set_mode(path: &Path, mode: u32) -> Result<(), Fault> {
    use std::os::unix::fs::PermissionsExt;
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o7777)).map_err(io(path))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, EntryType, &str, u32)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, content, mode) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(*mode);
            let body = if *kind == EntryType::Symlink { "" } else { content };
            header.set_size(body.len() as u64);
            if *kind == EntryType::Symlink {
                header.set_link_name(content).unwrap();
            }
            header.set_cksum();
            builder.append(&header, body.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn nothing_is_written_outside_and_modes_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (into, outside) = (folder.path().join("into"), folder.path().join("outside"));
        std::fs::create_dir(&outside).unwrap();
        let bytes = archive(&[
            ("d", EntryType::Directory, "", 0o555),
            ("d/run", EntryType::Regular, "x", 0o755),
            ("../up", EntryType::Regular, "x", 0o644),
            ("out", EntryType::Symlink, outside.to_str().unwrap(), 0o777),
            ("fifo", EntryType::Fifo, "", 0o644),
        ]);
        unpack(bytes.as_slice(), &into).unwrap();
        let mode = |path: &str| into.join(path).metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("d"), mode("d/run")), (0o555, 0o755));
        assert_eq!(into.join("out").read_link().unwrap(), outside);
        assert!(!folder.path().join("up").exists() && !into.join("fifo").exists());
        let through = archive(&[("out/in", EntryType::Regular, "x", 0o644)]);
        assert!(unpack(through.as_slice(), &into).is_err());
        assert!(!outside.join("in").exists());
    }
}
