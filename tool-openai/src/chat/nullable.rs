//! `null` as OpenAPI 3.0 writes it, for services that refuse a list of types.

use tool_core::serde_json::{Map, Value, json};

use crate::strict::each_subschema;

/// How deep a schema is followed; deeper down it stays as it is.
const DEEPEST: usize = 128;

/// Writes `nullable` in place of the type `null`, and one type at a time.
///
/// Input:  `{"type": ["string", "null"]}`
/// Output: `{"type": "string", "nullable": true}`
pub(super) fn write_nullable(schema: &mut Value) {
    write_nullable_at(schema, 0);
}

fn write_nullable_at(schema: &mut Value, depth: usize) {
    let Some(object) = schema.as_object_mut().filter(|_| depth < DEEPEST) else {
        return;
    };
    each_subschema(object, &mut |schema| write_nullable_at(schema, depth + 1));
    let mut is_nullable = split_types(object);
    is_nullable |= take_null(object, "anyOf", |branch| {
        branch["type"] == "null" || branch["enum"] == json!([null])
    });
    is_nullable |= take_null(object, "enum", Value::is_null);
    if is_nullable {
        object.insert("nullable".to_owned(), true.into());
    }
    unwrap_only_branch(object);
}

/// Splits the list of types; returns whether `null` was in it.
fn split_types(object: &mut Map<String, Value>) -> bool {
    let Some(Value::Array(names)) = object.get_mut("type") else {
        return false;
    };
    let before = names.len();
    names.retain(|name| name != "null");
    let is_nullable = names.len() < before;
    match std::mem::take(names).as_slice() {
        [] => drop(object.insert("type".to_owned(), "null".into())),
        [name] => drop(object.insert("type".to_owned(), name.clone())),
        names => {
            object.shift_remove("type");
            let branches: Vec<Value> = names.iter().map(|name| branch(name, object)).collect();
            // The branches that are there decide, beside these.
            if object.contains_key("anyOf") {
                return is_nullable;
            }
            object.insert("anyOf".to_owned(), branches.into());
        }
    }
    is_nullable && object.get("type").is_none_or(|name| name != "null")
}

/// One type, with the keywords that are of no use to the others: a list has to say what is in it.
fn branch(name: &Value, object: &mut Map<String, Value>) -> Value {
    let keywords: &[&str] = match name.as_str() {
        Some("array") => &["items", "prefixItems", "minItems", "maxItems"],
        Some("object") => &["properties", "required", "additionalProperties"],
        _ => &[],
    };
    let mut branch = Map::from_iter([("type".to_owned(), name.clone())]);
    for keyword in keywords {
        branch.extend(object.shift_remove_entry(*keyword));
    }
    branch.into()
}

/// Takes `null` out of a list that has something else in it; whether it was there.
fn take_null(object: &mut Map<String, Value>, key: &str, is_null: fn(&Value) -> bool) -> bool {
    match object.get_mut(key).and_then(Value::as_array_mut) {
        Some(values) if values.iter().any(is_null) && !values.iter().all(is_null) => {
            values.retain(|value| !is_null(value));
            true
        }
        _ => false,
    }
}

