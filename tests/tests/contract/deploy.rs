//! Contract suite: deploy. One suite on the fake and on ECS services with real containers, and then what only ECS has.

mod ecs;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use runner::cancel::{Cancel, Reason};
use runner::deploy::ecs::{EcsConfig, EcsDeployer};
use runner::deploy::memory::{Fate, MemoryDeployer};
use runner::deploy::{Deployer, Deployment, DeploymentOrder, DeploymentOutcome, TargetOrder};
use runner::fault::{Fault, FaultKind};
use runner::progress::{Progress, Progressed};
use sluice_tests::aws::{ACCOUNT, REGION};
use sluice_tests::ecs::{CONTAINER, EcsWorld, OnTrouble, serves};

/// A place with one service, `web` in the cluster `dev`.
#[async_trait]
trait World: Send + Sync {
    fn deployer(&self) -> Arc<dyn Deployer>;
    async fn image(&self, tag: &str, fate: Fate) -> String;
    async fn service(&self, image: &str, on_trouble: OnTrouble);
    async fn running(&self) -> String;
    async fn count(&self) -> u32;
}

struct MemoryWorld(MemoryDeployer);

#[async_trait]
impl World for MemoryWorld {
    fn deployer(&self) -> Arc<dyn Deployer> {
        Arc::new(self.0.clone())
    }

    async fn image(&self, tag: &str, fate: Fate) -> String {
        let uri = format!("registry/web@sha256:{tag}");
        let _shared = self.0.clone().fate(&uri, fate);
        uri
    }

    async fn service(&self, image: &str, _on_trouble: OnTrouble) {
        let _shared = self.0.clone().service("dev", "web", &[(CONTAINER, image)]);
    }

    async fn running(&self) -> String {
        self.0.running("dev", "web").unwrap()[CONTAINER].clone()
    }

    async fn count(&self) -> u32 {
        self.0.count("dev", "web").unwrap()
    }
}

struct RealWorld {
    ecs: EcsWorld,
    deployer: EcsDeployer,
}

impl RealWorld {
    async fn start() -> Self {
        let ecs = EcsWorld::start().await;
        let deployer = EcsDeployer::new(ecs.aws.aws().await, quick());
        Self { ecs, deployer }
    }
}

#[async_trait]
impl World for RealWorld {
    fn deployer(&self) -> Arc<dyn Deployer> {
        Arc::new(self.deployer.clone())
    }

    async fn image(&self, tag: &str, fate: Fate) -> String {
        let script = if fate == Fate::Fails { "exit 3".to_owned() } else { serves(tag) };
        self.ecs.image(tag, &script).await
    }

    async fn service(&self, image: &str, on_trouble: OnTrouble) {
        self.ecs.service(ACCOUNT, image, on_trouble).await;
    }

    async fn running(&self) -> String {
        self.ecs.running(ACCOUNT).await
    }

    async fn count(&self) -> u32 {
        u32::try_from(self.ecs.describe(ACCOUNT).await.desired_count()).unwrap()
    }
}

fn quick() -> EcsConfig {
    let pause = Duration::from_millis(50);
    EcsConfig { first_pause: pause, longest_pause: pause, ..EcsConfig::default() }
}

fn order(token: &str, image: &str) -> DeploymentOrder {
    let target = TargetOrder::Ecs {
        cluster: "dev".to_owned(),
        service: "web".to_owned(),
        images: BTreeMap::from([(CONTAINER.to_owned(), image.to_owned())]),
        environment: BTreeMap::new(),
        desired_count: None,
    };
    DeploymentOrder { token: token.to_owned(), role: None, region: None, target }
}

async fn begin(world: &dyn World, order: &DeploymentOrder) -> Result<Deployment, Fault> {
    world.deployer().begin(order, &Progress::silent()).await
}

async fn follow(world: &dyn World, order: &DeploymentOrder, deployment: &Deployment) -> DeploymentOutcome {
    world.deployer().follow(order, deployment, &Progress::silent(), &Cancel::new()).await.unwrap()
}

async fn roll_back(world: &dyn World, order: &DeploymentOrder, deployment: &Deployment) -> DeploymentOutcome {
    world.deployer().roll_back(order, deployment, &Progress::silent()).await.unwrap()
}

/// Deploys to the end.
async fn deploy(world: &dyn World, token: &str, image: &str) -> (Deployment, DeploymentOutcome) {
    let order = order(token, image);
    let deployment = begin(world, &order).await.unwrap();
    let outcome = follow(world, &order, &deployment).await;
    (deployment, outcome)
}

