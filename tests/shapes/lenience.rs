//! What serde takes beyond the schema, one exception at a time. Each is shown to be there in
//! `exceptions.rs`.

use serde_json::{Map, Value, json};

/// The schema of a tool's arguments, widened by every exception where it applies, and only there.
pub(crate) fn lenient(parameters: &Value) -> Value {
    let mut root = parameters.clone();
    if let Some(Value::Object(definitions)) = root.get_mut("$defs") {
        for (name, mut definition) in definitions.clone() {
            widen(&mut definition, false);
            definitions.insert(name, definition);
        }
        // Every definition once more, for what is referred to from inside a buffered type.
        for (name, mut definition) in parameters["$defs"].as_object().cloned().unwrap_or_default() {
            widen(&mut definition, true);
            definitions.insert(inside(&name), definition);
        }
    }
    for property in root["properties"]
        .as_object_mut()
        .into_iter()
        .flat_map(Map::values_mut)
    {
        let defaulted = property.get("default").is_some();
        widen(property, false);
        if defaulted {
            *property = json!({ "anyOf": [property, { "type": "null" }] });
        }
    }
    root
}

fn inside(name: &str) -> String {
    format!("{name}-buffered")
}

fn widen(schema: &mut Value, buffered: bool) {
    let Value::Object(object) = schema else {
        return;
    };
    let buffered = buffered || object.contains_key("x-buffered");
    for (key, part) in object.iter_mut() {
        match (key.as_str(), part) {
            ("properties" | "patternProperties", Value::Object(schemas)) => schemas
                .values_mut()
                .for_each(|schema| widen(schema, buffered)),
            ("anyOf" | "allOf" | "prefixItems", Value::Array(schemas)) => schemas
                .iter_mut()
                .for_each(|schema| widen(schema, buffered)),
            ("items" | "additionalProperties", schema) => widen(schema, buffered),
            _ => {}
        }
    }
    let also = also(object, buffered);
    if object.get("minimum").and_then(Value::as_i64) == Some(-9_223_372_036_854_774_784) {
        object.insert("minimum".to_owned(), i64::MIN.into()); // engines cannot follow the bound
    }
    object.remove("format"); // types parse more than the format allows
    if buffered {
        if is_struct(object) {
            object.remove("additionalProperties"); // unknown properties are not seen
        }
        let properties = object.get("properties").cloned().unwrap_or_default();
        if let Some(Value::Array(required)) = object.get_mut("required") {
            required.retain(|name| {
                !name
                    .as_str()
                    .is_some_and(|name| admits_null(&properties[name]))
            }); // content may be left out
        }
        if let Some(Value::String(target)) = object.get_mut("$ref") {
            *target = inside(target);
        }
    }
    if !also.is_empty() {
        let branches = [vec![schema.take()], also].concat();
        *schema = json!({ "anyOf": branches });
    }
}

fn is_struct(object: &Map<String, Value>) -> bool {
    let is_closed = object
        .get("additionalProperties")
        .is_some_and(|more| more == false);
    object.contains_key("properties") || is_closed && !object.contains_key("patternProperties")
}

fn admits_null(schema: &Value) -> bool {
    let is_null = |part: &Value| part == "null" || part["type"] == "null";
    ["type", "anyOf"]
        .iter()
        .filter_map(|key| schema.get(*key)?.as_array())
        .flatten()
        .any(is_null)
}

/// What serde takes in place of what the schema describes.
fn also(object: &Map<String, Value>, buffered: bool) -> Vec<Value> {
    let mut also = Vec::new();
    if buffered && is_struct(object) {
        // A struct, as a list of its fields; what follows them is not looked at.
        let fields = object
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::values);
        let fields: Vec<_> = fields.chain([&Value::Bool(true)]).collect();
        also.push(json!({ "type": "array", "prefixItems": fields }));
    }
    let names = object.get("enum").and_then(Value::as_array).cloned();
    if let Some(names) = names.or_else(|| Some(vec![object.get("const")?.clone()])) {
        if buffered {
            // The name of a variant, as its number.
            also.push(json!({ "type": "integer", "minimum": 0 }));
        }
        // A unit variant, as an object.
        let variants: Map<String, Value> = names
            .iter()
            .filter_map(|name| Some((name.as_str()?.to_owned(), json!({ "type": "null" }))))
            .collect();
        also.push(
            json!({ "type": "object", "properties": variants, "additionalProperties": false, "minProperties": 1, "maxProperties": 1 }),
        );
    }
    if buffered && object.get("type").is_some_and(|name| name == "null") {
        // A unit, as a list or object without content.
        also.push(json!({ "type": "array", "maxItems": 0 }));
        also.push(json!({ "type": "object", "maxProperties": 0 }));
    }
    also
}
