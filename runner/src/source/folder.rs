//! A local folder as a source: what Git would see in it, with uncommitted work, without what Git ignores.
//!
//! Of a Git work tree the copy is one, too: with references, HEAD and index as they are, and a configuration of its own
//! (the user's may hold logins). Objects go through a mirror of the folder: they are copied into it once and linked out
//! of it, because a container that changes the owner of what it got must not change the user's own repository. The
//! work trees of submodules come along as plain files.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use git2::{Repository, StatusOptions};
use ignore::WalkBuilder;

use super::copied::{self, Copied};
use super::git::{Around, on_thread};
use super::mirror::{Mirror, copy_objects, link_objects};
use super::{Config, Revision, parallel};
use crate::cancel::Cancel;
use crate::fault::{Fault, io as io_fault};
use crate::progress::Progress;

/// Copies a folder into one that is empty.
pub(super) async fn fetch(config: &Config, path: &str, into: &Path, around: Around<'_>) -> Result<Revision, Fault> {
    let given = config.base.join(path);
    let root = given.canonicalize().map_err(|error| {
        let fault = Fault::configuration(format!("source folder {}: {error}", given.display()));
        fault.hint("a relative path is relative to the pipeline's file")
    })?;
    if !root.is_dir() {
        return Err(Fault::configuration(format!("source folder {}: is not a folder", root.display())));
    }
    let mirror = Mirror::of(&config.cache, &root.to_string_lossy());
    around.progress.doing(format!("copying {}", root.display()));
    // Objects are only ever added, and each under a name that says what is in it, so a lock that is slow is done without.
    let lock = mirror.lock(config.lock_wait, around.cancel).await?;
    let apart = [into, config.cache.as_path()].iter().filter_map(|path| path.canonicalize().ok()).collect();
    let copied = copy_tree(root, into, apart, Some(mirror), around).await;
    drop(lock);
    copied
}

/// Copies a folder that was fetched before, whose objects may be linked, into one that is empty.
pub(super) async fn copy(fetched: &Path, into: &Path, around: Around<'_>) -> Result<Revision, Fault> {
    let root = fetched.canonicalize().map_err(io_fault(fetched))?;
    around.progress.doing(format!("copying {}", root.display()));
    copy_tree(root, into, Vec::new(), None, around).await
}

async fn copy_tree(
    root: PathBuf,
    into: &Path,
    apart: Vec<PathBuf>,
    mirror: Option<Mirror>,
    around: Around<'_>,
) -> Result<Revision, Fault> {
    let (into, progress, cancel) = (into.to_owned(), around.progress.clone(), around.cancel.clone());
    on_thread(move || {
        let copy = Copying { root: &root, into: &into, apart: &apart, progress: &progress, cancel: &cancel };
        let revision = match git_folders(&root) {
            Some(folders) => copy.work_tree(&folders, mirror.as_ref()),
            None => copy.files(&HashSet::new()).map(|()| Revision::default()),
        };
        revision.map(|revision| Revision { repository: root.display().to_string(), ..revision })
    })
    .await?
}

/// The folders of a work tree's repository; a linked work tree has two.
struct GitFolders {
    own: PathBuf,
    common: PathBuf,
}

fn git_folders(root: &Path) -> Option<GitFolders> {
    let dot = root.join(".git");
    let own = match fs::read_to_string(&dot) {
        Ok(text) => root.join(text.trim().strip_prefix("gitdir: ")?),
        Err(_) => dot,
    };
    let common = fs::read_to_string(own.join("commondir")).map_or_else(|_| own.clone(), |to| own.join(to.trim()));
    own.join("HEAD").is_file().then_some(GitFolders { own, common })
}

struct Copying<'a> {
    root: &'a Path,
    into: &'a Path,
    /// Folders that are not copied though they may lie within the root.
    apart: &'a [PathBuf],
    progress: &'a Progress,
    cancel: &'a Cancel,
}

enum Kind {
    File,
    Link,
}

