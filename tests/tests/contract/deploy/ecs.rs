//! What only ECS has: digests and variables in real containers, exit codes, roles in other accounts, lost revisions.

use super::*;

#[tokio::test]
async fn ecs_runs_the_image_by_digest_with_its_variables_and_tells_how_it_gets_on() {
    let world = RealWorld::start().await;
    let one = world.ecs.image("one", &serves("one")).await;
    let two =
        world.ecs.image("two", "mkdir -p /www && echo $WORD > /www/index.html && exec httpd -f -p 80 -h /www").await;
    world.ecs.service(ACCOUNT, &one, OnTrouble::RollBack).await;
    assert_eq!(world.ecs.answer(ACCOUNT).await, "one");

    let mut order = order("run-1", &two);
    let TargetOrder::Ecs { environment, .. } = &mut order.target;
    environment.insert(CONTAINER.to_owned(), BTreeMap::from([("WORD".to_owned(), "set".to_owned())]));
    let log = Arc::new(Mutex::new(String::new()));
    let heard = log.clone();
    let progress = Progress::new(move |told| {
        if let Progressed::Output(text) = told {
            heard.lock().unwrap().push_str(std::str::from_utf8(&text).unwrap());
        }
    });
    let deployment = world.deployer.begin(&order, &progress).await.unwrap();
    let outcome = world.deployer.follow(&order, &deployment, &progress, &Cancel::new()).await.unwrap();
    assert_eq!(outcome, DeploymentOutcome::Succeeded);

    let service = world.ecs.describe(ACCOUNT).await;
    let primary = service.deployments().iter().find(|known| known.status() == Some("PRIMARY")).unwrap();
    assert_eq!(primary.id(), Some(deployment.id.as_str()));
    assert_eq!(primary.task_definition(), Some(deployment.revision.as_str()));
    let page =
        format!("https://{REGION}.console.aws.amazon.com/ecs/v2/clusters/dev/services/web/deployments?region={REGION}");
    assert_eq!(deployment.url, Some(page));
    let tags = world.ecs.client(ACCOUNT).await.describe_task_definition().task_definition(&deployment.revision);
    let tags = tags.send().await.unwrap().tags.unwrap();
    assert!(tags.iter().any(|tag| (tag.key(), tag.value()) == (Some("team"), Some("billing"))), "{tags:?}");
    let log = log.lock().unwrap().clone();
    assert!(log.starts_with(&format!("rolling out web:2\n  app: {two}\n")), "{log}");
    assert_eq!(log.matches("1 of 1 tasks running").count(), 1, "{log}");
    assert_eq!(log.matches("has begun draining").count(), 1, "{log}");
}

#[tokio::test]
async fn a_failed_roll_out_tells_the_exit_codes_of_its_tasks() {
    let world = RealWorld::start().await;
    let (one, bad) = (world.image("one", Fate::Runs).await, world.image("bad", Fate::Fails).await);
    world.service(&one, OnTrouble::RollBack).await;
    let told = why(deploy(&world, "run-1", &bad).await.1);
    assert!(told.contains("Essential container exited (app: exit code 3)"), "{told}");
    let gone = format!("{}{}", &one[..one.len() - 4], "0000");
    let told = why(deploy(&world, "run-2", &gone).await.1);
    assert!(told.contains("CannotPullContainerError"), "{told}");
    assert_eq!(world.ecs.answer(ACCOUNT).await, "one");
}

#[tokio::test]
async fn a_deployment_acts_as_its_role_in_the_account_of_the_role() {
    const PRODUCTION: &str = "333333333333";
    let world = RealWorld::start().await;
    let (one, two) = (world.image("one", Fate::Runs).await, world.image("two", Fate::Runs).await);
    world.ecs.service(PRODUCTION, &one, OnTrouble::RollBack).await;
    let mut order = order("run-1", &two);
    let fault = begin(&world, &order).await.unwrap_err();
    assert_eq!(fault.message, "there is no ECS cluster `dev`");

    let role = format!("arn:aws:iam::{PRODUCTION}:role/sluice-deploy");
    order.role = Some(role.clone());
    let deployment = begin(&world, &order).await.unwrap();
    assert_eq!(follow(&world, &order, &deployment).await, DeploymentOutcome::Succeeded);
    assert_eq!(world.ecs.running(PRODUCTION).await, two);
    let config = world.ecs.aws.aws().await.config(Some(&role), None).await.unwrap();
    let who = runner::aws::identity(&config).await.unwrap();
    assert_eq!(who.account, PRODUCTION);
    assert_eq!(who.arn, format!("arn:aws:sts::{PRODUCTION}:assumed-role/sluice-deploy/sluice"));
}

#[tokio::test]
async fn a_revision_that_a_dead_process_registered_is_used_and_not_registered_again() {
    let world = RealWorld::start().await;
    let (one, two) = (world.image("one", Fate::Runs).await, world.image("two", Fate::Runs).await);
    world.service(&one, OnTrouble::RollBack).await;
    let (deployment, _) = deploy(&world, "run-1", &two).await;
    // As if the service had never been updated: the revision is there, and no deployment of it.
    let ecs = world.ecs.client(ACCOUNT).await;
    ecs.delete_service().cluster("dev").service("web").force(true).send().await.unwrap();
    ecs.create_service()
        .cluster("dev")
        .service_name("web")
        .task_definition("web:1")
        .desired_count(0)
        .send()
        .await
        .unwrap();
    let order = order("run-1", &two);
    let again = begin(&world, &order).await.unwrap();
    assert_eq!(again.revision, deployment.revision);
    assert_ne!(again.id, deployment.id);
    assert_eq!(follow(&world, &order, &again).await, DeploymentOutcome::Succeeded);
}
