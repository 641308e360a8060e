//! The temporary credentials of jobs: for the artifact bucket alone, and for a quarter of an hour.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::State;

/// Credentials that were handed out for a job.
#[derive(Clone, Debug)]
pub struct TemporaryKey {
    /// The access key's id.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// The session token.
    pub token: String,
    /// When they end.
    pub expires: Timestamp,
    /// The job that they were handed out for.
    pub job: String,
}

impl State {
    /// Hands out new credentials for a job.
    pub(super) fn new_key(&mut self, job: &str, now: Timestamp) -> Value {
        let id = format!("ASIA{}", self.letters(16).to_ascii_uppercase());
        let (secret, token) = (self.letters(40), format!("FwoGZXIv/{}+{}==", self.letters(60), self.letters(60)));
        let shown = json!({ "accessKeyId": id, "secretAccessKey": secret, "sessionToken": token });
        let expires = now + self.settings.credentials;
        self.keys.push(TemporaryKey { id, secret, token, expires, job: job.to_owned() });
        shown
    }

    /// The credentials with an access key's id.
    #[must_use]
    pub fn key(&self, id: &str) -> Option<&TemporaryKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// Whether a bucket is some pipeline's artifact bucket.
    #[must_use]
    pub fn keeps_artifacts(&self, bucket: &str) -> bool {
        self.pipelines.values().any(|pipeline| pipeline.store.bucket == bucket)
    }

    /// Lets all credentials of jobs that have been handed out end now.
    pub fn expire_credentials(&mut self, now: Timestamp) {
        for key in &mut self.keys {
            key.expires = key.expires.min(now);
        }
    }
}