fn why(outcome: DeploymentOutcome) -> String {
    match outcome {
        DeploymentOutcome::Failed(why) => why,
        other => panic!("{other:?}"),
    }
}

macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod on_the_fake {
            $(#[tokio::test] async fn $case() {
                super::$case(&super::MemoryWorld(runner::deploy::memory::MemoryDeployer::new())).await;
            })*
        }
        mod on_ecs {
            $(#[tokio::test] async fn $case() { super::$case(&super::RealWorld::start().await).await; })*
        }
    };
}

suite!(
    a_new_image_is_rolled_out_and_taken_back,
    a_failing_image_is_rolled_back_and_told_as_a_failure,
    one_token_deploys_once,
    a_deployment_that_another_replaced_has_failed_and_leaves_the_other_alone,
    the_same_images_are_not_deployed_again,
    a_desired_count_goes_back_with_its_images_unless_somebody_else_has_set_another,
    what_is_not_there_is_named,
    a_deployment_that_does_not_get_on_ends_with_its_time_and_goes_on_without_its_watcher,
);

async fn a_new_image_is_rolled_out_and_taken_back(world: &dyn World) {
    let (one, two) = (world.image("one", Fate::Runs).await, world.image("two", Fate::Runs).await);
    world.service(&one, OnTrouble::RollBack).await;
    let (deployment, outcome) = deploy(world, "run-1", &two).await;
    assert_eq!((outcome, world.running().await), (DeploymentOutcome::Succeeded, two.clone()));
    // Asked again, it is still so.
    assert_eq!(follow(world, &order("run-1", &two), &deployment).await, DeploymentOutcome::Succeeded);
    for _ in 0..2 {
        let outcome = roll_back(world, &order("run-1", &two), &deployment).await;
        assert_eq!((outcome, world.running().await), (DeploymentOutcome::Succeeded, one.clone()));
    }
}

async fn a_failing_image_is_rolled_back_and_told_as_a_failure(world: &dyn World) {
    let (one, bad) = (world.image("one", Fate::Runs).await, world.image("bad", Fate::Fails).await);
    world.service(&one, OnTrouble::RollBack).await;
    let (deployment, outcome) = deploy(world, "run-1", &bad).await;
    let why = why(outcome);
    assert!(why.contains("circuit breaker was triggered") && why.contains("rolled back to web:1"), "{why}");
    assert_eq!(world.running().await, one);
    // Nothing is left to take back, and that is well.
    let outcome = roll_back(world, &order("run-1", &bad), &deployment).await;
    assert_eq!((outcome, world.running().await), (DeploymentOutcome::Succeeded, one));
}

async fn one_token_deploys_once(world: &dyn World) {
    let (one, bad) = (world.image("one", Fate::Runs).await, world.image("bad", Fate::Fails).await);
    world.service(&one, OnTrouble::RollBack).await;
    let order = order("run-1", &bad);
    let first = begin(world, &order).await.unwrap();
    assert_eq!(begin(world, &order).await.unwrap(), first);
    assert!(matches!(follow(world, &order, &first).await, DeploymentOutcome::Failed(_)));
    // Also when it has failed: what is known to fail is not tried again under the same token.
    assert_eq!(begin(world, &order).await.unwrap(), first);
    assert!(matches!(follow(world, &order, &first).await, DeploymentOutcome::Failed(_)));
}

async fn a_deployment_that_another_replaced_has_failed_and_leaves_the_other_alone(world: &dyn World) {
    let (one, two) = (world.image("one", Fate::Runs).await, world.image("two", Fate::Runs).await);
    let three = world.image("three", Fate::Runs).await;
    world.service(&one, OnTrouble::RollBack).await;
    let (ours, theirs) = (order("run-1", &two), order("run-2", &three));
    let first = begin(world, &ours).await.unwrap();
    let second = begin(world, &theirs).await.unwrap();
    let told = why(follow(world, &ours, &first).await);
    assert!(told.contains("was replaced by") && told.contains("web:3"), "{told}");
    assert_eq!(follow(world, &theirs, &second).await, DeploymentOutcome::Succeeded);
    let told = why(roll_back(world, &ours, &first).await);
    assert!(told.ends_with("web runs web:3 by now, which is not ours to take back"), "{told}");
    assert_eq!(world.running().await, three);
}

