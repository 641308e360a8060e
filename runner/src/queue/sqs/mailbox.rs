//! The calls of one SQS queue (SQS API reference: ReceiveMessage, ChangeMessageVisibility, DeleteMessage). It does not
//! know what messages say.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName as Attribute};
use aws_types::SdkConfig;

use crate::aws;
use crate::clock;
use crate::fault::Fault;
use crate::queue::{Delivery, Ticket};

/// The most messages of one call.
pub(super) const MOST: usize = 10;
/// The longest that one call waits.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// The longest that a message can be hidden.
const LONGEST_HIDDEN: Duration = Duration::from_hours(12);

/// One queue.
#[derive(Clone)]
pub(super) struct Mailbox {
    client: Client,
    url: String,
}

/// A message as it was handed out.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// What it is answered with. Its job is the message's own id.
    pub ticket: Ticket,
    /// When it was sent, as text that sorts, also within a millisecond of a FIFO queue.
    pub sent: String,
    /// What it says.
    pub body: String,
}

/// What came of a call about one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// It was done.
    Yes,
    /// The message is in the queue for everybody, and nobody has it: it was not held for long enough.
    Free,
    /// The receipt is no longer good: the message was handed out again, or deleted.
    Stale,
}

impl Mailbox {
    pub(super) fn new(config: &SdkConfig, url: String) -> Self {
        Self { client: Client::new(config), url }
    }

    /// At most so many messages (10 in any case), hidden from others for that long. Waits for the first one, for at
    /// most 20 seconds.
    pub(super) async fn receive(&self, most: usize, wait: Duration, hidden: Duration) -> Result<Vec<Letter>, Fault> {
        let request = self.client.receive_message().queue_url(&self.url);
        let request = request.max_number_of_messages(i32::try_from(most.min(MOST)).unwrap_or(1));
        let request = request.wait_time_seconds(seconds(wait.min(LONGEST_WAIT)));
        let request = request.visibility_timeout(seconds(hidden.min(LONGEST_HIDDEN)));
        let wanted = [Attribute::SentTimestamp, Attribute::ApproximateReceiveCount, Attribute::SequenceNumber];
        let answer = request.set_message_system_attribute_names(Some(wanted.to_vec())).send().await;
        let answer = answer.map_err(|error| {
            let fault = aws::fault(format!("receiving from {}", self.url), &error);
            match error.code() {
                Some(code) if code.contains("QueueDoesNotExist") || code.contains("NonExistentQueue") => {
                    fault.hint("check the queue's URL, and that it is in this account and Region")
                }
                _ => fault,
            }
        })?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(|message| self.letter(message)).collect())
    }

    fn letter(&self, message: Message) -> Option<Letter> {
        let attributes = message.attributes.unwrap_or_default();
        let number = |name| attributes.get(&name).and_then(|text: &String| text.parse::<u64>().ok());
        let sent = number(Attribute::SentTimestamp).unwrap_or(0);
        let sequence = attributes.get(&Attribute::SequenceNumber).map_or("", String::as_str);
        let count = number(Attribute::ApproximateReceiveCount).and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
        let delivery = Delivery { queue: self.url.clone(), received: clock::now(), count };
        let ticket = Ticket { job: message.message_id?, receipt: message.receipt_handle?, delivery: Some(delivery) };
        Some(Letter { ticket, sent: format!("{sent:015}-{sequence}"), body: message.body.unwrap_or_default() })
    }

    /// Hides a message for that long from now on; zero gives it back at once.
    pub(super) async fn hide(&self, ticket: &Ticket, hidden: Duration) -> Result<Done, Fault> {
        let request = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(&ticket.receipt);
        let answer = request.visibility_timeout(seconds(hidden.min(LONGEST_HIDDEN))).send().await;
        done(&format!("holding message {}", ticket.job), answer.map(|_| ()))
    }

    /// Removes a message for good.
    pub(super) async fn delete(&self, ticket: &Ticket) -> Result<Done, Fault> {
        let request = self.client.delete_message().queue_url(&self.url).receipt_handle(&ticket.receipt);
        done(&format!("deleting message {}", ticket.job), request.send().await.map(|_| ()))
    }

    /// Puts a message; its id. `group` and `once` are for FIFO queues: messages of one group come in order, and of those
    /// with the same `once` within five minutes one is kept.
    pub(super) async fn send(&self, body: &str, group: &str, once: &str) -> Result<String, Fault> {
        let request = self.client.send_message().queue_url(&self.url).message_body(body);
        let request = match self.url.ends_with(".fifo") {
            true => request.message_group_id(group).message_deduplication_id(once),
            false => request,
        };
        let answer = request.send().await;
        let answer = answer.map_err(|error| aws::fault(format!("sending to {}", self.url), &error))?;
        Ok(answer.message_id.unwrap_or_default())
    }
}

/// SQS counts whole seconds.
fn seconds(duration: Duration) -> i32 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(whole).unwrap_or(i32::MAX)
}

fn done<E, R>(doing: &str, answer: Result<(), SdkError<E, R>>) -> Result<Done, Fault>
where
    E: std::error::Error + aws_sdk_sqs::error::ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    // SQS says InvalidParameterValue of the receipt of a FIFO queue's message that was deleted or handed out again.
    const STALE: [&str; 2] = ["ReceiptHandleIsInvalid", "InvalidParameterValue"];
    match answer {
        Ok(()) => Ok(Done::Yes),
        Err(error) if error.code().is_some_and(|code| code.contains("MessageNotInflight")) => Ok(Done::Free),
        Err(error) if error.code().is_some_and(|code| STALE.iter().any(|stale| code.contains(stale))) => {
            Ok(Done::Stale)
        }
        Err(error) => Err(aws::fault(doing, &error)),
    }
}
