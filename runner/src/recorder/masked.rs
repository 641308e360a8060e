//! What of an event is masked, and what is not.

use std::sync::Arc;

use serde_json::Value;

use crate::event::What;
use crate::mask::Needles;

/// The keys of an event whose texts are words of ours, times and names, and never somebody else's text: a secret that
/// happens to be `system`, `2026` or the name of a stage must not make an event unreadable.
const OUR_WORDS: [&str; 17] = [
    "type",
    "status",
    "kind",
    "slot",
    "reason",
    "at",
    "until",
    "run",
    "pipeline",
    "plan",
    "stage",
    "action",
    "phase",
    "build",
    "source-directory",
    "commit",
    "sha256",
];

/// The keys of what a later process must find in the record as it was: by these names registries and targets are asked.
/// An account's number in them may well have come from Parameter Store.
const WORKED_WITH: [&str; 2] = ["image", "deployment"];

/// Says so where a variable's value is not told as it is: nobody may go on with what is shown in its place.
pub(super) fn mark_withheld(what: &What, shown: &mut What) {
    if let (What::VariableExported { value, .. }, What::VariableExported { value: told, withheld, .. }) = (what, shown)
    {
        *withheld = *withheld || value != told;
    }
}

/// The same event with every text in it masked. One that cannot be told without a secret is told by its name alone.
pub(super) fn masked(needles: &Arc<Needles>, what: What) -> What {
    let action = what.action().map(|action| needles.mask_text(action));
    let value = serde_json::to_value(what).map(|value| masked_value(needles, value));
    value.and_then(serde_json::from_value).unwrap_or_else(|error| {
        tracing::error!(%error, "an event cannot be masked");
        What::Notice { action, warning: true, text: "something happened that cannot be told without a secret".into() }
    })
}

fn masked_value(needles: &Arc<Needles>, value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(needles.mask_text(&text)),
        Value::Array(items) => items.into_iter().map(|item| masked_value(needles, item)).collect(),
        Value::Object(entries) => {
            let masked = |(key, value): (String, Value)| match key.as_str() {
                key if WORKED_WITH.contains(&key) => (key.to_owned(), value),
                key if OUR_WORDS.contains(&key) && value.is_string() => (key.to_owned(), value),
                _ => (key, masked_value(needles, value)),
            };
            entries.into_iter().map(masked).collect()
        }
        other => other,
    }
}
