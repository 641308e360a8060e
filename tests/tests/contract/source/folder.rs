//! A local folder: what Git would see in it, and nothing else.

use std::os::unix::fs::symlink;

use super::*;

fn of(path: &Path) -> Source {
    Source::Folder { path: path.display().to_string() }
}

/// A work tree with a bit of everything, committed.
fn committed() -> (tempfile::TempDir, WorkTree, String) {
    let remote = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    let work = WorkTree::of(remote.path());
    work.write("kept", "1").write("changed", "1").write("deleted", "1").write(".gitignore", "target/\n*.log\n");
    work.write("target/.keep", "tracked although ignored").write(".hidden/file", "h");
    work.git(&["add", "-f", "target/.keep"]);
    let commit = work.commit("First");
    (remote, work, commit)
}

#[tokio::test]
async fn a_clean_work_tree_comes_as_it_is() {
    let (_remote, work, commit) = committed();
    let place = Place::new();
    let revision = place.fetch_clean(&of(&work.path()), "out").await;
    let expected = Revision {
        commit: Some(commit),
        branch: Some("main".to_owned()),
        message: Some("First".to_owned()),
        author: Some("Ann <ann@example.org>".to_owned()),
        repository: work.path().canonicalize().unwrap().display().to_string(),
        dirty: false,
    };
    assert_eq!(revision, expected);
    assert_eq!(listing(&place.path("out")), listing(&work.path()));
    assert_eq!(git(&place.path("out"), &["log", "--format=%s"]), "First");
}

#[tokio::test]
async fn uncommitted_work_comes_along_and_what_is_ignored_does_not() {
    let (_remote, work, commit) = committed();
    work.write("changed", "2").write("new/file", "n").write("target/big.o", "o").write("x.log", "l").write(".env", "e");
    work.write(".ignore", "kept\n");
    fs::remove_file(work.path().join("deleted")).unwrap();
    let place = Place::new();
    let revision = place.fetch(&of(&work.path()), "out").await.unwrap();
    assert!(revision.dirty && revision.commit == Some(commit));
    let out = place.path("out");
    assert_eq!(git(&out, &["status", "--porcelain"]), git(&work.path(), &["status", "--porcelain"]));
    let read = |name: &str| fs::read_to_string(out.join(name)).ok();
    assert_eq!(read("changed").as_deref(), Some("2"));
    assert_eq!(read("target/.keep").as_deref(), Some("tracked although ignored"));
    for (name, there) in [
        ("kept", true),
        (".env", true),
        ("new/file", true),
        ("deleted", false),
        ("x.log", false),
        ("target/big.o", false),
    ] {
        assert_eq!(out.join(name).exists(), there, "{name}");
    }
}

#[tokio::test]
async fn links_are_copied_as_links_and_never_followed() {
    let (_remote, work, _) = committed();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "s").unwrap();
    symlink(outside.path(), work.path().join("folder-outside")).unwrap();
    symlink(outside.path().join("secret"), work.path().join("file-outside")).unwrap();
    symlink("nowhere", work.path().join("dangling")).unwrap();
    // A tracked folder that has become a link: what lies behind it is not the tree's.
    fs::remove_dir_all(work.path().join(".hidden")).unwrap();
    symlink(outside.path(), work.path().join(".hidden")).unwrap();
    fs::write(outside.path().join("file"), "not ours").unwrap();
    let place = Place::new();
    place.fetch(&of(&work.path()), "out").await.unwrap();
    assert_eq!(listing(&place.path("out")), listing(&work.path()));
    assert!(place.path("out/folder-outside").is_symlink() && place.path("out/.hidden").is_symlink());
}

