//! ECS services of a test: real containers, started by the emulator from images that the test pushes to its registry.

#![expect(clippy::expect_used, reason = "where the emulator does not play along, the test cannot go on")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{
    ContainerDefinition, DeploymentCircuitBreaker, DeploymentConfiguration, NetworkMode, PortMapping, Service, Tag,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::aws::{ACCOUNT, AwsEmulator};

/// The name of the only container of the services here.
pub const CONTAINER: &str = "app";

/// An emulator with images and services.
pub struct EcsWorld {
    /// The emulator.
    pub aws: AwsEmulator,
    images: std::sync::Mutex<Vec<String>>,
}

/// How a service takes a roll-out that does not get on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTrouble {
    /// The circuit breaker stops it and rolls it back.
    RollBack,
    /// There is no room for a second task, and nobody notices.
    Wait,
}

impl EcsWorld {
    /// An empty one.
    pub async fn start() -> Self {
        Self::of(AwsEmulator::start().await)
    }

    /// One on an emulator that is there already.
    #[must_use]
    pub fn of(aws: AwsEmulator) -> Self {
        Self { aws, images: std::sync::Mutex::default() }
    }

    /// A client for an account.
    pub async fn client(&self, account: &str) -> Client {
        Client::new(&self.aws.config(account).await)
    }

    /// Builds an image whose containers run `script`, pushes it to the emulator's registry, and gives its reference by
    /// digest.
    ///
    /// # Panics
    /// When the engine or the registry does not play along.
    pub async fn image(&self, tag: &str, script: &str) -> String {
        self.image_of(tag, &["sh", "-c", script]).await
    }

    /// The same for an image whose containers cannot be started. Of one whose containers end at once a busy machine may
    /// hear too late, and take it for one that runs.
    ///
    /// # Panics
    /// When the engine or the registry does not play along.
    pub async fn broken_image(&self, tag: &str) -> String {
        self.image_of(tag, &["/no-such-program"]).await
    }

    async fn image_of(&self, tag: &str, command: &[&str]) -> String {
        let name = format!("127.0.0.1:{}/web", self.aws.port());
        // Without a login, a push and the pulls of the tasks are of the emulator's own account and Region.
        let own = self.aws.config(ACCOUNT).await;
        aws_sdk_ecr::Client::new(&own).create_repository().repository_name("web").send().await.ok();
        let tagged = format!("{name}:{tag}");
        let command = serde_json::to_string(command).expect("text");
        docker(&["build", "--quiet", "--tag", &tagged, "-"], &format!("FROM {}\nCMD {command}\n", base_image()));
        self.images.lock().expect("no test panics while it holds it").push(tagged.clone());
        docker(&["push", "--quiet", &tagged], "");
        let digests = docker(&["image", "inspect", "--format", "{{join .RepoDigests \"\\n\"}}", &tagged], "");
        let prefix = format!("{name}@");
        digests.lines().find(|digest| digest.starts_with(&prefix)).expect("a pushed image has a digest").to_owned()
    }

    /// Makes the service `web` of the cluster `dev` in an account, with one task of that image.
    ///
    /// # Panics
    /// When the emulator does not play along.
    pub async fn service(&self, account: &str, image: &str, on_trouble: OnTrouble) {
        self.service_called("web", account, image, on_trouble).await;
    }

    /// The same for a service, and a family of task definitions, with another name.
    ///
    /// # Panics
    /// When the emulator does not play along.
    pub async fn service_called(&self, name: &str, account: &str, image: &str, on_trouble: OnTrouble) {
        let ecs = self.client(account).await;
        ecs.create_cluster().cluster_name("dev").send().await.expect("a cluster");
        let port = PortMapping::builder().container_port(80).build();
        let container =
            ContainerDefinition::builder().name(CONTAINER).image(image).memory(64).port_mappings(port).build();
        let definition = ecs
            .register_task_definition()
            .family(name)
            .network_mode(NetworkMode::Awsvpc)
            .container_definitions(container)
            .tags(Tag::builder().key("team").value("billing").build());
        definition.send().await.expect("a task definition");
        let rolls_back = on_trouble == OnTrouble::RollBack;
        let breaker = DeploymentCircuitBreaker::builder().enable(rolls_back).rollback(rolls_back).build();
        let settings = DeploymentConfiguration::builder()
            .deployment_circuit_breaker(breaker)
            .maximum_percent(if rolls_back { 200 } else { 100 })
            .minimum_healthy_percent(100);
        let service = ecs.create_service().cluster("dev").service_name(name).task_definition(name).desired_count(1);
        service.deployment_configuration(settings.build()).send().await.expect("a service");
    }

