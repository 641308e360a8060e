//! Contract suite: engine. The same tests on the engine in memory, and on Docker with cold and with warm
//! sandboxes; `docker.rs` and the others have what only a real one can show. Every test ends in 'nothing is left'.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

/// Each test on cold sandboxes and on warm ones.
macro_rules! in_both_ways {
    ($($test:ident),* $(,)?) => {
        mod cold {
            $(#[tokio::test] async fn $test() { super::$test(&super::Bench::in_docker().await).await })*
        }
        mod warm {
            $(#[tokio::test] async fn $test() { super::$test(&super::Bench::in_docker_warm().await).await })*
        }
    };
}

mod bench;
mod docker;
mod docker_away;
mod docker_mounts;
mod docker_pulls;
mod docker_services;
mod docker_warm;

use std::time::Duration;

use bench::{Bench, HANGS, HANGS_DEAF, program, section, step};
use runner::cancel::{Cancel, Reason};
use runner::engine::{Ending, Expansion, NextSection, Retry, SandboxKey, Stop, What};
use runner::fault::FaultKind;

/// Each test on each of them.
macro_rules! on_all {
    ($($test:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test] async fn $test() { super::$test(&super::Bench::in_memory()).await })*
        }
        mod in_docker {
            $(#[tokio::test] async fn $test() { super::$test(&super::Bench::in_docker().await).await })*
        }
        mod in_docker_warm {
            $(#[tokio::test] async fn $test() { super::$test(&super::Bench::in_docker_warm().await).await })*
        }
    };
}

on_all!(
    records_come_in_order,
    a_failure_runs_finally_and_ends_or_goes_on,
    a_failed_finally_fails_its_section,
    a_retry_is_told_as_an_attempt,
    values_come_last,
    a_stop_leads_to_finally_and_the_end,
    a_command_deaf_to_sigterm_is_killed,
    a_destroyed_sandbox_has_died,
    followers_may_come_and_go,
    a_second_start_adopts,
    what_never_was_is_absent,
    a_stop_before_the_start_starts_nothing,
    what_cannot_run_is_refused,
    a_whole_run_is_destroyed_at_once,
);

async fn records_come_in_order(bench: &Bench) {
    let spec = bench.spec("a", program(vec![section(&["echo one", "printf two", "exit 0"]), section(&["echo one"])]));
    let expected = "<S0 1><0>one\n<=0><1>two<=0><2><=0><E0 true><S1 1><0>one\n<=0><E1 true>";
    assert_eq!(bench.transcript(&spec).await, (expected.to_owned(), Ending::Completed));
    let records = bench.records(&spec).await;
    assert!(records.is_sorted_by_key(|record| record.at), "{records:?}");
    bench.finish().await;
}

async fn a_failure_runs_finally_and_ends_or_goes_on(bench: &Bench) {
    let mut failing = section(&["echo one", "exit 7", "echo one"]);
    failing.finally = vec![step("printf two")];
    let first = "<S0 1><0>one\n<=0><1><=7><0f>two<=0><E0 false>";
    let mut sections = program(vec![failing, section(&["echo one"])]);
    assert_eq!(bench.transcript(&bench.spec("end", sections.clone())).await.0, first);
    sections.sections[0].on_failure = NextSection::Next;
    let both = format!("{first}<S1 1><0>one\n<=0><E1 true>");
    assert_eq!(bench.transcript(&bench.spec("next", sections)).await.0, both);
    bench.finish().await;
}

async fn a_failed_finally_fails_its_section(bench: &Bench) {
    let mut failing = section(&["echo one"]);
    failing.finally = vec![step("exit 7"), step("echo one")];
    let text = bench.transcript(&bench.spec("a", program(vec![failing, section(&["echo one"])]))).await.0;
    assert_eq!(text, "<S0 1><0>one\n<=0><0f><=7><E0 false>");
    bench.finish().await;
}

async fn a_retry_is_told_as_an_attempt(bench: &Bench) {
    let mut flaky = section(&[bench::FLAKY]);
    flaky.retry = Some(Retry { count: 2 });
    let text = bench.transcript(&bench.spec("a", program(vec![flaky.clone()]))).await.0;
    assert_eq!(text, "<S0 1><0><=7><E0 false><S0 2><0><=7><E0 false><S0 3><0><=0><E0 true>");
    flaky.steps[0].retry_statuses = vec![8];
    let text = bench.transcript(&bench.spec("b", program(vec![flaky]))).await.0;
    assert_eq!(text, "<S0 1><0><=7><E0 false>");
    bench.finish().await;
}

async fn values_come_last(bench: &Bench) {
    let mut with_values = program(vec![section(&["VERSION=1.2"])]);
    with_values.exported = vec!["VERSION".to_owned(), "NEVER_SET".to_owned(), "GIVEN".to_owned()];
    with_values.expansions =
        vec![Expansion { name: "artifact-name".to_owned(), text: "app-$VERSION-${GIVEN}.zip".to_owned() }];
    let mut spec = bench.spec("a", with_values);
    spec.environment = vec![("GIVEN".to_owned(), "x".to_owned())];
    let text = bench.transcript(&spec).await.0;
    assert_eq!(text, "<S0 1><0><=0><E0 true><VERSION=1.2><GIVEN=x><artifact-name:app-1.2-x.zip>");
    bench.finish().await;
}

async fn a_stop_leads_to_finally_and_the_end(bench: &Bench) {
    let mut hung = section(&[HANGS, "echo one"]);
    hung.finally = vec![step("printf two")];
    hung.on_failure = NextSection::Next;
    let spec = bench.spec("a", program(vec![hung, section(&["echo one"])]));
    let mut follower = bench.start_and_follow(&spec).await;
    follower.until(|what| matches!(what, What::StepStarted { .. })).await;
    bench.engine().stop(&spec.key, Stop::Terminate).await.unwrap();
    assert_eq!(follower.end().await, Ending::Completed);
    assert_eq!(bench.transcript(&spec).await.0, "<S0 1><0><=143><0f>two<=0><E0 false>");
    bench.finish().await;
}

async fn a_command_deaf_to_sigterm_is_killed(bench: &Bench) {
    let spec = bench.spec("a", program(vec![section(&[HANGS_DEAF, "echo one"])]));
    let mut follower = bench.start_and_follow(&spec).await;
    follower.until(|what| matches!(what, What::Output(_))).await;
    bench.engine().stop(&spec.key, Stop::Terminate).await.unwrap();
    assert!(follower.says_nothing_for(Duration::from_millis(300)).await);
    bench.engine().stop(&spec.key, Stop::Kill).await.unwrap();
    assert_eq!(follower.end().await, Ending::Completed);
    assert_eq!(bench.transcript(&spec).await.0, "<S0 1><0>ready\n<=137><E0 false>");
    bench.finish().await;
}

async fn a_destroyed_sandbox_has_died(bench: &Bench) {
    let mut hung = section(&["echo one", HANGS]);
    hung.finally = vec![step("printf two")];
    let spec = bench.spec("a", program(vec![hung]));
    let mut follower = bench.start_and_follow(&spec).await;
    follower.until(|what| matches!(what, What::StepStarted { step: 1, .. })).await;
    bench.engine().stop(&spec.key, Stop::Destroy).await.unwrap();
    let ending = follower.end().await;
    assert!(matches!(ending, Ending::Died { status: 137, out_of_memory: false, .. }), "{ending:?}");
    assert_eq!(bench.transcript(&spec).await.0, "<S0 1><0>one\n<=0><1>");
    bench.engine().stop(&spec.key, Stop::Terminate).await.unwrap();
    bench.finish().await;
}

async fn followers_may_come_and_go(bench: &Bench) {
    let spec = bench.spec("a", program(vec![section(&["echo one", HANGS])]));
    let mut follower = bench.start_and_follow(&spec).await;
    follower.until(|what| matches!(what, What::StepFinished { .. })).await;
    drop(follower);
    // Another process knows nothing but the key and the folder.
    let other = bench.another();
    let mut follower = other.follow(&spec);
    follower.until(|what| matches!(what, What::StepStarted { step: 1, .. })).await;
    other.engine().stop(&spec.key, Stop::Terminate).await.unwrap();
    assert_eq!(follower.end().await, Ending::Completed);
    assert_eq!(follower.text(), "<S0 1><0>one\n<=0><1><=143><E0 false>");
    bench.finish().await;
}

async fn a_second_start_adopts(bench: &Bench) {
    let spec = bench.spec("a", program(vec![section(&["echo one"])]));
    let first = bench.transcript(&spec).await;
    assert_eq!(bench.transcript(&spec).await, first);
    assert_eq!(bench.sandboxes().list().await.unwrap().iter().filter(|key| **key == spec.key).count(), 1);
    bench.finish().await;
}

async fn what_never_was_is_absent(bench: &Bench) {
    let spec = bench.spec("never", program(Vec::new()));
    assert_eq!(bench.follow(&spec).end().await, Ending::Absent);
    bench.engine().stop(&spec.key, Stop::Terminate).await.unwrap();
    bench.engine().stop(&spec.key, Stop::Destroy).await.unwrap();
    assert!(bench.sandboxes().copy_out(&spec.key, "/etc", &spec.records).await.is_err());
    bench.finish().await;
}

async fn a_stop_before_the_start_starts_nothing(bench: &Bench) {
    let spec = bench.spec("a", program(vec![section(&["echo one"])]));
    let cancel = Cancel::new();
    cancel.request(Reason::Stopped);
    let fault = bench.start(&spec, &cancel).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Stopped);
    assert_eq!(bench.follow(&spec).end().await, Ending::Absent);
    bench.finish().await;
}

async fn what_cannot_run_is_refused(bench: &Bench) {
    let mut spec = bench.spec("a", program(vec![section(&["echo one"])]));
    spec.key = SandboxKey { run: spec.key.run.clone(), name: "No.Name".to_owned() };
    assert!(bench.start(&spec, &Cancel::new()).await.unwrap_err().message.contains("No.Name"));
    let mut spec = bench.spec("b", program(vec![section(&["echo \0"])]));
    assert_eq!(bench.start(&spec, &Cancel::new()).await.unwrap_err().kind, FaultKind::Configuration);
    spec = bench.spec("c", program(vec![section(&["echo one"])]));
    spec.secrets = vec![("not-a-name".to_owned(), runner::secret::SecretText::new("x"))];
    assert!(bench.start(&spec, &Cancel::new()).await.unwrap_err().message.contains("not-a-name"));
    bench.finish().await;
}

async fn a_whole_run_is_destroyed_at_once(bench: &Bench) {
    let specs = ["a", "b"].map(|name| bench.spec(name, program(vec![section(&[HANGS])])));
    for spec in &specs {
        bench.start(spec, &Cancel::new()).await.unwrap();
    }
    let run = &specs[0].key.run;
    bench.sandboxes().destroy(run, Some("b")).await.unwrap();
    let left = bench.sandboxes().list().await.unwrap();
    assert!(left.contains(&specs[0].key) && !left.contains(&specs[1].key), "{left:?}");
    bench.sandboxes().destroy(run, None).await.unwrap();
    bench.sandboxes().destroy(run, None).await.unwrap();
    bench.finish().await;
}
