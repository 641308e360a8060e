//! Contract suite: image, with a real engine and a real registry.

mod ecr;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Method;
use bollard::query_parameters::{CreateImageOptionsBuilder, RemoveImageOptionsBuilder};
use futures_util::TryStreamExt as _;
use runner::aws::Aws;
use runner::cancel::{Cancel, Reason};
use runner::disk::Shelf as _;
use runner::fault::FaultKind;
use runner::image::{ImageOutcome, Images as _, OldBuilds};
use runner::secret::SecretText;
use sha2::Digest as _;
use sluice_tests::door::{Door, said};
use sluice_tests::registry::Registry;
use sluice_tests::workshop::Workshop;

/// A registry that nobody is at.
const NOWHERE: &str = "127.0.0.1:9";

/// An Aws that reaches nothing.
fn no_aws() -> Aws {
    Aws::from_config(aws_types::SdkConfig::builder().build())
}

fn failed(outcome: &ImageOutcome) -> &str {
    match outcome {
        ImageOutcome::Failed(text) => text,
        ImageOutcome::Pushed(image) => panic!("{image:?} was pushed"),
    }
}

/// What the engine's client prints.
fn docker(arguments: &[&str]) -> Vec<u8> {
    Command::new("docker").args(arguments).output().map(|output| output.stdout).unwrap_or_default()
}

/// Bytes that do not compress, always the same.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[tokio::test]
async fn a_pushed_image_is_pulled_by_its_digest_as_it_was_built() {
    let registry = Registry::start().await;
    let workshop = Workshop::open(no_aws()).await;
    workshop.write_steps("ARG WHO\nCOPY . /app\nRUN echo \"hello $WHO\" > /app/out\nCMD [\"cat\", \"/app/out\"]");
    workshop.write("data", vec![7_u8; 3_000_000]);
    let mut order = workshop.order(Some(registry.host()));
    order.build_args.insert("WHO".to_owned(), "you".to_owned());
    order.labels.insert("team".to_owned(), "billing".to_owned());
    order.tags.push("two".to_owned());
    let pushed = workshop.pushed(&order).await;
    assert_eq!(pushed.uri, format!("{}/{}@{}", registry.host(), workshop.repository, pushed.digest));
    assert!(pushed.pushed_bytes > 0);
    let label = format!("label=sluice.image={}", workshop.repository);
    let built = String::from_utf8(docker(&["image", "ls", "-q", "--no-trunc", "--filter", &label])).unwrap();
    let force = RemoveImageOptionsBuilder::default().force(true).build();
    workshop.docker.remove_image(built.trim(), Some(force), None).await.unwrap();
    for reference in [pushed.uri.clone(), format!("{}:two", pushed.repository)] {
        let options = CreateImageOptionsBuilder::default().from_image(&reference).build();
        workshop.docker.create_image(Some(options), None, None).try_collect::<Vec<_>>().await.unwrap();
        let pulled = workshop.docker.inspect_image(&reference).await.unwrap();
        assert_eq!(pulled.id.unwrap(), built.trim(), "the digest of the configuration is the image's id");
        assert_eq!(pulled.config.unwrap().labels.unwrap()["team"], "billing");
    }
    assert_eq!(docker(&["run", "--rm", &pushed.uri]), b"hello you\n");
}

