//! CloudWatch Logs.
//!
//! A call is tried once: pauses and repetitions are the sender's, who also knows when to stop.

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::Builder;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatchlogs::types::{InputLogEvent, RejectedLogEventsInfo};
use tokio::sync::OnceCell;

use super::{LogEvent, LogService, Put, Rejected, StreamName};
use crate::aws::{Aws, fault};
use crate::fault::Fault;

/// The times that a group's events may be kept for, in days (API reference, `PutRetentionPolicy`).
const DAYS: [i32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// How long the events of a group are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention(i32);

impl Retention {
    /// So many days.
    ///
    /// # Errors
    /// A `Configuration` fault for a number that CloudWatch Logs does not have.
    pub fn days(days: i32) -> Result<Self, Fault> {
        if DAYS.contains(&days) {
            return Ok(Self(days));
        }
        let all = DAYS.map(|days| days.to_string()).join(", ");
        Err(Fault::configuration(format!("logs cannot be kept for {days} days")).hint(format!("choose one of {all}")))
    }
}

/// Whose CloudWatch Logs, and how groups are made there.
#[derive(Clone, Debug, Default)]
pub struct CloudWatchConfig {
    /// A role to assume; `None` is the caller's own identity.
    pub role: Option<String>,
    /// The Region; `None` is the caller's own.
    pub region: Option<String>,
    /// For groups that are made here. Those that are there keep what they have; `None` is for ever.
    pub retention: Option<Retention>,
}

/// CloudWatch Logs, called with the caller's AWS.
pub struct CloudWatchLogs {
    aws: Aws,
    config: CloudWatchConfig,
    client: OnceCell<Client>,
}

impl CloudWatchLogs {
    /// Nothing is called yet.
    #[must_use]
    pub fn new(aws: Aws, config: CloudWatchConfig) -> Self {
        Self { aws, config, client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Client, Fault> {
        let CloudWatchConfig { role, region, .. } = &self.config;
        self.client
            .get_or_try_init(|| async {
                let config = self.aws.config(role.as_deref(), region.as_deref()).await?;
                Ok(Client::from_conf(Builder::from(&config).retry_config(RetryConfig::disabled()).build()))
            })
            .await
    }

    async fn create_group(&self, group: &str) -> Result<(), Fault> {
        let client = self.client().await?;
        match client.create_log_group().log_group_name(group).send().await {
            Ok(_) => {}
            // Another build was first, and sets its retention.
            Err(error) if is(error.as_service_error(), |error| error.is_resource_already_exists_exception()) => {
                return Ok(());
            }
            Err(error) => return Err(fault(format!("cannot make the log group {group}"), &error)),
        }
        let Some(Retention(days)) = self.config.retention else { return Ok(()) };
        let put = client.put_retention_policy().log_group_name(group).retention_in_days(days).send().await;
        if let Err(error) = put {
            // The group is there now, and would be left alone the next time: it is said, and logs are sent.
            let fault = fault(format!("cannot set how long {group} is kept"), &error);
            tracing::warn!(group, %fault, "the log group keeps its events for ever");
        }
        Ok(())
    }

    /// `false`: there is no such group.
    async fn create_stream(&self, StreamName { group, stream }: &StreamName) -> Result<bool, Fault> {
        let call = self.client().await?.create_log_stream().log_group_name(group).log_stream_name(stream);
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if is(error.as_service_error(), |error| error.is_resource_already_exists_exception()) => {
                Ok(true)
            }
            Err(error) if is(error.as_service_error(), |error| error.is_resource_not_found_exception()) => Ok(false),
            Err(error) => Err(fault(format!("cannot make the log stream {stream} in {group}"), &error)),
        }
    }
}

#[async_trait]
impl LogService for CloudWatchLogs {
    async fn create(&self, stream: &StreamName) -> Result<(), Fault> {
        if self.create_stream(stream).await? {
            return Ok(());
        }
        self.create_group(&stream.group).await?;
        if self.create_stream(stream).await? {
            return Ok(());
        }
        Err(Fault::system(format!("the log group {} was made and is not there", stream.group)))
    }

    async fn put(&self, name: &StreamName, events: Vec<LogEvent>) -> Result<Put, Fault> {
        let StreamName { group, stream } = name;
        let count = events.len();
        let events = events.into_iter().map(input).collect::<Result<Vec<_>, _>>()?;
        let call = self.client().await?.put_log_events().log_group_name(group).log_stream_name(stream);
        match call.set_log_events(Some(events)).send().await {
            Ok(answer) => Ok(Put::Taken(
                answer.rejected_log_events_info().map_or_else(Rejected::default, |info| rejected(info, count)),
            )),
            // The answer to an earlier try was lost.
            Err(error) if is(error.as_service_error(), |error| error.is_data_already_accepted_exception()) => {
                Ok(Put::Taken(Rejected::default()))
            }
            Err(error) if is(error.as_service_error(), |error| error.is_resource_not_found_exception()) => {
                Ok(Put::NoStream)
            }
            Err(error) if is(error.as_service_error(), |error| error.is_invalid_parameter_exception()) => {
                Ok(Put::Refused { why: error.message().unwrap_or("no message").to_owned() })
            }
            Err(error) => Err(fault(format!("cannot send {count} log events to {stream} in {group}"), &error)),
        }
    }
}

fn is<E>(error: Option<&E>, of: impl FnOnce(&E) -> bool) -> bool {
    error.is_some_and(of)
}

fn input(event: LogEvent) -> Result<InputLogEvent, Fault> {
    let built = InputLogEvent::builder().timestamp(event.time).message(event.text).build();
    built.map_err(|error| Fault::system(format!("a log event cannot be written: {error}")))
}

/// Those before one index are too old, and those from another one on too new.
fn rejected(info: &RejectedLogEventsInfo, count: usize) -> Rejected {
    let index = |index: Option<i32>| index.map(|index| usize::try_from(index).unwrap_or_default().min(count));
    let old = index(info.too_old_log_event_end_index()).max(index(info.expired_log_event_end_index()));
    let new = index(info.too_new_log_event_start_index());
    Rejected { too_old: old.unwrap_or_default(), too_new: new.map_or(0, |start| count - start) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rejected_is_counted_from_its_indices() {
        let info = RejectedLogEventsInfo::builder()
            .too_old_log_event_end_index(2)
            .expired_log_event_end_index(3)
            .too_new_log_event_start_index(8)
            .build();
        assert_eq!(rejected(&info, 10), Rejected { too_old: 3, too_new: 2 });
        assert_eq!(rejected(&RejectedLogEventsInfo::builder().build(), 10), Rejected::default());
    }

    #[test]
    fn a_retention_is_one_that_cloudwatch_logs_has() {
        assert!(Retention::days(14).is_ok());
        let fault = Retention::days(15).unwrap_err();
        assert_eq!(fault.message, "logs cannot be kept for 15 days");
        assert!(fault.hint.unwrap().contains("14, 30"));
    }
}
