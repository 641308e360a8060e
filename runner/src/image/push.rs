//! From the engine to a registry, sending what is not there yet and nothing else.
//!
//! An image's id is the digest of its configuration, and a manifest names its configuration: a tag whose manifest names
//! our image needs nothing. Otherwise only layers that the registry does not have are read and compressed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bollard::Docker;
use bytes::Bytes;
use reqwest::StatusCode;
use serde_json::json;

use super::record::{Blob, LayerRecord};
use super::registry::{Manifest, Repository, digest};
use super::upload::{Upload, Uploaded};
use crate::fault::{Fault, FaultKind};
use crate::progress::Progress;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// The pauses before the layers that did not arrive are sent again.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(4)];

/// An image in the engine, to be pushed.
pub(super) struct Push<'a> {
    pub(super) docker: &'a Docker,
    pub(super) record: &'a LayerRecord,
    pub(super) repository: Arc<Repository>,
    /// `sha256:…` of its configuration.
    pub(super) image: &'a str,
    pub(super) tags: &'a [String],
    pub(super) progress: &'a Progress,
}

/// How a push ended.
pub(super) enum Pushed {
    /// All tags mean the digest; so many bytes were sent.
    Done { digest: String, bytes: u64 },
    /// A tag means another image and cannot be moved; text for the user.
    TagTaken(String),
}

