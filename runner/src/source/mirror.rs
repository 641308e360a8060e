//! A bare mirror of each repository in a cache folder of the machine, so that a second clone brings only what is new.
//!
//! A mirror is a `packed-refs` file (the remote's last listing) and packs, from which no object is ever taken; small ones
//! are made into one now and then. Builds hard-link them, and keep what they have linked. It holds no remote, no login and
//! no configuration of its own. It may be deleted at any time. Changes happen under a lock file that other processes
//! honour; reading needs none.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{Oid, Repository};
use sha2::{Digest as _, Sha256};

use super::refs::Refs;
use super::remote::{Hooks, Remote};
use super::trouble::{Trouble, of_objects};
use crate::cancel::Cancel;
use crate::clock;
use crate::fault::{Fault, io as io_fault};

/// One repository's place in the cache.
#[derive(Clone, Debug)]
pub(super) struct Mirror {
    folder: PathBuf,
    name: String,
}

/// The right to change a mirror, until it is dropped.
pub(super) struct Lock(#[expect(dead_code, reason = "closing the file gives the lock back")] File);

impl Mirror {
    /// The mirror of a URL (which has no login in it, so all logins share one).
    pub(super) fn of(cache: &Path, url: &str) -> Self {
        let digest = hex::encode(Sha256::digest(url));
        let last = url.trim_end_matches('/').trim_end_matches(".git").rsplit(['/', ':']).next().unwrap_or_default();
        let readable: String =
            last.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(60).collect();
        Self { folder: cache.to_owned(), name: format!("{readable}-{}", &digest[..16]) }
    }

    /// The one of that name in a cache.
    pub(super) fn named(cache: &Path, name: &str) -> Self {
        Self { folder: cache.to_owned(), name: name.to_owned() }
    }

    /// Its name in the cache.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// One that nobody else knows, beside this one, for when this one is locked for too long.
    pub(super) fn private(&self) -> Self {
        Self { folder: self.folder.clone(), name: format!("{}.{}.tmp", self.name, uuid::Uuid::new_v4().simple()) }
    }

    /// The bare repository's folder.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.git", self.name))
    }

    /// The file that is locked. It is never removed, so that everybody locks the same one; its time is the last use.
    pub(super) fn lock_path(&self) -> PathBuf {
        self.folder.join(format!("{}.lock", self.name))
    }

    /// The right to change the mirror, unless somebody has it.
    pub(super) fn try_lock(&self) -> Result<Option<Lock>, Fault> {
        let path = self.lock_path();
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io_fault(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(io_fault(&path)(error)),
        }
    }

    /// Waits for the right to change the mirror; `None` when somebody else keeps it for longer than `wait`.
    pub(super) async fn lock(&self, wait: Duration, cancel: &Cancel) -> Result<Option<Lock>, Fault> {
        const PAUSE: Duration = Duration::from_millis(20);
        fs::create_dir_all(&self.folder).map_err(io_fault(&self.folder))?;
        let mut waited = Duration::ZERO;
        loop {
            match self.try_lock()? {
                None if waited >= wait => return Ok(None),
                None => {}
                lock => return Ok(lock),
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => waited += PAUSE,
                _ = cancel.requested() => return Err(Fault::stopped("stopped while waiting for a repository's mirror")),
            }
        }
    }

    /// Brings everything new, under the lock, and returns the remote's references.
    pub(super) fn update(&self, remote: &Remote, extra: Option<&str>, hooks: &Hooks) -> Result<Refs, Trouble> {
        let repository = self.open_or_make()?;
        let refs = remote.download(&repository, extra, hooks)?;
        if hooks.cancel.reason().is_some() {
            // Whoever waited for this may have given the lock away by now.
            return Err(Fault::stopped(format!("{}: fetch stopped", remote.url)).into());
        }
        let kept = refs.clone().branches_and_tags();
        self.write("packed-refs", &kept.to_text())?;
        self.write("HEAD", &format!("ref: {}\n", kept.head.as_deref().unwrap_or("refs/heads/main")))?;
        Ok(refs)
    }

    /// The references as they were at the last update.
    pub(super) fn refs(&self) -> Refs {
        let read = |name: &str| fs::read_to_string(self.path().join(name)).unwrap_or_default();
        let head = read("HEAD").trim().strip_prefix("ref: ").map(str::to_owned);
        Refs::of_text(&read("packed-refs"), head)
    }

    /// Whether a commit is here. Any doubt is a no.
    pub(super) fn has(&self, commit: Oid) -> bool {
        Repository::open_bare(self.path()).is_ok_and(|repository| repository.find_commit(commit).is_ok())
    }

    /// Hard-links all objects into another repository's folder, or copies them where that cannot be.
    pub(super) fn link_objects(&self, git_dir: &Path) -> Result<(), Fault> {
        let lock = File::options().write(true).open(self.lock_path());
        // A time that cannot be set makes the mirror look unused, and no run fail.
        let _ = lock.and_then(|file| file.set_modified(clock::now().into()));
        link_objects(&self.path().join("objects"), &git_dir.join("objects"))
    }

    /// Deletes the mirror, under the lock. Builds keep what they have linked.
    pub(super) fn discard(&self) -> Result<(), Fault> {
        let away = self.private().path();
        match fs::rename(self.path(), &away) {
            Ok(()) => fs::remove_dir_all(&away).map_err(io_fault(&away)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io_fault(&self.path())(error)),
        }
    }

    fn open_or_make(&self) -> Result<Repository, Trouble> {
        let path = self.path();
        let damaged = |error: git2::Error| of_objects(&path.display().to_string(), &error);
        if path.join("HEAD").is_file() {
            return Repository::open_bare(&path).map_err(damaged);
        }
        self.discard()?;
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).external_template(false).initial_head("main");
        Repository::init_opts(&path, &options)
            .map_err(|error| Trouble::Final(Fault::system(format!("{}: {}", path.display(), error.message()))))
    }

    /// Replaces a file at once, so that a reader sees the old text or the new one.
    fn write(&self, name: &str, text: &str) -> Result<(), Fault> {
        let path = self.path().join(name);
        let fresh = path.with_extension("new");
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &path)).map_err(io_fault(&path))
    }
}

