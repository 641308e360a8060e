//! A Git revision into a folder: mirror first, network only when the mirror lacks it, then the checkout.

use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;

use super::checkout::{CheckedOut, Place};
use super::codecommit::{self, Identities};
use super::mirror::Mirror;
use super::refs::Found;
use super::remote::{Login, Remote, Signed};
use super::submodule;
use super::trouble::Trouble;
use super::url::Address;
use super::{Config, Revision};
use crate::cancel::Cancel;
use crate::fault::Fault;
use crate::progress::Progress;
use crate::trust::Names;

/// Fetches Git repositories.
pub(super) struct Git {
    pub(super) config: Config,
    pub(super) identities: Identities,
    /// The repositories that may be cloned, wherever they are named.
    pub(super) allowed: Names,
}

/// What is to be fetched.
pub(super) struct Wish<'a> {
    /// Branch, tag, full reference or commit id; `None` is HEAD.
    pub(super) reference: Option<&'a str>,
    pub(super) depth: Option<u32>,
    pub(super) submodules: bool,
}

/// What one repository came to.
struct Brought {
    url: String,
    branch: Option<String>,
    done: CheckedOut,
}

/// Who hears of a fetch and who may stop it.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) progress: &'a Progress,
    pub(super) cancel: &'a Cancel,
}

impl Git {
    /// Brings a revision into a folder that is empty.
    pub(super) async fn fetch(
        &self,
        url: &str,
        wish: &Wish<'_>,
        into: &Path,
        around: Around<'_>,
    ) -> Result<Revision, Fault> {
        self.allowed.check("repository", url)?;
        let address = Address::parse(url)?;
        let folders = (into.join(".git"), into.to_owned());
        let Brought { url, branch, done } = self.repository(&address, wish, folders, around).await?;
        Ok(Revision {
            commit: Some(done.commit.to_string()),
            branch,
            message: done.message,
            author: done.author,
            repository: url,
            dirty: false,
        })
    }

    /// One repository and, after it, its submodules.
    fn repository<'a>(
        &'a self,
        address: &'a Address,
        wish: &'a Wish<'a>,
        (git_dir, work): (PathBuf, PathBuf),
        around: Around<'a>,
    ) -> BoxFuture<'a, Result<Brought, Fault>> {
        Box::pin(async move {
            let remote = self.remote(address).await?;
            let place = Place { git_dir, work, url: remote.url.clone() };
            let (found, done) = match self.attempt(&remote, wish, &place, around).await {
                Err(Trouble::Damaged(fault)) => {
                    tracing::warn!(%fault, url = remote.url, "the mirror is damaged and is made anew");
                    self.discard(&remote, &place, around.cancel).await?;
                    self.attempt(&remote, wish, &place, around).await.map_err(Trouble::into_fault)?
                }
                other => other.map_err(Trouble::into_fault)?,
            };
            if wish.submodules {
                for submodule in submodule::listed(&place, address, &done.submodules)? {
                    let named = |fault: Fault| fault.doing(format!("submodule {}", submodule.work.display()));
                    self.allowed.check("repository", &submodule.address.to_string()).map_err(named)?;
                    let commit = submodule.commit.to_string();
                    let wish = Wish { reference: Some(&commit), ..*wish };
                    let folders = (submodule.git_dir.clone(), submodule.work.clone());
                    self.repository(&submodule.address, &wish, folders, around).await.map_err(named)?;
                    submodule::tie(&submodule)?;
                }
            }
            Ok(Brought { url: remote.url, branch: found.branch, done })
        })
    }

    /// From an address to something that can be connected to.
    async fn remote(&self, address: &Address) -> Result<Remote, Fault> {
        let (region, profile, host, path) = match address {
            Address::Path(path) => {
                let path = self.config.base.join(path);
                if !path.exists() {
                    let hint = "a relative path is relative to the pipeline's file";
                    return Err(Fault::configuration(format!("{}: no such repository", path.display())).hint(hint));
                }
                return Ok(Remote { url: path.display().to_string(), login: Login::Ambient });
            }
            Address::Url { url, login } => {
                let login = login.clone().map_or(Login::Ambient, |(user, password)| Login::Password(user, password));
                return Ok(Remote { url: url.clone(), login });
            }
            Address::CodeCommit { region, profile, repository } => {
                (region.clone(), profile.clone(), None, format!("/v1/repos/{repository}"))
            }
            Address::CodeCommitHttps { region, host, path } => (Some(region.clone()), None, Some(host), path.clone()),
        };
        let identity = (self.identities)(profile).await?;
        let region = region.or(identity.region).ok_or_else(|| {
            Fault::configuration("no Region is known for CodeCommit")
                .hint("write codecommit::region://repository, or set AWS_REGION")
        })?;
        let host = host.cloned().unwrap_or_else(|| codecommit::host(&region));
        let base = match self.config.codecommit_endpoint.as_deref() {
            Some(endpoint) if endpoint.contains("://") => endpoint.trim_end_matches('/').to_owned(),
            Some(endpoint) => format!("https://{endpoint}"),
            None => format!("https://{host}"),
        };
        // What is signed is the host that is talked to, without its port.
        let host = base.split("://").nth(1).and_then(|rest| rest.split(':').next()).unwrap_or(&host).to_owned();
        let url = format!("{base}{path}");
        let signed = Signed { credentials: identity.credentials, region, host, path };
        Ok(Remote { url, login: Login::Signed(Box::new(signed)) })
    }

    async fn attempt(
        &self,
        remote: &Remote,
        wish: &Wish<'_>,
        place: &Place,
        around: Around<'_>,
    ) -> Result<(Found, CheckedOut), Trouble> {
        place.prepare()?;
        let (found, refs) = self.obtain(remote, wish, place, around).await?;
        around.progress.doing(format!("checking out {}", &found.id.to_string()[..12]));
        let (place, cancel, depth, wanted) = (place.clone(), around.cancel.clone(), wish.depth, found.clone());
        let done = on_thread(move || place.check_out(wanted.id, wanted.branch.as_deref(), &refs, depth, &cancel));
        Ok((found, done.await??))
    }

    /// Throws away what is damaged: the mirror, and what was linked out of it.
    async fn discard(&self, remote: &Remote, place: &Place, cancel: &Cancel) -> Result<(), Fault> {
        let mirror = Mirror::of(&self.config.cache, &remote.url);
        let lock = mirror.lock(self.config.lock_wait, cancel).await?;
        let place = place.clone();
        on_thread(move || {
            if lock.is_some() {
                mirror.discard()?;
            }
            super::empty(&place.git_dir)?;
            super::empty_but(&place.work, &[".git", super::UNFINISHED])
        })
        .await?
    }
}

/// Runs blocking work on a thread that the process does not wait for when it ends.
pub(super) async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    let (done, result) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("source".to_owned())
        .spawn(move || done.send(work()))
        .map_err(|error| Fault::system(format!("cannot start a thread: {error}")))?;
    result.await.map_err(|_| Fault::system("a thread of the source broke down").hint("this is a bug: please report it"))
}
