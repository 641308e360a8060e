//! Contract suite: logs. One suite on the fake and on an emulator of CloudWatch Logs and S3, and then what only one has.

mod adapters;
mod killed;
mod sink;
mod told;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use runner::bucket::{Access, Buckets, Encryption, Keeping, Object, S3};
use runner::cancel::Cancel;
use runner::clock;
use runner::fault::Fault;
use runner::logs::memory::{MemoryLogs, Trouble};
use runner::logs::{
    ArchiveTarget, CloudWatchConfig, CloudWatchLogs, LogEvent, LogService, LogTargets, Put, ReadTo, Rejected,
    Retention, SentLogs, Shipment, Shipping, ShippingConfig, StreamName, StreamTarget,
};
use runner::progress::Progress;
use sluice_tests::aws::{ACCOUNT, AwsEmulator, REGION};
use sluice_tests::line::Line;
use tokio::task::JoinHandle;

/// A place that logs are sent to.
#[async_trait]
trait World: Send + Sync {
    fn service(&self) -> Arc<dyn LogService>;
    fn archive(&self) -> Arc<dyn Buckets>;
    /// Whether every call fails.
    fn refuse(&self, refuse: bool);
    /// Texts of a stream in order; `None`: no stream.
    async fn texts(&self, stream: &StreamName) -> Option<Vec<String>>;
    async fn archived(&self, place: &Object) -> String;
}

#[async_trait]
impl World for MemoryLogs {
    fn service(&self) -> Arc<dyn LogService> {
        Arc::new(self.clone())
    }

    fn archive(&self) -> Arc<dyn Buckets> {
        Arc::new(self.clone())
    }

    fn refuse(&self, refuse: bool) {
        self.lasting(refuse.then_some(Trouble::Refused));
    }

    async fn texts(&self, stream: &StreamName) -> Option<Vec<String>> {
        Some(self.events(stream)?.into_iter().map(|event| event.text).collect())
    }

    async fn archived(&self, place: &Object) -> String {
        MemoryLogs::archived(self, place).unwrap()
    }
}

/// An emulator at the end of a line.
struct RealWorld {
    emulator: AwsEmulator,
    line: Line,
}

impl RealWorld {
    async fn start() -> Self {
        let emulator = AwsEmulator::start().await;
        let line = Line::to(format!("127.0.0.1:{}", emulator.port())).await;
        let s3 = s3(&emulator).await;
        let here = aws_sdk_s3::types::BucketLocationConstraint::from(REGION);
        let here = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(here).build();
        s3.create_bucket().bucket("logs").create_bucket_configuration(here).send().await.unwrap();
        Self { emulator, line }
    }

    fn aws(&self) -> runner::aws::Aws {
        // The configuration needs no call, so it is there at once.
        let config = self.emulator.config(ACCOUNT).now_or_never();
        let config = config.unwrap_or_else(|| panic!("the configuration made a call")).into_builder();
        runner::aws::Aws::from_config(config.endpoint_url(format!("http://{}", self.line.host)).build())
    }
}

/// A configuration that stays as it is.
struct Own(runner::aws::Aws);

#[async_trait]
impl Access for Own {
    async fn config(&self) -> Result<aws_types::SdkConfig, Fault> {
        self.0.config(None, None).await
    }
}

async fn store(buckets: &dyn Buckets, object: &Object, file: &Path, encryption: Encryption) -> Result<(), Fault> {
    let keeping = Keeping { content_type: Some("application/gzip".to_owned()), encryption };
    buckets.put(file, object, &keeping, &Progress::silent(), &Cancel::new()).await
}

async fn s3(emulator: &AwsEmulator) -> aws_sdk_s3::Client {
    let config = emulator.config(ACCOUNT).await;
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build())
}

async fn logs(emulator: &AwsEmulator) -> aws_sdk_cloudwatchlogs::Client {
    aws_sdk_cloudwatchlogs::Client::new(&emulator.config(ACCOUNT).await)
}

#[async_trait]
impl World for RealWorld {
    fn service(&self) -> Arc<dyn LogService> {
        Arc::new(CloudWatchLogs::new(self.aws(), CloudWatchConfig::default()))
    }

    fn archive(&self) -> Arc<dyn Buckets> {
        Arc::new(S3::new(Arc::new(Own(self.aws()))))
    }

    fn refuse(&self, refuse: bool) {
        self.line.cut(refuse);
    }

    async fn texts(&self, stream: &StreamName) -> Option<Vec<String>> {
        // Read as `sluice logs` does, whose pages these tests are held to.
        let sent = SentLogs::new(&self.emulator.config(ACCOUNT).await);
        let (mut texts, mut to) = (Vec::new(), ReadTo::start(stream.clone()));
        loop {
            let events = sent.next(&mut to).await.unwrap()?;
            if events.is_empty() {
                return Some(texts);
            }
            texts.extend(events.into_iter().map(|event| event.text));
        }
    }

