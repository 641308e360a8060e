//! A process that dies in the middle, and the one that goes on.

use std::time::Duration;

use runner::engine::memory::Outcome as Does;
use runner::event::{Outcome, Slot};
use runner::gate::Decision;
use runner::secret::MemorySecrets;
use runner::state::RunState;

use super::world::{SECRET, World};

#[tokio::test(start_paused = true)]
async fn a_build_whose_runner_died_is_followed_to_its_end_and_nothing_runs_twice() {
    let spec = "{ version: 0.2, phases: { build: { commands: [first, second] } } }";
    let minute = Duration::from_secs(60);
    let steps = [("first", Does::printing("one\n").taking(minute)), ("second", Does::printing("two\n").taking(minute))];
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
