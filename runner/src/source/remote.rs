//! Talking to one remote: what it has, and bringing that into a mirror. Blocking; run it on a thread of its own. It
//! knows neither where mirrors are nor what is checked out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_credential_types::Credentials;
use git2::{AutotagOption, Cred, CredentialType, Direction, FetchOptions, ProxyOptions, RemoteCallbacks, Repository};

use super::codecommit;
use super::refs::Refs;
use super::trouble::{Trouble, of_remote};
use crate::cancel::Cancel;
use crate::progress::Progress;

/// A remote that can be asked: its URL has no secret in it.
#[derive(Clone)]
pub(super) struct Remote {
    /// What Git connects to, and what is shown.
    pub(super) url: String,
    /// How it is logged in to.
    pub(super) login: Login,
}

/// How a remote is logged in to.
#[derive(Clone)]
pub(super) enum Login {
    /// With what the machine has: an SSH agent or keys, Git's credential helpers, or nothing.
    Ambient,
    /// With the user and password that stood in the URL.
    Password(String, String),
    /// With a signature made at each request.
    Signed(Box<Signed>),
}

/// What a signature is made of.
#[derive(Clone)]
pub(super) struct Signed {
    pub(super) credentials: Credentials,
    pub(super) region: String,
    pub(super) host: String,
    pub(super) path: String,
}

/// What a conversation with a remote reports to and stops by.
#[derive(Clone)]
pub(super) struct Hooks {
    pub(super) progress: Progress,
    pub(super) cancel: Cancel,
    /// Counts every sign of life of the remote.
    pub(super) life: Arc<AtomicU64>,
    /// Private SSH keys that are tried after the agent.
    pub(super) ssh_keys: Arc<[std::path::PathBuf]>,
}

impl Remote {
    /// Lists the remote's references and brings all branches and tags, and `extra` (a full reference or a commit id)
    /// that none of them may hold, into the mirror's objects. The mirror's references are left alone.
    pub(super) fn download(&self, mirror: &Repository, extra: Option<&str>, hooks: &Hooks) -> Result<Refs, Trouble> {
        let sort = |error: git2::Error| {
            if hooks.cancel.reason().is_some() {
                return crate::fault::Fault::stopped(format!("{}: fetch stopped", self.url)).into();
            }
            of_remote(&self.url, self.login.hint(), &error)
        };
        let mut remote = mirror.remote_anonymous(&self.url).map_err(sort)?;
        let mut connection =
            remote.connect_auth(Direction::Fetch, Some(self.callbacks(hooks)), Some(proxy())).map_err(sort)?;
        hooks.life.fetch_add(1, Ordering::Relaxed);
        let refs = Refs::of_listing(connection.list().map_err(sort)?);
        let mut specs = vec!["+refs/heads/*:refs/heads/*".to_owned(), "+refs/tags/*:refs/tags/*".to_owned()];
        match extra {
            Some(commit) if git2::Oid::from_str(commit).is_ok_and(|_| commit.len() == 40) => {
                specs.push(format!("+{commit}:refs/wanted"));
            }
            Some(name) if refs.id(name).is_some() => specs.push(format!("+{name}:{name}")),
            _ => {}
        }
        if !refs.is_empty() {
            let mut options = FetchOptions::new();
            options
                .remote_callbacks(self.callbacks(hooks))
                .proxy_options(proxy())
                .download_tags(AutotagOption::None)
                .update_fetchhead(false);
            connection.remote().download(&specs, Some(&mut options)).map_err(sort)?;
        }
        Ok(refs)
    }

    fn callbacks<'a>(&'a self, hooks: &'a Hooks) -> RemoteCallbacks<'a> {
        let mut callbacks = RemoteCallbacks::new();
        let mut asked = 0;
        callbacks
            .credentials(move |url, user, allowed| self.login.answer(&mut asked, url, user, allowed, &hooks.ssh_keys));
        let mut shown = 0;
        callbacks.transfer_progress(move |stats| {
            hooks.life.fetch_add(1, Ordering::Relaxed);
            let bytes = stats.received_bytes() as u64;
            let whole = stats.received_objects() == stats.total_objects();
            // A message for each object would be millions of them.
            if bytes >= shown + (64 << 10) || (whole && bytes > shown) {
                shown = bytes;
                hooks.progress.bytes("clone", bytes, whole.then_some(bytes));
            }
            hooks.cancel.reason().is_none()
        });
        callbacks.sideband_progress(move |_| {
            hooks.life.fetch_add(1, Ordering::Relaxed);
            hooks.cancel.reason().is_none()
        });
        callbacks
    }
}

fn proxy() -> ProxyOptions<'static> {
    let mut options = ProxyOptions::new();
    options.auto();
    options
}

impl Login {
    /// Answers a request for a login and counts it; libgit2 asks again for as long as the server refuses.
    fn answer(
        &self,
        asked: &mut usize,
        url: &str,
        user: Option<&str>,
        allowed: CredentialType,
        ssh_keys: &[std::path::PathBuf],
    ) -> Result<Cred, git2::Error> {
        let refused = || git2::Error::new(git2::ErrorCode::Auth, git2::ErrorClass::Http, "the login was refused");
        if allowed.contains(CredentialType::USERNAME) {
            // A question before the first login, and none itself.
            return Cred::username(user.unwrap_or("git"));
        }
        *asked += 1;
        if allowed.contains(CredentialType::SSH_KEY) {
            let user = user.unwrap_or("git");
            return match asked.checked_sub(2) {
                None => Cred::ssh_key_from_agent(user),
                Some(at) => ssh_keys.get(at).map_or_else(|| Err(refused()), |key| Cred::ssh_key(user, None, key, None)),
            };
        }
        if *asked > 1 {
            return Err(refused());
        }
        match self {
            Self::Password(user, password) => Cred::userpass_plaintext(user, password),
            Self::Signed(signed) => {
                let Signed { credentials, region, host, path } = &**signed;
                let (user, password) = codecommit::login(credentials, region, host, path, crate::clock::now());
                Cred::userpass_plaintext(&user, &password)
            }
            Self::Ambient => git2::Config::open_default()
                .and_then(|config| Cred::credential_helper(&config, url, user))
                .map_err(|_| git2::Error::new(git2::ErrorCode::Auth, git2::ErrorClass::Http, "no login is known")),
        }
    }

    /// What to do when the login is refused.
    fn hint(&self) -> &'static str {
        match self {
            Self::Ambient => "give Git a login for it (SSH agent, credential helper), or put one into the URL",
            Self::Password(..) => "the user or password in the URL is not accepted",
            Self::Signed(_) => {
                "the AWS credentials have expired or lack codecommit:GitPull, or the clock is wrong (`sluice doctor`)"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_asked_before_the_keys_also_after_a_question_for_the_user() {
        let key = [std::path::PathBuf::from("/nowhere/key")];
        let mut asked = 0;
        let mut answer = |allowed| Login::Ambient.answer(&mut asked, "ssh://h/r", None, allowed, &key);
        assert!(answer(CredentialType::USERNAME).is_ok());
        // The agent, the one key, and no more.
        assert!(answer(CredentialType::SSH_KEY).is_ok() && answer(CredentialType::SSH_KEY).is_ok());
        assert!(answer(CredentialType::SSH_KEY).is_err());
    }
}
