//! Jobs that come as messages of an SQS queue: requests for runs (`request.rs`), and events of EventBridge (`event.rs`).
//!
//! A message stays in the queue, hidden, until its run has ended; then it is deleted, also when the run has failed. What
//! our side broke is given back, later each time, until the queue's redrive policy takes it to the dead letters. So is a
//! message that cannot be understood, but nobody deletes it before that.
//!
//! A run that waits at a gate may wait for days, and SQS hides no message for longer than twelve hours. So a run that
//! parks gives its message up as it gives up its seat: the worker writes into the ledger that the job has no receipt any
//! more, and then has the message deleted. From there on the ledger alone carries the job: whoever holds its lease goes on
//! with it, and nothing is told to the queue at its end. A message that is held for eleven hours is given up in the same
//! way, and what fails on our side after that is not given back, because there is nothing to give.

mod event;
mod listen;
mod mailbox;
mod request;
mod submit;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_types::SdkConfig;
use jiff::SignedDuration;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::event::Meaning;
use self::mailbox::{Done, Letter, Mailbox};
use super::{Accepted, FailureKind, JobOrder, JobResult, LetGo, News, Offer, Queue, Reported, Ticket, Wanted};
use crate::bucket::Access;
use crate::clock;
use crate::fault::Fault;

pub use listen::Listener;
pub use request::{ExecutionMode, RequestSource, RunRequest, VERSION};
pub use submit::submit;

/// The longest pause before a message is offered again.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);

/// A call that waits for messages.
type Receiving = JoinHandle<Result<Vec<Offer>, Fault>>;

/// How messages are taken.
#[derive(Clone, Debug)]
pub struct SqsConfig {
    /// The queue's URL.
    pub queue: String,
    /// The pools that messages may name.
    pub pools: Vec<String>,
    /// How long a message is hidden from others, unless that is renewed.
    pub lease: Duration,
    /// The pause before a message is offered a second time; it doubles with each.
    pub pause: Duration,
}

/// A queue of messages.
pub struct Sqs {
    reader: Arc<Reader>,
    /// A call that waits for messages. It outlives the poll that began it, so that no message is lost with that.
    waiting: Mutex<Option<Receiving>>,
}

impl Sqs {
    /// The queue, and the news that are found in it.
    #[must_use]
    pub fn open(aws: &SdkConfig, config: SqsConfig) -> (Self, Listener) {
        let mailbox = Mailbox::new(aws, config.queue.clone());
        let (news, heard) = mpsc::unbounded_channel();
        let listener = Listener::of_queue(mailbox.clone(), heard);
        (Self { reader: Arc::new(Reader { mailbox, config, news }), waiting: Mutex::default() }, listener)
    }
}

/// Reads messages, and sees to those that are no jobs.
struct Reader {
    mailbox: Mailbox,
    config: SqsConfig,
    news: mpsc::UnboundedSender<News>,
}

impl Reader {
    /// Up to `free` offers; waits so long for the first.
    async fn read(&self, free: usize, wait: Duration) -> Result<Vec<Offer>, Fault> {
        let began = Instant::now();
        let mut offers = Vec::new();
        loop {
            let left = if offers.is_empty() { wait.saturating_sub(began.elapsed()) } else { Duration::ZERO };
            let letters = match self.mailbox.receive(free - offers.len(), left, self.config.lease).await {
                Ok(letters) => letters,
                Err(fault) if offers.is_empty() => return Err(fault),
                Err(fault) => {
                    tracing::warn!(%fault, "no further messages can be received");
                    break;
                }
            };
            let found = letters.len();
            for letter in letters {
                offers.extend(self.offer(letter).await);
            }
            // SQS may answer with fewer than there are.
            if offers.len() >= free || (found == 0 && (!offers.is_empty() || began.elapsed() >= wait)) {
                break;
            }
        }
        offers.sort_by(|one, other| sent(one).cmp(sent(other)));
        Ok(offers)
    }

    /// What a message asks for, when it asks for something that can be done here.
    async fn offer(&self, letter: Letter) -> Option<Offer> {
        let mut ticket = letter.ticket;
        let why = match meaning(&letter.body, &letter.sent) {
            Ok(Meaning::Run { id, mut order }) => match self.for_others(&order) {
                None => {
                    ticket.job = id.unwrap_or(ticket.job);
                    order.key.clone_from(&ticket.job);
                    return Some(Offer { ticket, order: Ok(*order) });
                }
                Some(why) => why,
            },
            Ok(Meaning::News(says)) => {
                // The listener lives as long as the worker.
                let _ = self.news.send(News { ticket, says });
                return None;
            }
            Ok(Meaning::Nothing) => {
                told("dropping", &ticket, self.mailbox.delete(&ticket).await);
                return None;
            }
            Err(why) => why,
        };
        tracing::warn!(message = ticket.job, why, "a message is left to the dead-letter queue");
        told("leaving", &ticket, self.mailbox.hide(&ticket, self.pause(&ticket)).await);
        None
    }

    /// Why an order is not for this worker.
    fn for_others(&self, order: &JobOrder) -> Option<String> {
        let pools = &self.config.pools;
        let ours = order.pool.is_empty() || pools.contains(&order.pool);
        (!ours).then(|| format!("it is for the pool {}, and this worker is of {}", order.pool, pools.join(", ")))
    }

