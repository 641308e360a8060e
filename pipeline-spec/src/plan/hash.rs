//! One plan, one hash: what runs on a laptop and on a build machine is the same when the hash is.

use sha2::{Digest, Sha256};

use super::Plan;

impl Plan {
    /// SHA-256 over the plan's canonical JSON, in hexadecimal. Maps are sorted by the types that hold them.
    #[must_use]
    pub fn hash(&self) -> String {
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(canonical))
    }
}
