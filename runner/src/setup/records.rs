//! What workers share: the table of leases and records, and the log group. Both outlive the stack.

use serde_json::{Map, Value, json};

/// The table's partition key.
pub const PARTITION_KEY: &str = "pk";
/// The table's sort key.
pub const SORT_KEY: &str = "sk";
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
        "DeletionPolicy": "Retain",
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

fn logs() -> Value {
    json!({
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": { "RetentionInDays": {"Ref": "LogRetentionDays"} },
    })
}
