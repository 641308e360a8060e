//! Images and ECR: repositories, tags, and scans.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_ecr::Client;
use aws_sdk_ecr::types::{ImageIdentifier, ImageTagMutability};
use pipeline_spec::plan::{Scan, Severity};
use runner::aws::Aws;
use runner::fault::FaultKind;
use serde_json::{Value, json};
use sluice_tests::aws::{ACCOUNT, AwsEmulator};
use sluice_tests::door::{Door, said};
use sluice_tests::workshop::Workshop;

use super::failed;

#[tokio::test]
async fn a_missing_repository_is_told_or_created() {
    let aws = AwsEmulator::start().await;
    let workshop = Workshop::open(aws.aws().await).await;
    workshop.write_steps("RUN echo > /x");
    let mut order = workshop.order(None);
    let fault = workshop.carry_out(&order).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Configuration);
    assert!(fault.message.contains(&workshop.repository), "{fault}");
    assert!(fault.hint.unwrap().contains("create-repository: true"));
    order.create_repository = true;
    let pushed = workshop.pushed(&order).await;
    assert!(pushed.repository.starts_with(&format!("127.0.0.1:{}/", aws.port())), "{pushed:?}");
    let asked = Client::new(&aws.config(ACCOUNT).await).describe_images().repository_name(&workshop.repository);
    let told = asked.image_ids(ImageIdentifier::builder().image_tag("one").build()).send().await.unwrap();
    assert_eq!(told.image_details()[0].image_digest(), Some(pushed.digest.as_str()));
    assert_eq!(workshop.pushed(&order).await.pushed_bytes, 0);
    let pair = workshop.builder.registry_credentials(&format!("127.0.0.1:{}", aws.port())).await.unwrap();
    assert_eq!(pair.unwrap().user, "AWS");
}

#[tokio::test]
async fn an_immutable_tag_takes_the_same_digest_again_and_no_other() {
    let aws = AwsEmulator::start().await;
    let workshop = Workshop::open(aws.aws().await).await;
    workshop.write_steps("COPY data /data");
    workshop.write("data", "one");
    let made = Client::new(&aws.config(ACCOUNT).await).create_repository().repository_name(&workshop.repository);
    made.image_tag_mutability(ImageTagMutability::Immutable).send().await.unwrap();
    let order = workshop.order(None);
    let first = workshop.pushed(&order).await;
    assert_eq!(workshop.pushed(&order).await.digest, first.digest);
    workshop.write("data", "two");
    let outcome = workshop.carry_out(&order).await.unwrap();
    let text = failed(&outcome);
    assert!(text.contains("immutable") && text.contains(&first.digest), "{text}");
}

#[tokio::test]
async fn a_scan_decides_whether_an_image_passes() {
    let finding = json!({ "name": "CVE-2026-1", "severity": "HIGH" });
    let complete = json!({
        "imageScanStatus": { "status": "COMPLETE" },
        "imageScanFindings": { "findingSeverityCounts": { "HIGH": 1 }, "findings": [finding] },
    });
    let missing = json!({ "__type": "ScanNotFoundException", "message": "no scan" });
    let running = json!({ "imageScanStatus": { "status": "IN_PROGRESS" } });
    let unsupported = json!({ "imageScanStatus": { "status": "UNSUPPORTED_IMAGE", "description": "too odd" } });
    let told = [missing, running, complete.clone(), complete, unsupported.clone(), unsupported];
    let (aws, scanner) = Scanner::open(told.into()).await;
    let workshop = Workshop::open(scanner.aws(&aws).await).await;
    workshop.write_steps("RUN echo > /x");
    let mut order = workshop.order(None);
    order.create_repository = true;
    let gate = |fail_on, allow_unscanned| Some(Scan { fail_on, timeout_seconds: 60, allow_unscanned });
    order.scan = gate(Severity::High, false);
    let outcome = workshop.carry_out(&order).await.unwrap();
    assert!(failed(&outcome).contains("1 high, and high or worse fails: CVE-2026-1 (high)"), "{outcome:?}");
    assert_eq!(scanner.started(), 1, "a repository that does not scan on push is asked to, once");
    order.scan = gate(Severity::Critical, false);
    workshop.pushed(&order).await;
    assert!(workshop.log().contains("scan: 1 high\n"));
    let outcome = workshop.carry_out(&order).await.unwrap();
    assert!(failed(&outcome).contains("UNSUPPORTED_IMAGE too odd"), "{outcome:?}");
    order.scan = gate(Severity::Critical, true);
    workshop.pushed(&order).await;
}

/// The emulator's ECR with scans, which it does not have: each question is answered with the next of a list.
struct Scanner {
    door: Door,
    started: Arc<AtomicUsize>,
}

impl Scanner {
    async fn open(told: VecDeque<Value>) -> (AwsEmulator, Self) {
        let aws = AwsEmulator::start().await;
        let (told, started) = (Arc::new(Mutex::new(told)), Arc::<AtomicUsize>::default());
        let count = Arc::clone(&started);
        let door = Door::open(format!("127.0.0.1:{}", aws.port()), move |request, _| {
            let (_, call) = request.headers.get("x-amz-target")?.to_str().ok()?.split_once('.')?;
            match call {
                "StartImageScan" => count.fetch_add(1, Ordering::SeqCst),
                "DescribeImageScanFindings" => {
                    let next = told.lock().ok()?.pop_front()?;
                    let status = if next["__type"].is_string() { 400 } else { 200 };
                    return Some(said(status, next.to_string()));
                }
                _ => return None,
            };
            Some(said(200, json!({ "imageScanStatus": { "status": "PENDING" } }).to_string()))
        });
        (aws, Self { door: door.await, started })
    }

    async fn aws(&self, aws: &AwsEmulator) -> Aws {
        let config = aws.config(ACCOUNT).await.into_builder().endpoint_url(format!("http://{}", self.door.host));
        Aws::from_config(config.build())
    }

    fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }
}
