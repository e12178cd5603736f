//! Unknown keys, assembled from their deltas.

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

/// Strings that are labels at any position, and come again with every piece.
const LABELS: [&str; 8] = [
    "channel", "format", "id", "name", "object", "padding", "role", "type",
];

/// Whether the string is one that only its service understands, and refuses in pieces: the last
/// one counts.
fn is_opaque(key: &str, of: &Map<String, Value>) -> bool {
    let is_encrypted = || {
        let kind = of.get("type").and_then(Value::as_str);
        kind.is_some_and(|kind| kind.contains("encrypted"))
    };
    match key {
        "encrypted_content" | "signature" | "thought_signature" => true,
        "data" => is_encrypted(), // that of sound comes in pieces
        _ => false,
    }
}

/// How many items of a list are looked through for the one that continues.
const LATEST: usize = 16;

/// Adds a piece of a message's unknown keys.
pub(crate) fn merge_message_keys(into: &mut Map<String, Value>, more: Map<String, Value>) {
    merge(into, more, Strings::Continue);
}

/// Adds what a piece says. `null` adds nothing. Returns the growth in
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
    let is_opaque = is_opaque(&key, into);
    match into.entry(key) {
        Entry::Vacant(free) => {
            let grown = weight_of_member(free.key(), &value);
            free.insert(value);
            grown
        }
        Entry::Occupied(mut kept) if is_opaque => match (kept.get_mut(), value) {
            (kept @ Value::String(_), more @ Value::String(_)) => {
                let grown = weight(&more).saturating_sub(weight(kept));
                if more != "" {
                    *kept = more;
                }
                grown
            }
            (kept, more) => merge_value(kept, more, strings),
        },
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

/// A list grows, or one of its items does: OpenRouter numbers the pieces of one item of
/// `reasoning_details` alike.
fn merge_item(kept: &mut Vec<Value>, item: Value, strings: Strings) -> usize {
    if let Value::Object(piece) = &item {
        let latest = kept.iter_mut().rev().take(LATEST);
        let mut latest = latest.filter_map(Value::as_object_mut);
        if let Some(whole) = latest.find(|whole| is_piece_of(piece, whole)) {
            return match item {
                Value::Object(piece) => merge(whole, piece, strings),
                _ => 0,
            };
        }
    }
    let grown = size_of::<Value>() + weight(&item);
    kept.push(item);
    grown
}

/// Whether they are one item: they have the same id, or if only one of them or neither has one, the
/// same number, type and format.
fn is_piece_of(piece: &Map<String, Value>, whole: &Map<String, Value>) -> bool {
    let differs = |key: &str| match (piece.get(key), whole.get(key)) {
        (Some(one), Some(other)) => one != other,
        _ => false,
    };
    let id = |of: &'_ Map<String, Value>| of.get("id").is_some_and(|id| !id.is_null());
    if id(piece) && id(whole) {
        return !differs("id") && !differs("type");
    }
    piece.contains_key("index")
        && piece.get("index") == whole.get("index")
        && piece.get("type") == whole.get("type")
        && !differs("format")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tool_core::serde_json::json;

    fn merged(pieces: Value, strings: Strings) -> Value {
        let mut whole = Map::new();
        for piece in pieces.as_array().unwrap() {
            merge(&mut whole, piece.as_object().unwrap().clone(), strings);
        }
        Value::Object(whole)
    }

    #[test]
    fn texts_are_appended_and_labels_are_kept() {
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
    fn a_repeated_value_is_kept_once() {
        let pieces = json!([
            {"google": {"thought_signature": "s"}, "log": {"content": [1]}},
            {"google": {"thought_signature": "s", "more": true}, "log": {"content": [2]}},
        ]);
        let whole =
            json!({"google": {"thought_signature": "s", "more": true}, "log": {"content": [1, 2]}});
        assert_eq!(merged(pieces, Strings::Repeat), whole);
    }

    #[test]
    fn sound_comes_in_pieces() {
        let pieces = json!([{"audio": {"id": "a", "data": "AA"}}, {"audio": {"data": "BB"}}]);
        let whole = json!({"audio": {"id": "a", "data": "AABB"}});
        assert_eq!(merged(pieces, Strings::Continue), whole);
    }

    #[test]
    fn opaque_values_are_never_joined() {
        let encrypted = |id: &str, data: &str| json!({"reasoning_details": [{"type": "reasoning.encrypted", "id": id, "data": data, "format": "f", "index": 0}]});
        let details = |pieces: Value| merged(pieces, Strings::Continue)["reasoning_details"].take();
        let two = details(json!([
            encrypted("a", "SIGA"),
            encrypted("b", "SIGB"),
            encrypted("a", "SIGA")
        ]));
        assert_eq!(
            (&two[0]["data"], &two[1]["data"]),
            (&json!("SIGA"), &json!("SIGB"))
        );
        assert_eq!(two.as_array().unwrap().len(), 2);
        let signed = details(json!([
            {"reasoning_details": [{"type": "reasoning.text", "text": "Let", "format": "f", "index": 0}]},
            {"reasoning_details": [{"type": "reasoning.text", "text": " me.", "index": 0, "signature": null}]},
            {"reasoning_details": [{"type": "reasoning.text", "format": "f", "index": 0, "signature": "Et8B"}]},
        ]));
        let expected = json!([{"type": "reasoning.text", "text": "Let me.", "format": "f", "index": 0, "signature": "Et8B"}]);
        assert_eq!(signed, expected);
        let other_format = details(json!([
            {"reasoning_details": [{"type": "t", "text": "a", "format": "f", "index": 0}]},
            {"reasoning_details": [{"type": "t", "text": "b", "format": "g", "index": 0}]},
        ]));
        assert_eq!(other_format.as_array().unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn items_are_known_by_their_ids_or_numbers_in_any_order(
            pieces in prop::collection::vec((0..4_usize, "[a-z]{0,3}", prop::option::of("[A-Z]{1,3}")), 0..20),
            has_ids in any::<bool>(),
        ) {
            let mut whole = Map::new();
            let (mut texts, mut data) = (vec![None::<String>; 4], vec![None; 4]);
            let mut order = Vec::new();
            for (item, text, opaque) in pieces {
                let mut piece = json!({"type": "reasoning.encrypted", "text": text, "index": if has_ids { 0 } else { item }});
                if has_ids {
                    piece["id"] = json!(format!("id{item}"));
                }
                if let Some(opaque) = opaque {
                    piece["data"] = json!(opaque);
                    data[item] = Some(opaque);
                }
                if !order.contains(&item) {
                    order.push(item);
                }
                texts[item].get_or_insert_default().push_str(&text);
                let delta = json!({"reasoning_details": [piece]});
                merge(&mut whole, delta.as_object().unwrap().clone(), Strings::Continue);
            }
            let made = whole.remove("reasoning_details").unwrap_or_else(|| json!([]));
            let made = made.as_array().unwrap();
            prop_assert_eq!(made.len(), order.len());
            for (made, item) in made.iter().zip(order) {
                prop_assert_eq!(made["text"].as_str(), texts[item].as_deref());
                prop_assert_eq!(made.get("data").and_then(Value::as_str), data[item].as_deref());
            }
        }
    }
}
