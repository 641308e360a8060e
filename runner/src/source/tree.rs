//! Writes a commit's tree into an empty folder, with a few threads, and the index that belongs to it.
//!
//! With a warm mirror all the time of a clone goes into this, and libgit2's checkout has one thread for it. Names are
//! checked here, because a tree can say anything: folders are made first and must be new, files never replace anything,
//! symbolic links come last, so nothing is ever written through one.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use git2::{Index, IndexEntry, IndexTime, ObjectType, Odb, Oid, Repository, Tree};

use super::parallel;
use super::trouble::{Trouble, of_objects};
use crate::cancel::Cancel;
use crate::fault::{Fault, io as io_fault};

const LINK: i32 = 0o120_000;
const SUBMODULE: i32 = 0o160_000;

/// What a tree holds, by path from its root.
#[derive(Default)]
pub(super) struct Listing {
    folders: Vec<Vec<u8>>,
    files: Vec<Entry>,
    links: Vec<Entry>,
    /// Paths and commits of the submodules.
    pub(super) submodules: Vec<(Vec<u8>, Oid)>,
    /// Whether an attribute changes content at checkout, which only libgit2's checkout does.
    pub(super) filtered: bool,
}

struct Entry {
    path: Vec<u8>,
    id: Oid,
    mode: i32,
}

impl Listing {
    /// Walks a tree.
    pub(super) fn of(repository: &Repository, tree: &Tree<'_>) -> Result<Self, Trouble> {
        let mut listing = Self::default();
        listing.walk(repository, tree, &[])?;
        Ok(listing)
    }

    fn walk(&mut self, repository: &Repository, tree: &Tree<'_>, at: &[u8]) -> Result<(), Trouble> {
        for entry in tree {
            let name = entry.name_bytes();
            if !safe(name) {
                let name = String::from_utf8_lossy(name);
                return Err(Fault::revision(format!("the tree has an entry named `{name}`, which Git forbids")).into());
            }
            let path = [at, name].concat();
            let id = entry.id();
            match entry.kind() {
                Some(ObjectType::Tree) => {
                    let tree = repository.find_tree(id).map_err(|error| of_objects("tree", &error))?;
                    self.folders.push(path.clone());
                    self.walk(repository, &tree, &[&path, b"/".as_slice()].concat())?;
                }
                Some(ObjectType::Commit) => {
                    self.folders.push(path.clone());
                    self.submodules.push((path, id));
                }
                _ if entry.filemode() == LINK => self.links.push(Entry { path, id, mode: LINK }),
                _ => {
                    let mode = if entry.filemode() & 0o111 == 0 { 0o100_644 } else { 0o100_755 };
                    self.filtered |= name == b".gitattributes" && changes_content(repository, id)?;
                    self.files.push(Entry { path, id, mode });
                }
            }
        }
        Ok(())
    }

    /// Writes everything into a folder that has none of it, and the index.
    pub(super) fn write(&self, git_dir: &Path, work: &Path, cancel: &Cancel) -> Result<(), Trouble> {
        for folder in &self.folders {
            let path = within(work, folder);
            fs::create_dir(&path).map_err(io_fault(&path))?;
        }
        let mut written = self.write_files(git_dir, work, cancel)?;
        let repository = open(git_dir)?;
        let odb = repository.odb().map_err(|error| of_objects("objects", &error))?;
        for link in &self.links {
            let path = within(work, &link.path);
            let target = odb.read(link.id).map_err(|error| of_objects("symbolic link", &error))?;
            std::os::unix::fs::symlink(OsStr::from_bytes(target.data()), &path).map_err(io_fault(&path))?;
            written.push(indexed(link, &fs::symlink_metadata(&path).map_err(io_fault(&path))?));
        }
        written.extend(self.submodules.iter().map(|(path, id)| gitlink(path, *id)));
        write_index(git_dir, &written)
    }

    fn write_files(&self, git_dir: &Path, work: &Path, cancel: &Cancel) -> Result<Vec<IndexEntry>, Trouble> {
        // An object database is not for two threads; each opens its own.
        let start = || {
            let objects = git_dir.join("objects");
            let odb = Odb::new().and_then(|odb| odb.add_disk_alternate(&objects.to_string_lossy()).map(|()| odb));
            odb.map_err(|error| of_objects("objects", &error))
        };
        parallel::each(&self.files, cancel, start, |odb, entry| write_file(odb, work, entry))
    }
}

fn write_file(odb: &Odb<'_>, work: &Path, entry: &Entry) -> Result<IndexEntry, Trouble> {
    let path = within(work, &entry.path);
    let content = odb.read(entry.id).map_err(|error| of_objects(&path.display().to_string(), &error))?;
    let mode = if entry.mode == 0o100_755 { 0o777 } else { 0o666 };
    let write = || -> io::Result<fs::Metadata> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
        file.write_all(content.data())?;
        file.metadata()
    };
    Ok(indexed(entry, &write().map_err(io_fault(&path))?))
}

