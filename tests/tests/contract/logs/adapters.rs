//! What only CloudWatch Logs and S3 have.

use std::sync::atomic::{AtomicUsize, Ordering};

use runner::fault::FaultKind;
use sluice_tests::door::{Door, said};

use super::*;

async fn retention(emulator: &AwsEmulator) -> Option<i32> {
    let groups = logs(emulator).await.describe_log_groups().send().await.unwrap();
    let group = groups.log_groups().iter().find(|group| group.log_group_name() == Some(&stream().group)).unwrap();
    group.retention_in_days()
}

#[tokio::test]
async fn a_group_that_is_made_gets_its_retention_and_one_that_is_there_keeps_its_own() {
    let emulator = AwsEmulator::start().await;
    let keeping = async |days| {
        let retention = Some(Retention::days(days).unwrap());
        CloudWatchLogs::new(emulator.aws().await, CloudWatchConfig { retention, ..CloudWatchConfig::default() })
    };
    keeping(14).await.create(&stream()).await.unwrap();
    assert_eq!(retention(&emulator).await, Some(14));
    let other = StreamName { stream: "other".into(), ..stream() };
    keeping(30).await.create(&other).await.unwrap();
    assert_eq!(retention(&emulator).await, Some(14));
}

/// A CloudWatch Logs that answers `PutLogEvents` with that, and how often it was asked.
async fn answering(status: u16, body: &'static str) -> (Door, CloudWatchLogs, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answer = move |_: &_, _: &_| {
        count.fetch_add(1, Ordering::SeqCst);
        Some(said(status, body))
    };
    let door = Door::open("127.0.0.1:1".to_owned(), answer).await;
    let config = runner::aws::loader()
        .endpoint_url(format!("http://{}", door.host))
        .region(aws_sdk_ecr::config::Region::new(REGION))
        .credentials_provider(aws_sdk_ecr::config::Credentials::new("key", "secret", None, None, "test"))
        .load()
        .await;
    let service = CloudWatchLogs::new(runner::aws::Aws::from_config(config), CloudWatchConfig::default());
    (door, service, asked)
}

#[tokio::test]
async fn events_that_are_left_out_for_their_time_are_counted() {
    let info = r#"{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":1,"tooNewLogEventStartIndex":3}}"#;
    let (_door, service, _) = answering(200, info).await;
    let put = service.put(&stream(), vec![event("x"); 5]).await.unwrap();
    assert_eq!(put, Put::Taken(Rejected { too_old: 1, too_new: 2 }));
}

#[tokio::test]
async fn a_batch_that_was_accepted_before_is_taken() {
    let said = r#"{"__type":"DataAlreadyAcceptedException","message":"already accepted"}"#;
    let (_door, service, _) = answering(400, said).await;
    assert_eq!(service.put(&stream(), vec![event("x")]).await.unwrap(), ALL);
}

#[tokio::test]
async fn a_throttled_call_is_made_once_and_told() {
    let (_door, service, asked) = answering(400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#).await;
    let fault = service.put(&stream(), vec![event("x")]).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::System);
    assert!(fault.message.ends_with("ThrottlingException: Rate exceeded"), "{fault}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_caller_who_may_not_is_told_which_stream_and_what_to_look_at() {
    let said = r#"{"__type":"AccessDeniedException","message":"not authorized to perform: logs:PutLogEvents"}"#;
    let (_door, service, _) = answering(400, said).await;
    let fault = service.put(&stream(), vec![event("x")]).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Permission);
    assert!(fault.message.starts_with("cannot send 1 log events to 0b1c2d3e"), "{fault}");
    assert!(fault.hint.is_some());
}

#[tokio::test]
async fn a_stream_is_read_over_pages_that_are_empty_and_goes_on_where_it_was_read_to() {
    let emulator = AwsEmulator::start().await;
    let pages = [("", "f/1"), (r#"{"timestamp":1,"message":"one"}"#, "f/2"), ("", "f/3"), ("", "f/3"), ("", "f/3")];
    let asked = Arc::new(AtomicUsize::new(0));
    let answer = move |_: &_, _: &_| {
        let (events, token) = pages[asked.fetch_add(1, Ordering::SeqCst)];
        Some(said(200, format!(r#"{{"events":[{events}],"nextForwardToken":"{token}"}}"#)))
    };
    let door = Door::open("127.0.0.1:1".to_owned(), answer).await;
    let config = emulator.config(ACCOUNT).await.into_builder().endpoint_url(format!("http://{}", door.host)).build();
    let (sent, mut to) = (SentLogs::new(&config), ReadTo::start(stream()));
    let read = sent.next(&mut to).await.unwrap().unwrap();
    assert_eq!(read.iter().map(|event| event.text.as_str()).collect::<Vec<_>>(), ["one"]);
    assert_eq!(sent.next(&mut to).await.unwrap(), Some(Vec::new()), "all of it was read");
    assert_eq!(sent.next(&mut to).await.unwrap(), Some(Vec::new()), "also when it is asked for again");
}

#[tokio::test]
async fn an_archive_is_encrypted_as_asked() {
    let (world, desk) = (RealWorld::start().await, Desk::new());
    let file = desk.packed("text\n");
    let key = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/0b1c2d3e-0000-4000-8000-000000000000");
    for (encryption, expected) in [(Encryption::Kms(Some(key.clone())), "aws:kms"), (Encryption::Aes256, "AES256")] {
        store(&*world.archive(), &place(), &file, encryption).await.unwrap();
        let object = s3(&world.emulator).await.get_object().bucket("logs").key(place().key).send().await.unwrap();
        assert_eq!(object.server_side_encryption().map(|kind| kind.as_str().to_owned()).as_deref(), Some(expected));
        assert_eq!(object.ssekms_key_id(), Some(key.as_str()).filter(|_| expected == "aws:kms"));
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let world = RealWorld::start().await;
    let desk = Desk::new();
    let missing = Object { bucket: "elsewhere".into(), ..place() };
    let fault = store(&*world.archive(), &missing, &desk.packed("x"), Encryption::Bucket).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Configuration, "{fault}");
    assert!(fault.message.contains("elsewhere") && fault.message.contains("NoSuchBucket"), "{fault}");
}
