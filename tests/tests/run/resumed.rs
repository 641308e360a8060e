//! A process that dies in the middle, and the one that goes on.

use std::time::Duration;

use runner::cancel::{Cancel, Reason};
use runner::engine::memory::Outcome as Does;
use runner::event::{Outcome, Slot};
use runner::gate::Decision;
use runner::secret::MemorySecrets;
use runner::state::RunState;

use super::world::{SECRET, World};

#[tokio::test(start_paused = true)]
async fn a_build_whose_runner_died_is_followed_to_its_end_and_nothing_runs_twice() {
    let spec = "{ version: 0.2, phases: { build: { commands: [first, second] } } }";
    let steps = [("first", Does::printing("one\n").taking(MINUTE)), ("second", Does::printing("two\n").taking(MINUTE))];
    let world = World::new(spec, &steps);
    let (run, _) = world.start();
    // The future is dropped where it stands, as a killed process would.
    let died = tokio::time::timeout(Duration::from_secs(90), run.carry_out()).await;
    assert!(died.is_err());
    drop(run);
    let history = RunState::of(&world.record().events("one", 0).expect("its events"));
    let log = world.folders().run("one").log(&history.actions[0].name);
    let before = std::fs::read_to_string(log).expect("a log");
    assert!(before.contains("State: SUCCEEDED") && before.contains("one\n"), "{before}");
    let went = world.run().await;
    assert_eq!(went.outcome, Outcome::Succeeded, "{}", went.transcript());
    assert_eq!(world.engine.started().len(), 1, "the build was started twice");
    assert!(went.log.starts_with(&before), "the log is not what it was:\n{before}\n---\n{}", went.log);
    assert_eq!(went.log.matches("one\n").count(), 1, "{}", went.log);
    assert_eq!(went.log.matches("two\n").count(), 1, "{}", went.log);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_at_a_gate_survives_its_process_and_repeats_nothing() {
    let spec = "
version: 1
name: web
source: { path: . }
stages:
  - name: Build
    actions: [ { name: test, build: { image: 'demo:1', commands: [make] } } ]
  - name: Production
    before-entry: [ approval: { message: 'Ship it?', timeout: 7d } ]
    actions:
      - { name: roll-out, deploy: { ecs: { cluster: prod, service: web, images: { app: 'web@sha256:new' } } } }
";
    let world = World::new(spec, &[("make", Does::printing("made\n"))]);
    let (run, _) = world.start();
    assert!(tokio::time::timeout(Duration::from_secs(3600), run.carry_out()).await.is_err());
    drop(run);
    let (by, at) = ("ada".to_owned(), runner::clock::now());
    let decision = Decision { rule: 0, by, groups: Vec::new(), at, approved: true, comment: None };
    world.record().decide("one", "Production", Slot::BeforeEntry, &decision).expect("the answer is taken");
    let went = world.run().await;
    assert_eq!(went.outcome, Outcome::Succeeded, "{}", went.transcript());
    assert!(!went.transcript().contains("$ make"), "{}", went.transcript());
    assert_eq!(world.deployer.begun("prod", "web"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_build_with_a_cache_is_begun_anew_when_its_container_was_lost_with_its_runner() {
    let spec = "{ version: 0.2, phases: { build: { commands: [make] } }, cache: { paths: [target/**/*] } }";
    let world = World::new(spec, &[("make", Does::printing("made\n").taking(Duration::from_secs(60)))]);
    let (run, _) = world.start();
    let in_engine = run.folders.in_engine().to_owned();
    assert!(tokio::time::timeout(Duration::from_secs(30), run.carry_out()).await.is_err());
    drop(run);
    world.engine.lose(&in_engine);
    let went = world.run().await;
    assert_eq!(went.outcome, Outcome::Succeeded, "{}", went.transcript());
    assert_eq!(went.log.matches("made\n").count(), 1, "{}", went.log);
}

/// A build that tells its secret after a minute, and whose runner dies before that.
async fn left_with_a_secret(secrets: MemorySecrets) -> World {
    let spec = "
version: 0.2
env: { parameter-store: { TOKEN: /demo/token } }
phases: { build: { commands: [show] } }
";
    let show = Does::printing(format!("token={SECRET}\n")).taking(Duration::from_secs(60));
    let mut world = World::new(spec, &[("show", show)]);
    world.secrets = secrets;
    let (run, _) = world.start();
    assert!(tokio::time::timeout(Duration::from_secs(30), run.carry_out()).await.is_err());
    world
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_was_changed_while_its_build_went_on_is_masked_as_the_build_has_it() {
    let secrets = MemorySecrets::new().parameter("/demo/token", SECRET);
    let mut world = left_with_a_secret(secrets.clone()).await;
    world.secrets = secrets.parameter("/demo/token", "an0ther-one");
    let went = world.run().await;
    assert_eq!(went.outcome, Outcome::Succeeded, "{}", went.transcript());
    assert!(went.log.contains("token=***\n"), "{}", went.log);
}

#[tokio::test(start_paused = true)]
async fn a_build_is_followed_also_when_the_version_of_its_secret_is_gone() {
    let secrets = MemorySecrets::new().parameter("/demo/token", "an0ther-one");
    let mut world = left_with_a_secret(secrets.clone().parameter("/demo/token", SECRET)).await;
    world.secrets = secrets;
    let (run, _) = world.start();
    assert_eq!(run.carry_out().await, Outcome::Succeeded);
    let state = RunState::of(&world.record().events("one", 0).expect("its events"));
    assert!(state.notices.iter().any(|notice| notice.contains("with its newest value only")), "{:?}", state.notices);
}

const MINUTE: Duration = Duration::from_secs(60);

/// A build of many steps, of which the last takes so long, left by its runner after a minute; it is found again when it
/// was begun 65 minutes ago. An hour is its limit.
async fn found_late(last: Does) -> World {
    let steps: Vec<String> = (0..20).map(|number| format!("step-{number}")).collect();
    let spec = format!("{{ version: 0.2, phases: {{ build: {{ commands: [{}, last] }} }} }}", steps.join(", "));
    let mut all: Vec<(&str, Does)> = steps.iter().map(|step| (step.as_str(), Does::printing("said\n"))).collect();
    all.push(("last", last));
    let world = World::new(&spec, &all);
    let (run, _) = world.start();
    assert!(tokio::time::timeout(MINUTE, run.carry_out()).await.is_err());
    drop(run);
    world.engine.age(MINUTE * 64);
    world
}

#[tokio::test(start_paused = true)]
async fn a_build_that_ended_in_time_while_nobody_watched_has_not_timed_out() {
    let went = found_late(Does::printing("done\n").taking(MINUTE * 50)).await.run().await;
    assert_eq!(went.outcome, Outcome::Succeeded, "{}", went.transcript());
    assert!(went.log.contains("done\n"), "{}", went.log);
}

#[tokio::test(start_paused = true)]
async fn a_build_that_hangs_beyond_its_limit_while_nobody_watches_is_stopped_when_it_is_found() {
    let went = found_late(Does::hanging()).await.run().await;
    assert_eq!(went.outcome.word(), "TIMED_OUT", "{}", went.transcript());
}

#[tokio::test(start_paused = true)]
async fn a_build_that_was_stopped_stays_stopped_when_its_runner_dies_over_it() {
    let spec = "{ version: 0.2, phases: { build: { commands: [make], finally: [clean] } } }";
    let mut world =
        World::new(spec, &[("make", Does::hanging().ignoring_terminate()), ("clean", Does::printing("cleaned\n"))]);
    world.stop_after(MINUTE, Reason::Stopped);
    let (run, _) = world.start();
    assert!(tokio::time::timeout(MINUTE + Duration::from_secs(3), run.carry_out()).await.is_err());
    drop(run);
    world.cancel = Cancel::new();
    let went = world.run().await;
    assert_eq!(went.outcome.word(), "STOPPED", "{}", went.transcript());
    assert!(went.has("    = 137") && went.has("    cleaned"), "{}", went.transcript());
}
