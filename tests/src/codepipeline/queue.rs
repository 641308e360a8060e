//! Events into a queue, as a rule of EventBridge with an SQS target does.

use tokio::sync::mpsc;

/// Sends what comes, in its order, until the sender is dropped.
pub(super) fn open(sqs: aws_sdk_sqs::Client, url: String) -> mpsc::UnboundedSender<String> {
    let (sender, mut events) = mpsc::unbounded_channel::<String>();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            let sent = sqs.send_message().queue_url(&url).message_body(event).send().await;
            if let Err(error) = sent {
                panic!("no event can be sent to {url}: {error:?}");
            }
        }
    });
    sender
}
