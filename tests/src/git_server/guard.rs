//! CodeCommit's guard: Basic authentication whose password is a signature of Signature Version 4.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use crate::signature::{fresh, hmac, signing_key};

/// Who may read, and the Region that the server says it is in.
pub struct Guard {
    /// The access key's id.
    pub access_key: String,
    /// The secret access key.
    pub secret: String,
    /// The session token, for temporary credentials.
    pub token: Option<String>,
    /// The Region.
    pub region: String,
}

impl Guard {
    /// Whether a request may pass: 401 for one without a login, 403 for one whose login is wrong or too old.
    ///
    /// # Errors
    /// The status to answer with.
    pub fn check(&self, request: &Request) -> Result<(), StatusCode> {
        let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let login = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Basic "));
        let login = login.ok_or(StatusCode::UNAUTHORIZED)?;
        let host = text(header::HOST).unwrap_or_default().split(':').next().unwrap_or_default();
        let login = base64::engine::general_purpose::STANDARD.decode(login).unwrap_or_default();
        let login = String::from_utf8_lossy(&login).into_owned();
        let (user, password) = login.split_once(':').unwrap_or_default();
        let token = self.token.as_ref().map(|token| format!("%{token}")).unwrap_or_default();
        // `/v1/repos/name` is what is signed, whatever of the repository is asked for.
        let path = request.uri().path().split('/').take(4).collect::<Vec<_>>().join("/");
        let (time, _) = password.split_once('Z').unwrap_or_default();
        let passes = user == format!("{}{token}", self.access_key)
            && fresh(time)
            && password == format!("{time}Z{}", self.sign(time, host, &path));
        if passes { Ok(()) } else { Err(StatusCode::FORBIDDEN) }
    }

    fn sign(&self, time: &str, host: &str, path: &str) -> String {
        let date = time.get(..8).unwrap_or_default();
        let canonical = hex::encode(Sha256::digest(format!("GIT\n{path}\n\nhost:{host}\n\nhost\n")));
        let scope = format!("{date}/{}/codecommit/aws4_request", self.region);
        let key = signing_key(&self.secret, date, &self.region, "codecommit");
        hex::encode(hmac(&key, format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{canonical}").as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_signs_as_git_remote_codecommit_does() {
        let guard = Guard {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            token: None,
            region: "us-east-1".to_owned(),
        };
        let signature = guard.sign("20260102T030405", "git-codecommit.us-east-1.amazonaws.com", "/v1/repos/my-repo");
        assert_eq!(signature, "e13e377dd3e1b558218c9a1e11bed3517827bece33eb7b894d55cafaa76b7f5a");
    }
}
