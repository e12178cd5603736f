//! Edits of a schema that is in the subset already.

use serde_json::{Value, json};

use super::schema::Object;

/// The same with text in front of its description. A reference cannot have one, so it is wrapped:
///
/// Input:  `{"$ref": "#/$defs/Visit"}`
/// Output: `{"description": "The last.", "anyOf": [{"$ref": "#/$defs/Visit"}]}`
pub(super) fn describe(schema: Object, text: &str) -> Object {
    if text.is_empty() {
        return schema;
    }
    if schema.contains_key("$ref") {
        return Object::from_iter([
            ("description".to_owned(), text.into()),
            ("anyOf".to_owned(), json!([schema])),
        ]);
    }
    let mut schema = schema;
    let text = match schema.shift_remove("description") {
        Some(Value::String(own)) if own != text => format!("{text}\n{own}"),
        _ => text.to_owned(),
    };
    schema.shift_insert(0, "description".to_owned(), text.into());
    schema
}

/// The same with text after its description.
pub(super) fn note(mut schema: Object, notes: &[String]) -> Object {
    if !notes.is_empty() {
        let text = schema
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let text = sentences(text, notes);
        schema.shift_insert(0, "description".to_owned(), text.into());
    }
    schema
}

pub(super) fn sentences(text: &str, notes: &[String]) -> String {
    notes.iter().fold(text.trim_end().to_owned(), |text, note| {
        match text.chars().last() {
            None => note.clone(),
            Some('.' | '!' | '?' | ':') => format!("{text} {note}"),
            Some(_) => format!("{text}. {note}"),
        }
    })
}

/// The same or `null`.
pub(super) fn nullable(mut schema: Object) -> Object {
    // Services refuse keywords beside a reference.
    if schema.contains_key("$ref") {
        return Object::from_iter([("anyOf".to_owned(), json!([schema, {"type": "null"}]))]);
    }
    if let Some(branches) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        if !branches.iter().any(takes_null) {
            branches.push(json!({"type": "null"}));
        }
        return schema;
    }
    if let Some(Value::String(name)) = schema.get("type").filter(|name| *name != "null").cloned() {
        schema.insert("type".to_owned(), json!([name, "null"]));
        let values = match schema.get("const") {
            Some(constant) => Some(json!([constant, null])),
            None => schema
                .get("enum")
                .and_then(Value::as_array)
                .map(|values| values.iter().chain([&Value::Null]).cloned().collect()),
        };
        if let Some(values) = values {
            // In place of `const`, or of the values without `null`.
            schema.shift_remove("const");
            schema.insert("enum".to_owned(), values);
        }
    }
    schema
}

fn takes_null(schema: &Value) -> bool {
    match &schema["type"] {
        Value::Array(names) => names.iter().any(|name| name == "null"),
        name => name == "null",
    }
}
