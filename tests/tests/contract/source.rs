//! Contract suite: a revision into a folder, from a real Git server.

mod folder;
mod kept;
mod mirror;
mod signed;
mod ssh;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use pipeline_spec::plan::Source;
use runner::cancel::Cancel;
use runner::fault::{Fault, FaultKind};
use runner::progress::Progress;
use runner::source::codecommit::{Identities, Identity};
use runner::source::{Config, Revision, Revisions, Sources as _};
use runner::trust::Names;
use sluice_tests::git_server::{GitServer, WorkTree, git};

/// A machine's cache of mirrors, and a place for work folders.
struct Place {
    folder: tempfile::TempDir,
    config: Config,
    identities: Identities,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let cache = folder.path().join("mirrors");
        let config = Config { cache, pause: Duration::from_millis(1), ..Config::default() };
        Self { folder, config, identities: identities("key", "secret", None) }
    }

    async fn fetch(&self, source: &Source, into: &str) -> Result<Revision, Fault> {
        self.fetch_until(source, into, &Cancel::new()).await
    }

    async fn fetch_until(&self, source: &Source, into: &str, cancel: &Cancel) -> Result<Revision, Fault> {
        let revisions = Revisions::new(self.config.clone(), Arc::clone(&self.identities));
        revisions.fetch(source, &self.path(into), &Progress::silent(), cancel).await
    }

    /// Fetches what must be there, and checks that Git finds nothing to say about it.
    async fn fetch_clean(&self, source: &Source, into: &str) -> Revision {
        let revision = self.fetch(source, into).await.unwrap_or_else(|fault| panic!("{fault:?}"));
        assert_eq!(git(&self.path(into), &["status", "--porcelain"]), "");
        git(&self.path(into), &["fsck", "--no-dangling"]);
        revision
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

fn identities(key: &str, secret: &str, token: Option<&str>) -> Identities {
    let credentials = Credentials::new(key, secret, token.map(str::to_owned), None, "test");
    let identity = Identity { credentials, region: Some("eu-west-1".to_owned()) };
    Arc::new(move |_| {
        let identity = identity.clone();
        Box::pin(async move { Ok(identity) })
    })
}

fn source(url: &str, reference: Option<&str>) -> Source {
    Source::Git { url: url.to_owned(), reference: reference.map(str::to_owned), depth: None, submodules: false }
}

/// What is wrong, in one line.
fn said(result: Result<Revision, Fault>) -> String {
    match result {
        Ok(revision) => panic!("fetched {revision:?}"),
        Err(fault) => format!("{:?}: {} ({})", fault.kind, fault.message, fault.hint.unwrap_or_default()),
    }
}

/// Every path of a folder with its mode and what is in it, but for Git's own folder.
fn listing(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).unwrap_or_else(|error| panic!("{}: {error}", at.display())).flatten() {
            let path = entry.path();
            let Ok(stat) = fs::symlink_metadata(&path) else { continue };
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            if stat.is_dir() && name != ".git" {
                open.push(path.clone());
            }
            let content = match stat.is_symlink() {
                true => fs::read_link(&path).map(|to| to.display().to_string()).unwrap_or_default(),
                false => String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned(),
            };
            if name != ".git" {
                lines.push(format!("{name} {:o} {content}", stat.permissions().mode()));
            }
        }
    }
    lines.sort();
    lines
}

