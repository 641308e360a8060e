//! A Git revision into a folder: mirror first, network only when the mirror lacks it, then the checkout.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use git2::Oid;

use super::checkout::{CheckedOut, Place};
use super::codecommit::{self, Identities};
use super::mirror::Mirror;
use super::refs::{Found, Refs};
use super::remote::{Hooks, Login, Remote, Signed};
use super::submodule;
use super::trouble::Trouble;
use super::url::Address;
use super::{Config, Revision};
use crate::cancel::{Cancel, Reason};
use crate::fault::Fault;
use crate::progress::Progress;

/// Fetches Git repositories.
pub(super) struct Git {
    pub(super) config: Config,
    pub(super) identities: Identities,
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
                    let commit = submodule.commit.to_string();
                    let wish = Wish { reference: Some(&commit), ..*wish };
                    let folders = (submodule.git_dir.clone(), submodule.work.clone());
                    self.repository(&submodule.address, &wish, folders, around)
                        .await
                        .map_err(|fault| fault.doing(format!("submodule {}", submodule.work.display())))?;
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

    /// Links the objects of what is wanted into the place, from the mirror alone where that is possible.
    async fn obtain(
        &self,
        remote: &Remote,
        wish: &Wish<'_>,
        place: &Place,
        around: Around<'_>,
    ) -> Result<(Found, Refs), Trouble> {
        let mirror = Mirror::of(&self.config.cache, &remote.url);
        let commit = wish.reference.filter(|name| name.len() == 40).and_then(|name| Oid::from_str(name).ok());
        if let Some(id) = commit
            && let Some(refs) = linked(&mirror, id, place).await?
        {
            return Ok((Found { id, branch: None }, refs));
        }
        around.progress.doing(format!("fetching {}", remote.url));
        let lock = mirror.lock(self.config.lock_wait, around.cancel).await?;
        if let (Some(id), Some(_)) = (commit, &lock)
            && let Some(refs) = linked(&mirror, id, place).await?
        {
            // Whoever held the lock has brought it.
            return Ok((Found { id, branch: None }, refs));
        }
        let shared = lock.is_some();
        let mirror = if shared { mirror } else { mirror.private() };
        let brought = self.update(remote, &mirror, wish.reference, commit, around).await;
        let linked = match &brought {
            Ok(_) => mirror.link_objects(&place.git_dir),
            Err(_) => Ok(()),
        };
        if !shared {
            mirror.discard()?;
        }
        linked?;
        brought
    }

    /// Updates the mirror, again after a pause when the network fails in a way that may pass.
    async fn update(
        &self,
        remote: &Remote,
        mirror: &Mirror,
        reference: Option<&str>,
        commit: Option<Oid>,
        around: Around<'_>,
    ) -> Result<(Found, Refs), Trouble> {
        let mut pause = self.config.pause;
        let mut left = self.config.tries;
        loop {
            left = left.saturating_sub(1);
            match self.update_once(remote, mirror, reference, commit, around).await {
                Err(Trouble::Passing(fault)) if left > 0 => {
                    tracing::warn!(%fault, "fetch failed and is tried again");
                    around.progress.doing(format!("fetching {} again: {fault}", remote.url));
                }
                other => return other,
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause *= 2,
                _ = around.cancel.requested() => return Err(stopped(remote).into()),
            }
        }
    }

    async fn update_once(
        &self,
        remote: &Remote,
        mirror: &Mirror,
        reference: Option<&str>,
        commit: Option<Oid>,
        around: Around<'_>,
    ) -> Result<(Found, Refs), Trouble> {
        // A commit id is asked for by itself only after all branches and tags turned out not to have it.
        let name = reference.filter(|name| commit.is_none() && name.starts_with("refs/"));
        let refs = self.converse(remote, mirror, name.map(str::to_owned), around).await?;
        let Some(id) = commit else {
            return Ok((refs.find(&remote.url, reference)?, refs.branches_and_tags()));
        };
        if !mirror.has(id) {
            let hint = "check the id, and that the commit was pushed";
            let absent = || Fault::revision(format!("{}: no commit {id}", remote.url)).hint(hint);
            match self.converse(remote, mirror, Some(id.to_string()), around).await {
                Ok(_) if mirror.has(id) => {}
                Ok(_) | Err(Trouble::Damaged(_) | Trouble::Final(_)) if around.cancel.reason().is_none() => {
                    return Err(absent().into());
                }
                Err(trouble) => return Err(trouble),
                Ok(_) => return Err(stopped(remote).into()),
            }
        }
        Ok((Found { id, branch: None }, refs.branches_and_tags()))
    }

    /// One conversation, on a thread that is left alone when it is stopped or the remote falls silent: nothing can
    /// interrupt libgit2 while it waits for a byte.
    async fn converse(
        &self,
        remote: &Remote,
        mirror: &Mirror,
        extra: Option<String>,
        around: Around<'_>,
    ) -> Result<Refs, Trouble> {
        let life = Arc::new(AtomicU64::new(0));
        let cancel = around.cancel.child();
        let hooks = Hooks {
            progress: around.progress.clone(),
            cancel: cancel.clone(),
            life: Arc::clone(&life),
            ssh_keys: self.config.ssh_keys.clone().into(),
        };
        let (mirror, conversing) = (mirror.clone(), remote.clone());
        let work = on_thread(move || mirror.update(&conversing, extra.as_deref(), &hooks));
        tokio::pin!(work);
        let mut seen = 0;
        loop {
            tokio::select! {
                done = &mut work => return done?,
                _ = around.cancel.requested() => return Err(stopped(remote).into()),
                () = tokio::time::sleep(self.config.silence) => {
                    let now = life.load(Ordering::Relaxed);
                    if now == seen {
                        cancel.request(Reason::TimedOut);
                        let text = format!("{}: silent for {} s", remote.url, self.config.silence.as_secs());
                        return Err(Trouble::Passing(Fault::system(text).hint("check the network and the server")));
                    }
                    seen = now;
                }
            }
        }
    }

    /// Throws away what is damaged: the mirror, and what was linked out of it.
    async fn discard(&self, remote: &Remote, place: &Place, cancel: &Cancel) -> Result<(), Fault> {
        let mirror = Mirror::of(&self.config.cache, &remote.url);
        if let Some(_lock) = mirror.lock(self.config.lock_wait, cancel).await? {
            mirror.discard()?;
        }
        super::empty(&place.git_dir)?;
        super::empty_but(&place.work, &[".git", super::UNFINISHED])
    }
}

/// Links a commit that the mirror has, and returns the mirror's references.
async fn linked(mirror: &Mirror, id: Oid, place: &Place) -> Result<Option<Refs>, Fault> {
    let (mirror, git_dir) = (mirror.clone(), place.git_dir.clone());
    on_thread(move || (mirror.has(id) && mirror.link_objects(&git_dir).is_ok()).then(|| mirror.refs())).await
}

fn stopped(remote: &Remote) -> Fault {
    Fault::stopped(format!("{}: fetch stopped", remote.url))
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

impl Default for Config {
    fn default() -> Self {
        Self {
            cache: PathBuf::from(".sluice/mirrors"),
            base: PathBuf::new(),
            codecommit_endpoint: None,
            ssh_keys: Vec::new(),
            lock_wait: Duration::from_secs(300),
            tries: 4,
            pause: Duration::from_millis(500),
            silence: Duration::from_secs(120),
        }
    }
}
