//! Warm sandboxes: that nobody can tell them from cold ones, and that none is left.

use bollard::query_parameters::{ListContainersOptionsBuilder, RenameContainerOptionsBuilder};
use pipeline_spec::plan::Limits;
use runner::engine::docker::WarmConfig;
use runner::engine::{Ending, Engine, Mount, SandboxSpec, What};
use runner::progress::Progress;
use runner::secret::SecretText;
use sluice_tests::images;

use super::Stop;
use super::bench::{Bench, HANGS, docker, program, section, slots, warm_config};
use runner::cancel::Cancel;

const DIRECTORY: &str = "/codebuild/output/src123456789/src/host/app";

/// A sandbox with a workspace in which a file lies.
fn with_workspace(bench: &Bench, name: &str, texts: &[&str]) -> SandboxSpec {
    let source = bench.folder().join(format!("source-{name}"));
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("file"), "given").unwrap();
    let mut spec = bench.spec(name, program(vec![section(texts)]));
    spec.program.directory = DIRECTORY.to_owned();
    spec.mounts = vec![Mount { host: source, container: DIRECTORY.to_owned(), read_only: false, seeded: false }];
    spec
}

/// Whether the sandbox was warm.
async fn was_warm(spec: &SandboxSpec) -> bool {
    let name = format!("sluice-{}.{}", spec.key.run, spec.key.name);
    let inspected = images::engine().inspect_container(&name, None).await.unwrap();
    inspected.config.unwrap().labels.unwrap()["sluice.role"] == "warm"
}

/// The states of the containers of those warm sandboxes.
async fn containers(ids: &[String]) -> Vec<String> {
    let options = ListContainersOptionsBuilder::default().all(true).build();
    let all = images::engine().list_containers(Some(options)).await.unwrap();
    let ours = all.into_iter().filter(|one| {
        let slot = one.labels.as_ref().and_then(|labels| labels.get("sluice.slot"));
        slot.is_some_and(|slot| ids.iter().any(|id| slot.ends_with(id)))
    });
    ours.map(|one| one.state.unwrap().to_string()).collect()
}

