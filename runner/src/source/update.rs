//! Bringing what is wanted into a mirror: without a word to the remote where it is there, again after a pause where the
//! network fails, and never held up by a remote that falls silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use git2::Oid;

use super::checkout::Place;
use super::git::{Around, Git, Wish, on_thread};
use super::mirror::Mirror;
use super::refs::{Found, Refs};
use super::remote::{Hooks, Remote};
use super::trouble::Trouble;
use crate::cancel::Reason;
use crate::fault::{Fault, FaultKind};

impl Git {
    /// Links the objects of what is wanted into the place, from the mirror alone where that is possible.
    pub(super) async fn obtain(
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
            Ok(_) => {
                let (mirror, git_dir) = (mirror.clone(), place.git_dir.clone());
                on_thread(move || mirror.link_objects(&git_dir)).await?
            }
            Err(_) => Ok(()),
        };
        if !shared {
            on_thread(move || mirror.discard()).await??;
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
                _ if around.cancel.reason().is_some() => return Err(stopped(remote).into()),
                Ok(_) => return Err(absent().into()),
                Err(trouble) if says_no(&trouble) => return Err(absent().into()),
                Err(trouble) => return Err(trouble),
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
}

/// Links a commit that the mirror has, and returns the mirror's references.
async fn linked(mirror: &Mirror, id: Oid, place: &Place) -> Result<Option<Refs>, Fault> {
    let (mirror, git_dir) = (mirror.clone(), place.git_dir.clone());
    on_thread(move || (mirror.has(id) && mirror.link_objects(&git_dir).is_ok()).then(|| mirror.refs())).await
}

fn stopped(remote: &Remote) -> Fault {
    Fault::stopped(format!("{}: fetch stopped", remote.url))
}

/// Whether a remote that was asked for a commit by its id means that it gives none; servers have no one way to say so.
/// A full disk or a refused login is something else.
fn says_no(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Damaged(_) => true,
        Trouble::Final(fault) => matches!(fault.kind, FaultKind::Configuration | FaultKind::Revision),
        Trouble::Passing(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_or_a_refused_login_is_no_answer_about_a_commit() {
        assert!(says_no(&Trouble::Damaged(Fault::system("bad packet"))));
        assert!(says_no(&Trouble::Final(Fault::configuration("remote error: upload-pack: not our ref"))));
        assert!(!says_no(&Trouble::Final(Fault::system("no space left on device"))));
        assert!(!says_no(&Trouble::Final(Fault::permission("access refused"))));
        assert!(!says_no(&Trouble::Passing(Fault::system("connection reset"))));
    }
}
