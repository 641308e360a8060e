//! The engine's export of an image, read as a stream: each wanted layer is hashed, cut into blocks and deflated on all
//! cores while the next is read; nothing is ever whole in memory.
//!
//! Two shapes are understood: one folder a layer (`ID/layer.tar`, Docker up to 24) and an OCI layout whose layers are
//! not compressed (`blobs/sha256/HEX`, later ones).

use std::collections::HashSet;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::gzip::{self, BLOCK, Block};

/// How many blocks are held at once, over all layers.
const BLOCKS: usize = 16;
/// No image's configuration is larger.
const CONFIG_LIMIT: u64 = 64 * 1024 * 1024;

/// A block on its way to the registry; the permit is given back when it has left.
pub(super) type Deflating = (JoinHandle<io::Result<Block>>, OwnedSemaphorePermit);

/// A wanted layer, as it comes.
pub(super) struct Layer {
    /// Its blocks, in order.
    pub(super) blocks: mpsc::Receiver<Deflating>,
    /// The digest of its bytes before compression, when they have all been read.
    pub(super) diff_id: oneshot::Receiver<String>,
}

/// Reads an export. Belongs on a thread that may wait.
pub(super) struct Export<'a> {
    /// The image's id, which is the digest of its configuration.
    pub(super) image: &'a str,
    /// All the image's layers.
    pub(super) layers: &'a [String],
    /// Those that are wanted.
    pub(super) missing: HashSet<String>,
    /// The layer that went by a name in an earlier export.
    pub(super) known: &'a dyn Fn(&str) -> Option<String>,
    /// Where wanted layers go; one that nobody takes is read past.
    pub(super) tell: mpsc::Sender<Layer>,
    /// Hears how many bytes of wanted layers were read.
    pub(super) count: &'a dyn Fn(usize),
}

/// What else an export says.
#[derive(Default)]
pub(super) struct Found {
    /// The image's configuration.
    pub(super) config: Option<Bytes>,
    /// Names of layers in the export, with their digests.
    pub(super) names: Vec<(String, String)>,
}

impl Export<'_> {
    /// Reads on until all that is wanted and the configuration have been seen.
    pub(super) fn read(mut self, source: impl Read) -> io::Result<Found> {
        let blocks = Arc::new(Semaphore::new(BLOCKS));
        let mut found = Found::default();
        let hex = self.image.trim_start_matches("sha256:");
        for entry in tar::Archive::new(source).entries()? {
            let mut entry = entry?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = entry.path()?.into_owned();
            let blob = path.strip_prefix("blobs/sha256").ok().and_then(|name| name.to_str());
            if path.to_str() == Some(&format!("{hex}.json")) || blob == Some(hex) {
                let mut config = Vec::new();
                entry.by_ref().take(CONFIG_LIMIT).read_to_end(&mut config)?;
                found.config = Some(config.into());
            } else if let Some((name, diff_id)) = self.layer_at(&path, blob)
                && diff_id.is_none_or(|diff_id| self.missing.contains(&diff_id))
            {
                let size = entry.size();
                let diff_id = self.deflate(&mut entry, size, &blocks)?;
                self.missing.remove(&diff_id);
                found.names.push((name, diff_id));
            }
            if found.config.is_some() && self.missing.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// A layer's name in the export, and its digest when that is known.
    fn layer_at(&self, path: &Path, blob: Option<&str>) -> Option<(String, Option<String>)> {
        if let Some(hex) = blob {
            let diff_id = format!("sha256:{hex}");
            return self.layers.contains(&diff_id).then(|| (hex.to_owned(), Some(diff_id)));
        }
        let folder = path.parent().filter(|_| path.ends_with("layer.tar"))?.to_str()?;
        Some((folder.to_owned(), (self.known)(folder)))
    }

    /// Hands a layer on in deflated blocks and tells its digest.
    fn deflate(&self, entry: &mut impl Read, size: u64, permits: &Arc<Semaphore>) -> io::Result<String> {
        let runtime = tokio::runtime::Handle::current();
        let (send, blocks) = mpsc::channel(BLOCKS);
        let (told, diff_id) = oneshot::channel();
        let mut taken = self.tell.blocking_send(Layer { blocks, diff_id }).is_ok();
        let (mut hash, mut left) = (Sha256::new(), size);
        loop {
            let mut data = Vec::with_capacity(BLOCK);
            entry.by_ref().take(BLOCK as u64).read_to_end(&mut data)?;
            if data.is_empty() {
                break;
            }
            left -= data.len() as u64;
            (self.count)(data.len());
            if taken {
                let permit = runtime.block_on(Arc::clone(permits).acquire_owned()).map_err(io::Error::other)?;
                let data = Arc::new(data);
                let job = Arc::clone(&data);
                let deflating = runtime.spawn_blocking(move || gzip::block(&job));
                hash.update(data.as_slice());
                taken = send.blocking_send((deflating, permit)).is_ok();
            } else {
                hash.update(&data);
            }
        }
        let digest = format!("sha256:{}", hex::encode(hash.finalize()));
        if left > 0 || !self.layers.contains(&digest) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a layer is not what the image says"));
        }
        told.send(digest.clone()).ok();
        Ok(digest)
    }
}