impl Copying<'_> {
    fn work_tree(&self, folders: &GitFolders, mirror: Option<&Mirror>) -> Result<Revision, Fault> {
        self.repository(folders, mirror)?;
        let git_dir = self.into.join(".git");
        let damaged = |error: git2::Error| {
            Fault::revision(format!("{}: {}", folders.own.display(), error.message())).hint("`git fsck` may say more")
        };
        let copied = Repository::open_bare(&git_dir).map_err(damaged)?;
        let index = copied.index().map_err(damaged)?;
        let tracked: HashSet<PathBuf> = index.iter().map(|entry| of_bytes(&entry.path)).collect();
        self.files(&tracked)?;
        let head = copied.head().ok();
        let commit = head.as_ref().and_then(|head| head.peel_to_commit().ok());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Revision {
            commit: commit.as_ref().map(|commit| commit.id().to_string()),
            branch: head.filter(git2::Reference::is_branch).map(|head| text(head.shorthand_bytes())),
            message: commit.as_ref().and_then(|commit| commit.summary_bytes().map(text)),
            author: commit.map(|commit| {
                let author = commit.author();
                format!("{} <{}>", text(author.name_bytes()), text(author.email_bytes()))
            }),
            repository: String::new(),
            dirty: self.dirty().map_err(damaged)?,
        })
    }

    /// Whether there is uncommitted work. The user's own index knows it fastest; a repository of somebody else is only
    /// read through the copy.
    fn dirty(&self) -> Result<bool, git2::Error> {
        let repository = Repository::open(self.root).or_else(|_| Repository::open(self.into))?;
        let mut options = StatusOptions::new();
        options.include_untracked(true).include_ignored(false).exclude_submodules(true).update_index(false);
        Ok(repository.statuses(Some(&mut options))?.iter().any(|entry| {
            let ours = entry.path().is_ok_and(|path| path.trim_end_matches('/') == super::UNFINISHED);
            let path = self.root.join(of_bytes(entry.path_bytes()));
            !ours && !self.apart.iter().any(|apart| apart.starts_with(&path))
        }))
    }

    fn repository(&self, folders: &GitFolders, mirror: Option<&Mirror>) -> Result<(), Fault> {
        let to = self.into.join(".git");
        for folder in ["objects", "refs/heads", "refs/tags"] {
            let path = to.join(folder);
            fs::create_dir_all(&path).map_err(io_fault(&path))?;
        }
        let objects = folders.common.join("objects");
        match mirror {
            Some(mirror) => {
                copy_objects(&objects, &mirror.path().join("objects"))?;
                mirror.link_objects(&to)?;
            }
            None => link_objects(&objects, &to.join("objects"))?,
        }
        let mut files = vec![(folders.own.join("HEAD"), "HEAD".into()), (folders.own.join("index"), "index".into())];
        for name in ["packed-refs", "shallow"] {
            files.push((folders.common.join(name), name.into()));
        }
        for entry in walkdir::WalkDir::new(folders.common.join("refs")).into_iter().flatten() {
            if let (true, Ok(path)) = (entry.file_type().is_file(), entry.path().strip_prefix(&folders.common)) {
                files.push((entry.path().to_owned(), path.to_owned()));
            }
        }
        for (from, name) in files {
            let path = to.join(name);
            let parent = path.parent().unwrap_or(&to);
            fs::create_dir_all(parent).map_err(io_fault(parent))?;
            match fs::copy(&from, &path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_fault(&from)(error)),
                _ => {}
            }
        }
        let config = to.join("config");
        let text = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n";
        fs::write(&config, text).map_err(io_fault(&config))
    }

    /// Copies everything that is not ignored, and what is tracked although it is.
    fn files(&self, tracked: &HashSet<PathBuf>) -> Result<(), Fault> {
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        let apart = self.apart.to_vec();
        let walk = WalkBuilder::new(self.root)
            .hidden(false)
            .ignore(false)
            .follow_links(false)
            .filter_entry(move |entry| entry.file_name() != ".git" && !apart.iter().any(|path| path == entry.path()))
            .build();
        for entry in walk {
            if self.cancel.reason().is_some() {
                return Err(Fault::stopped("copying the source folder stopped"));
            }
            let entry = entry.map_err(|error| Fault::system(format!("{}: {error}", self.root.display())))?;
            let Ok(path) = entry.path().strip_prefix(self.root) else { continue };
            let Some(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push(path.to_owned());
            } else if let Some(kind) = self.kind(path, kind) {
                seen.insert(path.to_owned());
                files.push((path.to_owned(), kind));
            }
        }
        for path in tracked.difference(&seen) {
            let parents = path.ancestors().skip(1);
            // A tracked file whose folder has become a symbolic link is no longer there.
            let Ok(stat) = fs::symlink_metadata(self.root.join(path)) else { continue };
            if parents.clone().any(|parent| self.root.join(parent).is_symlink()) {
                continue;
            }
            if let Some(kind) = self.kind(path, stat.file_type()) {
                folders.extend(parents.map(Path::to_owned));
                files.push((path.clone(), kind));
            }
        }
        folders.sort();
        folders.dedup();
        self.write(&folders, &files)
    }

    fn kind(&self, path: &Path, kind: fs::FileType) -> Option<Kind> {
        if kind.is_symlink() {
            return Some(Kind::Link);
        }
        if kind.is_file() {
            return Some(Kind::File);
        }
        if !kind.is_dir() {
            let what = if kind.is_socket() {
                "socket"
            } else if kind.is_fifo() {
                "pipe"
            } else {
                "device"
            };
            self.note(path, &format!("a {what} is not copied"));
        }
        None
    }

    /// Tells in the log what did not go as it does mostly.
    fn note(&self, path: &Path, what: &str) {
        self.progress.output(format!("{}: {what}\n", path.display()));
    }

    fn write(&self, folders: &[PathBuf], files: &[(PathBuf, Kind)]) -> Result<(), Fault> {
        for folder in folders {
            let path = self.into.join(folder);
            fs::create_dir_all(&path).map_err(io_fault(&path))?;
        }
        let start = || Ok::<_, Fault>(());
        parallel::each(files, self.cancel, start, |(), (path, kind)| {
            let (from, to) = (self.root.join(path), self.into.join(path));
            let copied = match kind {
                Kind::File => copied::file(&from, &to, self.cancel),
                Kind::Link => link(&from, &to),
            };
            match copied.map_err(io_fault(&from))? {
                Copied::Whole => {}
                Copied::Shrunk => self.note(path, "became shorter while it was copied; the copy ends where it ended"),
                Copied::Gone => self.note(path, "was gone before it could be copied"),
                Copied::Stopped => return Err(Fault::stopped("copying the source folder stopped")),
            }
            Ok(())
        })?;
        // A folder's own mode may forbid writing into it, so it comes last, and inner folders before outer ones.
        for folder in folders.iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
            let from = self.root.join(folder);
            let mode = fs::metadata(&from).map_err(io_fault(&from))?.permissions();
            fs::set_permissions(self.into.join(folder), mode).map_err(io_fault(&from))?;
        }
        Ok(())
    }
}

/// Makes the same link.
fn link(from: &Path, to: &Path) -> io::Result<Copied> {
    match fs::read_link(from).and_then(|target| std::os::unix::fs::symlink(target, to)) {
        Err(_) if !from.is_symlink() => Ok(Copied::Gone),
        made => made.map(|()| Copied::Whole),
    }
}

fn of_bytes(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::OsStr::from_bytes(bytes).into()
}
