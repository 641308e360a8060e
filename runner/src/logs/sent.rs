//! Logs that were sent to CloudWatch Logs, read back.

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::OutputLogEvent;
use aws_types::SdkConfig;

use super::{LogEvent, StreamName};
use crate::aws::fault;
use crate::fault::Fault;

/// The streams of an account and Region.
pub struct SentLogs {
    client: Client,
}

/// A stream, and how far it was read.
#[derive(Clone, Debug)]
pub struct ReadTo {
    /// Which.
    pub stream: StreamName,
    token: Option<String>,
}

impl ReadTo {
    /// The beginning of a stream.
    #[must_use]
    pub fn start(stream: StreamName) -> Self {
        Self { stream, token: None }
    }
}

impl SentLogs {
    /// Those that the configuration leads to. Nothing is called yet.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config) }
    }

    /// Some of what comes next in a stream; nothing when all that is there was read. `None`: there is no such stream.
    ///
    /// # Errors
    /// A fault of any kind; to try again is safe.
    pub async fn next(&self, to: &mut ReadTo) -> Result<Option<Vec<LogEvent>>, Fault> {
        let StreamName { group, stream } = to.stream.clone();
        loop {
            let call = self.client.get_log_events().log_group_name(&group).log_stream_name(&stream);
            let page = match call.start_from_head(true).set_next_token(to.token.clone()).send().await {
                Ok(page) => page,
                Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
                    return Ok(None);
                }
                Err(error) => return Err(fault(format!("cannot read the log stream {stream} of {group}"), &error)),
            };
            // A page may be empty and have others behind it: the end of a stream is told by the same token again.
            let is_last = page.next_forward_token() == to.token.as_deref();
            to.token = page.next_forward_token().map(str::to_owned);
            if is_last || !page.events().is_empty() {
                return Ok(Some(page.events().iter().map(read).collect()));
            }
        }
    }
}

fn read(event: &OutputLogEvent) -> LogEvent {
    LogEvent { time: event.timestamp().unwrap_or_default(), text: event.message().unwrap_or_default().to_owned() }
}
