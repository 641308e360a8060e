//! What of an event is masked, and what is not.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::event::What;
use crate::mask::Needles;

/// The keys, wherever they stand, whose texts are words of ours and times: a secret that happens to be `system` or
/// `2026` must not make an event unreadable.
const OUR_WORDS: [&str; 7] = ["type", "status", "kind", "slot", "reason", "at", "until"];

/// Below these keys the names are somebody else's: a container's variable may be called `type`.
const THEIRS: [&str; 2] = ["environment", "images"];

/// The keys of an event itself that hold names, or what a later process must find in the record as it was: by images
/// and deployments registries and targets are asked, and an account's number in them may have come from Parameter
/// Store, and by the versions of secrets their values are. Further down a key may be anybody's, such as a variable that is
/// called `build`.
const NAMES: [&str; 13] = [
    "run",
    "pipeline",
    "plan",
    "stage",
    "action",
    "phase",
    "build",
    "log",
    "source-directory",
    "sha256",
    "image",
    "deployment",
    "versions",
];

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
    let value = serde_json::to_value(what).map(|value| masked_event(needles, value));
    value.and_then(serde_json::from_value).unwrap_or_else(|error| {
        tracing::error!(%error, "an event cannot be masked");
        What::Notice { action, warning: true, text: "something happened that cannot be told without a secret".into() }
    })
}

fn masked_event(needles: &Arc<Needles>, event: Value) -> Value {
    let Value::Object(entries) = event else { return masked_value(needles, event, &OUR_WORDS) };
    let (names, others) = entries.into_iter().partition::<Map<_, _>, _>(|(key, _)| NAMES.contains(&key.as_str()));
    match masked_value(needles, Value::Object(others), &OUR_WORDS) {
        Value::Object(others) => Value::Object(names.into_iter().chain(others).collect()),
        other => other,
    }
}

/// A value with all texts in it masked but those of the keys in `ours`.
fn masked_value(needles: &Arc<Needles>, value: Value, ours: &[&str]) -> Value {
    match value {
        Value::String(text) => Value::String(needles.mask_text(&text)),
        Value::Array(items) => items.into_iter().map(|item| masked_value(needles, item, ours)).collect(),
        Value::Object(entries) => {
            let masked = |(key, value): (String, Value)| match ours.contains(&key.as_str()) {
                true if value.is_string() => (key, value),
                _ => {
                    let ours = if THEIRS.contains(&key.as_str()) { &[] } else { ours };
                    (key, masked_value(needles, value, ours))
                }
            };
            entries.into_iter().map(masked).collect()
        }
        other => other,
    }
}
