//! A table as the stack of a fleet makes it: two text keys, and `expires`.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};
use runner::store::Table;

use crate::aws::{ACCOUNT, AwsEmulator};

/// The table's name.
pub const TABLE: &str = "sluice";

/// Makes it, and opens it as a worker does.
///
/// # Panics
/// When the emulator does not play along.
pub async fn table(emulator: &AwsEmulator) -> Table {
    let config = emulator.config(ACCOUNT).await;
    let keys = [("pk", KeyType::Hash), ("sk", KeyType::Range)];
    let mut request = Client::new(&config).create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in keys {
        let element = KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        let kind = ScalarAttributeType::S;
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build();
        request = request.key_schema(element.unwrap_or_else(|error| panic!("{error}")));
        request = request.attribute_definitions(attribute.unwrap_or_else(|error| panic!("{error}")));
    }
    request.send().await.unwrap_or_else(|error| panic!("no table: {error:?}"));
    let expires = TimeToLiveSpecification::builder().attribute_name("expires").enabled(true).build();
    let request = Client::new(&config).update_time_to_live().table_name(TABLE);
    let expires = expires.unwrap_or_else(|error| panic!("{error}"));
    request.time_to_live_specification(expires).send().await.unwrap_or_else(|error| panic!("no TTL: {error:?}"));
    Table::new(&config, TABLE)
}
