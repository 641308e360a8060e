//! What only a real engine can show: bytes, users, owners, secrets, deaths.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use bollard::query_parameters::KillContainerOptionsBuilder;
use runner::cancel::Cancel;
use runner::engine::docker::{DockerConfig, DockerEngine, NoLogins};
use runner::engine::{Ending, Engine, NextSection, Stop, What};
use runner::fault::FaultKind;
use runner::progress::Progress;
use runner::secret::SecretText;
use sluice_tests::images;

use super::bench::{Bench, HANGS, program, section, step};

in_both_ways!(
    output_is_kept_to_the_byte,
    secrets_reach_the_build_and_never_the_engines_records_or_the_disk,
    a_background_child_holds_nothing_up_and_is_heard_later,
    a_section_runs_as_its_user_with_the_state_of_the_others,
    what_something_outside_kills_or_removes_has_died,
    records_outlive_the_container,
    limits_are_the_containers,
    what_a_build_made_is_copied_out_as_it_is,
    an_image_without_a_shell_is_said_so,
    a_stop_between_finally_steps_ends_them_too,
    a_sandbox_without_a_free_process_can_be_stopped,
    a_process_killed_for_its_memory_is_told_before_its_status,
);

async fn output_is_kept_to_the_byte(bench: &Bench) {
    let spec = bench.spec(
        "a",
        program(vec![section(&[
            "printf 'a\\000b\\377\\376\\036'",
            "echo err >&2; echo out",
            "head -c 1000000 /dev/zero | tr '\\000' x",
            "cat /codebuild/sluice/output >/tmp/copy; cat /tmp/copy",
        ])]),
    );
    let mut follower = bench.start_and_follow(&spec).await;
    assert_eq!(follower.end().await, Ending::Completed);
    let output = follower.output();
    let first = b"a\0b\xff\xfe\x1eerr\nout\n";
    assert!(output.starts_with(first));
    assert!(output[first.len()..].starts_with(&[b'x'; 1_000_000]));
    // The fourth step prints the marks of the others again: they are its output, and disturb nothing.
    assert_eq!(follower.text().matches("<=0>").count(), 4);
    assert!(output.windows(first.len()).filter(|window| window == first).count() == 1, "marks lie between the copies");
    assert!(output.len() > 2_000_000);
    bench.finish().await;
}

async fn secrets_reach_the_build_and_never_the_engines_records_or_the_disk(bench: &Bench) {
    let mut spec = bench.spec("a", program(vec![section(&["printf %s \"$TOKEN\"", HANGS])]));
    let secret = "it's $HOME \"quoted\"\nin two lines";
    spec.secrets = vec![("TOKEN".to_owned(), SecretText::new(secret))];
    let mut follower = bench.start_and_follow(&spec).await;
    follower.until(|what| matches!(what, What::StepStarted { step: 1, .. })).await;
    assert_eq!(follower.output(), secret.as_bytes());
    let name = format!("sluice-{}.{}", spec.key.run, spec.key.name);
    let inspected = images::engine().inspect_container(&name, None).await.unwrap();
    let told = serde_json::to_string(&inspected).unwrap();
    assert!(told.contains("/bin/sh") && !told.contains("in two lines"), "{told}");
    let driver = std::fs::read_to_string(spec.records.join("driver.sh")).unwrap();
    assert!(!driver.contains("in two lines"));
    bench.finish().await;
}

async fn a_background_child_holds_nothing_up_and_is_heard_later(bench: &Bench) {
    let steps = [
        "(while [ ! -e /tmp/go ]; do sleep 0.05; done; echo late; : >/tmp/said) &",
        "echo now; : >/tmp/go",
        "while [ ! -e /tmp/said ]; do sleep 0.05; done",
    ];
    let (text, ending) = bench.transcript(&bench.spec("a", program(vec![section(&steps)]))).await;
    assert_eq!(ending, Ending::Completed);
    assert!(text.starts_with("<S0 1><0><=0><1>now\n") && text.matches("late\n").count() == 1, "{text}");
    bench.finish().await;
}