    async fn archived(&self, place: &Object) -> String {
        let object = s3(&self.emulator).await.get_object().bucket(&place.bucket).key(&place.key).send().await.unwrap();
        assert_eq!(object.content_type(), Some("application/gzip"));
        let packed = object.body.collect().await.unwrap().into_bytes();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed[..]), &mut text).unwrap();
        text
    }
}

macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod on_the_fake {
            $(#[tokio::test] async fn $case() { super::$case(&runner::logs::memory::MemoryLogs::new()).await; })*
        }
        mod on_the_emulator {
            $(#[tokio::test] async fn $case() { super::$case(&super::RealWorld::start().await).await; })*
        }
    };
}

suite!(
    a_stream_and_its_group_are_made_and_left_as_they_are_the_next_time,
    a_stream_that_is_not_there_is_told_and_nothing_is_taken,
    events_come_back_in_order_and_as_they_were_sent,
    the_largest_batches_are_taken,
    a_call_that_fails_is_a_fault_and_leaves_nothing,
    an_archive_takes_the_place_of_the_one_before_it,
    a_log_is_sent_while_it_grows_and_archived_when_it_is_whole,
    a_process_that_dies_while_the_service_fails_loses_nothing_and_repeats_nothing,
);

fn stream() -> StreamName {
    StreamName { group: "/aws/codebuild/billing".into(), stream: "0b1c2d3e-0000-4000-8000-000000000000".into() }
}

fn place() -> Object {
    Object { bucket: "logs".into(), key: "ci/0b1c2d3e-0000-4000-8000-000000000000.gz".into() }
}

fn event(text: &str) -> LogEvent {
    LogEvent { time: clock::now().as_millisecond(), text: text.to_owned() }
}

const ALL: Put = Put::Taken(Rejected { too_old: 0, too_new: 0 });

async fn a_stream_and_its_group_are_made_and_left_as_they_are_the_next_time(world: &dyn World) {
    assert_eq!(world.texts(&stream()).await, None);
    world.service().create(&stream()).await.unwrap();
    assert_eq!(world.service().put(&stream(), vec![event("one")]).await.unwrap(), ALL);
    world.service().create(&stream()).await.unwrap();
    assert_eq!(world.texts(&stream()).await.unwrap(), ["one"]);
    let other = StreamName { stream: "team/other".into(), ..stream() };
    world.service().create(&other).await.unwrap();
    assert_eq!(world.texts(&other).await.unwrap(), [""; 0]);
}

async fn a_stream_that_is_not_there_is_told_and_nothing_is_taken(world: &dyn World) {
    assert_eq!(world.service().put(&stream(), vec![event("lost")]).await.unwrap(), Put::NoStream);
    world.service().create(&stream()).await.unwrap();
    let other = StreamName { stream: "other".into(), ..stream() };
    assert_eq!(world.service().put(&other, vec![event("lost")]).await.unwrap(), Put::NoStream);
    assert_eq!(world.texts(&stream()).await.unwrap(), [""; 0]);
}

async fn events_come_back_in_order_and_as_they_were_sent(world: &dyn World) {
    world.service().create(&stream()).await.unwrap();
    let texts = ["b", " ", "a \u{20ac} \u{1f980} \u{fffd}", "\r", "\u{1b}[31mred\u{1b}[0m", "\"quoted\" \\ \t", "b"];
    world.service().put(&stream(), texts.map(event).to_vec()).await.unwrap();
    world.service().put(&stream(), vec![event("last")]).await.unwrap();
    let expected: Vec<&str> = texts.into_iter().chain(["last"]).collect();
    assert_eq!(world.texts(&stream()).await.unwrap(), expected);
}

async fn the_largest_batches_are_taken(world: &dyn World) {
    world.service().create(&stream()).await.unwrap();
    let many = vec![event(&"x".repeat(78)); 10_000];
    assert_eq!(world.service().put(&stream(), many).await.unwrap(), ALL);
    assert_eq!(world.service().put(&stream(), vec![event(&"x".repeat(999_974))]).await.unwrap(), ALL);
    assert_eq!(world.texts(&stream()).await.unwrap().len(), 10_001);
}

async fn a_call_that_fails_is_a_fault_and_leaves_nothing(world: &dyn World) {
    world.service().create(&stream()).await.unwrap();
    world.refuse(true);
    let create = world.service().create(&stream()).await.unwrap_err();
    let put = world.service().put(&stream(), vec![event("one")]).await.unwrap_err();
    for fault in [create, put] {
        assert_eq!(fault.kind, runner::fault::FaultKind::System, "{fault}");
    }
    world.refuse(false);
    assert_eq!(world.texts(&stream()).await.unwrap(), [""; 0]);
}

async fn an_archive_takes_the_place_of_the_one_before_it(world: &dyn World) {
    let desk = Desk::new();
    for text in ["first\n", "the second one\n"] {
        let file = desk.packed(text);
        store(&*world.archive(), &place(), &file, Encryption::Bucket).await.unwrap();
        assert_eq!(world.archived(&place()).await, text);
    }
}

