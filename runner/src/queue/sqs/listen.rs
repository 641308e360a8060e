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