#[tokio::test]
async fn a_build_that_changes_its_copy_changes_nothing_of_the_users() {
    let (_remote, work, _) = committed();
    let place = Place::new();
    place.fetch(&of(&work.path()), "out").await.unwrap();
    let inodes = |folder: &Path| -> Vec<u64> {
        use std::os::unix::fs::MetadataExt as _;
        let mut open = vec![folder.join(".git/objects")];
        let mut inodes = Vec::new();
        while let Some(at) = open.pop() {
            for entry in fs::read_dir(at).unwrap().flatten() {
                let stat = entry.metadata().unwrap();
                if stat.is_dir() { open.push(entry.path()) } else { inodes.push(stat.ino()) }
            }
        }
        inodes
    };
    let theirs = inodes(&place.path("out"));
    assert!(!theirs.is_empty() && inodes(&work.path()).iter().all(|inode| !theirs.contains(inode)));
}

#[tokio::test]
async fn a_folder_that_was_fetched_is_copied_with_its_objects_linked_and_without_a_mirror() {
    use std::os::unix::fs::MetadataExt as _;
    let (_remote, work, _) = committed();
    work.write("changed", "2").write("new", "n");
    let place = Place::new();
    place.fetch(&of(&work.path()), "fetched").await.unwrap();
    let mirrors = || fs::read_dir(&place.config.cache).unwrap().count();
    let before = mirrors();
    let revisions = Revisions::new(place.config.clone(), Arc::clone(&place.identities));
    let (fetched, own) = (place.path("fetched"), place.path("own"));
    revisions.copy(&fetched, &own, &Progress::silent(), &Cancel::new()).await.unwrap();
    assert_eq!(mirrors(), before);
    assert_eq!(listing(&own), listing(&fetched));
    assert_eq!(git(&own, &["status", "--porcelain"]), git(&fetched, &["status", "--porcelain"]));
    let head = git(&own, &["rev-parse", "HEAD"]);
    let object = format!(".git/objects/{}/{}", &head[..2], &head[2..]);
    let inode = |folder: &Path| fs::metadata(folder.join(&object)).unwrap().ino();
    assert_eq!(inode(&own), inode(&fetched));
    assert_ne!(fs::metadata(own.join("new")).unwrap().ino(), fs::metadata(fetched.join("new")).unwrap().ino());
}

#[tokio::test]
async fn a_plain_folder_is_copied_whole_and_its_state_within_it_is_not() {
    let mut place = Place::new();
    let root = place.path("root");
    fs::create_dir_all(root.join("sub/empty")).unwrap();
    fs::write(root.join(".gitignore"), "x\n").unwrap();
    fs::write(root.join("x"), "not a work tree, so nothing is ignored").unwrap();
    fs::write(root.join("run"), "").unwrap();
    fs::set_permissions(root.join("run"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::set_permissions(root.join("sub"), fs::Permissions::from_mode(0o500)).unwrap();
    nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    place.config.base = root.clone();
    place.config.cache = root.join("state/mirrors");
    let revision = place.fetch(&Source::Folder { path: ".".to_owned() }, "root/state/work/out").await.unwrap();
    assert_eq!((revision.commit, revision.dirty), (None, false));
    let copied = listing(&root.join("state/work/out"));
    let names: Vec<_> = copied.iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        ".gitignore 100644",
        "run 100750",
        "state 40755",
        "state/work 40755",
        "sub 40500",
        "sub/empty 40755",
        "x 100644",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_linked_work_tree_is_one_too() {
    let (_remote, work, commit) = committed();
    let place = Place::new();
    let linked = place.path("linked").display().to_string();
    work.git(&["worktree", "add", "-q", "-b", "side", &linked]);
    let revision = place.fetch_clean(&of(linked.as_ref()), "out").await;
    assert_eq!((revision.commit, revision.branch.as_deref()), (Some(commit), Some("side")));
}

#[tokio::test]
async fn a_folder_without_a_commit_or_that_is_not_there_is_told() {
    let place = Place::new();
    let work = WorkTree::of(Path::new("/nowhere"));
    work.write("a", "1");
    let revision = place.fetch(&of(&work.path()), "unborn").await.unwrap();
    assert_eq!((revision.commit, revision.dirty), (None, true));
    let said = said(place.fetch(&of(Path::new("/nowhere/at/all")), "absent").await);
    assert!(said.starts_with("Configuration: source folder /nowhere/at/all"), "{said}");
}
