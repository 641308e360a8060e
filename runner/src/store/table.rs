//! The fleet's table in DynamoDB: keys, attributes, and what its answers mean. It does not know what is kept in it.
//!
//! Partition key `pk` and sort key `sk` are texts; the attribute `expires` is when DynamoDB may delete an item, in
//! seconds since 1970. All reads are strongly consistent.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use aws_types::SdkConfig;
use jiff::{SignedDuration, Timestamp};

use crate::aws;
use crate::fault::Fault;

/// How long one attempt of a call may take. A lease has to outlive a call that hangs, with all its attempts.
const ATTEMPT: Duration = Duration::from_secs(4);
/// How long a call may take, with all its attempts.
const CALL: Duration = Duration::from_secs(15);
/// How often a transaction that met another one is tried.
const MEETINGS: u32 = 8;

/// Attributes by name.
pub(super) type Item = HashMap<String, AttributeValue>;

/// A table. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) client: Client,
    pub(super) name: String,
}

impl Table {
    /// The table of that name, in the account and Region of the configuration. Nothing is called yet.
    #[must_use]
    pub fn new(config: &SdkConfig, name: &str) -> Self {
        let patience = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).operation_timeout(CALL);
        let patience = match config.timeout_config().and_then(TimeoutConfig::connect_timeout) {
            Some(connect) => patience.connect_timeout(connect),
            None => patience,
        };
        let config = Builder::from(config).timeout_config(patience.build()).build();
        Self { client: Client::from_conf(config), name: name.to_owned() }
    }

    /// One item.
    pub(super) async fn get(&self, pk: &str, sk: &str, doing: &str) -> Result<Option<Item>, Fault> {
        let request = self.client.get_item().table_name(&self.name).consistent_read(true);
        let answer = request.set_key(Some(key(pk, sk))).send().await;
        answer.map(|answer| answer.item).map_err(|error| self.fault(doing, &error))
    }

    /// The items of a partition whose sort key begins with that text, in the order of their sort keys.
    pub(super) async fn all(&self, pk: &str, beginning: &str, doing: &str) -> Result<Vec<Item>, Fault> {
        let request = self.client.query().table_name(&self.name).consistent_read(true);
        let request = match beginning {
            "" => request.key_condition_expression("pk = :pk"),
            beginning => request
                .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
                .expression_attribute_values(":sk", text(beginning)),
        };
        let mut pages = request.expression_attribute_values(":pk", text(pk)).into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(|error| self.fault(doing, &error))?);
        }
        Ok(items)
    }

    /// Writes all or none. `false`: a condition does not hold, and nothing is written.
    pub(super) async fn transact(&self, items: Vec<TransactWriteItem>, doing: &str) -> Result<bool, Fault> {
        let mut meetings = 0;
        loop {
            let request = self.client.transact_write_items().set_transact_items(Some(items.clone()));
            let Err(error) = request.send().await else { return Ok(true) };
            meetings += 1;
            match verdict(&error) {
                Verdict::Condition => return Ok(false),
                Verdict::Meeting if meetings < MEETINGS => {
                    // Two that met are put apart by chance, or they would meet again.
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(10..60) << meetings.min(5))).await;
                }
                Verdict::Meeting | Verdict::Other => return Err(self.fault(doing, &error)),
            }
        }
    }

    /// An SDK error as a fault that says what to do about the table.
    pub(super) fn fault<E, R>(&self, doing: &str, error: &SdkError<E, R>) -> Fault
    where
        E: std::error::Error + aws_sdk_dynamodb::error::ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
    {
        let fault = aws::fault(format!("table {}: {doing}", self.name), error);
        match error.code() {
            Some("ResourceNotFoundException") => {
                fault.hint("`sluice setup codepipeline` prints a template that makes the table; check the Region too")
            }
            _ => fault,
        }
    }
}

enum Verdict {
    /// A condition does not hold.
    Condition,
    /// Another transaction touches the same items, or the table has more to do than it can.
    Meeting,
    Other,
}

fn verdict<R>(error: &SdkError<TransactWriteItemsError, R>) -> Verdict {
    let SdkError::ServiceError(service) = error else { return Verdict::Other };
    match service.err() {
        TransactWriteItemsError::TransactionInProgressException(_) => Verdict::Meeting,
        TransactWriteItemsError::TransactionCanceledException(canceled) => {
            let mut codes = canceled.cancellation_reasons().iter().filter_map(|reason| reason.code());
            let is = |code: &str, words: &[&str]| words.contains(&code);
            if codes.clone().any(|code| is(code, &["ConditionalCheckFailed"])) {
                Verdict::Condition
            } else if codes
                .any(|code| is(code, &["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]))
            {
                Verdict::Meeting
            } else {
                Verdict::Other
            }
        }
        _ => Verdict::Other,
    }
}

/// The key of an item.
pub(super) fn key(pk: &str, sk: &str) -> Item {
    item(pk, sk, [])
}

/// An item.
pub(super) fn item<const N: usize>(pk: &str, sk: &str, rest: [(&str, AttributeValue); N]) -> Item {
    let keys = [("pk", text(pk)), ("sk", text(sk))];
    keys.into_iter().chain(rest).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A text.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A whole number.
pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// When an item may go, from now.
pub(super) fn expires(now: Timestamp, after: SignedDuration) -> AttributeValue {
    number(now.checked_add(after).unwrap_or(Timestamp::MAX).as_second())
}

/// A text of an item.
pub(super) fn text_of<'a>(item: &'a Item, name: &str) -> Result<&'a str, Fault> {
    let found = item.get(name).and_then(|value| value.as_s().ok());
    found.map(String::as_str).ok_or_else(|| unreadable(item, name))
}

/// A number of an item.
pub(super) fn number_of<T: std::str::FromStr>(item: &Item, name: &str) -> Result<T, Fault> {
    let found = item.get(name).and_then(|value| value.as_n().ok()).and_then(|digits| digits.parse().ok());
    found.ok_or_else(|| unreadable(item, name))
}

fn unreadable(item: &Item, name: &str) -> Fault {
    let part = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
    Fault::system(format!("the item {} {} of the table has no `{name}` that can be read", part("pk"), part("sk")))
        .hint("another version of sluice, or somebody's hand, wrote it")
}

/// A request that the SDK itself finds incomplete; it would be ours.
pub(super) fn incomplete(error: BuildError) -> Fault {
    Fault::system(format!("a request to the table: {error}"))
}