#[tokio::test]
async fn a_build_cannot_tell_a_warm_sandbox_from_a_cold_one() {
    let texts = [
        "env | sort; pwd; pwd -P; umask; id; ulimit -a; cat file",
        "ls -lan . /codebuild /codebuild/output | grep -v ^total | awk '{ print $1, $2, $3, $4, $9 }'",
        "tr '\\0' ' ' </proc/1/cmdline; tr '\\0' '\\n' </proc/1/environ; ls -l /proc/1/fd | awk '{ print $9, $10, $11 }'",
        "read -r line || echo no input; echo $HOSTNAME | wc -c; cat /proc/self/oom_score_adj",
    ];
    let mut told = Vec::new();
    for bench in [Bench::in_docker().await, Bench::in_docker_warm().await] {
        let mut spec = with_workspace(&bench, "a", &texts);
        let odd = "it's \"odd\"\n$HOME `x` \\";
        spec.environment = [("ODD", odd), ("PATH", "/bin:/odd"), ("a.b", "x"), ("IFS", "x"), ("EMPTY", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        spec.secrets = vec![("TOKEN".to_owned(), SecretText::new("it's secret"))];
        let (text, ending) = bench.transcript(&spec).await;
        assert_eq!((ending, was_warm(&spec).await), (Ending::Completed, bench.is_warm()));
        told.push(text.lines().filter(|line| !line.starts_with("HOSTNAME=")).collect::<Vec<_>>().join("\n"));
        bench.finish().await;
    }
    assert_eq!(told[0], told[1]);
    assert!(told[0].contains("ODD=it's") && told[0].contains("TOKEN=it's secret"), "{}", told[0]);
}

#[tokio::test]
async fn a_workspace_is_where_it_was_when_its_build_has_ended() {
    let bench = Bench::in_docker_warm().await;
    let spec = with_workspace(&bench, "a", &["echo made >made; rm file", HANGS]);
    let mut follower = bench.start_and_follow(&spec).await;
    assert!(was_warm(&spec).await);
    follower.until(|what| matches!(what, What::StepStarted { step: 1, .. })).await;
    let source = &spec.mounts[0].host;
    assert!(source.is_symlink() && source.join("made").is_file(), "it is seen in its place meanwhile");
    drop(follower);
    // Another process, which keeps no warm sandboxes itself, goes on.
    let other = bench.another();
    other.engine().stop(&spec.key, Stop::Terminate).await.unwrap();
    assert_eq!(other.follow(&spec).end().await, Ending::Completed);
    assert!(!source.is_symlink() && source.join("made").is_file() && !source.join("file").exists());
    bench.finish().await;
    assert!(source.join("made").is_file() && spec.records.join("output").is_file());
}

#[tokio::test]
async fn what_does_not_qualify_is_cold() {
    let bench = Bench::in_docker_warm().await;
    let mut elsewhere = with_workspace(&bench, "a", &["cat file"]);
    elsewhere.mounts[0].container = "/root/.cache".to_owned();
    elsewhere.program.directory = "/root/.cache".to_owned();
    let mut read_only = with_workspace(&bench, "b", &["cat file"]);
    read_only.mounts[0].read_only = true;
    for spec in [elsewhere, read_only] {
        assert_eq!(bench.transcript(&spec).await.0, "<S0 1><0>given<=0><E0 true>");
        assert!(!was_warm(&spec).await);
    }
    bench.finish().await;
}

#[tokio::test]
async fn an_image_that_has_changed_is_not_used_warm() {
    let bench = Bench::in_docker_warm().await;
    let name = format!("sluice-test/changing:{}", std::process::id());
    let mut spec = bench.spec("a", program(vec![section(&["echo $V"])]));
    spec.image.clone_from(&name);
    images::import(&name, images::root_file_system(), "ENV V=1").await;
    assert_eq!(bench.transcript(&spec).await.0, "<S0 1><0>1\n<=0><E0 true>");
    assert!(was_warm(&spec).await);
    let engine = docker(Some(warm_config(bench.folder())));
    engine.warm(&name, &Limits::default(), None).await.unwrap();
    images::import(&name, images::root_file_system(), "ENV V=2").await;
    let mut again = bench.spec("b", spec.program.clone());
    again.image = name.clone();
    engine.start(&again, &Progress::silent(), &Cancel::new()).await.unwrap();
    let mut follower = bench.follow(&again);
    follower.end().await;
    assert_eq!((follower.text().as_str(), was_warm(&again).await), ("<S0 1><0>2\n<=0><E0 true>", false));
    engine.drain().await;
    bench.finish().await;
    images::engine().remove_image(&name, None::<bollard::query_parameters::RemoveImageOptions>, None).await.unwrap();
}

#[tokio::test]
async fn what_a_dead_process_kept_warm_ends_and_is_swept() {
    let bench = Bench::in_docker_warm().await;
    let dead = docker(Some(warm_config(bench.folder())));
    dead.warm(images::BUSYBOX, &Limits::default(), None).await.unwrap();
    let ids = slots(bench.folder());
    assert_eq!(containers(&ids).await, ["running"]);
    drop(dead);
    let living = docker(None);
    living.sweep(&warm_config(bench.folder()).folder).await;
    assert_eq!((containers(&ids).await.len(), slots(bench.folder()).len()), (0, 0));
    bench.finish().await;
}

#[tokio::test]
async fn a_sweep_leaves_alone_what_waits_for_a_living_process() {
    let bench = Bench::in_docker_warm().await;
    let living = docker(Some(warm_config(bench.folder())));
    living.warm(images::BUSYBOX, &Limits::default(), None).await.unwrap();
    let ids = slots(bench.folder());
    docker(None).sweep(&warm_config(bench.folder()).folder).await;
    assert_eq!((containers(&ids).await, slots(bench.folder())), (vec!["running".to_owned()], ids));
    living.drain().await;
    bench.finish().await;
}

#[tokio::test]
async fn what_the_engine_made_after_its_maker_died_is_swept_though_its_folder_is_gone() {
    let bench = Bench::in_docker_warm().await;
    let dead = docker(Some(warm_config(bench.folder())));
    dead.warm(images::BUSYBOX, &Limits::default(), None).await.unwrap();
    let ids = slots(bench.folder());
    drop(dead);
    let folder = warm_config(bench.folder()).folder;
    std::fs::remove_dir_all(&folder).unwrap();
    docker(None).sweep(&folder).await;
    assert_eq!(containers(&ids).await, [""; 0]);
    bench.finish().await;
}

#[tokio::test]
async fn a_sandbox_whose_maker_died_before_its_program_was_given_is_absent_and_made_anew() {
    let bench = Bench::in_docker().await;
    let spec = bench.spec("a", program(vec![section(&["echo one"])]));
    let dying = docker(Some(warm_config(bench.folder())));
    dying.warm(images::BUSYBOX, &Limits::default(), None).await.unwrap();
    let ids = slots(bench.folder());
    let name = format!("sluice-{}.a", spec.key.run);
    let options = RenameContainerOptionsBuilder::default().name(&name).build();
    images::engine().rename_container(&format!("sluice-warm_{}", ids[0]), options).await.unwrap();
    drop(dying);
    assert_eq!(bench.follow(&spec).end().await, Ending::Absent);
    assert_eq!(bench.transcript(&spec).await.0, "<S0 1><0>one\n<=0><E0 true>");
    bench.finish().await;
}

#[tokio::test]
async fn who_removes_a_warm_sandbox_of_another_process_removes_its_folder_too() {
    let bench = Bench::in_docker_warm().await;
    let spec = with_workspace(&bench, "a", &["echo one"]);
    drop(bench.start_and_follow(&spec).await);
    assert!(was_warm(&spec).await && slots(bench.folder()).len() == 1);
    let other = bench.another();
    assert_eq!(other.follow(&spec).end().await, Ending::Completed);
    other.sandboxes().destroy(&spec.key.run, Some(&spec.key.name)).await.unwrap();
    assert_eq!(slots(bench.folder()), [""; 0]);
    assert!(spec.mounts[0].host.join("file").is_file());
    bench.finish().await;
}

#[tokio::test]
async fn the_pool_keeps_to_its_size_and_is_empty_after_a_drain() {
    let bench = Bench::in_docker().await;
    let config = WarmConfig { each: 1, most: 1, ..warm_config(bench.folder()) };
    let engine = docker(Some(config));
    engine.warm(images::BUSYBOX, &Limits::default(), None).await.unwrap();
    let first = slots(bench.folder());
    engine.warm(images::BUSYBOX, &Limits { pids: Some(100), ..Limits::default() }, None).await.unwrap();
    assert_eq!(containers(&first).await, [""; 0], "the one that was asked for before has gone");
    let second = slots(bench.folder());
    assert_eq!((second.len(), containers(&second).await), (1, vec!["running".to_owned()]));
    engine.drain().await;
    assert_eq!((slots(bench.folder()).len(), containers(&second).await), (0, vec![]));
    assert!(engine.warm(images::BUSYBOX, &Limits::default(), None).await.is_err());
    bench.finish().await;
}