    /// How long a message that was not done rests.
    fn pause(&self, ticket: &Ticket) -> Duration {
        let count = ticket.delivery.as_ref().map_or(1, |delivery| delivery.count);
        self.config.pause.saturating_mul(1 << count.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
    }
}

fn told(doing: &str, ticket: &Ticket, done: Result<Done, Fault>) {
    if let Err(fault) = done {
        tracing::warn!(message = ticket.job, doing, %fault, "a message cannot be answered; it will come again");
    }
}

/// What a message means: a request for a run, or an event.
fn meaning(body: &str, sent: &str) -> Result<Meaning, String> {
    let tree: serde_json::Value = serde_json::from_str(body).map_err(|error| format!("it is no JSON: {error}"))?;
    if tree.get("detail-type").is_some() {
        return event::meaning(body, sent);
    }
    let order = RunRequest::parse(body)?.order(sent)?;
    Ok(Meaning::Run { id: None, order: Box::new(order) })
}

#[async_trait]
impl Queue for Sqs {
    async fn poll(&self, free: usize, wait: Duration) -> Result<Vec<Offer>, Fault> {
        let mut waiting = self.waiting.lock().await;
        let reader = Arc::clone(&self.reader);
        let call = waiting.get_or_insert_with(|| tokio::spawn(async move { reader.read(free, wait).await }));
        let offers = call.await;
        *waiting = None;
        let mut offers = offers.unwrap_or_else(|error| Err(Fault::system(format!("receiving messages: {error}"))))?;
        // What a poll has found that was given up long ago is somebody else's by now, or soon.
        let old = clock::now() - SignedDuration::try_from(self.reader.config.lease / 2).unwrap_or_default();
        offers.retain(|offer| offer.ticket.delivery.as_ref().is_some_and(|delivery| delivery.received >= old));
        Ok(offers)
    }

    async fn accept(&self, _: &Ticket) -> Result<Accepted, Fault> {
        Ok(Accepted::Ours)
    }

    async fn heartbeat(&self, ticket: &Ticket, _: &JobOrder) -> Result<Wanted, Fault> {
        if ticket.receipt.is_empty() {
            return Ok(Wanted::Yes);
        }
        match self.reader.mailbox.hide(ticket, self.reader.config.lease).await? {
            // One that nobody has is not done by anybody else either; it will be offered to us again.
            Done::Yes | Done::Free => Ok(Wanted::Yes),
            Done::Stale => Ok(Wanted::Elsewhere),
        }
    }

    fn serves(&self, ticket: &Ticket, _: Option<&JobOrder>) -> bool {
        ticket.delivery.as_ref().is_some_and(|delivery| name(&delivery.queue) == name(&self.reader.config.queue))
    }

    async fn report(&self, ticket: &Ticket, result: &JobResult) -> Result<Reported, Fault> {
        let ours = result.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::SystemUnavailable);
        if ticket.receipt.is_empty() {
            return Ok(Reported::Delivered);
        }
        let done = match ours {
            true => self.reader.mailbox.hide(ticket, self.reader.pause(ticket)).await?,
            false => self.reader.mailbox.delete(ticket).await?,
        };
        Ok(match done {
            // Whoever has the message by now, or gets it, does what we could not.
            _ if ours => Reported::Again,
            Done::Yes => Reported::Delivered,
            Done::Free | Done::Stale => Reported::Refused { why: "the message was handed out again".to_owned() },
        })
    }

    fn access(&self, _: &Ticket) -> Option<Arc<dyn Access>> {
        None
    }

    async fn let_go(&self, ticket: &Ticket, how: LetGo) -> Result<(), Fault> {
        if ticket.receipt.is_empty() {
            return Ok(());
        }
        answer(&self.reader.mailbox, ticket, how).await
    }

    async fn leave(&self) {
        let Some(call) = self.waiting.lock().await.take() else { return };
        let Ok(Ok(offers)) = call.await else { return };
        for Offer { ticket, .. } in offers {
            told("giving back", &ticket, self.reader.mailbox.hide(&ticket, Duration::ZERO).await);
        }
    }
}

/// The account and the name of a queue: its URL may be written with more than one host.
fn name(url: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = url.trim_end_matches('/').rsplit('/').take(2).collect();
    parts.reverse();
    parts
}

/// Answers a message. One that somebody else has by now is theirs to answer.
async fn answer(mailbox: &Mailbox, ticket: &Ticket, how: LetGo) -> Result<(), Fault> {
    match how {
        LetGo::ForGood => mailbox.delete(ticket).await,
        LetGo::For(pause) => mailbox.hide(ticket, pause).await,
    }
    .map(|_| ())
}

fn sent(offer: &Offer) -> &str {
    offer.order.as_ref().ok().and_then(|order| order.turn.as_ref()).map_or("", |turn| turn.sent.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_known_by_its_account_and_name() {
        let of = |host: &str| format!("https://{host}/111111111111/runs");
        assert_eq!(name(&of("sqs.eu-west-1.amazonaws.com")), name(&(of("eu-west-1.queue.amazonaws.com") + "/")));
        assert_ne!(
            name(&of("sqs.eu-west-1.amazonaws.com")),
            name("https://sqs.eu-west-1.amazonaws.com/222222222222/runs")
        );
    }

    #[test]
    fn a_message_that_is_neither_says_why() {
        let why = |body: &str| meaning(body, "1").unwrap_err();
        assert!(why("hello").starts_with("it is no JSON"));
        assert!(why(r#"{"sluice": 1}"#).contains("missing field `source`"));
        assert!(
            why(r#"{"detail-type": "x", "id": "1", "region": "r", "time": "2026-06-12T10:23:43Z", "detail": {}}"#)
                .contains("events of the type \"x\"")
        );
    }
}