async fn the_same_images_are_not_deployed_again(world: &dyn World) {
    let one = world.image("one", Fate::Runs).await;
    world.service(&one, OnTrouble::RollBack).await;
    let (deployment, outcome) = deploy(world, "run-1", &one).await;
    assert_eq!(outcome, DeploymentOutcome::Succeeded);
    assert!(deployment.revision.ends_with("web:1"), "{deployment:?}");
    assert_eq!(roll_back(world, &order("run-1", &one), &deployment).await, DeploymentOutcome::Succeeded);
}

async fn a_desired_count_goes_back_with_its_images_unless_somebody_else_has_set_another(world: &dyn World) {
    let (one, two) = (world.image("one", Fate::Runs).await, world.image("two", Fate::Runs).await);
    world.service(&one, OnTrouble::RollBack).await;
    let counted = |token: &str, image: &str, count| {
        let mut order = order(token, image);
        let TargetOrder::Ecs { desired_count, .. } = &mut order.target;
        *desired_count = Some(count);
        order
    };
    let doubled = counted("run-1", &two, 2);
    let first = begin(world, &doubled).await.unwrap();
    assert_eq!((first.previous_count, world.count().await), (Some(1), 2));
    assert_eq!(begin(world, &doubled).await.unwrap(), first, "whoever comes later knows the count too");
    assert_eq!(follow(world, &doubled, &first).await, DeploymentOutcome::Succeeded);
    // The same images, and another count: there is only the count to take back.
    let more = counted("run-2", &two, 3);
    let second = begin(world, &more).await.unwrap();
    assert_eq!((second.previous_count, world.count().await), (Some(2), 3));
    for _ in 0..2 {
        assert_eq!(roll_back(world, &more, &second).await, DeploymentOutcome::Succeeded);
        assert_eq!((world.running().await, world.count().await), (two.clone(), 2));
    }
    let third = begin(world, &more).await.unwrap();
    begin(world, &counted("run-3", &two, 1)).await.unwrap();
    assert_eq!(roll_back(world, &more, &third).await, DeploymentOutcome::Succeeded);
    assert_eq!(world.count().await, 1, "somebody else's count stays");
    begin(world, &counted("run-4", &two, 2)).await.unwrap();
    assert_eq!(roll_back(world, &doubled, &first).await, DeploymentOutcome::Succeeded);
    assert_eq!((world.running().await, world.count().await), (one, 1));
}

async fn what_is_not_there_is_named(world: &dyn World) {
    let one = world.image("one", Fate::Runs).await;
    world.service(&one, OnTrouble::RollBack).await;
    let changed = |cluster: &str, service: &str, container: &str| {
        let mut order = order("run-1", &one);
        let images = BTreeMap::from([(container.to_owned(), one.clone())]);
        let TargetOrder::Ecs { environment, desired_count, .. } = order.target;
        let (cluster, service) = (cluster.to_owned(), service.to_owned());
        order.target = TargetOrder::Ecs { cluster, service, images, environment, desired_count };
        order
    };
    for (cluster, service, container, message) in [
        ("dev", "wed", CONTAINER, "there is no ECS service `wed` in the cluster `dev`"),
        ("dev", "web", "ap", "container `ap` is not in the task definition web:1"),
    ] {
        let fault = begin(world, &changed(cluster, service, container)).await.unwrap_err();
        assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Configuration, message));
    }
    let fault = begin(world, &changed("dew", "web", CONTAINER)).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Configuration);
    assert!(fault.message.contains("`dew`"), "{fault}");
}

async fn a_deployment_that_does_not_get_on_ends_with_its_time_and_goes_on_without_its_watcher(world: &dyn World) {
    let (one, slow) = (world.image("one", Fate::Runs).await, world.image("slow", Fate::Hangs).await);
    world.service(&one, OnTrouble::Wait).await;
    let order = order("run-1", &slow);
    let deployment = begin(world, &order).await.unwrap();
    let ending = async |reason| {
        let cancel = Cancel::new();
        cancel.request(reason);
        world.deployer().follow(&order, &deployment, &Progress::silent(), &cancel).await
    };
    let timed_out = ending(Reason::TimedOut).await.unwrap();
    assert!(
        matches!(&timed_out, DeploymentOutcome::TimedOut(told) if told.contains("did not become stable in time")),
        "{timed_out:?}"
    );
    assert_eq!(ending(Reason::Stopped).await.unwrap_err().kind, FaultKind::Stopped);
    assert_eq!(world.running().await, slow);
}
