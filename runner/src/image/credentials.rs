//! Who we are to a registry: by its host.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use tokio::io::AsyncWriteExt as _;

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

/// Credentials by registry host: ECR's own for ECR hosts, else what `docker login` wrote down or gave to a credential helper.
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
        let Some(config) = self.docker_config.as_deref().map(Config::read) else { return Ok(None) };
        let host = if ["docker.io", "registry-1.docker.io"].contains(&host) { "index.docker.io" } else { host };
        if let Some(pair) = config.written_down(host) {
            return Ok(Some(pair));
        }
        let Some((helper, server)) = config.helper(host) else { return Ok(None) };
        match tokio::time::timeout(HELPER, ask(&helper, &server)).await {
            Ok(Ok(pair)) => Ok(pair),
            // Most pulls need no login, so this is no end by itself.
            Ok(Err(why)) => {
                tracing::warn!("no login for {host}: {helper}: {why}");
                Ok(None)
            }
            Err(_) => {
                tracing::warn!("no login for {host}: {helper} did not answer");
                Ok(None)
            }
        }
    }
}

/// How long a credential helper may take.
const HELPER: Duration = Duration::from_secs(20);

/// The `config.json` of `docker login`.
#[derive(serde::Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: HashMap<String, Login>,
    creds_store: Option<String>,
    cred_helpers: HashMap<String, String>,
}

#[derive(serde::Deserialize)]
struct Login {
    auth: Option<String>,
}

impl Config {
    /// What stands in the file; nothing where there is none, or it is no such file.
    fn read(path: &Path) -> Self {
        std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// The password that stands in the file itself.
    fn written_down(&self, host: &str) -> Option<UserPassword> {
        let auth = self.auths.iter().find(|(key, _)| bare(key) == host)?.1.auth.as_ref()?;
        let decoded = base64::engine::general_purpose::STANDARD.decode(auth).ok()?;
        let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        Some(UserPassword { user: user.to_owned(), password: password.trim_end_matches('\0').to_owned() })
    }

    /// The helper that knows a host's password, and the name that the host has there.
    fn helper(&self, host: &str) -> Option<(String, String)> {
        let own = self.cred_helpers.iter().find(|(key, _)| bare(key) == host);
        let (server, helper) = match (own, &self.creds_store) {
            (Some((server, helper)), _) => (server.clone(), helper),
            // Docker Hub is kept under its old address.
            (None, Some(store)) if host == "index.docker.io" => ("https://index.docker.io/v1/".to_owned(), store),
            (None, Some(store)) => (host.to_owned(), store),
            (None, None) => return None,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        (!helper.is_empty() && helper.chars().all(plain)).then(|| (format!("docker-credential-{helper}"), server))
    }
}

/// The host of a key, which may be a URL.
fn bare(key: &str) -> &str {
    let key = key.trim_start_matches("https://").trim_start_matches("http://");
    key.split('/').next().unwrap_or(key)
}

/// Asks a credential helper of Docker's for a server's login; the error is a sentence without any secret.
async fn ask(helper: &str, server: &str) -> Result<Option<UserPassword>, String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    let mut child = tokio::process::Command::new(helper)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut input) = child.stdin.take() {
        // One that does not read says why by its status.
        input.write_all(server.as_bytes()).await.ok();
    }
    let said = child.wait_with_output().await.map_err(|error| error.to_string())?;
    if !said.status.success() {
        let why = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        return if why.contains("credentials not found") { Ok(None) } else { Err(format!("{}: {why}", said.status)) };
    }
    let answer: Answer = serde_json::from_slice(&said.stdout).map_err(|_| "what it says is no login".to_owned())?;
    // A token in the place of a password is for another protocol.
    let pair = UserPassword { user: answer.username, password: answer.secret };
    Ok((pair.user != "<token>").then_some(pair))
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
        let found = |host| Config::read(&path).written_down(host).map(|pair| (pair.user, pair.password));
        assert_eq!(found("index.docker.io"), Some(("hub".into(), "a:b".into())));
        assert_eq!(found("r.example:5000"), Some(("u".into(), "p".into())));
        assert_eq!((found("x"), found("other")), (None, None));
        assert!(Config::read(&folder.path().join("none")).written_down("x").is_none());
    }

    #[test]
    fn a_helper_is_found_by_host_and_then_for_all() {
        let text = r#"{"auths":{"a.example":{}},"credsStore":"pass","credHelpers":{"https://b.example":"ecr-login","c":"../x"}}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        let of = |host| config.helper(host).map(|(helper, server)| format!("{helper} {server}"));
        assert_eq!(of("a.example").as_deref(), Some("docker-credential-pass a.example"));
        assert_eq!(of("b.example").as_deref(), Some("docker-credential-ecr-login https://b.example"));
        assert_eq!(of("index.docker.io").as_deref(), Some("docker-credential-pass https://index.docker.io/v1/"));
        assert_eq!((of("c"), Config::default().helper("a.example")), (None, None));
    }

    #[tokio::test]
    async fn a_helper_is_told_the_server_and_tells_the_login() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let helper = folder.path().join("docker-credential-test");
        let script = r#"#!/bin/sh
[ "$1" = get ] || exit 2
case $(cat) in
  known) echo '{"ServerURL":"known","Username":"me","Secret":"pw"}';;
  token) echo '{"ServerURL":"token","Username":"<token>","Secret":"pw"}';;
  odd) echo hello;;
  broken) echo locked; exit 1;;
  *) echo credentials not found in native keychain; exit 1;;
esac
"#;
        std::fs::write(&helper, script).unwrap();
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
        let helper = helper.display().to_string();
        let said = async |server| ask(&helper, server).await.map(|pair| pair.map(|pair| (pair.user, pair.password)));
        assert_eq!(said("known").await, Ok(Some(("me".into(), "pw".into()))));
        assert_eq!((said("token").await, said("other").await), (Ok(None), Ok(None)));
        assert_eq!(said("odd").await, Err("what it says is no login".into()));
        assert!(said("broken").await.unwrap_err().ends_with(": locked"));
        assert!(ask("/nowhere/docker-credential-x", "known").await.is_err());
    }
}
