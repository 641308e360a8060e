//! One pass of sending an image's missing layers: engine → blocks → registry, all at the same time.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bollard::Docker;
use bytes::{Buf as _, Bytes};
use futures_util::{Stream, StreamExt as _};
use reqwest::Body;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::export::{Deflating, Export, Found, Layer};
use super::gzip::{self, Trailer};
use super::record::{Blob, LayerRecord};
use super::registry::{Repository, digest};
use crate::fault::Fault;
use crate::progress::Progress;

/// What is sent, and to whom.
pub(super) struct Upload<'a> {
    pub(super) docker: &'a Docker,
    pub(super) record: &'a LayerRecord,
    pub(super) repository: &'a Arc<Repository>,
    pub(super) image: &'a str,
    /// All layers of the image.
    pub(super) layers: &'a [String],
    pub(super) progress: &'a Progress,
    /// The image's size before compression.
    pub(super) total: Option<u64>,
    /// Counts the bytes that were sent.
    pub(super) sent: &'a AtomicU64,
}

/// What a pass brought.
pub(super) struct Uploaded {
    /// The image's configuration.
    pub(super) config: Bytes,
    /// What the layers became.
    pub(super) layers: HashMap<String, Blob>,
}

impl Upload<'_> {
    /// Sends the missing layers. Those that arrived are recorded even if others did not.
    pub(super) async fn run(&self, missing: HashSet<String>) -> Result<Uploaded, Fault> {
        let (tell, mut coming) = mpsc::channel(1);
        let reading = self.read(missing, tell);
        let sending = async {
            let mut uploads = JoinSet::new();
            while let Some(layer) = coming.recv().await {
                uploads.spawn(send(Arc::clone(self.repository), layer));
            }
            self.gather(uploads).await
        };
        let (found, layers) = tokio::join!(reading, sending);
        // A registry that fails makes the reading fail too, and is the one to name.
        let layers = layers?;
        let found = found?;
        for (name, diff_id) in &found.names {
            self.record.keep_export(name, diff_id);
        }
        let config = found.config.filter(|config| digest(config) == self.image).ok_or_else(|| {
            Fault::system(format!("the engine's export of image {} holds no configuration of that digest", self.image))
                .hint("an engine with the containerd image store is not supported yet")
        })?;
        Ok(Uploaded { config, layers })
    }

    async fn gather(
        &self,
        mut uploads: JoinSet<Result<(String, Blob), Fault>>,
    ) -> Result<HashMap<String, Blob>, Fault> {
        let mut layers = HashMap::new();
        let mut broken = None;
        while let Some(joined) = uploads.join_next().await {
            match joined.unwrap_or_else(|error| Err(Fault::system(format!("an upload broke off: {error}")))) {
                Ok((diff_id, blob)) => {
                    self.record.keep(&diff_id, &blob, &self.repository.host, &self.repository.name);
                    self.sent.fetch_add(blob.size, Ordering::Relaxed);
                    layers.insert(diff_id, blob);
                }
                Err(fault) => broken = broken.or(Some(fault)),
            }
        }
        broken.map_or(Ok(layers), Err)
    }

    /// Reads the engine's export on a thread of its own.
    async fn read(&self, missing: HashSet<String>, tell: mpsc::Sender<Layer>) -> Result<Found, Fault> {
        let (pieces, source) = mpsc::channel::<io::Result<Bytes>>(8);
        let export = self.docker.export_image(self.image);
        let pump = async move {
            let mut export = std::pin::pin!(export);
            while let Some(piece) = export.next().await {
                if pieces.send(piece.map_err(io::Error::other)).await.is_err() {
                    return;
                }
            }
        };
        let (image, layers, record) = (self.image.to_owned(), self.layers.to_vec(), self.record.clone());
        let (progress, total, done) = (self.progress.clone(), self.total, AtomicU64::new(0));
        let reading = tokio::task::spawn_blocking(move || {
            let export = Export {
                image: &image,
                layers: &layers,
                missing,
                known: &|name| record.exported(name),
                tell,
                count: &|bytes| {
                    let before = done.fetch_add(bytes as u64, Ordering::Relaxed);
                    progress.bytes("push", before + bytes as u64, total);
                },
            };
            export.read(Pieces { source, piece: Bytes::new() })
        });
        let ((), found) = tokio::join!(pump, reading);
        let found = found.map_err(io::Error::other).and_then(|found| found);
        found.map_err(|error| Fault::system(format!("the engine's export of image {}: {error}", self.image)))
    }
}

/// Sends one layer, and tells what it was and what it became.
async fn send(repository: Arc<Repository>, layer: Layer) -> Result<(String, Blob), Fault> {
    let upload = repository.begin().await?;
    let (told, summed) = oneshot::channel();
    let end = repository.stream(&upload, Body::wrap_stream(compressed(layer.blocks, told))).await?;
    let lost = |_| Fault::system(format!("the engine's export broke off on the way to registry {}", repository.host));
    let blob = summed.await.map_err(lost)?;
    let diff_id = layer.diff_id.await.map_err(lost)?;
    repository.end(&end, &blob.digest, Bytes::new()).await?;
    Ok((diff_id, blob))
}

/// A layer's gzip file as it is made; `told` hears its digest and size at its end.
fn compressed(
    blocks: mpsc::Receiver<Deflating>,
    told: oneshot::Sender<Blob>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (hash, trailer) = (Sha256::new(), Trailer::default());
    let state = Some((blocks, told, hash, trailer, 0_u64));
    futures_util::stream::try_unfold(state, async |state| {
        let Some((mut blocks, told, mut hash, mut trailer, size)) = state else { return Ok(None) };
        let mut out = Vec::new();
        if size == 0 {
            out.extend_from_slice(gzip::HEADER);
        }
        let Some((deflating, permit)) = blocks.recv().await else {
            out.extend_from_slice(&trailer.end());
            hash.update(&out);
            let digest = format!("sha256:{}", hex::encode(hash.finalize()));
            told.send(Blob { digest, size: size + out.len() as u64 }).ok();
            return Ok(Some((Bytes::from(out), None)));
        };
        let block = deflating.await.map_err(io::Error::other)??;
        drop(permit);
        trailer.add(&block);
        let bytes = if out.is_empty() { block.bytes } else { Bytes::from([&out, &block.bytes[..]].concat()) };
        hash.update(&bytes);
        let size = size + bytes.len() as u64;
        Ok(Some((bytes, Some((blocks, told, hash, trailer, size)))))
    })
}

/// Pieces from a channel as something to read from a thread that may wait.
struct Pieces {
    source: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.source.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