    /// The service `web` now.
    ///
    /// # Panics
    /// When there is none.
    pub async fn describe(&self, account: &str) -> Service {
        self.describe_called("web", account).await
    }

    async fn describe_called(&self, name: &str, account: &str) -> Service {
        let answer = self.client(account).await.describe_services().cluster("dev").services(name).send().await;
        answer.expect("an answer").services.and_then(|services| services.into_iter().next()).expect("the service")
    }

    /// The image that the service `web` runs, or tries to.
    ///
    /// # Panics
    /// When there is no service.
    pub async fn running(&self, account: &str) -> String {
        self.running_in("web", account).await
    }

    /// The image that a service runs, or tries to.
    ///
    /// # Panics
    /// When there is no such service.
    pub async fn running_in(&self, name: &str, account: &str) -> String {
        let service = self.describe_called(name, account).await;
        let call = self.client(account).await.describe_task_definition();
        let answer = call.task_definition(service.task_definition().expect("a task definition")).send().await;
        let definition = answer.expect("an answer").task_definition.expect("a task definition");
        definition.container_definitions()[0].image().expect("an image").to_owned()
    }

    /// What the container answers to `GET /`, asked until it answers.
    ///
    /// # Panics
    /// When it answers something that is no text.
    pub async fn answer(&self, account: &str) -> String {
        let ecs = self.client(account).await;
        let mut stream = loop {
            if let Some(address) = address(&ecs).await
                && let Ok(stream) = tokio::net::TcpStream::connect((address.as_str(), 80)).await
            {
                break stream;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.expect("a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("an answer");
        text.rsplit("\r\n\r\n").next().unwrap_or_default().trim().to_owned()
    }
}

/// The address of the first task of the service that has one.
async fn address(ecs: &Client) -> Option<String> {
    let tasks = ecs.list_tasks().cluster("dev").service_name("web").send().await.expect("tasks").task_arns?;
    let answer = ecs.describe_tasks().cluster("dev").set_tasks(Some(tasks)).send().await.expect("tasks");
    let details = answer.tasks().iter().flat_map(|task| task.attachments()).flat_map(|attached| attached.details());
    let mut addresses = details.filter(|detail| detail.name() == Some("privateIPv4Address"));
    addresses.next().and_then(|detail| detail.value()).map(str::to_owned)
}

impl Drop for EcsWorld {
    fn drop(&mut self) {
        let images = self.images.get_mut().map(std::mem::take).unwrap_or_default();
        if !images.is_empty() {
            // Containers of the services are the emulator's, which removes them when it ends; the names can go before.
            Command::new("docker").args(["image", "rm", "--force"]).args(&images).stdout(Stdio::null()).status().ok();
        }
    }
}

/// A script that serves one word over HTTP.
#[must_use]
pub fn serves(word: &str) -> String {
    format!("mkdir -p /www && echo {word} > /www/index.html && exec httpd -f -p 80 -h /www")
}

#[expect(clippy::disallowed_methods, reason = "the harness is told by tests/run.sh which image to build on")]
fn base_image() -> String {
    std::env::var("SLUICE_TEST_BUSYBOX_IMAGE").unwrap_or_else(|_| "sluice-base/busybox:1".to_owned())
}

fn docker(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("docker");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("docker: {error}"));
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).unwrap_or_else(|error| panic!("docker: {error}"));
    }
    let output = child.wait_with_output().unwrap_or_else(|error| panic!("docker: {error}"));
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