/// A reference has nothing beside it, so that it stays in its list.
fn unwrap_only_branch(object: &mut Map<String, Value>) {
    let Some([Value::Object(only)]) = object
        .get("anyOf")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    else {
        return;
    };
    if only.contains_key("$ref")
        || only
            .keys()
            .any(|key| key != "nullable" && key != "description" && object.contains_key(key))
    {
        return;
    }
    let only = only.clone();
    object.shift_remove("anyOf");
    for (key, value) in only {
        object.entry(key).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(mut schema: Value) -> Value {
        write_nullable(&mut schema);
        schema
    }

    #[test]
    fn null_is_removed_from_types() {
        for (schema, expected) in [
            (
                json!({"type": ["string", "null"], "minLength": 1}),
                json!({"type": "string", "minLength": 1, "nullable": true}),
            ),
            (
                json!({"type": ["null", "string"], "enum": ["a", null]}),
                json!({"type": "string", "enum": ["a"], "nullable": true}),
            ),
            (
                json!({"anyOf": [{"$ref": "#/$defs/K"}, {"type": "null"}], "$defs": {"K": {"enum": ["a", null]}}}),
                json!({"anyOf": [{"$ref": "#/$defs/K"}], "$defs": {"K": {"enum": ["a"], "nullable": true}}, "nullable": true}),
            ),
            (
                json!({"description": "D", "anyOf": [{"type": "null"}, {"type": "object", "description": "d", "properties": {"type": {"type": ["null", "integer"]}}}]}),
                json!({"description": "D", "type": "object", "properties": {"type": {"type": "integer", "nullable": true}}, "nullable": true}),
            ),
            (
                json!({"type": ["string", "integer", "null"]}),
                json!({"anyOf": [{"type": "string"}, {"type": "integer"}], "nullable": true}),
            ),
            (
                json!({"type": ["string", "integer"], "anyOf": [{"minimum": 1}, {"maxLength": 1}]}),
                json!({"anyOf": [{"minimum": 1}, {"maxLength": 1}]}),
            ),
            (
                json!({"type": ["array", "string", "null"], "items": {"type": "string"}, "minLength": 1}),
                json!({"minLength": 1, "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}], "nullable": true}),
            ),
            (
                json!({"anyOf": [{"enum": [null]}, {"type": "string"}]}),
                json!({"type": "string", "nullable": true}),
            ),
            (json!({"type": ["null"]}), json!({"type": "null"})),
            (json!({"type": "null"}), json!({"type": "null"})),
            (json!({"enum": [null]}), json!({"enum": [null]})),
            (json!({"type": "string"}), json!({"type": "string"})),
        ] {
            let made = written(schema.clone());
            assert_eq!(made, expected, "{schema}");
            assert_eq!(written(made.clone()), made, "twice");
        }
    }

    fn schemas() -> impl Strategy<Value = Value> {
        let name = || prop::sample::select(vec!["string", "integer", "null", "boolean"]);
        let leaf = prop_oneof![
            name().prop_map(|name| json!({"type": name})),
            prop::collection::vec(name(), 1..4).prop_map(|names| json!({"type": names})),
            Just(json!({"enum": ["a", null]})),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|of| json!({"anyOf": of})),
                inner
                    .clone()
                    .prop_map(|of| json!({"type": ["array", "null"], "items": of})),
                prop::collection::btree_map("[ab]|type|enum", inner, 0..3)
                    .prop_map(|of| json!({"type": "object", "properties": of})),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_schema_has_a_list_of_types_or_loses_a_value(schema in schemas(), value in prop::sample::select(vec![json!(null), json!("a"), json!(1), json!(true), json!([null]), json!([1]), json!({}), json!({"a": null})])) {
            fn has_list(schema: &Value) -> bool {
                let mut schema = schema.clone();
                let object = schema.as_object_mut().unwrap();
                let mut found = object.get("type").is_some_and(Value::is_array);
                each_subschema(object, &mut |schema| found |= has_list(schema));
                found
            }
            let made = written(schema.clone());
            prop_assert!(!has_list(&made), "{made}");
            if admits(&schema, &value) {
                prop_assert!(admits(&made, &value), "{value} fits {schema}, but not {made}");
            }
        }
    }

    /// What the keywords that are drawn here admit.
    fn admits(schema: &Value, value: &Value) -> bool {
        let is = |name: &Value| match name.as_str() {
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64(),
            Some("boolean") => value.is_boolean(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            _ => value.is_null(),
        };
        let of_type = match &schema["type"] {
            Value::Null => true,
            Value::Array(names) => names.iter().any(is),
            name => is(name),
        };
        let list = |key: &str| schema[key].as_array();
        schema["nullable"] == true && value.is_null()
            || of_type
                && list("enum").is_none_or(|values| values.contains(value))
                && list("anyOf").is_none_or(|any| any.iter().any(|schema| admits(schema, value)))
                && value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .all(|item| admits(&schema["items"], item))
                && value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .all(|(name, value)| {
                        let property = &schema["properties"][name];
                        property.is_null() || admits(property, value)
                    })
    }
}