#[tokio::test]
async fn a_branch_a_tag_a_commit_and_head_are_found() {
    let server = GitServer::start(None).await;
    let work = WorkTree::of(&server.repository("app"));
    let first = work.write("a", "1").commit("First\n\nMore.");
    work.git(&["tag", "-a", "v1", "-m", "one"]);
    work.git(&["checkout", "-q", "-b", "feature/login"]);
    let second = work.write("a", "2").commit("Second");
    work.git(&["checkout", "-q", "main"]);
    work.push();
    let (place, url) = (Place::new(), server.url("app"));
    for (into, reference, commit, branch) in [
        ("head", None, &first, Some("main")),
        ("branch", Some("feature/login"), &second, Some("feature/login")),
        ("full", Some("refs/heads/main"), &first, Some("main")),
        ("tag", Some("v1"), &first, None),
        ("commit", Some(second.as_str()), &second, None),
    ] {
        let revision = place.fetch_clean(&source(&url, reference), into).await;
        assert_eq!((revision.commit.as_ref(), revision.branch.as_deref()), (Some(commit), branch), "{into}");
        assert_eq!((revision.author.as_deref(), &revision.repository), (Some("Ann <ann@example.org>"), &url));
        let folder = place.path(into);
        assert_eq!(&git(&folder, &["rev-parse", "HEAD"]), commit);
        assert_eq!(git(&folder, &["rev-parse", "--abbrev-ref", "HEAD"]), "HEAD");
        assert_eq!(git(&folder, &["describe", "--tags", &first]), "v1");
        assert_eq!(git(&folder, &["rev-parse", "origin/feature/login"]), second);
        let about = git(&folder, &["for-each-ref", "--contains", "HEAD", "--format=%(refname:short)"]);
        assert!(branch.is_none_or(|branch| about.lines().any(|line| line == branch)), "{into}: {about}");
    }
    assert_eq!(place.fetch(&source(&url, Some("v1")), "t2").await.unwrap().message.as_deref(), Some("First"));
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_is() {
    let server = GitServer::start(None).await;
    let work = WorkTree::of(&server.repository("app"));
    work.commit("First");
    work.push();
    let _ = server.repository("empty");
    let (place, url) = (Place::new(), server.url("app"));
    assert!(said(place.fetch(&source(&url, Some("mian")), "a").await).ends_with("(there is `main`)"));
    let absent = "1".repeat(40);
    assert!(said(place.fetch(&source(&url, Some(&absent)), "b").await).starts_with("Revision"));
    let empty = said(place.fetch(&source(&server.url("empty"), None), "c").await);
    assert!(empty.contains("the repository is empty"), "{empty}");
    let nowhere = said(place.fetch(&source(&server.url("none"), None), "d").await);
    assert!(nowhere.starts_with("Configuration") && nowhere.contains("does not exist"), "{nowhere}");
    let refused = said(place.fetch(&source("http://127.0.0.1:1/x", None), "e").await);
    assert!(refused.starts_with("System"), "{refused}");
    let path = said(place.fetch(&source("/nowhere/at/all", None), "f").await);
    assert!(path.starts_with("Configuration"), "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_links_and_content_are_those_that_git_writes() {
    let server = GitServer::start(None).await;
    let work = WorkTree::of(&server.repository("app"));
    work.write("run.sh", "#!/bin/sh\n").write("dir/with space/é", "x").write("empty", "").write("crlf", "a\r\nb\r\n");
    fs::set_permissions(work.path().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", work.path().join("outside")).unwrap();
    std::os::unix::fs::symlink("dir", work.path().join("inside")).unwrap();
    for number in 0..200 {
        work.write(&format!("many/{}/{number}", number % 7), format!("{number}\n"));
    }
    work.commit("All");
    work.git(&["checkout", "-q", "-b", "filtered"]);
    work.write(".gitattributes", "*.bat text eol=crlf\nid ident\n").write("x.bat", "a\nb\n").write("id", "$Id$\n");
    work.commit("Filters");
    work.push();
    let place = Place::new();
    for branch in ["main", "filtered"] {
        place.fetch_clean(&source(&server.url("app"), Some(branch)), branch).await;
        let (theirs, folder) = (format!("git-{branch}"), place.path(""));
        git(&folder, &["clone", "-q", "-b", branch, &server.url("app"), &theirs]);
        assert_eq!(listing(&place.path(branch)), listing(&place.path(&theirs)), "{branch}");
        assert_eq!(git(&place.path(branch), &["ls-files", "-s"]), git(&place.path(&theirs), &["ls-files", "-s"]));
    }
}

#[tokio::test]
async fn a_depth_hides_older_history_as_a_shallow_clone_does() {
    let server = GitServer::start(None).await;
    let work = WorkTree::of(&server.repository("app"));
    for number in 0..5 {
        work.write("a", number.to_string()).commit(&format!("c{number}"));
        work.git(&["tag", &format!("t{number}")]);
    }
    work.push();
    let place = Place::new();
    let url = server.url("app");
    let source =
        Source::Git { url: url.clone(), reference: Some("main".to_owned()), depth: Some(2), submodules: false };
    place.fetch_clean(&source, "shallow").await;
    let folder = place.path("shallow");
    assert_eq!(git(&folder, &["log", "--format=%s"]), "c4\nc3");
    assert_eq!(git(&folder, &["tag"]), "t3\nt4");
    assert_eq!(git(&folder, &["rev-parse", "--is-shallow-repository"]), "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn submodules_come_with_relative_addresses_and_theirs() {
    let server = GitServer::start(None).await;
    let library = WorkTree::of(&server.repository("library"));
    library.write("deep.txt", "deep").commit("Library");
    library.push();
    let middle = WorkTree::of(&server.repository("middle"));
    middle.commit("Start");
    middle.git(&["submodule", "--quiet", "add", "-b", "main", &server.url("library"), "vendor/library"]);
    middle.git(&["config", "-f", ".gitmodules", "submodule.vendor/library.url", "../library"]);
    middle.commit("Middle");
    middle.push();
    let app = WorkTree::of(&server.repository("app"));
    app.commit("Start");
    app.git(&["submodule", "--quiet", "add", "--name", "mid", &server.url("middle"), "lib"]);
    app.commit("App");
    app.push();
    let place = Place::new();
    let with = |submodules| Source::Git { url: server.url("app"), reference: None, depth: None, submodules };
    place.fetch_clean(&with(true), "with").await;
    let folder = place.path("with");
    assert_eq!(fs::read_to_string(folder.join("lib/vendor/library/deep.txt")).unwrap(), "deep");
    let status = git(&folder, &["submodule", "status", "--recursive"]);
    assert!(status.lines().count() == 2 && status.lines().all(|line| line.starts_with(' ')), "{status}");
    assert_eq!(git(&folder.join("lib/vendor/library"), &["log", "--format=%s"]), "Library");
    place.fetch_clean(&with(false), "without").await;
    assert_eq!(fs::read_dir(place.path("without/lib")).unwrap().count(), 0);
    // A list of repositories binds submodules, too.
    let allowed = Names::new(&[server.url("app"), server.url("middle")]).unwrap();
    let revisions = Revisions::new(place.config.clone(), Arc::clone(&place.identities)).of_repositories(allowed);
    let fetched = revisions.fetch(&with(true), &place.path("bound"), &Progress::silent(), &Cancel::new()).await;
    assert!(said(fetched).contains(&format!("this worker may not use the repository {}", server.url("library"))));
}

#[tokio::test]
async fn a_folder_with_somebodys_files_is_left_alone_and_an_unfinished_one_is_done_anew() {
    let server = GitServer::start(None).await;
    let work = WorkTree::of(&server.repository("app"));
    work.write("a", "1").commit("First");
    work.push();
    let place = Place::new();
    let wish = source(&server.url("app"), None);
    fs::create_dir(place.path("theirs")).unwrap();
    fs::write(place.path("theirs/file"), "mine").unwrap();
    let full = place.fetch(&wish, "theirs").await.unwrap_err();
    assert_eq!(full.kind, FaultKind::Configuration);
    assert_eq!(fs::read_to_string(place.path("theirs/file")).unwrap(), "mine");
    let missing = source(&server.url("app"), Some("nowhere"));
    assert!(place.fetch(&missing, "again").await.is_err());
    fs::write(place.path("again/left-over"), "x").unwrap();
    place.fetch_clean(&wish, "again").await;
}
