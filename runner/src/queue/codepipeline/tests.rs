//! The calls of a queue, to a service that answers what a test tells it to.

use std::sync::Mutex as Lock;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::queue::{FailureKind, Refusal};

/// What was asked for: the operation and its input.
type Calls = Arc<Lock<Vec<(String, Value)>>>;

/// A queue whose service answers each call by its operation and its number among those of the operation.
async fn queue<F, A>(answer: F) -> (CodePipeline, Calls)
where
    F: Fn(String, usize) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = (u16, Value)> + Send,
{
    let calls = Calls::default();
    let heard = Arc::clone(&calls);
    let service = axum::Router::new().fallback(async move |headers: HeaderMap, body: Bytes| {
        let target = headers["x-amz-target"].to_str().unwrap();
        let operation = target.rsplit('.').next().unwrap().to_owned();
        let number = {
            let mut heard = heard.lock().unwrap();
            heard.push((operation.clone(), serde_json::from_slice(&body).unwrap()));
            heard.iter().filter(|(known, _)| *known == operation).count()
        };
        let (status, value) = answer(operation, number).await;
        (StatusCode::from_u16(status).unwrap(), value.to_string())
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, service).into_future());
    let own = SharedCredentialsProvider::new(Credentials::new("own", "secret", None, None, "test"));
    let config = aws::loader().region("eu-west-1").endpoint_url(url).credentials_provider(own).load().await;
    let asked = CodePipelineConfig { categories: vec![Category::Build], pools: vec!["linux".to_owned()] };
    (CodePipeline::new(config, asked), calls)
}

fn ticket() -> Ticket {
    Ticket { job: "j".to_owned(), receipt: "1".to_owned(), delivery: None }
}

#[tokio::test]
async fn what_a_dropped_poll_brings_is_brought_by_the_next_and_one_that_found_nothing_is_followed_by_another() {
    let opened = watch::Sender::new(false);
    let door = opened.clone();
    let (queue, calls) = queue(move |_, number| {
        let mut door = door.subscribe();
        async move {
            let _ = door.wait_for(|open| *open).await;
            let jobs = if number == 1 { json!([]) } else { json!([{ "id": "j", "nonce": number.to_string() }]) };
            (200, json!({ "jobs": jobs }))
        }
    })
    .await;
    for _ in 0..3 {
        let asked = async {
            while calls.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            offers = queue.poll(1, std::time::Duration::ZERO) => panic!("{offers:?}"),
            () = asked => {}
        }
    }
    assert_eq!(calls.lock().unwrap().len(), 1);
    opened.send_replace(true);
    let offers = queue.poll(1, std::time::Duration::ZERO).await.unwrap();
    assert_eq!((offers[0].ticket.receipt.as_str(), calls.lock().unwrap().len()), ("2", 2));
}

/// The messages of what is reported, and what comes of it, when the service refuses so many results.
async fn reported(failure: Option<Refusal>, refused: usize) -> (Vec<String>, Result<Reported, Fault>) {
    let total = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (queue, calls) = queue(move |_, _| {
        let number = total.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            match number < refused {
                true => (400, json!({ "__type": "ValidationException", "message": "no" })),
                false => (200, json!({})),
            }
        }
    })
    .await;
    let result = JobResult { failure, ..JobResult::default() };
    let reported = queue.report(&ticket(), &result).await;
    let said = |(operation, input): &(String, Value)| {
        let details = &input["failureDetails"];
        format!("{operation} {} {}", details["type"], details["message"])
    };
    let said = calls.lock().unwrap().iter().map(said).collect();
    (said, reported)
}

#[tokio::test]
async fn a_result_that_is_refused_for_its_contents_fails_the_action_with_the_reason() {
    let (said, came) = reported(None, 1).await;
    assert_eq!(came.unwrap(), Reported::Delivered);
    let why = "\"CodePipeline refuses the result: ValidationException: no\"";
    assert_eq!(said[1..], [format!("PutJobFailureResult \"ConfigurationError\" {why}")]);
    let (said, came) = reported(None, 2).await;
    assert_eq!((said.len(), came.unwrap()), (3, Reported::Delivered));
    let failure = Refusal { kind: FailureKind::JobFailed, message: "odd".to_owned() };
    let (said, came) = reported(Some(failure.clone()), 1).await;
    assert_eq!(came.unwrap(), Reported::Delivered);
    assert!(said[1].starts_with("PutJobFailureResult \"JobFailed\" \"CodePipeline refuses"), "{said:?}");
    assert!(reported(Some(failure), 9).await.1.is_err(), "it is tried again later");
}

#[tokio::test]
async fn the_credentials_of_a_job_are_fetched_again_when_a_transfer_outlives_them() {
    let (queue, _) = queue(async |_, number| {
        let key = json!({ "accessKeyId": number.to_string(), "secretAccessKey": "s", "sessionToken": "t" });
        (200, json!({ "jobDetails": { "id": "j", "data": { "artifactCredentials": key } } }))
    })
    .await;
    let config = queue.access(&ticket()).unwrap().config().await.unwrap();
    let provider = config.credentials_provider().unwrap();
    for number in ["1", "2"] {
        let credentials = provider.provide_credentials().await.unwrap();
        assert_eq!(credentials.access_key_id(), number);
        assert!(credentials.expiry().is_some(), "the SDK asks again before they are over");
    }
}

#[tokio::test]
async fn a_worker_that_may_not_ask_is_told_what_it_lacks() {
    let denied = async |_, _| (400, json!({ "__type": "AccessDeniedException", "message": "no" }));
    let (queue, _) = queue(denied).await;
    let place = crate::queue::Place { pipeline: "app".to_owned(), execution: "e".to_owned(), ..Default::default() };
    let order = JobOrder {
        key: "j".to_owned(),
        pool: String::new(),
        project: String::new(),
        place,
        source: pipeline_spec::plan::Source::Folder { path: ".".to_owned() },
        inputs: Vec::new(),
        work: Work::Spec(Box::default()),
        outputs: Vec::new(),
        encryption_key: None,
        turn: None,
    };
    let hint = queue.heartbeat(&ticket(), &order).await.unwrap_err().hint.unwrap();
    assert!(hint.contains("GetPipelineExecution") && hint.contains("ListActionExecutions"), "{hint}");
}