/// Hard-links all objects of a folder into another, or copies them where that cannot be.
pub(super) fn link_objects(from: &Path, to: &Path) -> Result<(), Fault> {
    bring_objects(from, to, link)
}

/// Copies the objects of a repository, and of those that it borrows from, that a mirror does not have yet.
pub(super) fn copy_objects(from: &Path, to: &Path) -> Result<(), Fault> {
    let borrowed = fs::read_to_string(from.join("info/alternates")).unwrap_or_default();
    for line in borrowed.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        copy_objects(&from.join(line), to)?;
    }
    bring_objects(from, to, |from, to| {
        if to.exists() {
            return Ok(());
        }
        // Under another name first: an interrupted copy must not pass for the object.
        let fresh = to.with_extension("tmp");
        fs::copy(from, &fresh).and_then(|_| fs::rename(&fresh, to)).map_err(io_fault(from))
    })
}

/// Brings one folder of objects into another. A pack is there when its index is, so the index comes last.
fn bring_objects(from: &Path, to: &Path, bring: impl Fn(&Path, &Path) -> Result<(), Fault>) -> Result<(), Fault> {
    let made = to.join("pack");
    fs::create_dir_all(&made).map_err(io_fault(&made))?;
    for (name, path) in entries(from)? {
        if name == "pack" {
            for (index, path) in entries(&path)? {
                if let Some(stem) = index.strip_suffix(".idx") {
                    bring(&path.with_file_name(format!("{stem}.pack")), &made.join(format!("{stem}.pack")))?;
                    bring(&path, &made.join(&index))?;
                }
            }
        } else if name.len() == 2 && name.chars().all(|c| c.is_ascii_hexdigit()) {
            let fan = to.join(&name);
            fs::create_dir_all(&fan).map_err(io_fault(&fan))?;
            for (object, path) in entries(&path)? {
                if object.len() == 38 {
                    bring(&path, &fan.join(&object))?;
                }
            }
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, Fault> {
    let read = fs::read_dir(folder).map_err(io_fault(folder))?;
    read.map(|entry| {
        let entry = entry.map_err(io_fault(folder))?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
    })
    .collect()
}

fn link(from: &Path, to: &Path) -> Result<(), Fault> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Another file system, one without links, or a file with too many of them.
        Err(_) => fs::copy(from, to).map(|_| ()).map_err(io_fault(from)),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirrors_name_is_readable_and_tells_urls_apart() {
        let name = |url: &str| Mirror::of(Path::new("/c"), url).name;
        assert!(name("https://h/team/billing.api.git").starts_with("billingapi-"));
        assert_ne!(name("https://h/a/x"), name("https://h/b/x"));
        assert!(name("../..").len() == 17, "{}", name("../.."));
    }

    #[tokio::test]
    async fn a_lock_is_for_one_at_a_time() {
        let cache = tempfile::tempdir().unwrap();
        let mirror = Mirror::of(cache.path(), "https://h/x");
        let first = mirror.lock(Duration::ZERO, &Cancel::new()).await.unwrap();
        assert!(first.is_some());
        assert!(mirror.lock(Duration::ZERO, &Cancel::new()).await.unwrap().is_none());
        drop(first);
        assert!(mirror.lock(Duration::ZERO, &Cancel::new()).await.unwrap().is_some());
    }
}
