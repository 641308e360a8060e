//! What the jobs of a fault run do: builds that end well and ill, one with a service beside it, roll-outs of ECS services,
//! and runs that are asked for through a queue.

#![expect(clippy::expect_used, reason = "where the emulator does not play along, the run cannot go on")]

use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use serde_json::json;

use crate::aws::{ACCOUNT, AwsEmulator, REGION};
use crate::codepipeline::{ActionSpec, CodePipeline, Given, PipelineSpec, Status, zip};
use crate::ecs::{CONTAINER, EcsWorld, OnTrouble, serves};

/// What a build does it does once, in a folder of the run's.
const SPEC: &str = "version: 0.2
phases:
  build:
    commands:
      - echo job $NUMBER
      - echo first
      - sleep 1
      - test $(( $NUMBER % 5 )) -ne 4
  post_build:
    commands:
      - echo last
artifacts:
  files: [made]
";

/// What a job is; its number tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A build that succeeds.
    Build,
    /// One that fails, as it should.
    FailingBuild,
    /// One with a service, and so a network, beside it.
    Serviced,
    /// A roll-out that succeeds.
    RollOut,
    /// One that ECS takes back.
    TakenBack,
    /// A run that a message asks for.
    Message,
}

impl Kind {
    pub(super) fn of(number: u64) -> Self {
        match number % 20 {
            4 | 9 | 14 | 19 => Self::FailingBuild,
            2 | 12 => Self::Serviced,
            7 => Self::RollOut,
            17 => Self::TakenBack,
            8 | 18 => Self::Message,
            _ => Self::Build,
        }
    }

    /// How its execution must end.
    pub(super) fn end(self) -> Status {
        match self {
            Self::FailingBuild | Self::TakenBack => Status::Failed,
            Self::Build | Self::Serviced | Self::RollOut | Self::Message => Status::Succeeded,
        }
    }

    pub(super) fn is_build(self) -> bool {
        !matches!(self, Self::RollOut | Self::TakenBack)
    }
}

/// The project of a job, its pipeline, and the ECS service that it deploys to.
pub(super) fn name(number: u64) -> String {
    format!("app-{number}")
}

/// Where the work comes from.
pub(super) struct Work {
    pub(super) ecs: EcsWorld,
    /// The queue of the messages.
    pub(super) queue: String,
    /// The build image, for services too.
    image: String,
    /// What ECS services run before, after a roll-out, and never for long.
    pub(super) images: [String; 3],
}

impl Work {
    /// The images of the services, and an empty queue whose messages may be tried again and again, but not for ever.
    pub(super) async fn prepare(emulator: AwsEmulator, image: &str) -> Self {
        let sqs = aws_sdk_sqs::Client::new(&emulator.config(ACCOUNT).await);
        sqs.create_queue().queue_name("dead").send().await.expect("a queue");
        let dead = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:dead");
        let policy = json!({ "deadLetterTargetArn": dead, "maxReceiveCount": 50 }).to_string();
        let made = sqs.create_queue().queue_name("runs").attributes(Attribute::RedrivePolicy, policy).send().await;
        let queue = made.expect("a queue").queue_url.expect("its URL");
        let ecs = EcsWorld::of(emulator);
        let images = [
            ecs.image("old", &serves("old")).await,
            ecs.image("new", &serves("new")).await,
            ecs.broken_image("broken").await,
        ];
        Self { ecs, queue, image: image.to_owned(), images }
    }

