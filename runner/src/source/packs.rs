//! The packs of a mirror. Each fetch adds one, and a hundred small ones are slower to link and to look through than one.
//!
//! The list of a pack's objects is read from its index (gitformat-pack(5)); libgit2 packs them anew. Large packs stay:
//! what they would gain is not worth their copying.

use std::fs;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};

use git2::{Oid, Repository};

use crate::fault::{Fault, io};

/// A pack up to so many bytes is small.
const SMALL: u64 = 32 << 20;
/// So many small packs are worth being made into one.
const MANY: usize = 20;
/// No more than that, in bytes, is packed at a time: libgit2 holds it in memory.
const MOST: u64 = 256 << 20;

/// What became of small packs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consolidated {
    /// In so many mirrors,
    pub mirrors: usize,
    /// so many packs became one each.
    pub packs: usize,
}

impl AddAssign for Consolidated {
    fn add_assign(&mut self, other: Self) {
        self.mirrors += other.mirrors;
        self.packs += other.packs;
    }
}

/// Makes the small packs of a mirror into one, where there are many. The caller holds its lock.
///
/// The mirror of a folder is left alone: what is not there under its old name would be copied again.
pub(super) fn consolidate(mirror: &Path) -> Result<Consolidated, Fault> {
    let folder = mirror.join("objects/pack");
    let packs = if mirror.join("packed-refs").is_file() { small(&folder)? } else { Vec::new() };
    if packs.len() < MANY {
        return Ok(Consolidated::default());
    }
    let made = pack(mirror, &folder, &packs)
        .map_err(|error| Fault::system(format!("packing {} anew: {}", mirror.display(), error.message())))?;
    for pack in packs.iter().filter(|pack| pack.file_stem() != Some(made.as_ref())) {
        // Without its index a pack is not there: whoever looks now does not begin with it.
        for extension in ["idx", "pack"] {
            let path = pack.with_extension(extension);
            fs::remove_file(&path).map_err(io(&path))?;
        }
    }
    Ok(Consolidated { mirrors: 1, packs: packs.len() })
}

/// Writes one pack with all objects of these; its file's stem.
fn pack(mirror: &Path, folder: &Path, packs: &[PathBuf]) -> Result<String, git2::Error> {
    let repository = Repository::open_bare(mirror)?;
    let mut builder = repository.packbuilder()?;
    for index in packs {
        let bytes = fs::read(index).map_err(|error| git2::Error::from_str(&error.to_string()))?;
        for id in objects(&bytes).ok_or_else(|| git2::Error::from_str("a pack's index is damaged"))? {
            builder.insert_object(Oid::from_bytes(id)?, None)?;
        }
    }
    builder.write(folder, 0o444)?;
    Ok(format!("pack-{}", builder.name()?.unwrap_or_default()))
}

/// The indices of the small packs, the smallest first, and not more than can be packed at a time.
fn small(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(io(folder))? {
        let index = entry.map_err(io(folder))?.path();
        let size = fs::metadata(index.with_extension("pack")).map(|metadata| metadata.len());
        if let (true, Ok(size)) = (index.extension().is_some_and(|extension| extension == "idx"), size)
            && size <= SMALL
            && !index.with_extension("keep").exists()
        {
            found.push((size, index));
        }
    }
    found.sort();
    let mut left = MOST;
    let fits = |(size, _): &(u64, PathBuf)| left.checked_sub(*size).inspect(|rest| left = *rest).is_some();
    Ok(found.into_iter().take_while(fits).map(|(_, index)| index).collect())
}

/// The ids in a pack's index of version 2: after eight bytes of header and 256 counts, the last of which is their number.
fn objects(index: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    const COUNTS: usize = 8;
    const IDS: usize = COUNTS + 256 * 4;
    let header = index.get(..COUNTS)?;
    let count = u32::from_be_bytes(index.get(IDS - 4..IDS)?.try_into().ok()?) as usize;
    let ids = index.get(IDS..IDS.checked_add(count.checked_mul(20)?)?)?;
    (header == b"\xfftOc\0\0\0\x02").then(|| ids.chunks_exact(20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_lists_its_objects_and_a_damaged_one_none() {
        let mut index = b"\xfftOc\0\0\0\x02".to_vec();
        index.extend([0; 255 * 4]);
        index.extend(2_u32.to_be_bytes());
        index.extend([7; 20]);
        index.extend([9; 20]);
        let ids: Vec<_> = objects(&index).unwrap().map(|id| id[0]).collect();
        assert_eq!(ids, [7, 9]);
        assert!(objects(&index[..index.len() - 1]).is_none());
        assert!(objects(b"").is_none());
        index[7] = 1;
        assert!(objects(&index).is_none());
    }
}
