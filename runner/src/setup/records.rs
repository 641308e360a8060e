//! What workers share: the table of leases and records, and the log group. Both outlive the stack.

use serde_json::{Map, Value, json};

use super::action_types::CONDITION;
use crate::queue::codepipeline::action_type::LOG_GROUP;

/// The table's partition key.
pub const PARTITION_KEY: &str = "pk";
/// The table's sort key.
pub const SORT_KEY: &str = "sk";
/// What is in them outlives the stack. What a stack made that could not be made whole is empty, and would only be in the
/// way of the next try.
const KEPT: &str = "RetainExceptOnCreate";

/// The attribute with the second since 1970 after which an item may go.
pub const EXPIRES: &str = "expires";

pub(super) fn resources(into: &mut Map<String, Value>) {
    into.insert("Records".to_owned(), table());
    into.insert("Logs".to_owned(), logs());
}

fn table() -> Value {
    let keys = [(PARTITION_KEY, "HASH"), (SORT_KEY, "RANGE")];
    json!({
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": KEPT,
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": keys.map(|(name, _)| json!({"AttributeName": name, "AttributeType": "S"})),
            "KeySchema": keys.map(|(name, kind)| json!({"AttributeName": name, "KeyType": kind})),
            "TimeToLiveSpecification": { "AttributeName": EXPIRES, "Enabled": true },
            "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true },
        },
    })
}

/// The group belongs to the action types, whose links lead to it: both are made by one stack, and used by all.
fn logs() -> Value {
    json!({
        "Type": "AWS::Logs::LogGroup",
        "Condition": CONDITION,
        "DeletionPolicy": KEPT,
        "UpdateReplacePolicy": "Retain",
        "Properties": { "LogGroupName": LOG_GROUP, "RetentionInDays": {"Ref": "LogRetentionDays"} },
    })
}
