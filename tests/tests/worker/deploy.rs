//! Jobs that deploy.

use runner::state::RunState;
use runner::store::Record;
use sluice_tests::aws::ACCOUNT;
use sluice_tests::codepipeline::{ActionSpec, Given, PipelineSpec, Status};
use sluice_tests::ecs::{CONTAINER, OnTrouble, serves};

use crate::stand::Stand;
use crate::takeover::run_that_says;

impl Stand {
    /// A pipeline `app` that rolls an image out, and the service that it goes to, which runs another one.
    async fn deployment(&self, image: &str) {
        let old = self.ecs.image("old", &serves("old")).await;
        self.ecs.service(ACCOUNT, &old, OnTrouble::RollBack).await;
        let file = format!(r#"[{{"name":"{CONTAINER}","imageUri":"{image}"}}]"#);
        let deploy = ActionSpec::custom("deploy", "Deploy", "Sluice").input("Source").config("Pool", "linux");
        let deploy = deploy.config("ProjectName", "billing");
        let deploy = deploy.config("ClusterName", "dev").config("ServiceName", "web");
        let source = ActionSpec::source("checkout", "Source");
        self.service.pipeline(PipelineSpec::new("app").stage("Source", [source]).stage("Deploy", [deploy]));
        self.service.give("app", "checkout", Given::zip("1f2e3d4c", &[("imagedefinitions.json", file.as_str())]));
    }

    async fn end_of_service(&self) {
        let ecs = self.ecs.client(ACCOUNT).await;
        ecs.delete_service().cluster("dev").service("web").force(true).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_job_rolls_out_what_its_artifact_names() {
    let stand = Stand::open().await;
    let new = stand.ecs.image("new", &serves("new")).await;
    stand.deployment(&new).await;
    let worker = stand.worker();
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Succeeded).await;
    assert_eq!(stand.ecs.running(ACCOUNT).await, new);
    let run = stand.service.run_of(&execution, "deploy").unwrap();
    let (summary, id) = (run.summary.unwrap(), run.external_id.unwrap());
    assert!(summary.contains("web:2"), "the summary names what runs now");
    assert!(summary.contains("logsV2:log-groups") && summary.contains(&id), "the links lead to its log: {summary}");
    assert!(stand.log("billing", &id).await.contains("rolling out web:2"));
    assert_eq!(worker.left_in_engine().await, Vec::<String>::new());
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
    stand.end_of_service().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_out_that_ecs_takes_back_is_the_jobs_failure_with_its_reason() {
    let stand = Stand::open().await;
    let broken = stand.ecs.broken_image("broken").await;
    stand.deployment(&broken).await;
    let _worker = stand.worker();
    let execution = stand.service.start_execution("app");
    stand.service.wait_for(&execution, Status::Failed).await;
    let (kind, message) = stand.service.run_of(&execution, "deploy").unwrap().error.unwrap();
    assert_eq!(kind, "JobFailed");
    assert!(message.contains("rolled back"), "{message}");
    assert_ne!(stand.ecs.running(ACCOUNT).await, broken);
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
    stand.end_of_service().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_of_a_lost_worker_is_not_begun_again() {
    let stand = Stand::open().await;
    let new = stand.ecs.image("new", &serves("new")).await;
    stand.deployment(&new).await;
    let (_, spec) = stand.fleet().await;
    let mut first = stand.start(&spec, "one");
    let execution = stand.service.start_execution("app");
    // From the revision's registration on, the world has been touched; whether ECS was told already is up to chance.
    run_that_says(&first, "deploy.log", "rolling out web:2").await;
    first.kill();
    let _second = stand.start(&spec, "two");
    stand.service.wait_for(&execution, Status::Succeeded).await;
    assert_eq!(stand.ecs.running(ACCOUNT).await, new);
    let ecs = stand.ecs.client(ACCOUNT).await;
    let run = stand.service.run_of(&execution, "deploy").unwrap();
    let record = Record::open(&first.state).unwrap();
    let lost = RunState::of(&record.events(&record.run(None).unwrap().id, 0).unwrap());
    assert_eq!(lost.actions[0].log.as_deref(), Some(format!("billing:{}", run.external_id.unwrap()).as_str()));
    let revisions = ecs.list_task_definitions().family_prefix("web").send().await.unwrap();
    assert_eq!(revisions.task_definition_arns().len(), 2, "{revisions:?}");
    stand.service.assert_one_result_a_job();
    stand.service.assert_no_crimes();
    stand.end_of_service().await;
}
