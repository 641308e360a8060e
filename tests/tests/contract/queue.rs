//! Contract suite: queues of messages.

use aws_sdk_sqs::types::QueueAttributeName;
use runner::queue::sqs::{RunRequest, submit};
use sluice_tests::aws::{ACCOUNT, AwsEmulator};

#[tokio::test]
async fn the_same_request_made_twice_is_two_requests() {
    let emulator = AwsEmulator::start().await;
    let config = emulator.config(ACCOUNT).await;
    let client = aws_sdk_sqs::Client::new(&config);
    let made = client.create_queue().queue_name("runs.fifo").attributes(QueueAttributeName::FifoQueue, "true");
    let url = made.send().await.unwrap().queue_url.unwrap();
    for mode in ["superseded", "queued", "parallel"] {
        let body = format!(r#"{{"sluice":1,"source":{{"codecommit":"billing","ref":"main"}},"mode":"{mode}"}}"#);
        let request = RunRequest::parse(&body).unwrap();
        let first = submit(&config, &url, &request).await.unwrap();
        assert_ne!(first, submit(&config, &url, &request).await.unwrap());
    }
    let count = QueueAttributeName::ApproximateNumberOfMessages;
    let asked = client.get_queue_attributes().queue_url(&url).attribute_names(count.clone()).send().await.unwrap();
    assert_eq!(asked.attributes.unwrap()[&count], "6");
}
