//! Pipelines: the order of actions, gates, deployments and their roll-back.

use std::time::Duration;

use runner::cancel::Reason;
use runner::deploy::memory::Fate;
use runner::engine::memory::Outcome as Does;
use runner::event::{Outcome, Slot};
use runner::gate::Decision;

use super::world::World;

const TO_PRODUCTION: &str = "
version: 1
name: web
source: { path: . }
stages:
  - name: Build
    actions:
      - { name: test, build: { image: 'demo:1', commands: [make] } }
      - { name: image, needs: [test], image: { context: ., repository: web, tags: ['${source.short-commit}'] } }
  - name: Production
    before-entry:
      - approval: { message: 'Ship ${source.short-commit}?', timeout: 1h }
    actions:
      - name: roll-out
        deploy: { ecs: { cluster: prod, service: web, images: { app: '${image.uri}' } } }
    on-failure: rollback
";

fn world() -> World {
    World::new(TO_PRODUCTION, &[("make", Does::default())])
}

fn decide_after(world: &World, after: Duration, approved: bool) {
    let record = world.record();
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        let (by, at) = ("ada".to_owned(), runner::clock::now());
        let decision = Decision { rule: 0, by, groups: Vec::new(), at, approved, comment: None };
        record.decide("one", "Production", Slot::BeforeEntry, &decision).expect("the answer is taken");
    });
}

fn running(world: &World) -> String {
    world.deployer.running("prod", "web").expect("the service")["app"].clone()
}

#[tokio::test(start_paused = true)]
async fn an_image_goes_through_the_gate_by_its_digest() {
    let world = world();
    decide_after(&world, Duration::from_secs(60), true);
    let went = world.run().await;
    assert_eq!(went.outcome, Outcome::Succeeded, "{}", went.transcript());
    assert!(went.has("Gate Production approved by ada"));
    assert_eq!(running(&world), "registry/web@sha256:new");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_gate_deploys_nothing() {
    let world = world();
    decide_after(&world, Duration::from_secs(60), false);
    let went = world.run().await;
    assert_eq!(went.outcome.word(), "FAILED");
    assert_eq!((running(&world).as_str(), world.deployer.begun("prod", "web")), ("web@sha256:old", 0));
}

#[tokio::test(start_paused = true)]
async fn a_roll_out_that_fails_is_taken_back() {
    let mut world = world();
    world.deployer = world.deployer.fate("registry/web@sha256:new", Fate::Fails);
    decide_after(&world, Duration::from_secs(1), true);
    let went = world.run().await;
    assert_eq!(went.outcome.word(), "FAILED", "{}", went.transcript());
    assert!(went.has("Rolling back SUCCEEDED"), "{}", went.transcript());
    assert_eq!(running(&world), "web@sha256:old");
}

#[tokio::test(start_paused = true)]
async fn a_roll_out_that_never_ends_is_timed_out_and_taken_back() {
    let mut world = world();
    world.deployer = world.deployer.fate("registry/web@sha256:new", Fate::Hangs);
    decide_after(&world, Duration::from_secs(1), true);
    let went = world.run().await;
    assert_eq!(went.outcome.word(), "TIMED_OUT", "{}", went.transcript());
    assert!(went.has("Rolling back SUCCEEDED"), "{}", went.transcript());
    assert_eq!(running(&world), "web@sha256:old");
}

#[tokio::test(start_paused = true)]
async fn actions_wait_for_what_they_need_and_others_run_beside_them() {
    let spec = "
version: 1
name: web
source: { path: . }
stages:
  - name: Build
    actions:
      - { name: slow, build: { image: 'demo:1', commands: [slow] } }
      - { name: quick, build: { image: 'demo:1', commands: [quick] } }
      - { name: last, needs: [slow, quick], build: { image: 'demo:1', commands: [last] } }
";
    let steps = [
        ("slow", Does::default().taking(Duration::from_secs(60))),
        ("quick", Does::failing(1)),
        ("last", Does::default()),
    ];
    let went = World::new(spec, &steps).run().await;
    assert_eq!(went.outcome.message(), "quick: Error while executing command: quick. Reason: exit status 1");
    assert!(went.has("Action slow SUCCEEDED") && !went.has("Action last started"), "{}", went.transcript());
}

#[tokio::test(start_paused = true)]
async fn yes_by_somebody_who_may_not_approve_is_no_answer() {
    let spec = TO_PRODUCTION.replace("message: 'Ship", "approvers: [release], message: 'Ship");
    let mut world = World::new(&spec, &[("make", Does::default())]);
    world.options.yes = true;
    world.stop_after(Duration::from_secs(60), Reason::Stopped);
    let went = world.run().await;
    assert_eq!(went.outcome.word(), "STOPPED");
    let answers = world.record().decisions("one", "Production", Slot::BeforeEntry).expect("the answers");
    assert_eq!((answers, world.deployer.begun("prod", "web")), (Vec::new(), 0));
}
