//! Unpacks a zip or tar that somebody else made, into a folder and nowhere else: no member may leave it by its name,
//! by a link, or through a link that came before it.

use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use crate::cancel::Cancel;
use crate::fault::{Fault, io as io_fault};
use crate::link;

/// What a bundle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Zip,
    Tar,
    TarGzip,
}

impl Format {
    /// By the first bytes, and by the name where these say nothing. `None`: neither.
    pub(super) fn of(file: &Path, name: &str) -> Result<Option<Self>, Fault> {
        let mut head = Vec::new();
        File::open(file).and_then(|file| file.take(512).read_to_end(&mut head)).map_err(io_fault(file))?;
        Ok(match head.as_slice() {
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Self::Zip),
            [0x1f, 0x8b, ..] => Some(Self::TarGzip),
            tar if tar.get(257..262) == Some(b"ustar") => Some(Self::Tar),
            _ if name.ends_with(".tar") => Some(Self::Tar),
            _ => None,
        })
    }
}

/// Unpacks. It blocks. What it leaves after a fault is to be thrown away.
pub(super) fn unpack(format: Format, file: &Path, into: &Path, cancel: &Cancel) -> Result<(), Fault> {
    let open = || File::open(file).map(|file| BufReader::with_capacity(256 * 1024, file)).map_err(io_fault(file));
    let mut place = Place { root: into, cancel, links: Vec::new() };
    match format {
        Format::Zip => zip(open()?, &mut place)?,
        Format::Tar => tar(open()?, &mut place)?,
        Format::TarGzip => tar(flate2::bufread::MultiGzDecoder::new(open()?), &mut place)?,
    }
    place.link()
}

/// Where members go.
struct Place<'a> {
    root: &'a Path,
    cancel: &'a Cancel,
    /// Links are made last, so that no member can be written through one.
    links: Vec<(PathBuf, PathBuf)>,
}

/// The mode of a file that names none, and the bits of one that does: no set-uid comes out of a bundle.
const MODE: u32 = 0o644;
const BITS: u32 = 0o777;

impl Place<'_> {
    fn folder(&self, name: &Path, mode: Option<u32>) -> Result<(), Fault> {
        let path = self.path(name)?;
        fs::create_dir_all(&path).map_err(io_fault(&path))?;
        match mode {
            // The owner must be able to fill it.
            Some(mode) => {
                fs::set_permissions(&path, Permissions::from_mode(mode & BITS | 0o700)).map_err(io_fault(&path))
            }
            None => Ok(()),
        }
    }

    fn file(&self, name: &Path, mode: Option<u32>, from: &mut impl Read) -> Result<(), Fault> {
        if let Some(reason) = self.cancel.reason() {
            return Err(Fault::stopped(format!("unpacking: {reason:?}")));
        }
        let path = self.path(name)?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io_fault(parent))?;
        }
        let mut file = File::create(&path).map_err(io_fault(&path))?;
        io::copy(from, &mut file).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => damaged(&error),
            _ => io_fault(&path)(error),
        })?;
        let mode = mode.map_or(MODE, |mode| mode & BITS);
        file.set_permissions(Permissions::from_mode(mode)).map_err(io_fault(&path))
    }

    fn later(&mut self, name: &Path, target: PathBuf) -> Result<(), Fault> {
        let path = self.path(name)?;
        // Where the link stands decides what `..` leads to.
        let from = path.parent().unwrap_or(self.root).strip_prefix(self.root).unwrap_or(Path::new(""));
        if !link::stays_inside(from, &target) {
            return Err(outside(name).hint(format!("its link leads to {}", target.display())));
        }
        self.links.push((path, target));
        Ok(())
    }

    fn link(&self) -> Result<(), Fault> {
        for (path, target) in &self.links {
            // What a link is to stand in may have become one itself.
            let name = path.strip_prefix(self.root).unwrap_or(path);
            let parents = name.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
            if parents.map(|parent| self.root.join(parent)).any(|parent| parent.is_symlink()) {
                return Err(outside(name).hint("it would be made through another link"));
            }
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(io_fault(parent))?;
            }
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_fault(path)(error)),
                _ => symlink(target, path).map_err(io_fault(path))?,
            }
        }
        Ok(())
    }

    fn path(&self, name: &Path) -> Result<PathBuf, Fault> {
        let mut path = self.root.to_owned();
        for part in name.components() {
            match part {
                Component::Normal(part) => path.push(part),
                Component::CurDir => {}
                _ => return Err(outside(name)),
            }
        }
        Ok(path)
    }
}

fn outside(name: &Path) -> Fault {
    Fault::revision(format!("member {} leads out of the bundle", name.display()))
}

fn damaged(error: &dyn std::error::Error) -> Fault {
    Fault::revision(format!("the bundle is damaged: {error}"))
}

fn zip(file: BufReader<File>, place: &mut Place<'_>) -> Result<(), Fault> {
    let mut archive = zip::ZipArchive::new(file).map_err(|error| damaged(&error))?;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(|error| damaged(&error))?;
        let name = PathBuf::from(member.name().map_err(|error| damaged(&error))?.replace('\\', "/"));
        let mode = member.unix_mode();
        if member.is_dir() {
            place.folder(&name, mode)?;
        } else if member.is_symlink() {
            let mut target = String::new();
            member.read_to_string(&mut target).map_err(|error| damaged(&error))?;
            place.later(&name, PathBuf::from(target))?;
        } else {
            place.file(&name, mode, &mut member)?;
        }
    }
    Ok(())
}

fn tar(file: impl Read, place: &mut Place<'_>) -> Result<(), Fault> {
    let mut archive = tar::Archive::new(file);
    for member in archive.entries().map_err(|error| damaged(&error))? {
        let mut member = member.map_err(|error| damaged(&error))?;
        let name = member.path().map_err(|error| damaged(&error))?.into_owned();
        let mode = member.header().mode().ok();
        match member.header().entry_type() {
            tar::EntryType::Directory => place.folder(&name, mode)?,
            tar::EntryType::Symlink => {
                let target = member.link_name().map_err(|error| damaged(&error))?.unwrap_or_default().into_owned();
                place.later(&name, target)?;
            }
            tar::EntryType::Link => {
                // A hard link names another member; a copy is the same to whoever reads it.
                let target = member.link_name().map_err(|error| damaged(&error))?.unwrap_or_default().into_owned();
                let from = place.path(&target)?;
                let mut from = File::open(&from).map_err(|_| outside(&name))?;
                place.file(&name, mode, &mut from)?;
            }
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                place.file(&name, mode, &mut member)?;
            }
            tar::EntryType::XGlobalHeader => {}
            other => return Err(Fault::revision(format!("member {} is a {other:?}", name.display()))),
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
