//! A selection as a zip, with Unix modes and links, beyond 4 GiB where it must be.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime};

use crate::fault::{self, Fault};

use super::store::Copying;
use super::{Member, MemberKind, Selection};

/// Sizes from here on need zip64; a little early, for a file that still grows.
const LARGE: u64 = 0xF000_0000;

/// Writes the zip beside its place, then puts it there; the SHA-256 of it.
pub(super) fn into_zip(selection: &Selection, path: &Path, copying: &mut Copying<'_>) -> Result<String, Fault> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(fault::io(parent))?;
    }
    let partial = Partial::beside(path);
    let file = File::create(&partial.0).map_err(fault::io(&partial.0))?;
    let mut zip = ZipWriter::new(BufWriter::with_capacity(256 * 1024, file));
    for member in &selection.members {
        add(&mut zip, member, copying, path)?;
    }
    let written =
        zip.finish().map_err(broken(path))?.into_inner().map_err(|error| fault::io(path)(error.into_error()))?;
    written.sync_data().map_err(fault::io(path))?;
    let sha256 = sha256(&partial.0)?;
    std::fs::rename(&partial.0, path).map_err(fault::io(path))?;
    Ok(sha256)
}

fn add(
    zip: &mut ZipWriter<impl Write + Seek>,
    member: &Member,
    copying: &mut Copying<'_>,
    path: &Path,
) -> Result<(), Fault> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default());
    match &member.kind {
        MemberKind::File { bytes, mode } => {
            let options = options.unix_permissions(*mode).large_file(*bytes >= LARGE);
            zip.start_file(&member.name, options).map_err(broken(path))?;
            copying.file(member, zip, path)
        }
        MemberKind::EmptyDirectory { mode } => {
            zip.add_directory(&member.name, options.unix_permissions(*mode)).map_err(broken(path))
        }
        MemberKind::Link { target } => {
            copying.files += 1;
            zip.add_symlink(&member.name, target, options).map_err(broken(path))
        }
    }
}

fn broken(path: &Path) -> impl FnOnce(zip::result::ZipError) -> Fault + '_ {
    move |error| match error {
        zip::result::ZipError::Io(error) => fault::io(path)(error),
        other => Fault::system(format!("{}: {other}", path.display())),
    }
}

fn sha256(path: &Path) -> Result<String, Fault> {
    let mut hash = Sha256::new();
    let mut file = File::open(path).map_err(fault::io(path))?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match io::Read::read(&mut file, &mut buffer).map_err(fault::io(path))? {
            0 => return Ok(hex::encode(hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// A file that is not yet what it is to be; it is removed unless it was renamed.
struct Partial(PathBuf);

impl Partial {
    fn beside(path: &Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        Self(name.into())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