async fn a_section_runs_as_its_user_with_the_state_of_the_others(bench: &Bench) {
    let mut theirs = section(&["id -u; echo $A; B=2; cd /tmp", "echo $B; pwd; whoami"]);
    theirs.user = Some("builder".to_owned());
    let mut nobodys = section(&["id -u"]);
    nobodys.user = Some("nobody-knows".to_owned());
    let sections = vec![section(&["A=1"]), theirs, section(&["id -u; echo $B; pwd"]), nobodys];
    let (text, _) = bench.transcript(&bench.spec("a", program(sections))).await;
    let expected = "<S0 1><0><=0><E0 true><S1 1><0>1000\n1\n<=0><1>2\n/tmp\nbuilder\n<=0><E1 true>\
                    <S2 1><0>0\n2\n/tmp\n<=0><E2 true><S3 1><0>sluice: cannot run as 'nobody-knows'";
    assert!(text.starts_with(expected) && text.ends_with("<=126><E3 false>"), "{text}");
    bench.finish().await;
}

async fn what_something_outside_kills_or_removes_has_died(bench: &Bench) {
    let spec = bench.spec("a", program(vec![section(&[HANGS])]));
    let name = format!("sluice-{}.a", spec.key.run);
    let mut follower = bench.start_and_follow(&spec).await;
    follower.until(|what| matches!(what, What::StepStarted { .. })).await;
    let kill = KillContainerOptionsBuilder::default().signal("KILL").build();
    images::engine().kill_container(&name, Some(kill)).await.unwrap();
    let ending = follower.end().await;
    assert!(matches!(ending, Ending::Died { status: 137, out_of_memory: false, .. }), "{ending:?}");
    bench.sandboxes().destroy(&spec.key.run, None).await.unwrap();
    let ending = bench.follow(&spec).end().await;
    assert!(matches!(&ending, Ending::Died { reason, .. } if reason.contains("removed")), "{ending:?}");
    bench.finish().await;
}

async fn records_outlive_the_container(bench: &Bench) {
    let spec = bench.spec("a", program(vec![section(&["echo one"])]));
    let first = bench.transcript(&spec).await;
    bench.sandboxes().destroy(&spec.key.run, None).await.unwrap();
    let mut follower = bench.follow(&spec);
    assert_eq!((follower.end().await, follower.text()), (Ending::Completed, first.0.clone()));
    // The same key, made again after it was destroyed, has records of its own.
    assert_eq!(bench.transcript(&spec).await, first);
    bench.finish().await;
}

async fn limits_are_the_containers(bench: &Bench) {
    let mut spec = bench.spec("a", program(vec![section(&["x=a; while :; do x=$x$x; done", "echo one"])]));
    spec.program.sections[0].on_failure = NextSection::Next;
    spec.limits.memory_bytes = Some(64 << 20);
    spec.limits.cpu_millis = Some(500);
    spec.limits.pids = Some(50);
    let (text, ending) = bench.transcript(&spec).await;
    let inspected = images::engine().inspect_container(&format!("sluice-{}.a", spec.key.run), None).await.unwrap();
    let config = inspected.host_config.unwrap();
    assert_eq!(
        (config.memory, config.memory_swap, config.nano_cpus),
        (Some(64 << 20), Some(64 << 20), Some(500_000_000))
    );
    assert_eq!(config.pids_limit, Some(50));
    let killed = text.contains("<=137>") || matches!(ending, Ending::Died { out_of_memory: true, .. });
    assert!(killed, "{text} {ending:?}");
    bench.finish().await;
}

async fn what_a_build_made_is_copied_out_as_it_is(bench: &Bench) {
    let texts = ["mkdir -p /out/sub; echo x >/out/sub/run; chmod 751 /out/sub/run; ln -s sub/run /out/link"];
    let spec = bench.spec("a", program(vec![section(&texts)]));
    bench.transcript(&spec).await;
    let into = bench.folder().join("into");
    assert!(bench.sandboxes().copy_out(&spec.key, "/out", &into).await.unwrap());
    assert_eq!(into.join("out/sub/run").metadata().unwrap().mode() & 0o7777, 0o751);
    assert_eq!(into.join("out/link").read_link().unwrap().to_str(), Some("sub/run"));
    assert!(!bench.sandboxes().copy_out(&spec.key, "/nowhere", &into).await.unwrap());
    bench.finish().await;
}

