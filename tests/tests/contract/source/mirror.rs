//! The mirror: what is not asked for twice, and what it survives.

use runner::cancel::Reason;

use super::*;

struct Setting {
    server: GitServer,
    work: WorkTree,
    place: Place,
    url: String,
}

async fn setting() -> Setting {
    let server = GitServer::start(None).await;
    let work = WorkTree::of(&server.repository("app"));
    // Content that does not compress, so that a pack has a middle to be cut in.
    let noise: Vec<u8> = (0_u32..20_000).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    work.write("noise", noise).write("a", "1").commit("First");
    work.push();
    let url = server.url("app");
    Setting { server, work, place: Place::new(), url }
}

fn mirror(place: &Place) -> std::path::PathBuf {
    let entries = fs::read_dir(&place.config.cache).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut mirrors: Vec<_> = entries.filter(|path| path.extension().is_some_and(|it| it == "git")).collect();
    assert_eq!(mirrors.len(), 1, "{mirrors:?}");
    mirrors.remove(0)
}

#[tokio::test]
async fn a_second_clone_brings_nothing_and_a_known_commit_asks_nobody() {
    let Setting { server, place, url, .. } = setting().await;
    let first = place.fetch_clean(&source(&url, None), "one").await;
    assert_eq!(server.take_counts().1, 1);
    place.fetch_clean(&source(&url, Some("main")), "two").await;
    assert_eq!(server.take_counts(), (1, 0), "one question, no pack");
    place.fetch_clean(&source(&url, first.commit.as_deref()), "three").await;
    assert_eq!(server.take_counts(), (0, 0), "no question at all");
    assert_eq!(listing(&place.path("one")), listing(&place.path("three")));
}

#[tokio::test]
async fn a_branch_that_moved_is_followed_and_one_pushed_by_force_too() {
    let Setting { server: _server, work, place, url } = setting().await;
    place.fetch_clean(&source(&url, Some("main")), "one").await;
    let second = work.write("a", "2").commit("Second");
    work.push();
    let revision = place.fetch_clean(&source(&url, Some("main")), "two").await;
    assert_eq!(revision.commit, Some(second.clone()));
    work.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let third = work.write("a", "3").commit("Third");
    work.push();
    let revision = place.fetch_clean(&source(&url, Some("main")), "three").await;
    assert_eq!((revision.commit, fs::read_to_string(place.path("three/a")).unwrap()), (Some(third), "3".to_owned()));
    let revision = place.fetch_clean(&source(&url, Some(&second)), "four").await;
    assert_eq!(revision.commit, Some(second), "a commit that no branch has is still in the mirror");
}

#[tokio::test]
async fn a_branch_may_become_a_folder_of_branches() {
    let Setting { server: _server, work, place, url } = setting().await;
    work.git(&["checkout", "-q", "-b", "topic"]);
    work.push();
    place.fetch_clean(&source(&url, Some("topic")), "one").await;
    work.git(&["push", "-q", "origin", ":topic"]);
    work.git(&["branch", "-m", "topic", "topic/one"]);
    work.push();
    place.fetch_clean(&source(&url, Some("topic/one")), "two").await;
    assert!(said(place.fetch(&source(&url, Some("topic")), "three").await).contains("`topic/one`"));
}

#[tokio::test]
async fn a_commit_that_no_branch_has_is_asked_for_by_itself() {
    let Setting { server, work, place, url } = setting().await;
    work.git(&["checkout", "-q", "-b", "gone"]);
    let lone = work.write("a", "lone").commit("Lone");
    work.push();
    work.git(&["push", "-q", "origin", ":gone"]);
    let refused = place.fetch(&source(&url, Some(&lone)), "refused").await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Revision, "{refused:?}");
    git(&server.repository("app"), &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let revision = place.fetch_clean(&source(&url, Some(&lone)), "allowed").await;
    assert_eq!(revision.commit, Some(lone));
}

#[tokio::test]
async fn two_at_once_share_one_mirror() {
    let Setting { server, place, url, .. } = setting().await;
    let (wish, other) = (source(&url, None), source(&url, Some("main")));
    let (one, two, three) = tokio::join!(place.fetch(&wish, "1"), place.fetch(&wish, "2"), place.fetch(&other, "3"));
    assert_eq!((one.unwrap().commit, two.unwrap().commit.is_some()), (three.unwrap().commit, true));
    assert_eq!(server.take_counts().1, 1, "one pack for all");
    mirror(&place);
}

