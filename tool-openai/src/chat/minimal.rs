//! Schemas that no service enforces: few bytes, and only keywords that every service accepts.

use tool_core::serde_json::{Map, Value, json};

use crate::strict::each_subschema;

/// How deep a schema is followed; deeper down it stays as it is.
const DEEPEST: usize = 128;

/// How many values are repeated for services that require `items`.
const MOST_REPEATED: usize = 256;

/// Brings a schema into a form that every service takes: `anyOf` in place of `oneOf`, lists always
/// with `items`; and without keywords that do not help a model: `$schema`, `title`, the `format` of
/// numbers.
pub(super) fn tidy(schema: &mut Value) {
    tidy_at(schema, 0);
}

fn tidy_at(schema: &mut Value, depth: usize) {
    let Some(object) = schema.as_object_mut().filter(|_| depth < DEEPEST) else {
        return;
    };
    for keyword in ["$schema", "title"] {
        object.shift_remove(keyword);
    }
    if has_type(object, &["integer", "number"]) && !has_type(object, &["string"]) {
        object.shift_remove("format");
    }
    if let Some(branches) = object.shift_remove("oneOf") {
        match object.contains_key("anyOf") {
            false => drop(object.insert("anyOf".to_owned(), branches)),
            true => {
                if let Some(all) = object
                    .entry("allOf")
                    .or_insert_with(|| json!([]))
                    .as_array_mut()
                {
                    all.push(json!({ "anyOf": branches }));
                }
            }
        }
    }
    each_subschema(object, &mut |schema| tidy_at(schema, depth + 1));
    if has_type(object, &["array"]) {
        give_items(object);
    }
}

fn has_type(object: &Map<String, Value>, names: &[&str]) -> bool {
    match object.get("type") {
        Some(Value::Array(types)) => types
            .iter()
            .filter_map(Value::as_str)
            .any(|name| names.contains(&name)),
        Some(name) => name.as_str().is_some_and(|name| names.contains(&name)),
        None => false,
    }
}

/// The schemas of the places are repeated under `items`, unless they are large: nested lists would
/// double them with each level.
///
/// Input:  `{"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}`
/// Output: `{…, "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}`
fn give_items(object: &mut Map<String, Value>) {
    if let Some(places @ Value::Array(_)) = object.get("items").cloned() {
        object.insert("prefixItems".to_owned(), places); // its name before 2020
        object.shift_remove("items");
    } else if object.get("items").is_some_and(Value::is_object) {
        return;
    }
    let items = match object
        .get("prefixItems")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        Some(places) if !are_few(&mut { MOST_REPEATED }, places) => json!({}),
        Some([first, rest @ ..]) if rest.iter().all(|place| place == first) => first.clone(),
        Some(places @ [_, ..]) => json!({ "anyOf": places }),
        _ => json!({}),
    };
    object.insert("items".to_owned(), items);
}

/// Whether there are no more values in these than are left.
fn are_few<'a>(left: &mut usize, values: impl IntoIterator<Item = &'a Value>) -> bool {
    values.into_iter().all(|value| {
        let Some(fewer) = left.checked_sub(1) else {
            return false;
        };
        *left = fewer;
        match value {
            Value::Object(members) => are_few(left, members.values()),
            Value::Array(values) => are_few(left, values),
            _ => true,
        }
    })
}

/// Removes the bounds of 32-bit and 64-bit integers, which hardly any model comes near.
pub(super) fn leave_out_widest_bounds(schema: &mut Value) {
    leave_out_widest_bounds_at(schema, 0);
}

/// The greatest integers of 32 and 64 bits.
const WIDEST: [u64; 4] = [i32::MAX as u64, u32::MAX as u64, i64::MAX as u64, u64::MAX];

fn leave_out_widest_bounds_at(schema: &mut Value, depth: usize) {
    let Some(object) = schema.as_object_mut().filter(|_| depth < DEEPEST) else {
        return;
    };
    object.retain(|key, limit| match key.as_str() {
        "minimum" => limit
            .as_i64()
            .is_none_or(|limit| limit > i64::MIN + 1024 && limit != i64::from(i32::MIN)),
        "maximum" => limit.as_u64().is_none_or(|limit| !WIDEST.contains(&limit)),
        _ => true,
    });
    each_subschema(object, &mut |schema| {
        leave_out_widest_bounds_at(schema, depth + 1);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_lists_are_not_described_twice_at_each_level() {
        let list =
            |inside: Value| json!({"type": "array", "prefixItems": [inside, {"type": "null"}]});
        let mut schema = (0..60).fold(json!({"type": "string"}), |inside, _| list(inside));
        tidy(&mut schema);
        assert!(
            schema.to_string().len() < 200_000,
            "{}",
            schema.to_string().len()
        );

        let mut shallow = list(json!({"type": "string"}));
        tidy(&mut shallow);
        assert_eq!(
            shallow["items"],
            json!({"anyOf": [{"type": "string"}, {"type": "null"}]})
        );
    }

    #[test]
    fn widest_bounds_are_left_out_of_schemas_and_of_nothing_else() {
        let bounds = || json!({"minimum": i64::MIN, "maximum": i64::MAX});
        for (least, most) in [(i64::from(i32::MIN), i32::MAX as u64), (i64::MIN, u64::MAX)] {
            let mut schema = json!({"type": "integer", "minimum": least, "maximum": most});
            leave_out_widest_bounds(&mut schema);
            assert_eq!(schema, json!({"type": "integer"}));
        }
        let mut unsigned = json!({"minimum": 0, "maximum": u32::MAX});
        leave_out_widest_bounds(&mut unsigned);
        assert_eq!(unsigned, json!({"minimum": 0}));
        let mut schema = json!({"properties": {"default": bounds(), "minimum": bounds()}, "examples": [bounds()], "default": bounds()});
        leave_out_widest_bounds(&mut schema);
        let expected = json!({"properties": {"default": {}, "minimum": {}}, "examples": [bounds()], "default": bounds()});
        assert_eq!(schema, expected);
    }
}
