//! Reading members of a request that the model has let through.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A member that is text.
pub(super) fn text<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    value.get(member).and_then(Value::as_str)
}

/// A member that the model requires to be text.
pub(super) fn required(value: &Value, member: &str) -> String {
    text(value, member).unwrap_or_default().to_owned()
}

/// A member that is a truth value; without it, `false`.
pub(super) fn flag(value: &Value, member: &str) -> bool {
    value.get(member).and_then(Value::as_bool).unwrap_or(false)
}

/// A member that is a list; without it, an empty one.
pub(super) fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A member that is a map of texts; without it, an empty one.
pub(super) fn map(value: &Value, member: &str) -> BTreeMap<String, String> {
    let members = value.get(member).and_then(Value::as_object).into_iter().flatten();
    members.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// A time as JSON 1.1 has it: seconds since 1970, with a fraction.
pub(super) fn time(at: Timestamp) -> Value {
    Value::from(f64::from(i32::try_from(at.as_second()).unwrap_or(i32::MAX)) + f64::from(at.subsec_millisecond()) / 1e3)
}

/// The value without members that are null: JSON 1.1 has them mean that they are not there.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// A page of a list: what `nextToken` and `maxResults` ask for, and the token of the page after it.
///
/// # Errors
/// The token, when it is none of ours.
pub(super) fn page(all: Vec<Value>, input: &Value, size: usize) -> Result<(Vec<Value>, Option<String>), String> {
    let start = match text(input, "nextToken") {
        None => 0,
        Some(token) => {
            let place = token.strip_prefix("page-").and_then(|at| at.parse().ok()).filter(|at| *at < all.len());
            place.ok_or_else(|| token.to_owned())?
        }
    };
    let size =
        input.get("maxResults").and_then(Value::as_u64).map_or(size, |most| usize::try_from(most).unwrap_or(size));
    let next = Some(start + size).filter(|end| *end < all.len()).map(|end| format!("page-{end}"));
    Ok((all.into_iter().skip(start).take(size).collect(), next))
}
