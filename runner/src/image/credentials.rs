//! Who we are to a registry: by its host.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;

use super::ecr::Ecr;
use crate::fault::Fault;

/// A user and a password for a registry. It has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct UserPassword {
    /// The user's name; `AWS` for ECR.
    pub user: String,
    /// The password or token.
    pub password: String,
}

/// Credentials by registry host: ECR's own for ECR hosts, else what `docker login` wrote down.
#[derive(Clone)]
pub(super) struct Credentials {
    ecr: Ecr,
    docker_config: Option<PathBuf>,
    preferred: Option<(String, UserPassword)>,
}

impl Credentials {
    pub(super) fn new(ecr: Ecr, docker_config: Option<PathBuf>) -> Self {
        Self { ecr, docker_config, preferred: None }
    }

    /// The same, with credentials for one host that are known already (those of an assumed role, say).
    pub(super) fn preferring(&self, host: &str, pair: Option<UserPassword>) -> Self {
        Self { preferred: pair.map(|pair| (host.to_owned(), pair)), ..self.clone() }
    }

    /// The credentials for a host; `None` is anonymous.
    pub(super) async fn of(&self, host: &str) -> Result<Option<UserPassword>, Fault> {
        if let Some((_, pair)) = self.preferred.as_ref().filter(|(preferred, _)| preferred == host) {
            return Ok(Some(pair.clone()));
        }
        if let Some(account) = self.ecr.account_of(host, None, None).await {
            return self.ecr.credentials(&account).await.map(Some);
        }
        Ok(self.docker_config.as_deref().and_then(|path| written_down(path, host)))
    }
}

/// What `docker login` wrote down for a host. Docker Hub is written as `https://index.docker.io/v1/`.
fn written_down(path: &Path, host: &str) -> Option<UserPassword> {
    #[derive(serde::Deserialize, Default)]
    struct Config {
        #[serde(default)]
        auths: HashMap<String, Login>,
    }
    #[derive(serde::Deserialize)]
    struct Login {
        auth: Option<String>,
    }
    let config: Config = serde_json::from_slice(&std::fs::read(path).ok()?).unwrap_or_default();
    let bare = |key: &str| {
        let key = key.trim_start_matches("https://").trim_start_matches("http://");
        key.split('/').next().unwrap_or(key).to_owned()
    };
    let host = if ["docker.io", "registry-1.docker.io"].contains(&host) { "index.docker.io" } else { host };
    let auth = config.auths.into_iter().find(|(key, _)| bare(key) == host)?.1.auth?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(auth).ok()?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(UserPassword { user: user.to_owned(), password: password.trim_end_matches('\0').to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_login_is_found_by_host() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let text = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"aHViOmE6Yg=="},"r.example:5000":{"auth":"dTpw"},"x":{}}}"#;
        std::fs::write(&path, text).unwrap();
        let found = |host| written_down(&path, host).map(|pair| (pair.user, pair.password));
        assert_eq!(found("docker.io"), Some(("hub".into(), "a:b".into())));
        assert_eq!(found("r.example:5000"), Some(("u".into(), "p".into())));
        assert_eq!((found("x"), found("other")), (None, None));
        assert!(written_down(&folder.path().join("none"), "x").is_none());
    }
}
