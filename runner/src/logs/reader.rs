//! Reading a log file, off the runtime's own threads.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::{Compression, Crc, write::GzEncoder};

use super::journal::Sender;
use crate::fault::{Fault, io};

/// How much is read at once: no batch has more.
pub(super) const CHUNK: u64 = 1 << 20;

/// What is in a file from a place on.
pub(super) enum Found {
    /// So many bytes, at most [`CHUNK`].
    Bytes(Vec<u8>),
    /// The file ends before that place: it was written anew.
    Short,
    /// There is no file.
    Missing,
}

/// Reads from a place on.
pub(super) fn read(path: &Path, offset: u64) -> Result<Found, Fault> {
    let Some((mut file, size)) = open(path)? else { return Ok(Found::Missing) };
    if size < offset {
        return Ok(Found::Short);
    }
    let wanted = (size - offset).min(CHUNK);
    let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
    let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.take(wanted).read_to_end(&mut bytes));
    read.map_err(io(path))?;
    Ok(Found::Bytes(bytes))
}

/// The checksum of the first bytes of a file. `None`: it does not have so many.
pub(super) fn check(path: &Path, length: u64) -> Result<Option<Crc>, Fault> {
    let Some((file, size)) = open(path)? else { return Ok(None) };
    if size < length {
        return Ok(None);
    }
    let (mut crc, mut piece) = (Crc::new(), vec![0; 1 << 16]);
    let mut file = file.take(length);
    loop {
        let count = file.read(&mut piece).map_err(io(path))?;
        if count == 0 {
            return Ok(Some(crc));
        }
        crc.update(&piece[..count]);
    }
}

/// Packs a file. `false`: there is none.
pub(super) fn pack(from: &Path, to: &Path) -> Result<bool, Fault> {
    let Some((mut file, _)) = open(from)? else { return Ok(false) };
    let packed = File::create(to).map_err(io(to))?;
    let mut encoder = GzEncoder::new(std::io::BufWriter::with_capacity(1 << 16, packed), Compression::default());
    std::io::copy(&mut file, &mut encoder).map_err(io(from))?;
    let ended = encoder.finish().and_then(|buffer| buffer.into_inner().map_err(std::io::IntoInnerError::into_error));
    ended.map_err(io(to))?;
    Ok(true)
}

/// Does file work away from the runtime. The right to send is kept until it is done, also when nobody waits for it any
/// more: a later sender must not meet an earlier one's writes.
pub(super) async fn away<T: Send + 'static>(
    sender: &Sender,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let sender = Sender::clone(sender);
    let working = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(sender);
        done
    });
    working.await.map_err(|error| Fault::system(format!("the log could not be read: {error}")))?
}

fn open(path: &Path) -> Result<Option<(File, u64)>, Fault> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(io(path))?,
    };
    let size = file.metadata().map_err(io(path))?.len();
    Ok(Some((file, size)))
}
