//! Gzip for layers: the same bytes always give the same file, on as many cores as there are.
//!
//! A layer is cut into blocks that are deflated on their own and end on a byte's border, so that together they are one
//! ordinary gzip member. A block that does not get smaller (archives, pictures) is stored instead.

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// How much is deflated at once. A part of the format: another size gives other bytes.
pub(super) const BLOCK: usize = 1024 * 1024;
/// How much of a block is tried first.
const SAMPLE: usize = 32 * 1024;

/// The ten bytes before the first block: deflate, no name, no time, unknown system.
pub(super) const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A block, deflated.
pub(super) struct Block {
    /// The deflate stream's part.
    pub(super) bytes: Bytes,
    crc: Crc,
}

/// Deflates a block. The last one of a layer is not marked; [`Trailer`] ends the stream.
pub(super) fn block(data: &[u8]) -> std::io::Result<Block> {
    let mut crc = Crc::new();
    crc.update(data);
    let sample = &data[..data.len().min(SAMPLE)];
    let level = if worthwhile(sample)? { Compression::new(1) } else { Compression::none() };
    Ok(Block { bytes: deflate(data, level, FlushCompress::Sync)?.into(), crc })
}

/// Whether it gets smaller by more than a twentieth.
fn worthwhile(sample: &[u8]) -> std::io::Result<bool> {
    Ok(deflate(sample, Compression::new(1), FlushCompress::Sync)?.len() < sample.len() - sample.len() / 20)
}

fn deflate(data: &[u8], level: Compression, end: FlushCompress) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(data.len() + data.len() / 1000 + 128);
    let mut compress = Compress::new(level, false);
    loop {
        let taken = usize::try_from(compress.total_in()).map_err(std::io::Error::other)?;
        let status = compress.compress_vec(&data[taken..], &mut out, end).map_err(std::io::Error::other)?;
        let all_in = compress.total_in() == data.len() as u64;
        // A flush is complete when there was room left after it.
        if status == Status::StreamEnd || (end == FlushCompress::Sync && all_in && out.len() < out.capacity()) {
            return Ok(out);
        }
        out.reserve(out.capacity() / 2 + 1024);
    }
}

/// Gathers the blocks' checksums and ends the file.
#[derive(Default)]
pub(super) struct Trailer(Crc);

impl Trailer {
    /// Counts the next block, in order.
    pub(super) fn add(&mut self, block: &Block) {
        self.0.combine(&block.crc);
    }

    /// An empty last block, the checksum and the size.
    pub(super) fn end(&self) -> Bytes {
        let mut out = vec![0x03, 0x00];
        out.extend_from_slice(&self.0.sum().to_le_bytes());
        out.extend_from_slice(&self.0.amount().to_le_bytes());
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn file(data: &[u8]) -> Vec<u8> {
        let mut out = HEADER.to_vec();
        let mut trailer = Trailer::default();
        for part in data.chunks(BLOCK) {
            let block = block(part).unwrap();
            trailer.add(&block);
            out.extend_from_slice(&block.bytes);
        }
        out.extend_from_slice(&trailer.end());
        out
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 88_172_645_463_325_252_u64;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn blocks_make_one_ordinary_gzip_member_that_is_always_the_same() {
        let text = b"all work and no play ".repeat(200_000);
        let mixed = [text.clone(), noise(BLOCK * 2 + 7)].concat();
        for data in [&b""[..], b"x", &text, &mixed, &noise(BLOCK)] {
            let packed = file(data);
            let mut single = flate2::read::GzDecoder::new(&packed[..]);
            let mut back = Vec::new();
            single.read_to_end(&mut back).unwrap();
            assert!(back == data, "{} bytes come back", data.len());
            assert!(packed == file(data), "{} bytes give the same file again", data.len());
        }
        assert!(file(&text).len() < text.len() / 20);
    }

    #[test]
    fn what_does_not_get_smaller_is_stored() {
        let data = noise(BLOCK * 3);
        assert!(file(&data).len() < data.len() + data.len() / 1000);
    }
}
