//! A commit out of linked objects into a folder: a real repository with HEAD detached at the commit, and its work tree.
//!
//! All history is there, as links to the mirror's packs; a depth that is asked for hides the rest, as a shallow clone
//! would, through Git's `shallow` file. Nothing in the repository points to the mirror, so a container that sees only
//! the folder can use Git in it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use git2::{Oid, Repository};

use super::refs::Refs;
use super::tree::Listing;
use super::trouble::{Trouble, of_objects};
use crate::cancel::Cancel;
use crate::fault::{Fault, io as io_fault};

/// Where a checkout goes and what it is called there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The repository's folder; objects are in it already.
    pub(super) git_dir: PathBuf,
    /// The work tree.
    pub(super) work: PathBuf,
    /// The remote's URL, without a login.
    pub(super) url: String,
}

/// A commit that is checked out.
#[derive(Clone, Debug)]
pub(super) struct CheckedOut {
    pub(super) commit: Oid,
    pub(super) message: Option<String>,
    pub(super) author: Option<String>,
    /// Its submodules' paths and commits.
    pub(super) submodules: Vec<(Vec<u8>, Oid)>,
}

impl Place {
    /// Makes the folders that a repository is known by, with nothing in them.
    pub(super) fn prepare(&self) -> Result<(), Fault> {
        for folder in ["objects/pack", "objects/info", "refs/heads", "refs/tags", "info"] {
            let path = self.git_dir.join(folder);
            fs::create_dir_all(&path).map_err(io_fault(&path))?;
        }
        fs::create_dir_all(&self.work).map_err(io_fault(&self.work))
    }

    /// Writes references, HEAD, configuration, work tree and index. `id` is a commit or a tag of one.
    pub(super) fn check_out(
        &self,
        id: Oid,
        branch: Option<&str>,
        refs: &Refs,
        depth: Option<u32>,
        cancel: &Cancel,
    ) -> Result<CheckedOut, Trouble> {
        self.write("HEAD", &format!("{id}\n"))?;
        let repository = self.open()?;
        let bad = |error: git2::Error| of_objects(&self.url, &error);
        let object = repository.find_object(id, None).map_err(bad)?;
        let commit = object.peel_to_commit().map_err(|_| {
            Trouble::Final(
                Fault::revision(format!("{}: {id} is no commit", self.url)).hint("name a branch, tag or commit"),
            )
        })?;
        self.write("HEAD", &format!("{}\n", commit.id()))?;
        self.write("config", &self.config(branch))?;
        let only = match depth {
            Some(depth) if depth > 0 => Some(self.make_shallow(&repository, commit.id(), depth)?),
            _ => None,
        };
        let refs = refs.of_checkout(branch, commit.id(), only.as_deref());
        self.write("packed-refs", &refs.to_text())?;
        let tree = commit.tree().map_err(bad)?;
        let listing = Listing::of(&repository, &tree)?;
        if listing.filtered {
            self.check_out_filtered(tree.id())?;
        } else {
            listing.write(&self.git_dir, &self.work, cancel)?;
        }
        let author = commit.author();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(CheckedOut {
            commit: commit.id(),
            message: commit.summary_bytes().map(text),
            author: Some(format!("{} <{}>", text(author.name_bytes()), text(author.email_bytes()))),
            submodules: listing.submodules,
        })
    }

    /// libgit2's own checkout, which knows line ends and `ident`.
    fn check_out_filtered(&self, tree: Oid) -> Result<(), Trouble> {
        let bad = |error: git2::Error| of_objects(&self.url, &error);
        let repository = self.open()?;
        repository.set_workdir(&self.work, false).map_err(bad)?;
        let tree = repository.find_object(tree, None).map_err(bad)?;
        let mut options = git2::build::CheckoutBuilder::new();
        options.force();
        repository.checkout_tree(&tree, Some(&mut options)).map_err(bad)
    }

    /// Writes the commits below which history is hidden, and returns those that are left in sight.
    fn make_shallow(&self, repository: &Repository, tip: Oid, depth: u32) -> Result<Vec<Oid>, Trouble> {
        let mut seen = BTreeSet::from([tip]);
        let (mut level, mut border) = (vec![tip], String::new());
        for left in (0..depth).rev() {
            let mut parents = Vec::new();
            for id in level {
                let commit = repository.find_commit(id).map_err(|error| of_objects(&self.url, &error))?;
                if left == 0 && commit.parent_count() > 0 {
                    let _ = writeln!(border, "{id}");
                }
                parents.extend(commit.parent_ids().filter(|parent| left > 0 && seen.insert(*parent)));
            }
            level = parents;
        }
        if !border.is_empty() {
            self.write("shallow", &border)?;
        }
        Ok(seen.into_iter().collect())
    }

    fn config(&self, branch: Option<&str>) -> String {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut text =
            "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n"
                .to_owned();
        if self.git_dir != self.work.join(".git") {
            let up = super::submodule::relative(&self.git_dir, &self.work);
            let _ = writeln!(text, "\tworktree = \"{}\"", quoted(&up.to_string_lossy()));
        }
        let url = quoted(&self.url);
        let _ = writeln!(text, "[remote \"origin\"]\n\turl = \"{url}\"\n\tfetch = +refs/heads/*:refs/remotes/origin/*");
        if let Some(branch) = branch {
            let branch = quoted(branch);
            let _ = writeln!(text, "[branch \"{branch}\"]\n\tremote = origin\n\tmerge = \"refs/heads/{branch}\"");
        }
        text
    }

    fn open(&self) -> Result<Repository, Trouble> {
        Repository::open_bare(&self.git_dir).map_err(|error| of_objects(&self.git_dir.display().to_string(), &error))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Fault> {
        let path = self.git_dir.join(name);
        fs::write(&path, text).map_err(io_fault(&path))
    }
}