impl Push<'_> {
    /// Pushes, and repeats what may help. Dropping the future stops it.
    pub(super) async fn run(&self) -> Result<Pushed, Fault> {
        let mut missing_tags = Vec::new();
        let mut present: Option<Manifest> = None;
        for tag in self.tags {
            match self.repository.manifest(tag).await? {
                Some(manifest) if self.is_ours(&manifest) => present = Some(manifest),
                _ => missing_tags.push(tag),
            }
        }
        let sent = AtomicU64::new(0);
        let manifest = match present {
            Some(manifest) => manifest,
            None => self.upload(&sent).await?,
        };
        for tag in missing_tags {
            if let Some(taken) = self.tag(tag, &manifest).await? {
                return Ok(Pushed::TagTaken(taken));
            }
            sent.fetch_add(manifest.bytes.len() as u64, Ordering::Relaxed);
        }
        Ok(Pushed::Done { digest: manifest.digest, bytes: sent.into_inner() })
    }

    /// Whether a manifest is of our very image: then all that it names is in the registry.
    fn is_ours(&self, manifest: &Manifest) -> bool {
        let document: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
        document["config"]["digest"].as_str() == Some(self.image)
    }

    /// Puts the tag; the text is why it cannot be.
    async fn tag(&self, tag: &str, manifest: &Manifest) -> Result<Option<String>, Fault> {
        let Err(refused) = self.repository.put_manifest(tag, manifest).await? else { return Ok(None) };
        let place = format!("{}/{}:{tag}", self.repository.host, self.repository.name);
        match self.repository.manifest(tag).await? {
            Some(there) if there.digest == manifest.digest => Ok(None),
            Some(there) if immutable(refused.status, &refused.said) => Ok(Some(format!(
                "{place} cannot be moved from {} to {}: the repository's tags are immutable",
                there.digest, manifest.digest
            ))),
            _ if refused.status == StatusCode::NOT_FOUND => {
                Err(Fault::configuration(format!("{place}: {}", refused.said))
                    .hint("create the repository, or set `create-repository: true` for an ECR repository"))
            }
            _ => Err(Fault::system(format!("{place} was refused with {}: {}", refused.status, refused.said))),
        }
    }

    /// Sends configuration and layers that are missing, and composes the manifest.
    async fn upload(&self, sent: &AtomicU64) -> Result<Manifest, Fault> {
        let told = self.docker.inspect_image(self.image).await;
        let told = told.map_err(|error| Fault::system(format!("image {} in the engine: {error}", self.image)))?;
        let layers = told.root_fs.and_then(|root| root.layers).unwrap_or_default();
        let total = told.size.and_then(|size| u64::try_from(size).ok());
        let mut pauses = PAUSES.iter();
        loop {
            let fault = match self.attempt(&layers, total, sent).await {
                Ok(manifest) => return Ok(manifest),
                Err(fault) if fault.kind != FaultKind::System => return Err(fault),
                Err(fault) => fault,
            };
            let Some(pause) = pauses.next() else { return Err(fault) };
            tracing::warn!(%fault, "the push is tried again");
            self.progress.output(format!("push: {fault}; trying again\n"));
            tokio::time::sleep(*pause).await;
        }
    }

    async fn attempt(&self, layers: &[String], total: Option<u64>, sent: &AtomicU64) -> Result<Manifest, Fault> {
        let (mut blobs, missing) = self.look(layers).await?;
        let mut config_size = self.repository.blob(self.image).await?;
        if !missing.is_empty() || config_size.is_none() {
            let upload = Upload {
                docker: self.docker,
                record: self.record,
                repository: &self.repository,
                image: self.image,
                layers,
                progress: self.progress,
                total,
                sent,
            };
            let Uploaded { config, layers } = upload.run(missing).await?;
            blobs.extend(layers);
            config_size = Some(self.config(config, config_size, sent).await?);
        }
        self.compose(layers, &blobs, config_size.unwrap_or_default())
    }

    /// Asks the registry which of the layers it has, by what the record says that they became.
    async fn look(&self, layers: &[String]) -> Result<(HashMap<String, Blob>, HashSet<String>), Fault> {
        let distinct: HashSet<&String> = layers.iter().collect();
        let asked = distinct.into_iter().map(async |diff_id| {
            let Some(blob) = self.record.blob(diff_id) else { return Ok((diff_id, None)) };
            let there = self.repository.blob(&blob.digest).await?.is_some();
            if there || self.mounted(diff_id, &blob).await? {
                self.record.keep(diff_id, &blob, &self.repository.host, &self.repository.name);
                return Ok((diff_id, Some(blob)));
            }
            Ok((diff_id, None))
        });
        let mut blobs = HashMap::new();
        let mut missing = HashSet::new();
        for (diff_id, blob) in futures_util::future::try_join_all(asked).await? {
            match blob {
                Some(blob) => drop(blobs.insert(diff_id.clone(), blob)),
                None => drop(missing.insert(diff_id.clone())),
            }
        }
        Ok((blobs, missing))
    }

    async fn mounted(&self, diff_id: &str, blob: &Blob) -> Result<bool, Fault> {
        match self.record.elsewhere(diff_id, &self.repository.host, &self.repository.name) {
            Some(from) => self.repository.mount(&blob.digest, &from).await,
            None => Ok(false),
        }
    }

    /// Sends the configuration if it is not there, and tells its size.
    async fn config(&self, config: Bytes, there: Option<u64>, sent: &AtomicU64) -> Result<u64, Fault> {
        let size = config.len() as u64;
        if there.is_none() {
            let upload = self.repository.begin().await?;
            self.repository.end(&upload, self.image, config).await?;
            sent.fetch_add(size, Ordering::Relaxed);
        }
        Ok(size)
    }

    fn compose(&self, layers: &[String], blobs: &HashMap<String, Blob>, config: u64) -> Result<Manifest, Fault> {
        let named = layers.iter().map(|diff_id| {
            let blob = blobs.get(diff_id);
            blob.map(|blob| json!({ "mediaType": LAYER, "size": blob.size, "digest": blob.digest }))
                .ok_or_else(|| Fault::system(format!("the engine's export of {} lacks layer {diff_id}", self.image)))
        });
        let document = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "size": config, "digest": self.image },
            "layers": named.collect::<Result<Vec<_>, _>>()?,
        });
        let bytes = Bytes::from(document.to_string());
        Ok(Manifest { digest: digest(&bytes), bytes, media_type: MANIFEST.to_owned() })
    }
}

/// Whether a refusal is that of a tag that may not move. ECR says `TAG_INVALID` or `ImageTagAlreadyExistsException`.
fn immutable(status: StatusCode, said: &str) -> bool {
    status == StatusCode::CONFLICT || said.contains("immutable") || said.contains("AlreadyExists")
}
