//! An upload in parts, to a service that does what a test wants of it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use axum::http::{Method, StatusCode, Uri};
use bytes::Bytes;

use super::*;
use crate::cancel::Reason;
use crate::fault::FaultKind;

struct At(SdkConfig);

#[async_trait]
impl Access for At {
    async fn config(&self) -> Result<SdkConfig, Fault> {
        Ok(self.0.clone())
    }
}

/// What the service is asked for when the end of an upload is refused, and `heard` listens to its progress.
async fn put(cancel: &Cancel, heard: impl Fn(u64) + Send + Sync + 'static) -> (Vec<String>, Fault) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&calls);
    let service = axum::Router::new().fallback(async move |method: Method, uri: Uri, _read_whole: Bytes| {
        let query = uri.query().unwrap_or_default();
        let begins = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
        let (what, status, body) = match (method.as_str(), query.contains("uploadId=u")) {
            ("POST", false) => ("create", 200, begins),
            ("PUT", true) => ("part", 200, ""),
            ("POST", true) => ("complete", 400, "<Error><Code>InvalidPart</Code><Message>no</Message></Error>"),
            ("DELETE", true) => ("abort", 204, ""),
            _ => ("else", 400, ""),
        };
        told.lock().unwrap().push(what.to_owned());
        (StatusCode::from_u16(status).unwrap(), body)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, service).into_future());
    let own = SharedCredentialsProvider::new(Credentials::new("own", "secret", None, None, "test"));
    let config = crate::aws::loader().region("eu-west-1").endpoint_url(url).credentials_provider(own).load().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![7; 2500]).unwrap();
    let object = Object { bucket: "b".to_owned(), key: "k".to_owned() };
    let progress = Progress::new(move |progressed| {
        if let crate::progress::Progressed::Bytes { done, .. } = progressed {
            heard(done);
        }
    });
    let bucket = S3::new(Arc::new(At(config))).in_parts_of(1000);
    let fault = bucket.put(file.path(), &object, &Keeping::default(), &progress, cancel).await.unwrap_err();
    let calls = calls.lock().unwrap().clone();
    (calls, fault)
}

#[tokio::test]
async fn an_upload_that_cannot_be_ended_leaves_no_parts() {
    let (calls, fault) = put(&Cancel::new(), |_| ()).await;
    assert_eq!(calls, ["create", "part", "part", "part", "complete", "abort"]);
    assert!(fault.message.contains("InvalidPart"), "{}", fault.message);
}

#[tokio::test]
async fn a_stopped_upload_leaves_no_parts() {
    let cancel = Cancel::new();
    let stops = cancel.clone();
    let heard = move |done| {
        if done > 0 {
            stops.request(Reason::Stopped);
        }
    };
    let (calls, fault) = put(&cancel, heard).await;
    assert_eq!((calls.last().map(String::as_str), fault.kind), (Some("abort"), FaultKind::Stopped), "{calls:?}");
}

/// A service that reads as a slow line does, which takes longer over a body than the limit of the configuration.
async fn slow_service(takes: std::time::Duration) -> String {
    let service = axum::Router::new().fallback(async move |_read_whole: Bytes| {
        tokio::time::sleep(takes).await;
        StatusCode::OK
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, service).into_future());
    url
}

#[tokio::test]
async fn an_upload_may_take_longer_than_other_calls() {
    let url = slow_service(std::time::Duration::from_millis(400)).await;
    let own = SharedCredentialsProvider::new(Credentials::new("own", "secret", None, None, "test"));
    let short = aws_config::timeout::TimeoutConfig::builder();
    let short = short.operation_attempt_timeout(std::time::Duration::from_millis(100)).build();
    let config = crate::aws::loader().region("eu-west-1").endpoint_url(url).credentials_provider(own);
    let config = config.timeout_config(short).load().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "log").unwrap();
    let object = Object { bucket: "b".to_owned(), key: "k".to_owned() };
    let bucket = S3::new(Arc::new(At(config)));
    bucket.put(file.path(), &object, &Keeping::default(), &Progress::silent(), &Cancel::new()).await.unwrap();
}