#[tokio::test]
async fn a_mirror_that_is_locked_for_too_long_is_done_without() {
    let Setting { server, mut place, url, .. } = setting().await;
    place.fetch_clean(&source(&url, None), "one").await;
    place.config.lock_wait = Duration::ZERO;
    let lock = fs::File::open(mirror(&place).with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let _ = server.take_counts();
    place.fetch_clean(&source(&url, Some("main")), "two").await;
    assert_eq!(server.take_counts().1, 1);
    mirror(&place);
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_is_made_again() {
    let Setting { server, mut place, url, .. } = setting().await;
    server.cut(2);
    place.fetch_clean(&source(&url, None), "one").await;
    assert_eq!(server.take_counts().1, 3);
    let fresh = Place::new();
    place.config = Config { tries: 2, ..fresh.config.clone() };
    server.cut(2);
    let said = said(place.fetch(&source(&url, None), "two").await);
    assert!(said.starts_with("System"), "{said}");
}

#[tokio::test]
async fn a_stop_ends_a_fetch_that_hears_nothing() {
    let Setting { server, place, url, .. } = setting().await;
    server.hang(1);
    let cancel = Cancel::new();
    let wish = source(&url, None);
    let stop = async {
        // The request has reached the server before the stop is asked for.
        while server.take_counts().1 == 0 {
            tokio::task::yield_now().await;
        }
        cancel.request(Reason::Stopped);
    };
    let (fetched, ()) = tokio::join!(place.fetch_until(&wish, "one", &cancel), stop);
    assert_eq!(fetched.unwrap_err().kind, FaultKind::Stopped);
    place.fetch_clean(&wish, "one").await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_asked_again() {
    let Setting { server, mut place, url, .. } = setting().await;
    server.hang(1);
    place.config.silence = Duration::from_millis(500);
    place.fetch_clean(&source(&url, None), "one").await;
    assert_eq!(server.take_counts().1, 2);
}

#[tokio::test]
async fn a_damaged_mirror_is_made_anew() {
    let Setting { server: _server, place, url, .. } = setting().await;
    place.fetch_clean(&source(&url, None), "0").await;
    let packs = |suffix: &str| -> Vec<std::path::PathBuf> {
        let entries = fs::read_dir(mirror(&place).join("objects/pack")).unwrap().flatten().map(|entry| entry.path());
        entries.filter(|path| path.to_string_lossy().ends_with(suffix)).collect()
    };
    let overwrite = |path: &Path, keep: u64| {
        // A new file in its place: the old one is linked into the folders that are out already.
        let text = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        fs::write(path, &text[..usize::try_from(keep).unwrap()]).unwrap();
    };
    type Damage<'a> = Box<dyn Fn() + 'a>;
    let damage: [(&str, Damage<'_>); 5] = [
        ("short pack", Box::new(|| packs(".pack").iter().for_each(|path| overwrite(path, 700)))),
        ("empty index", Box::new(|| packs(".idx").iter().for_each(|path| overwrite(path, 0)))),
        ("no pack", Box::new(|| packs(".pack").iter().for_each(|path| fs::remove_file(path).unwrap()))),
        ("no head", Box::new(|| fs::remove_file(mirror(&place).join("HEAD")).unwrap())),
        ("bad config", Box::new(|| fs::write(mirror(&place).join("config"), "[core\n").unwrap())),
    ];
    for (what, damage) in damage {
        damage();
        let revision = place.fetch(&source(&url, Some("main")), what).await;
        revision.unwrap_or_else(|fault| panic!("{what}: {fault:?}"));
        assert_eq!(git(&place.path(what), &["status", "--porcelain"]), "", "{what}");
    }
}

#[tokio::test]
async fn what_a_build_changes_in_its_objects_is_found_by_the_next() {
    let Setting { server: _server, place, url, .. } = setting().await;
    let first = place.fetch_clean(&source(&url, None), "one").await;
    let pack = fs::read_dir(place.path("one/.git/objects/pack")).unwrap().flatten().map(|entry| entry.path());
    let pack = pack.into_iter().find(|path| path.extension().is_some_and(|it| it == "pack")).unwrap();
    let mut text = fs::read(&pack).unwrap();
    let middle = text.len() / 2;
    text[middle] ^= 0xff;
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&pack, text).unwrap();
    place.fetch_clean(&source(&url, first.commit.as_deref()), "two").await;
}
