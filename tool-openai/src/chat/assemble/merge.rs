//! Keys we do not know, put together from their pieces.

use tool_core::serde_json::map::Entry;
use tool_core::serde_json::{Map, Value};

use super::budget::{weight, weight_of_member};

/// What a second string under the same key is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Strings {
    /// The rest of the first, as of `reasoning_content`.
    Continue,
    /// The same thing again, as of `native_finish_reason`: the first stays.
    Repeat,
}

/// Strings that are labels wherever they stand, and come again with every piece.
const LABELS: [&str; 9] = [
    "channel",
    "format",
    "id",
    "name",
    "object",
    "padding",
    "role",
    "signature",
    "type",
];

/// Adds what a piece says. `null` says nothing. Returns by how much what is kept has grown, in
/// bytes.
pub(super) fn merge(
    into: &mut Map<String, Value>,
    more: Map<String, Value>,
    strings: Strings,
) -> usize {
    more.into_iter()
        .map(|(key, value)| merge_key(into, key, value, strings))
        .sum()
}

pub(super) fn merge_key(
    into: &mut Map<String, Value>,
    key: String,
    value: Value,
    strings: Strings,
) -> usize {
    if value.is_null() {
        return 0;
    }
    let strings = if LABELS.contains(&key.as_str()) {
        Strings::Repeat
    } else {
        strings
    };
    match into.entry(key) {
        Entry::Vacant(free) => {
            let grown = weight_of_member(free.key(), &value);
            free.insert(value);
            grown
        }
        Entry::Occupied(mut kept) => merge_value(kept.get_mut(), value, strings),
    }
}

fn merge_value(kept: &mut Value, more: Value, strings: Strings) -> usize {
    match (kept, more) {
        (_, Value::Null) => 0,
        (Value::String(kept), Value::String(more)) => {
            if strings == Strings::Repeat && !kept.is_empty() {
                return 0;
            }
            kept.push_str(&more);
            more.len()
        }
        (Value::Object(kept), Value::Object(more)) => merge(kept, more, strings),
        (Value::Array(kept), Value::Array(more)) => more
            .into_iter()
            .map(|item| merge_item(kept, item, strings))
            .sum(),
        (kept, more) => {
            let grown = weight(&more).saturating_sub(weight(kept));
            *kept = more;
            grown
        }
    }
}

/// A list grows, or its last item does: OpenRouter numbers the pieces of one item of
/// `reasoning_details` alike.
fn merge_item(kept: &mut Vec<Value>, item: Value, strings: Strings) -> usize {
    match (kept.last_mut(), item) {
        (Some(Value::Object(last)), Value::Object(item))
            if item.contains_key("index")
                && last.get("index") == item.get("index")
                && last.get("type") == item.get("type") =>
        {
            merge(last, item, strings)
        }
        (_, item) => {
            let grown = size_of::<Value>() + weight(&item);
            kept.push(item);
            grown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::json;

    fn merged(pieces: Value, strings: Strings) -> Value {
        let mut whole = Map::new();
        for piece in pieces.as_array().unwrap() {
            merge(&mut whole, piece.as_object().unwrap().clone(), strings);
        }
        Value::Object(whole)
    }

    #[test]
    fn texts_continue_and_labels_stay() {
        let pieces = json!([
            {"reasoning": "I ", "channel": "analysis", "n": 1, "x": null},
            {"reasoning": "think", "channel": "analysis", "n": 2, "reasoning_details": [{"type": "t", "index": 0, "text": "I "}]},
            {"reasoning": null, "reasoning_details": [{"type": "t", "index": 0, "text": "think"}, {"type": "t", "index": 1, "text": "?"}]},
        ]);
        let whole = json!({
            "reasoning": "I think", "channel": "analysis", "n": 2,
            "reasoning_details": [{"type": "t", "index": 0, "text": "I think"}, {"type": "t", "index": 1, "text": "?"}],
        });
        assert_eq!(merged(pieces, Strings::Continue), whole);
    }

    #[test]
    fn what_comes_again_is_kept_once() {
        let pieces = json!([
            {"google": {"thought_signature": "s"}, "log": {"content": [1]}},
            {"google": {"thought_signature": "s", "more": true}, "log": {"content": [2]}},
        ]);
        let whole =
            json!({"google": {"thought_signature": "s", "more": true}, "log": {"content": [1, 2]}});
        assert_eq!(merged(pieces, Strings::Repeat), whole);
    }
}