    /// Makes a job: a pipeline to start, a service to deploy to, or a message.
    pub(super) async fn make(&self, service: &CodePipeline, number: u64) {
        let kind = Kind::of(number);
        match kind {
            Kind::Message => return self.send(number).await,
            Kind::RollOut | Kind::TakenBack => {
                self.ecs.service_called(&name(number), ACCOUNT, &self.images[0], OnTrouble::RollBack).await;
            }
            Kind::Build | Kind::FailingBuild | Kind::Serviced => {}
        }
        let (stage, action) = if kind.is_build() { ("Build", build(number)) } else { ("Deploy", deployment(number)) };
        let pipeline = PipelineSpec::new(&name(number)).stage("Source", [ActionSpec::source("checkout", "Source")]);
        service.pipeline(pipeline.stage(stage, [action]));
        let files: Vec<(&str, String)> = match kind {
            Kind::Serviced => vec![("pipeline.yml", self.with_service(number)), ("buildspec.yml", SPEC.to_owned())],
            Kind::RollOut => vec![("imagedefinitions.json", definitions(&self.images[1]))],
            Kind::TakenBack => vec![("imagedefinitions.json", definitions(&self.images[2]))],
            Kind::Build | Kind::FailingBuild | Kind::Message => vec![("buildspec.yml", SPEC.to_owned())],
        };
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let files = [files.as_slice(), &[("made", "made")]].concat();
        service.give(&name(number), "checkout", Given::zip("1", &files));
    }

    /// A build that has company.
    fn with_service(&self, number: u64) -> String {
        let project = name(number);
        format!(
            "version: 1
name: app
source: {{ path: . }}
stages:
  - name: Build
    actions:
      - name: build
        build:
          buildspec: buildspec.yml
          project: {project}
          services:
            store: {{ image: \"{}\", command: [sleep, \"3600\"], readiness: {{ command: \"true\" }} }}
",
            self.image
        )
    }

    async fn send(&self, number: u64) {
        let (name, config) = (name(number), self.ecs.aws.config(ACCOUNT).await);
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        let archive = zip(&[("buildspec.yml", SPEC), ("made", "made")]);
        let put = aws_sdk_s3::Client::from_conf(s3).put_object().bucket(SOURCES).key(&name).body(archive.into());
        put.send().await.expect("a source");
        let request = json!({
            "sluice": 1,
            "source": { "s3": format!("s3://{SOURCES}/{name}") },
            "project": name,
            "environment": [{ "name": "NUMBER", "value": number.to_string() }],
        });
        let sqs = aws_sdk_sqs::Client::new(&config);
        sqs.send_message().queue_url(&self.queue).message_body(request.to_string()).send().await.expect("a message");
    }

    /// How many messages there are, whether they wait or are being done: of the queue, and of its dead letters.
    pub(super) async fn messages(&self) -> (u32, u32) {
        let sqs = aws_sdk_sqs::Client::new(&self.ecs.aws.config(ACCOUNT).await);
        let count = async |queue: &str| {
            let counted = [Attribute::ApproximateNumberOfMessages, Attribute::ApproximateNumberOfMessagesNotVisible];
            let asked = sqs.get_queue_attributes().queue_url(queue).set_attribute_names(Some(counted.to_vec()));
            let found = asked.send().await.expect("an answer").attributes.unwrap_or_default();
            found.values().map(|count| count.parse::<u32>().expect("a count")).sum()
        };
        (count(&self.queue).await, count(&self.queue.replace("/runs", "/dead")).await)
    }

    /// Ends the services.
    pub(super) async fn end(&self, jobs: u64) {
        let ecs = self.ecs.client(ACCOUNT).await;
        for number in (0..jobs).filter(|number| !Kind::of(*number).is_build()) {
            let end = ecs.delete_service().cluster("dev").service(name(number)).force(true);
            end.send().await.expect("an end of the service");
        }
    }
}

/// The bucket of what messages ask to be built.
pub(super) const SOURCES: &str = "sources";

fn build(number: u64) -> ActionSpec {
    let variables = format!(r#"[{{"name":"NUMBER","value":"{number}"}}]"#);
    let action = ActionSpec::custom("build", "Build", "Sluice").input("Source").output("Output");
    let action = action.config("Pool", "linux").config("ProjectName", &name(number));
    action.config("EnvironmentVariables", &variables)
}

fn deployment(number: u64) -> ActionSpec {
    let action = ActionSpec::custom("deploy", "Deploy", "Sluice").input("Source").config("Pool", "linux");
    action.config("ProjectName", &name(number)).config("ClusterName", "dev").config("ServiceName", &name(number))
}

fn definitions(image: &str) -> String {
    json!([{ "name": CONTAINER, "imageUri": image }]).to_string()
}
