//! Objects in buckets: whole files in and out. This module does not know what is in them, or whose they are.

mod download;
mod s3;
#[cfg(test)]
mod tests;
mod upload;

use std::path::Path;

use async_trait::async_trait;

use crate::cancel::Cancel;
use crate::fault::Fault;
use crate::progress::Progress;

pub use s3::{Access, S3};

/// An object's place.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Object {
    /// The bucket.
    pub bucket: String,
    /// The key in it.
    pub key: String,
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// How an object is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    /// How the service encrypts it.
    pub encryption: Encryption,
}

/// Encryption by the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// As the bucket says.
    #[default]
    Bucket,
    /// `AES256`, with S3's own keys.
    Aes256,
    /// `aws:kms` with that key, or with the account's own key for S3.
    Kms(Option<String>),
}

/// Objects in and out.
///
/// Both calls may be repeated and may run at the same time for different objects. A download appears under its name
/// only when it is whole.
#[async_trait]
pub trait Buckets: Send + Sync {
    /// Brings an object into a file. A `Revision` fault when the bucket has none of that key.
    async fn get(&self, object: &Object, file: &Path, progress: &Progress, cancel: &Cancel) -> Result<(), Fault>;

    /// Puts a file in an object's place.
    async fn put(
        &self,
        file: &Path,
        object: &Object,
        keeping: &Keeping,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<(), Fault>;
}