async fn a_log_is_sent_while_it_grows_and_archived_when_it_is_whole(world: &dyn World) {
    let desk = Desk::new();
    let sending = desk.start(world);
    let shipment = desk.shipment();
    sending.shipping.open(&shipment).unwrap();
    desk.write("[Container] one\n\ntwo\nthree has no e");
    sees(world, &["[Container] one", " ", "two"]).await;
    desk.write("nd\n\u{20ac}\nand the last line never ends");
    sees(world, &["[Container] one", " ", "two", "three has no end", "\u{20ac}"]).await;
    sending.shipping.end("run", "test").unwrap();
    assert!(sending.shipping.flush("run", MINUTE).await);
    let all = ["[Container] one", " ", "two", "three has no end", "\u{20ac}", "and the last line never ends"];
    assert_eq!(world.texts(shipment.stream.as_ref().unwrap()).await.unwrap(), all);
    assert_eq!(world.archived(shipment.archive.as_ref().unwrap()).await, desk.log());
    assert_eq!(sending.shipping.pending(), []);
}

async fn a_process_that_dies_while_the_service_fails_loses_nothing_and_repeats_nothing(world: &dyn World) {
    let desk = Desk::new();
    let lines = |from: u32, to: u32| (from..to).map(|number| format!("line {number}\n")).collect::<String>();
    let first = desk.start(world);
    first.shipping.open(&desk.shipment()).unwrap();
    desk.write(&lines(0, 500));
    counts(world, 500).await;
    world.refuse(true);
    desk.write(&lines(500, 1000));
    until(|| first.shipping.pending().iter().any(|unsent| unsent.fault.is_some() && unsent.bytes > 0)).await;
    // The process dies, the build goes on, and comes to its end while nobody sends.
    first.die();
    desk.write(&lines(1000, 30_000));
    let second = desk.start(world);
    second.shipping.end("run", "test").unwrap();
    assert!(!second.shipping.flush("run", Duration::from_millis(200)).await, "the service still fails");
    second.die();
    world.refuse(false);
    let third = desk.start(world);
    counts(world, 30_000).await;
    until(|| third.shipping.pending().is_empty()).await;
    let expected: Vec<String> = (0..30_000).map(|number| format!("line {number}")).collect();
    assert!(world.texts(&desk.stream()).await.unwrap() == expected, "a line is lost, twice there, or elsewhere");
    assert_eq!(world.archived(&desk.shipment().archive.unwrap()).await, desk.log());
}

const MINUTE: Duration = Duration::from_secs(60);

/// A state directory with one log.
struct Desk {
    folder: tempfile::TempDir,
}

/// A process that sends.
struct Sending {
    shipping: Shipping,
    task: JoinHandle<()>,
}

impl Sending {
    /// As a killed process: whatever it was waiting for, it does nothing more.
    fn die(self) {
        self.task.abort();
    }
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn config(&self) -> ShippingConfig {
        let pause = Duration::from_millis(20);
        let config = ShippingConfig::at(self.folder.path().join("shipments"));
        ShippingConfig { look: pause, first_pause: pause, longest_pause: pause * 4, hold: MINUTE, ..config }
    }

    fn start(&self, world: &(impl World + ?Sized)) -> Sending {
        self.start_with(self.config(), world)
    }

    fn start_with(&self, config: ShippingConfig, world: &(impl World + ?Sized)) -> Sending {
        let shipping = Shipping::new(config, world.service(), world.archive());
        let own = shipping.clone();
        let task = tokio::spawn(async move { own.carry_on().await });
        Sending { shipping, task }
    }

    fn targets() -> LogTargets {
        LogTargets { stream: Some(StreamTarget::default()), archive: Some(ArchiveTarget::parse("logs/ci").unwrap()) }
    }

    fn shipment(&self) -> Shipment {
        let build = format!("billing:{}", stream().stream);
        Self::targets().shipment("run", "test", &build, self.file(), "2026-07-14T09:57:49Z".parse().unwrap())
    }

    fn stream(&self) -> StreamName {
        self.shipment().stream.unwrap()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("test.log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    fn write(&self, text: &str) {
        let mut file = std::fs::File::options().create(true).append(true).open(self.file()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn packed(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("packed.gz");
        pack(&path, text.as_bytes());
        path
    }
}

fn pack(path: &Path, bytes: &[u8]) {
    let file = std::fs::File::create(path).unwrap();
    let mut packing = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    packing.write_all(bytes).unwrap();
    packing.finish().unwrap();
}

/// Looks until it is so.
async fn until(is_so: impl Fn() -> bool) {
    let looking = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(MINUTE, looking).await.unwrap_or_else(|_| panic!("it did not come to that"));
}

/// Looks until the stream has so many events.
async fn counts(world: &(impl World + ?Sized), count: usize) {
    let mut seen = 0;
    let looking = async {
        while seen < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
            seen = world.texts(&stream()).await.unwrap_or_default().len();
        }
    };
    let came = tokio::time::timeout(MINUTE, looking).await;
    assert!(came.is_ok() && seen == count, "{seen} events instead of {count}");
}

async fn sees(world: &(impl World + ?Sized), expected: &[&str]) {
    counts(world, expected.len()).await;
    assert_eq!(world.texts(&stream()).await.unwrap(), expected);
}