async fn an_image_without_a_shell_is_said_so(bench: &Bench) {
    images::import("sluice-test/empty:1", tar::Builder::new(Vec::new()).into_inner().unwrap(), "").await;
    let mut spec = bench.spec("a", program(vec![section(&["echo one"])]));
    spec.image = "sluice-test/empty:1".to_owned();
    let fault = bench.start(&spec, &Cancel::new()).await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.message.as_str()),
        (FaultKind::Configuration, "the image sluice-test/empty:1 has no /bin/sh")
    );
    bench.finish().await;
}

#[tokio::test]
async fn no_engine_is_said_with_what_to_do() {
    let bench = Bench::in_memory();
    let config = DockerConfig { host: "unix:///nowhere/docker.sock".to_owned(), ..DockerConfig::default() };
    let engine = DockerEngine::new(config, std::sync::Arc::new(NoLogins));
    let spec = bench.spec("a", program(vec![section(&["echo one"])]));
    let fault = engine.start(&spec, &Progress::silent(), &Cancel::new()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::System);
    assert!(fault.message.contains("no Docker engine answers") && fault.message.contains("/nowhere"), "{fault}");
    assert!(fault.hint.unwrap().contains("sluice doctor"));
}

async fn a_stop_between_finally_steps_ends_them_too(bench: &Bench) {
    let mut hung = section(&["echo one"]);
    hung.finally = vec![step(HANGS), step("printf two")];
    let spec = bench.spec("a", program(vec![hung]));
    let mut follower = bench.start_and_follow(&spec).await;
    follower.until(|what| matches!(what, What::StepStarted { finally: true, .. })).await;
    bench.engine().stop(&spec.key, Stop::Kill).await.unwrap();
    follower.end().await;
    assert_eq!(follower.text(), "<S0 1><0>one\n<=0><0f><=137><E0 false>");
    bench.finish().await;
}

async fn a_sandbox_without_a_free_process_can_be_stopped(bench: &Bench) {
    let text = "for n in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo full; wait";
    let mut spec = bench.spec("a", program(vec![section(&[text])]));
    spec.limits.pids = Some(6);
    let mut follower = bench.start_and_follow(&spec).await;
    follower.until(|what| matches!(what, What::Output(_))).await;
    bench.engine().stop(&spec.key, Stop::Terminate).await.unwrap();
    bench.engine().stop(&spec.key, Stop::Kill).await.unwrap();
    let ending = follower.end().await;
    assert!(matches!(ending, Ending::Completed | Ending::Died { status: 137, .. }), "{ending:?}");
    bench.finish().await;
}

async fn a_process_killed_for_its_memory_is_told_before_its_status(bench: &Bench) {
    let mut spec = bench.spec("a", program(vec![section(&["(tail /dev/zero); exit 3"]), section(&["echo one"])]));
    spec.program.sections[0].on_failure = NextSection::Next;
    spec.program.sections[1].finally = vec![step("exit 4")];
    spec.limits.memory_bytes = Some(32 << 20);
    let (text, ending) = bench.transcript(&spec).await;
    let said = "sluice: the kernel killed a process: the memory that the build may use is used up\n";
    assert!(text.contains(&format!("{said}<=3>")) && text.matches(said).count() == 1, "{text}");
    assert_eq!(ending, Ending::Completed);
    bench.finish().await;
}

#[tokio::test]
async fn what_has_ended_can_be_left_to_an_engine_and_what_has_not_cannot() {
    let bench = Bench::in_docker_with(DockerConfig { brief: true, ..DockerConfig::default() }).await;
    let (ended, runs) =
        (bench.spec("a", program(vec![section(&["true"])])), bench.spec("b", program(vec![section(&[HANGS])])));
    assert_eq!(bench.transcript(&ended).await.1, Ending::Completed);
    bench.start(&runs, &Cancel::new()).await.unwrap();
    assert!(bench.sandboxes().leave(&ended.key).await);
    assert!(!bench.sandboxes().leave(&runs.key).await, "it has not ended");
    let gone = async {
        while bench.sandboxes().list().await.unwrap().contains(&ended.key) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
    assert!(bench.sandboxes().list().await.unwrap().contains(&runs.key));
    bench.finish().await;
}
