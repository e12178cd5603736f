//! The service's rules for strict schemas, and its error texts.

use tool_core::serde_json::{Map, Value};

use crate::Profile;
use crate::strict;

/// Keywords of all strict schemas, and of those of a type.
const KEYWORDS: [&str; 8] = [
    "$ref",
    "anyOf",
    "const",
    "description",
    "enum",
    "items",
    "title",
    "type",
];
const KEYWORDS_OF_ROOTS: [&str; 4] = ["$defs", "$id", "$schema", "definitions"];
const KEYWORDS_OF_TYPES: [(&str, &[&str]); 4] = [
    ("string", &["format", "maxLength", "minLength", "pattern"]),
    (
        "number",
        &[
            "exclusiveMaximum",
            "exclusiveMinimum",
            "format",
            "maximum",
            "minimum",
            "multipleOf",
        ],
    ),
    ("array", &["maxItems", "minItems"]),
    (
        "object",
        &["additionalProperties", "properties", "required"],
    ),
];

/// Why the service refuses a schema that it should enforce.
pub(super) fn refusal(schema: &Value) -> Option<String> {
    let found = look(schema, schema, &mut Vec::new(), 0);
    found.or_else(|| {
        strict::check_limits(schema, &Profile::openai())
            .err()
            .map(|reason| format!("{reason}."))
    })
}

fn look(schema: &Value, root: &Value, path: &mut Vec<String>, depth: usize) -> Option<String> {
    const DEEPEST: usize = 100;
    let object = schema
        .as_object()
        .filter(|object| !object.is_empty() && depth < DEEPEST);
    let message = match object {
        None => Some("schema must have a 'type' key.".to_owned()),
        Some(object) => of_itself(object, root, depth == 0),
    };
    if let Some(message) = message {
        let context: Vec<String> = path.iter().map(|step| format!("'{step}'")).collect();
        return Some(format!("In context=({}), {message}", context.join(", ")));
    }
    let object = object?;
    let named = ["properties", "$defs", "definitions"]
        .into_iter()
        .flat_map(|key| {
            let entries = object
                .get(key)
                .and_then(Value::as_object)
                .into_iter()
                .flatten();
            entries.map(move |(name, schema)| (vec![key.to_owned(), name.clone()], schema))
        });
    let branches = object
        .get("anyOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate();
    let branches =
        branches.map(|(position, schema)| (vec!["anyOf".to_owned(), position.to_string()], schema));
    let items = object
        .get("items")
        .map(|schema| (vec!["items".to_owned()], schema));
    named
        .chain(branches)
        .chain(items)
        .find_map(|(steps, schema)| {
            let length = path.len();
            path.extend(steps);
            let found = look(schema, root, path, depth + 1);
            path.truncate(length);
            found
        })
}

fn of_itself(schema: &Map<String, Value>, root: &Value, is_root: bool) -> Option<String> {
    if let Some(reference) = schema.get("$ref") {
        let others: Vec<String> = schema
            .keys()
            .filter(|key| *key != "$ref")
            .map(|key| format!("'{key}'"))
            .collect();
        return match reference
            .as_str()
            .and_then(|reference| strict::target(root, reference))
        {
            _ if !others.is_empty() => Some(format!(
                "$ref cannot have keywords {{{}}}.",
                others.join(", ")
            )),
            None => Some(format!(
                "reference can only point to definitions of the schema, not to {reference}."
            )),
            Some(_) => None,
        };
    }
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        name => name.and_then(Value::as_str).into_iter().collect(),
    };
    if names.is_empty() && !schema.contains_key("anyOf") {
        return Some("schema must have a 'type' key.".to_owned());
    }
    let is = |name: &str| {
        names
            .iter()
            .any(|named| *named == name || name == "number" && *named == "integer")
    };
    let takes = |key: &&String| {
        KEYWORDS.contains(&key.as_str())
            || is_root && KEYWORDS_OF_ROOTS.contains(&key.as_str())
            || KEYWORDS_OF_TYPES
                .iter()
                .any(|(name, keywords)| is(name) && keywords.contains(&key.as_str()))
    };
    if let Some(keyword) = schema.keys().find(|key| !takes(key)) {
        return Some(format!("'{keyword}' is not permitted."));
    }
    let formats = [
        "date",
        "date-time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "time",
        "uuid",
    ];
    if let Some(format) = schema
        .get("format")
        .and_then(Value::as_str)
        .filter(|format| is("string") && !formats.contains(format))
    {
        return Some(format!("'{format}' is not a valid format."));
    }
    if is("object") {
        of_object(schema)
    } else {
        None
    }
}

fn of_object(schema: &Map<String, Value>) -> Option<String> {
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Some(
            "'additionalProperties' is required to be supplied and to be false.".to_owned(),
        );
    }
    let none = Map::new();
    let properties = schema
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&none);
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let words = "'required' is required to be supplied and to be an array including every key in properties.";
    if let Some(missing) = properties
        .keys()
        .find(|name| !required.contains(&name.as_str()))
    {
        return Some(format!("{words} Missing '{missing}'."));
    }
    let extra = required
        .into_iter()
        .find(|name| !properties.contains_key(*name))?;
    Some(format!("{words} Extra required key '{extra}' supplied."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::json;

    #[test]
    fn strict_schemas_are_refused_with_the_text_of_the_service() {
        let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        let one = |schema: Value| object(json!({ "p": schema }), json!(["p"]));
        for (schema, expected) in [
            (
                json!({"type": "object", "properties": {}, "required": []}),
                "'additionalProperties' is required",
            ),
            (
                object(json!({"b": {"type": "null"}}), json!([])),
                "Missing 'b'",
            ),
            (
                object(json!({}), json!(["x"])),
                "Extra required key 'x' supplied",
            ),
            (
                one(json!({})),
                "In context=('properties', 'p'), schema must have a 'type' key.",
            ),
            (one(json!({"oneOf": []})), "schema must have a 'type' key"),
            (
                one(json!({"type": "string", "default": "x"})),
                "'default' is not permitted",
            ),
            (
                one(json!({"type": "string", "format": "uri"})),
                "'uri' is not a valid format",
            ),
            (
                one(json!({"$ref": "#", "description": "D"})),
                "$ref cannot have keywords {'description'}",
            ),
            (
                one(json!({"$ref": "#/$defs/None"})),
                "reference can only point to definitions",
            ),
            (
                one(json!({"type": "array", "items": {"type": "integer", "minLength": 1}})),
                "'minLength' is not permitted",
            ),
            (
                one(json!({"enum": (0..1_001).collect::<Vec<_>>(), "type": "integer"})),
                "1001 values in enums",
            ),
        ] {
            let words = refusal(&schema).unwrap_or_default();
            assert!(words.contains(expected), "{schema}: {words}");
        }
        let mut fine = object(
            json!({"a": {"type": ["string", "null"], "minLength": 1}, "b": {"$ref": "#/$defs/B"}}),
            json!(["a", "b"]),
        );
        fine["title"] = "T".into();
        fine["$defs"] =
            json!({"B": {"anyOf": [{"type": "integer", "format": "int64"}, {"$ref": "#"}]}});
        assert_eq!(refusal(&fine), None);
    }
}