#[tokio::test]
async fn the_same_again_builds_from_the_cache_and_pushes_nothing() {
    let registry = Registry::start().await;
    let workshop = Workshop::open(no_aws()).await;
    workshop.write_steps("COPY data /data\nRUN sha256sum /data > /sum\nCOPY small /small");
    workshop.write("data", noise(2_000_000));
    workshop.write("small", "one");
    let order = workshop.order(Some(registry.host()));
    let first = workshop.pushed(&order).await;
    let log = workshop.log();
    assert!(log.contains("RUN sha256sum /data > /sum\n"), "{log}");
    let second = workshop.pushed(&order).await;
    assert_eq!((second.pushed_bytes, &second.digest), (0, &first.digest));
    let log = workshop.log();
    assert!(log.contains(" CACHED\n"), "{log}");
    // A change in the last layer sends that layer, the configuration and the manifest, and nothing large.
    workshop.write("small", "two");
    let third = workshop.pushed(&order).await;
    assert_ne!(third.digest, first.digest);
    assert!((1..100_000).contains(&third.pushed_bytes), "{} bytes", third.pushed_bytes);
    // Another machine, with a record of nothing, asks the registry and finds the image there.
    let other = Workshop::open(no_aws()).await;
    let outcome = other.carry_out(&order).await.unwrap();
    assert!(matches!(outcome, ImageOutcome::Pushed(image) if image.pushed_bytes == 0 && image.digest == third.digest));
    // What the record knows and the registry has lost is sent again.
    let empty = Registry::start().await;
    let again = workshop.pushed(&workshop.order(Some(empty.host()))).await;
    assert_eq!(again.digest, third.digest);
    assert!(again.pushed_bytes > 2_000_000);
}

#[tokio::test]
async fn a_failing_step_is_a_failed_image_with_its_last_lines() {
    let workshop = Workshop::open(no_aws()).await;
    let order = workshop.order(Some(NOWHERE.to_owned()));
    workshop.write_steps("RUN echo about to break; echo on stderr >&2; exit 42");
    let outcome = workshop.carry_out(&order).await.unwrap();
    let text = failed(&outcome);
    assert!(text.contains("RUN echo about to break") && text.contains("exit code 42"), "{text}");
    assert!(text.contains("\nabout to break") && text.contains("\non stderr"), "{text}");
    assert!(workshop.log().contains(" about to break\n"));
    workshop.write("Dockerfile", "FORM scratch\n");
    let outcome = workshop.carry_out(&order).await.unwrap();
    assert!(failed(&outcome).contains("unknown instruction: FORM"), "{outcome:?}");
    workshop.write_steps("COPY nothing /");
    let outcome = workshop.carry_out(&order).await.unwrap();
    assert!(failed(&outcome).contains("nothing"), "{outcome:?}");
    std::fs::remove_file(workshop.sources().join("Dockerfile")).unwrap();
    let outcome = workshop.carry_out(&order).await.unwrap();
    assert!(failed(&outcome).contains("there is no Dockerfile at"), "{outcome:?}");
}

#[tokio::test]
async fn a_secret_reaches_its_step_and_nothing_else_and_ignored_files_stay_out() {
    let registry = Registry::start().await;
    let workshop = Workshop::open(no_aws()).await;
    workshop.write_steps("RUN --mount=type=secret,id=token sha256sum /run/secrets/token > /sum\nCOPY . /src");
    workshop.write(".dockerignore", "private\n!private/kept\n");
    workshop.write("private/key", "ignored");
    workshop.write("private/kept", "kept");
    let mut order = workshop.order(Some(registry.host()));
    order.secrets.insert("token".to_owned(), SecretText::new("hunter2-hunter2"));
    let pushed = workshop.pushed(&order).await;
    assert!(!workshop.log().contains("hunter2"));
    let script = "cut -d' ' -f1 /sum; ls /src/private; ls /run/secrets 2>/dev/null";
    let ran = docker(&["run", "--rm", &pushed.uri, "sh", "-c", script]);
    let sum = hex::encode(sha2::Sha256::digest(b"hunter2-hunter2"));
    assert_eq!(String::from_utf8(ran).unwrap(), format!("{sum}\nkept\n"));
    let export = docker(&["save", &pushed.uri]);
    assert!(export.len() > 100_000 && !export.windows(15).any(|window| window == b"hunter2-hunter2"));
    let order = workshop.order(Some(registry.host()));
    workshop.write_steps("RUN --mount=type=secret,id=absent,required=true cat /run/secrets/absent");
    assert!(failed(&workshop.carry_out(&order).await.unwrap()).contains("absent"));
}

