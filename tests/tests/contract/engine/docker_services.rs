//! Services in a real engine.

use pipeline_spec::plan::ServiceReadiness;
use runner::cancel::{Cancel, Reason};
use runner::engine::{Ending, ServiceSpec};
use runner::fault::FaultKind;
use sluice_tests::images;

use super::bench::{Bench, program, section};

/// Says hello on port 8000, a second after its start.
const SERVER: &str = "sluice-test/server:1";

fn service(name: &str, image: &str, command: &[&str], readiness: Option<&str>, timeout_seconds: u64) -> ServiceSpec {
    ServiceSpec {
        name: name.to_owned(),
        image: image.to_owned(),
        environment: vec![("GREETING".to_owned(), "hello".to_owned())],
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        readiness: ServiceReadiness { command: readiness.map(str::to_owned), timeout_seconds },
    }
}

#[tokio::test]
async fn a_build_reaches_its_services_by_name_when_they_are_ready() {
    let bench = Bench::in_docker().await;
    images::import(SERVER, images::root_file_system(), "EXPOSE 8000").await;
    let serve = ["sh", "-c", "sleep 1; mkdir /www; echo $GREETING >/www/index.html; exec httpd -f -p 8000 -h /www"];
    let slow = ["sh", "-c", "sleep 1; : >/ready; exec sleep 1000"];
    let mut spec = bench
        .spec("a", program(vec![section(&["wget -q -O - http://web:8000/", "nslookup db >/dev/null && echo found"])]));
    spec.services = vec![
        service("web", SERVER, &serve, None, 30),
        service("db", images::BUSYBOX, &slow, Some("test -e /ready"), 30),
    ];
    let (text, ending) = bench.transcript(&spec).await;
    assert_eq!((text.as_str(), ending), ("<S0 1><0>hello\n<=0><1>found\n<=0><E0 true>", Ending::Completed));
    assert_eq!(bench.transcript(&spec).await.0, text, "adopted with its services");
    bench.finish().await;
}

#[tokio::test]
async fn a_service_that_does_not_get_ready_is_shown_with_its_log() {
    let bench = Bench::in_docker().await;
    let mut spec = bench.spec("a", program(vec![section(&["echo one"])]));
    spec.services =
        vec![service("db", images::BUSYBOX, &["sh", "-c", "echo cannot open data; sleep 1000"], Some("false"), 1)];
    let fault = bench.start(&spec, &Cancel::new()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Configuration);
    let expected =
        format!("the service db ({}) was not ready after 1 s; its last lines:\ncannot open data", images::BUSYBOX);
    assert_eq!(fault.message, expected);
    let mut spec = bench.spec("b", program(vec![section(&["echo one"])]));
    spec.services = vec![service("db", images::BUSYBOX, &["sh", "-c", "echo bad; exit 3"], Some("false"), 30)];
    let fault = bench.start(&spec, &Cancel::new()).await.unwrap_err();
    assert!(fault.message.contains("ended with status 3 before it was ready; its last lines:\nbad"), "{fault}");
    bench.finish().await;
}

#[tokio::test]
async fn an_images_own_health_check_tells_when_a_service_is_ready_and_when_it_never_will_be() {
    let bench = Bench::in_docker().await;
    // Its port answers from the start, and says the right thing only when it is healthy.
    let check = "EXPOSE 8000\nHEALTHCHECK --interval=200ms --retries=1000 CMD test -e /ready";
    let image = images::built("sluice-test/health:1", check).await;
    let serve = "mkdir /www; echo early >/www/index.html; httpd -p 8000 -h /www; sleep 1; \
                 echo ready >/www/index.html; : >/ready; exec sleep 1000";
    let mut spec = bench.spec("a", program(vec![section(&["wget -q -O - http://web:8000/"])]));
    spec.services = vec![service("web", image, &["sh", "-c", serve], None, 30)];
    assert_eq!(bench.transcript(&spec).await.0, "<S0 1><0>ready\n<=0><E0 true>");

    let never = images::built("sluice-test/unhealthy:1", "HEALTHCHECK --interval=100ms --retries=1 CMD false").await;
    let mut spec = bench.spec("b", program(vec![section(&["echo one"])]));
    spec.services = vec![service("db", never, &["sh", "-c", "echo no data; exec sleep 1000"], None, 30)];
    let fault = bench.start(&spec, &Cancel::new()).await.unwrap_err();
    let expected =
        format!("the service db ({never}) is unhealthy by its image's health check; its last lines:\nno data");
    assert_eq!((fault.kind, fault.message), (FaultKind::Configuration, expected));
    bench.finish().await;
}

#[tokio::test]
async fn a_stop_ends_the_wait_for_a_service() {
    let bench = Bench::in_docker().await;
    let mut spec = bench.spec("a", program(vec![section(&["echo one"])]));
    spec.services = vec![service("db", images::BUSYBOX, &["sleep", "1000"], Some("false"), 600)];
    let cancel = Cancel::new();
    let (fault, ()) = tokio::join!(bench.start(&spec, &cancel), async {
        while images::engine().inspect_container(&format!("sluice-{}.a.db", spec.key.run), None).await.is_err() {
            tokio::task::yield_now().await;
        }
        cancel.request(Reason::Stopped);
    });
    assert_eq!(fault.unwrap_err().kind, FaultKind::Stopped);
    bench.finish().await;
}
