//! Leases on a real disk; a process that dies is a lease whose lock is let go while its mark stays.

use super::*;

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

#[test]
fn a_build_of_a_killed_runner_keeps_its_slot_for_whoever_adopts_it() {
    let (_root, cache) = cache();
    let lost = lease(&cache, &key("billing"), "run-1");
    fill(&lost, "half-written");
    lost.leave_to_successor();
    assert_eq!(contents(&lease(&cache, &key("billing"), "run-2")), Vec::<String>::new());
    cache.trim(0).unwrap();
    let adopted = lease(&cache, &key("billing"), "run-1");
    assert_eq!(contents(&adopted), ["half-written"]);
    let fault = cache.lease(&key("billing"), &Directories::default(), "run-1").unwrap_err();
    assert_eq!(fault.message, "the cache of run-1 is in use by another process");
    adopted.leave_to_successor();
    cache.forget("run-1").unwrap();
    assert_eq!(contents(&lease(&cache, &key("billing"), "run-3")), Vec::<String>::new());
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

#[test]
fn trimming_removes_what_was_not_used_for_longest_and_never_a_leased_slot() {
    let (_root, cache) = cache();
    for project in ["old", "new", "leased"] {
        fill(&lease(&cache, &key(project), "run-1"), "a.jar");
    }
    let used = |project: &str, seconds: u64| {
        let lock = cache.root.join(key(project).folder()).join("slot-0.lock");
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        std::fs::File::options().write(true).open(lock).unwrap().set_modified(time).unwrap();
    };
    used("old", 1000);
    used("new", 2000);
    let leased = lease(&cache, &key("leased"), "run-2");
    used("leased", 500);
    let all = cache.trim(u64::MAX).unwrap();
    assert_eq!((all.removed, all.kept % 3), (0, 0));
    let trimmed = cache.trim(all.kept - 1).unwrap();
    assert_eq!(trimmed, Trimmed { kept: all.kept / 3 * 2, removed: all.kept / 3 });
    assert_eq!(contents(&leased), ["a.jar"]);
    assert_eq!(contents(&lease(&cache, &key("new"), "run-3")), ["a.jar"]);
    assert!(lease(&cache, &key("old"), "run-3").directories()[0].is_empty);
    assert_eq!(cache.trim(0).unwrap().kept, all.kept / 3, "only the leased one is left");
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
