//! Leases on a real disk; a process that dies is a lease whose lock is let go while its mark stays.

use super::*;
use crate::disk::Shelf as _;

fn cache() -> (tempfile::TempDir, LocalCache) {
    let root = tempfile::tempdir().unwrap();
    let cache = LocalCache::at(root.path().join("caches"));
    (root, cache)
}

fn key(project: &str) -> CacheKey {
    CacheKey { project: project.into(), trust: Trust::Trusted, paths: vec!["/root/.m2/**/*".into()] }
}

fn lease(cache: &LocalCache, key: &CacheKey, holder: &str) -> Lease {
    cache.lease(key, &directories(&key.paths, "/src"), holder).unwrap()
}

/// Writes a file of a kilobyte into the lease's first directory.
fn fill(lease: &Lease, name: &str) {
    std::fs::write(lease.directories()[0].host.join(name), [0; 1024]).unwrap();
}

fn contents(lease: &Lease) -> Vec<String> {
    let entries = std::fs::read_dir(&lease.directories()[0].host).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Sets the last use of a project's first slot, in seconds since 1970.
fn used(cache: &LocalCache, project: &str, seconds: u64) {
    let lock = cache.root.join(key(project).folder()).join("slot-0.lock");
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    std::fs::File::options().write(true).open(lock).unwrap().set_modified(time).unwrap();
}

#[test]
fn the_next_build_finds_what_the_last_one_left() {
    let (_root, cache) = cache();
    let first = lease(&cache, &key("billing"), "run-1");
    assert_eq!(first.directories()[0].container, "/root/.m2");
    assert!(first.directories()[0].is_empty);
    fill(&first, "a.jar");
    drop(first);
    let second = lease(&cache, &key("billing"), "run-2");
    assert_eq!((contents(&second), second.directories()[0].is_empty), (vec!["a.jar".to_owned()], false));
}

#[test]
fn two_builds_at_once_never_share_a_slot() {
    let (_root, cache) = cache();
    let first = lease(&cache, &key("billing"), "run-1");
    fill(&first, "a.jar");
    let second = lease(&cache, &key("billing"), "run-2");
    assert_eq!(contents(&second), Vec::<String>::new());
    drop(first);
    assert_eq!(contents(&lease(&cache, &key("billing"), "run-3")), ["a.jar"]);
}

#[tokio::test]
async fn a_build_of_a_killed_runner_keeps_its_slot_for_whoever_adopts_it() {
    let (_root, cache) = cache();
    let lost = lease(&cache, &key("billing"), "run-1");
    fill(&lost, "half-written");
    lost.leave_to_successor();
    assert_eq!(contents(&lease(&cache, &key("billing"), "run-2")), Vec::<String>::new());
    let marked = &cache.list().await.unwrap()[0];
    assert!(marked.in_use && !cache.remove(&marked.name).await.unwrap());
    let adopted = lease(&cache, &key("billing"), "run-1");
    assert_eq!(contents(&adopted), ["half-written"]);
    let fault = cache.lease(&key("billing"), &Directories::default(), "run-1").unwrap_err();
    assert_eq!(fault.message, "the cache of run-1 is in use by another process");
    adopted.leave_to_successor();
    // After two days nobody comes back any more.
    used(&cache, "billing", 1000);
    assert!(cache.remove(&marked.name).await.unwrap());
    assert_eq!(contents(&lease(&cache, &key("billing"), "run-3")), Vec::<String>::new());
}

#[test]
fn a_slot_whose_build_nobody_comes_back_for_is_leased_again() {
    let (_root, cache) = cache();
    for (project, let_go) in [("released", 0), ("old", 1), ("broken", 2)] {
        let lost = lease(&cache, &key(project), "run-1");
        fill(&lost, "a.jar");
        let mark = lost.directories()[0].host.parent().unwrap().with_extension("holder");
        lost.leave_to_successor();
        match let_go {
            0 => cache.release("run-1").unwrap(),
            1 => used(&cache, project, 1000),
            _ => std::fs::write(mark, "").unwrap(),
        }
        assert_eq!(contents(&lease(&cache, &key(project), "run-2")), ["a.jar"], "{project}");
    }
}

#[test]
fn project_paths_and_trust_each_make_another_cache() {
    let (_root, cache) = cache();
    fill(&lease(&cache, &key("billing"), "run-1"), "a.jar");
    let mut others = [key("billing"), key("billing"), key("Billing")];
    others[0].trust = Trust::Untrusted;
    others[1].paths.push("/root/.npm/**/*".into());
    for other in others {
        assert_eq!(contents(&lease(&cache, &other, "run-2")), Vec::<String>::new(), "{other:?}");
    }
}

#[test]
fn a_broken_slot_can_be_dropped() {
    let (_root, cache) = cache();
    let broken = lease(&cache, &key("billing"), "run-1");
    fill(&broken, "a.jar");
    broken.discard().unwrap();
    assert!(lease(&cache, &key("billing"), "run-2").directories()[0].is_empty);
}

#[tokio::test]
async fn a_slot_tells_its_last_use_and_goes_unless_it_is_leased() {
    let (_root, cache) = cache();
    for project in ["old", "new", "leased"] {
        fill(&lease(&cache, &key(project), "run-1"), "a.jar");
    }
    used(&cache, "old", 1000);
    used(&cache, "new", 2000);
    let leased = lease(&cache, &key("leased"), "run-2");
    used(&cache, "leased", 500);
    let mut listed = cache.list().await.unwrap();
    listed.sort_by_key(|kept| kept.last_use);
    let shown: Vec<_> = listed.iter().map(|kept| (kept.last_use.as_second(), kept.in_use, kept.bytes > 0)).collect();
    assert_eq!(shown, [(500, true, true), (1000, false, true), (2000, false, true)]);
    assert!(!cache.remove(&listed[0].name).await.unwrap());
    assert!(cache.remove(&listed[1].name).await.unwrap() && cache.remove(&listed[1].name).await.unwrap());
    assert_eq!(cache.list().await.unwrap().len(), 2);
    assert_eq!(contents(&leased), ["a.jar"]);
    assert_eq!(contents(&lease(&cache, &key("new"), "run-3")), ["a.jar"]);
    assert!(lease(&cache, &key("old"), "run-3").directories()[0].is_empty);
}

#[test]
fn many_builds_at_once_each_get_a_slot_of_their_own() {
    let (_root, cache) = cache();
    let leases: Vec<Lease> = std::thread::scope(|scope| {
        let start = |number: usize| {
            let cache = cache.clone();
            scope.spawn(move || lease(&cache, &key("billing"), &format!("run-{number}")))
        };
        let threads: Vec<_> = (0..16).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let hosts: std::collections::BTreeSet<_> = leases.iter().map(|lease| lease.directories()[0].host.clone()).collect();
    assert_eq!(hosts.len(), 16);
}
