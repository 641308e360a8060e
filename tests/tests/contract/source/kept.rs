//! Mirrors on the shelf: they go when nobody uses them, and their small packs become one.

use runner::disk::Shelf as _;
use runner::source::Mirrors;

use super::*;

fn packs(place: &Place) -> Vec<std::path::PathBuf> {
    let mirrors = fs::read_dir(&place.config.cache).unwrap().flatten().map(|entry| entry.path().join("objects/pack"));
    let packs = mirrors.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten().map(|entry| entry.path());
    packs.filter(|path| path.extension().is_some_and(|extension| extension == "pack")).collect()
}

#[tokio::test]
async fn many_small_packs_of_a_mirror_become_one_that_has_everything() {
    let server = GitServer::start(None).await;
    let work = WorkTree::of(&server.repository("app"));
    let (place, url) = (Place::new(), server.url("app"));
    let mirrors = Mirrors::at(place.config.cache.clone());
    let mut commits = Vec::new();
    for number in 0..21 {
        commits.push(work.write("a", format!("{number}\n")).commit(&format!("c{number}")));
        work.push();
        place.fetch_clean(&source(&url, None), &format!("out-{number}")).await;
        if number == 3 {
            assert_eq!(mirrors.consolidate().await.unwrap().packs, 0, "few packs stay");
        }
    }
    assert_eq!(packs(&place).len(), 21);
    let done = mirrors.consolidate().await.unwrap();
    assert_eq!((done.mirrors, done.packs, packs(&place).len()), (1, 21, 1));
    assert_eq!(mirrors.consolidate().await.unwrap().packs, 0);
    let _ = server.take_counts();
    for commit in [&commits[0], &commits[20]] {
        place.fetch_clean(&source(&url, Some(commit)), commit).await;
    }
    assert_eq!(server.take_counts(), (0, 0), "all objects are in the one pack");
    git(&place.path("out-5"), &["fsck", "--no-dangling"]);
}

#[tokio::test]
async fn a_mirror_tells_its_last_use_and_goes_unless_somebody_changes_it() {
    let server = GitServer::start(None).await;
    let work = WorkTree::of(&server.repository("app"));
    let commit = work.write("a", "1").commit("First");
    work.push();
    let (place, url) = (Place::new(), server.url("app"));
    let mirrors = Mirrors::at(place.config.cache.clone());
    assert!(mirrors.list().await.unwrap().is_empty());
    place.fetch_clean(&source(&url, None), "one").await;
    let name = mirrors.list().await.unwrap()[0].name.clone();
    let lock = fs::File::options().write(true).open(place.config.cache.join(format!("{name}.lock"))).unwrap();
    lock.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(mirrors.list().await.unwrap()[0].last_use.as_second(), 0);
    // A commit that is known is linked without a question, and is a use too.
    place.fetch_clean(&source(&url, Some(&commit)), "two").await;
    let kept = &mirrors.list().await.unwrap()[0];
    assert!(kept.last_use.as_second() > 0 && kept.bytes > 0 && !kept.in_use);
    lock.lock().unwrap();
    assert!(mirrors.list().await.unwrap()[0].in_use && !mirrors.remove(&name).await.unwrap());
    lock.unlock().unwrap();
    assert!(mirrors.remove(&name).await.unwrap() && mirrors.list().await.unwrap().is_empty());
    assert_eq!(git(&place.path("one"), &["log", "--format=%s"]), "First", "what was linked stays");
    place.fetch_clean(&source(&url, None), "three").await;
}