#[tokio::test]
async fn a_registry_that_answers_500_is_asked_again_and_then_named() {
    let registry = Registry::start().await;
    let workshop = Workshop::open(no_aws()).await;
    workshop.write_steps("COPY data /data");
    workshop.write("data", noise(500_000));
    // The first call that begins an upload and the first that streams one break.
    let seen: Arc<[AtomicUsize; 2]> = Arc::default();
    let flaky = Door::open(registry.host(), move |request, _| {
        let kind = [Method::POST, Method::PATCH].iter().position(|method| method == request.method)?;
        (seen[kind].fetch_add(1, Ordering::SeqCst) == 0).then(|| said(500, "the registry's disk is tired"))
    });
    let flaky = flaky.await;
    let pushed = workshop.pushed(&workshop.order(Some(flaky.host.clone()))).await;
    assert!(pushed.pushed_bytes > 500_000);
    assert!(workshop.log().contains("the registry's disk is tired"));
    let down = Door::open(registry.host(), |_, _| Some(said(500, "the registry's disk is dead"))).await;
    let fault = workshop.carry_out(&workshop.order(Some(down.host.clone()))).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::System);
    assert!(fault.message.contains(&down.host) && fault.message.contains("500"), "{fault}");
    let closed = Door::open(registry.host(), |_, _| Some(said(403, "not you"))).await;
    let fault = workshop.carry_out(&workshop.order(Some(closed.host.clone()))).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Permission);
    assert!(fault.message.contains("not you") && fault.hint.is_some(), "{fault}");
}

#[tokio::test]
async fn builds_that_lost_their_name_are_on_the_shelf_and_may_go() {
    let registry = Registry::start().await;
    let workshop = Workshop::open(no_aws()).await;
    let order = workshop.order(Some(registry.host()));
    let label = format!("label=sluice.image={}", workshop.repository);
    let ids = || {
        let listed = docker(&["image", "ls", "-aq", "--no-trunc", "--filter", &label, "--filter", "dangling=true"]);
        String::from_utf8(listed).unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    for word in ["one", "two"] {
        workshop.write_steps(&format!("RUN echo {word} > /word"));
        workshop.pushed(&order).await;
    }
    let shelf = OldBuilds::of("unix:///var/run/docker.sock");
    let old = ids();
    assert_eq!(old.len(), 1, "{old:?}");
    let kept = shelf.list().await.unwrap();
    let kept = kept.iter().find(|kept| kept.name == old[0]).unwrap();
    assert!(kept.in_use && kept.bytes > 0, "another run may still push it: {kept:?}");
    assert!(shelf.remove(&kept.name).await.unwrap() && shelf.remove(&kept.name).await.unwrap());
    assert_eq!(ids(), Vec::<String>::new());
}

#[tokio::test]
async fn a_base_image_that_its_registry_does_not_have_is_named() {
    let registry = Registry::start().await;
    let workshop = Workshop::open(no_aws()).await;
    let absent = format!("{}/team/absent:1", registry.host());
    workshop.write("Dockerfile", format!("FROM {absent}\n"));
    let outcome = workshop.carry_out(&workshop.order(Some(NOWHERE.to_owned()))).await.unwrap();
    let text = failed(&outcome);
    assert!(text.contains(&absent) && text.contains("not found"), "{text}");
}

#[tokio::test]
async fn a_stop_ends_the_build() {
    let workshop = Workshop::open(no_aws()).await;
    workshop.write_steps("RUN echo running; sleep 300");
    let cancel = Cancel::new();
    let order = workshop.order(Some(NOWHERE.to_owned()));
    let progress = workshop.progress();
    let stopping = async {
        let mut log = String::new();
        while !log.contains(" running\n") {
            tokio::time::sleep(Duration::from_millis(20)).await;
            log += &workshop.log();
        }
        cancel.request(Reason::Stopped);
    };
    let (outcome, ()) = tokio::join!(workshop.builder.build(&order, &progress, &cancel), stopping);
    assert_eq!(outcome.unwrap_err().kind, FaultKind::Stopped);
}