/// Written by libgit2, so that a checksum and every extension are as Git expects.
fn write_index(git_dir: &Path, entries: &[IndexEntry]) -> Result<(), Trouble> {
    let path = git_dir.join("index");
    let failed = |error: git2::Error| Trouble::Final(Fault::system(format!("{}: {}", path.display(), error.message())));
    let mut index = Index::open(&path).map_err(failed)?;
    for entry in entries {
        index.add(entry).map_err(failed)?;
    }
    index.write().map_err(failed)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the index has 32 bits for each")]
fn indexed(entry: &Entry, stat: &fs::Metadata) -> IndexEntry {
    IndexEntry {
        ctime: IndexTime::new(stat.ctime() as i32, stat.ctime_nsec() as u32),
        mtime: IndexTime::new(stat.mtime() as i32, stat.mtime_nsec() as u32),
        dev: stat.dev() as u32,
        ino: stat.ino() as u32,
        mode: entry.mode as u32,
        uid: stat.uid(),
        gid: stat.gid(),
        file_size: stat.size() as u32,
        id: entry.id,
        flags: 0,
        flags_extended: 0,
        path: entry.path.clone(),
    }
}

fn gitlink(path: &[u8], id: Oid) -> IndexEntry {
    let never = IndexTime::new(0, 0);
    let mode = SUBMODULE as u32;
    let path = path.to_vec();
    let (dev, ino, uid, gid, file_size, flags, flags_extended) = (0, 0, 0, 0, 0, 0, 0);
    IndexEntry { ctime: never, mtime: never, dev, ino, mode, uid, gid, file_size, id, flags, flags_extended, path }
}

fn open(git_dir: &Path) -> Result<Repository, Trouble> {
    Repository::open_bare(git_dir).map_err(|error| of_objects(&git_dir.display().to_string(), &error))
}

fn within(work: &Path, path: &[u8]) -> PathBuf {
    work.join(OsStr::from_bytes(path))
}

/// Whether a name may be a file's: what Git's own check forbids could lead out of the folder or into `.git`.
fn safe(name: &[u8]) -> bool {
    !name.is_empty()
        && name != b"."
        && name != b".."
        && !name.eq_ignore_ascii_case(b".git")
        && !name.eq_ignore_ascii_case(b"git~1")
        && !name.iter().any(|byte| matches!(byte, b'/' | 0))
}

/// Whether a `.gitattributes` has a word that changes content at checkout on Linux. Filters such as Git LFS are not
/// among them: their pointers are left as they are.
fn changes_content(repository: &Repository, id: Oid) -> Result<bool, Trouble> {
    let blob = repository.find_blob(id).map_err(|error| of_objects(".gitattributes", &error))?;
    let text = String::from_utf8_lossy(blob.content()).into_owned();
    Ok(text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .any(|line| line.split_whitespace().skip(1).any(|word| word == "eol=crlf" || word == "ident")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_git_forbids_are_not_written() {
        for name in ["", ".", "..", ".git", ".GIT", "git~1", "a/b", "a\0"] {
            assert!(!safe(name.as_bytes()), "{name:?}");
        }
        assert!([".gitignore", "...", "git", "a b", "é"].iter().all(|name| safe(name.as_bytes())));
    }

    #[test]
    fn only_attributes_that_change_content_need_the_slow_way() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let check = |text: &str| {
            let id = repository.blob(text.as_bytes()).unwrap();
            changes_content(&repository, id).unwrap()
        };
        assert!(check("*.bat text eol=crlf\n") && check("*.c ident"));
        assert!(!check("* text=auto\n*.sh eol=lf\n*.bin filter=lfs -text\n# *.bat eol=crlf\n"));
    }

    #[test]
    fn a_tree_with_a_link_and_a_folder_of_one_name_writes_nothing_outside() {
        let folder = tempfile::tempdir().unwrap();
        let (git_dir, work, outside) =
            (folder.path().join("g"), folder.path().join("w"), folder.path().join("outside"));
        let repository = Repository::init_bare(&git_dir).unwrap();
        fs::create_dir(&work).unwrap();
        fs::create_dir(&outside).unwrap();
        let text = repository.blob(b"x").unwrap();
        let to = repository.blob(outside.as_os_str().as_bytes()).unwrap();
        let entry = |path: &str, id, mode| Entry { path: path.into(), id, mode };
        let listing = Listing {
            folders: vec![b"a".to_vec()],
            files: vec![entry("a/f", text, 0o100_644)],
            links: vec![entry("a", to, LINK)],
            ..Listing::default()
        };
        assert!(listing.write(&git_dir, &work, &Cancel::new()).is_err());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }
}
