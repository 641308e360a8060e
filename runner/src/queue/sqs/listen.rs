//! News of pipelines: from a queue that holds nothing else, or from among the messages of a queue of jobs.

use std::time::Duration;

use async_trait::async_trait;
use aws_types::SdkConfig;
use tokio::sync::{Mutex, mpsc};

use super::event::Meaning;
use super::mailbox::{Letter, MOST, Mailbox};
use super::{answer, meaning, told};
use crate::fault::Fault;
use crate::queue::{Events, LetGo, News};

/// How long one call waits for news.
const WAIT: Duration = Duration::from_secs(20);
/// How long news are hidden from others while they are heard.
const HIDDEN: Duration = Duration::from_secs(30);

/// Hears news.
pub struct Listener {
    mailbox: Mailbox,
    /// What somebody else received; `None`: this one receives by itself.
    heard: Option<Mutex<mpsc::UnboundedReceiver<News>>>,
}

impl Listener {
    /// Of a queue that EventBridge fills with events alone.
    #[must_use]
    pub fn open(aws: &SdkConfig, queue: String) -> Self {
        Self { mailbox: Mailbox::new(aws, queue), heard: None }
    }

    /// Of what is found in a queue of jobs.
    pub(super) fn of_queue(mailbox: Mailbox, heard: mpsc::UnboundedReceiver<News>) -> Self {
        Self { mailbox, heard: Some(Mutex::new(heard)) }
    }

    /// The news in a message. A queue of news is nobody's queue of jobs: what is none is not kept.
    async fn news(&self, letter: Letter) -> Option<News> {
        let ticket = letter.ticket;
        match meaning(&letter.body, &letter.sent) {
            Ok(Meaning::News(says)) => return Some(News { ticket, says }),
            Ok(Meaning::Nothing) => {}
            Ok(Meaning::Run { .. }) => {
                // It may be in the wrong queue, so it is left to the dead letters.
                tracing::warn!(
                    message = ticket.job,
                    "a message in the queue of events asks for a run; send it to --queue"
                );
                return None;
            }
            Err(why) => {
                tracing::warn!(message = ticket.job, why, "a message in the queue of events is not understood");
                return None;
            }
        }
        told("dropping", &ticket, self.mailbox.delete(&ticket).await);
        None
    }
}

#[async_trait]
impl Events for Listener {
    async fn listen(&self) -> Result<Vec<News>, Fault> {
        if let Some(heard) = &self.heard {
            // Without a sender there will be no more news.
            return match heard.lock().await.recv().await {
                Some(news) => Ok(vec![news]),
                None => std::future::pending().await,
            };
        }
        let mut found = Vec::new();
        for letter in self.mailbox.receive(MOST, WAIT, HIDDEN).await? {
            found.extend(self.news(letter).await);
        }
        Ok(found)
    }

    async fn answer(&self, news: &News, how: LetGo) -> Result<(), Fault> {
        answer(&self.mailbox, &news.ticket, how).await
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use axum::http::{HeaderMap, StatusCode};
    use serde_json::{Value, json};

    use super::*;
    use crate::queue::Says;

    fn message(id: &str, state: &str) -> Value {
        let event = json!({
            "id": id, "detail-type": "CodePipeline Action Execution State Change", "region": "eu-west-1",
            "time": "2026-06-12T10:23:43Z",
            "detail": {
                "pipeline": "app", "execution-id": "x", "version": 1.0, "state": state,
                "type": {"owner": "Custom", "provider": "Sluice", "category": "Build", "version": "1"},
            },
        });
        json!({ "MessageId": id, "ReceiptHandle": id, "Body": event.to_string() })
    }

    #[tokio::test]
    async fn news_are_heard_also_when_a_message_beside_them_cannot_be_deleted() {
        let service =
            axum::Router::new().fallback(async |headers: HeaderMap| match headers["x-amz-target"].as_bytes() {
                b"AmazonSQS.ReceiveMessage" => {
                    let messages = json!({ "Messages": [message("a", "SUCCEEDED"), message("b", "ABANDONED")] });
                    (StatusCode::OK, messages.to_string())
                }
                _ => (StatusCode::BAD_REQUEST, json!({ "__type": "AccessDeniedException" }).to_string()),
            });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, service).into_future());
        let own = SharedCredentialsProvider::new(Credentials::new("own", "secret", None, None, "test"));
        let config = crate::aws::loader().region("eu-west-1").endpoint_url(&url).credentials_provider(own).load().await;
        let heard = Listener::open(&config, format!("{url}/1/events")).listen().await.unwrap();
        assert!(matches!(&heard[..], [News { says: Says::Stopped { execution, .. }, .. }] if execution == "x"));
    }
}
