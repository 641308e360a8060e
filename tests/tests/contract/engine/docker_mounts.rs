//! Mounted folders: they come back to their owner however a sandbox ends, and new caches begin with what the image has.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use runner::engine::{Ending, Mount, SandboxSpec, Stop, What};

use super::bench::{Bench, HANGS, program, section};

in_both_ways!(
    mounted_folders_come_back_to_their_owner,
    folders_of_a_destroyed_sandbox_come_back_to_their_owner,
    folders_of_a_running_sandbox_whose_runner_died_come_back_when_its_run_is_swept_up,
);

const DIRECTORY: &str = "/codebuild/output/src1/src";
const OWNER: (u32, u32) = (1234, 1234);

fn mount(host: &Path, container: &str) -> Mount {
    Mount { host: host.to_owned(), container: container.to_owned(), read_only: false, seeded: false }
}

/// A sandbox of these steps in a folder of somebody who is not root.
fn owned(bench: &Bench, steps: &[&str]) -> (SandboxSpec, PathBuf) {
    let source = bench.folder().join("source");
    std::fs::create_dir(&source).unwrap();
    std::os::unix::fs::chown(&source, Some(OWNER.0), Some(OWNER.1)).unwrap();
    let mut spec = bench.spec("a", program(vec![section(steps)]));
    spec.program.directory = DIRECTORY.to_owned();
    spec.mounts = vec![mount(&source, DIRECTORY)];
    spec.owner = Some(OWNER);
    (spec, source)
}

fn is_theirs(path: &Path) -> bool {
    let metadata = path.symlink_metadata().unwrap();
    (metadata.uid(), metadata.gid()) == OWNER
}

const MAKES: &str = "mkdir -p 'a b/c'; echo x >'a b/c/file'; ln -s /etc/passwd link";
const MADE: [&str; 4] = ["a b", "a b/c", "a b/c/file", "link"];

async fn mounted_folders_come_back_to_their_owner(bench: &Bench) {
    let (spec, source) = owned(bench, &[MAKES]);
    bench.transcript(&spec).await;
    assert!(MADE.iter().all(|path| is_theirs(&source.join(path))));
    bench.finish().await;
}

async fn folders_of_a_destroyed_sandbox_come_back_to_their_owner(bench: &Bench) {
    let (spec, source) = owned(bench, &[MAKES, HANGS]);
    let mut follower = bench.start_and_follow(&spec).await;
    follower.until(|what| matches!(what, What::StepStarted { step: 1, .. })).await;
    bench.engine().stop(&spec.key, Stop::Destroy).await.unwrap();
    assert!(matches!(follower.end().await, Ending::Died { .. }));
    // Folders of a warm sandbox come back as soon as it is known to have died.
    assert!(bench.is_warm() || !is_theirs(&source.join("link")));
    bench.sandboxes().destroy(&spec.key.run, Some(&spec.key.name)).await.unwrap();
    assert!(MADE.iter().all(|path| is_theirs(&source.join(path))));
    assert!(is_theirs(&spec.records.join("output")));
    bench.finish().await;
}

async fn folders_of_a_running_sandbox_whose_runner_died_come_back_when_its_run_is_swept_up(bench: &Bench) {
    let (spec, source) = owned(bench, &[MAKES, HANGS]);
    let mut follower = bench.start_and_follow(&spec).await;
    follower.until(|what| matches!(what, What::StepStarted { step: 1, .. })).await;
    drop(follower);
    bench.another().sandboxes().destroy(&spec.key.run, None).await.unwrap();
    assert!(MADE.iter().all(|path| is_theirs(&source.join(path))));
    bench.finish().await;
}

#[tokio::test]
async fn a_new_cache_begins_with_what_the_image_has_there_and_keeps_what_builds_leave() {
    let bench = Bench::in_docker().await;
    let steps = "RUN mkdir -p /opt/seed/folder /opt/kept && touch /opt/seed/settings /opt/kept/theirs";
    let image = sluice_tests::images::built("sluice-test/seeded:1", steps).await;
    let caches = ["home", "none", "kept"].map(|name| bench.folder().join(name));
    caches.iter().for_each(|cache| std::fs::create_dir(cache).unwrap());
    std::fs::write(caches[2].join("mine"), "").unwrap();
    let shows = "ls /absent /opt/kept /opt/seed; rm -r /opt/seed/*; echo x >/opt/seed/new";
    for (name, expected) in [
        ("first", "/absent:\n\n/opt/kept:\nmine\n\n/opt/seed:\nfolder\nsettings\n"),
        ("second", "/absent:\n\n/opt/kept:\nmine\n\n/opt/seed:\nnew\n"),
    ] {
        let mut spec = bench.spec(name, program(vec![section(&[shows])]));
        spec.image = image.to_owned();
        let places = ["/opt/seed", "/absent", "/opt/kept"];
        spec.mounts =
            caches.iter().zip(places).map(|(cache, place)| Mount { seeded: true, ..mount(cache, place) }).collect();
        let (text, ending) = bench.transcript(&spec).await;
        assert_eq!((text, ending), (format!("<S0 1><0>{expected}<=0><E0 true>"), Ending::Completed));
    }
    bench.finish().await;
}
