//! Properties of any schema.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

pub(super) type Object = Map<String, Value>;

/// Keywords that hold other schemas together.
pub(super) const COMBINING: [&str; 4] = ["$ref", "allOf", "anyOf", "oneOf"];

/// All keywords that decide which values are taken, beside those.
const ASSERTIONS: [&str; 39] = [
    "$dynamicRef",
    "$recursiveRef",
    "additionalItems",
    "additionalProperties",
    "const",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "items",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "required",
    "then",
    "type",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

/// Keywords of an object and of a list, which imply that the value is one.
const OBJECTS: [&str; 3] = ["additionalProperties", "properties", "required"];
const LISTS: [&str; 2] = ["items", "prefixItems"];

/// Whether a keyword decides which values are taken. Others are annotations, which may be dropped.
pub(super) fn is_assertion(keyword: &str) -> bool {
    ASSERTIONS.contains(&keyword)
}

/// Whether it decides which values are taken, alone or through others.
pub(super) fn decides(schema: &Object) -> bool {
    schema
        .keys()
        .any(|key| is_assertion(key) || COMBINING.contains(&key.as_str()))
}

/// The part of a schema that a local reference leads to.
pub(crate) fn target<'s>(root: &'s Value, reference: &str) -> Option<&'s Value> {
    let pointer = reference.strip_prefix('#')?;
    let decoded = percent_decode_str(pointer).decode_utf8().ok()?;
    // Some writers do not encode the fragment, so a `%` may be part of the name.
    root.pointer(&decoded).or_else(|| root.pointer(pointer))
}

/// The type that a schema without `type` has all the same. By the specification these keywords say
/// nothing about other types; who writes them means an object or a list, and strict schemas have to
/// name a type.
pub(super) fn implied_type(schema: &Object) -> Option<&'static str> {
    let has = |keywords: &[&str]| keywords.iter().any(|keyword| schema.contains_key(*keyword));
    match () {
        () if has(&OBJECTS) => Some("object"),
        () if has(&LISTS) => Some("array"),
        () => None,
    }
}

/// Whether `null` is a value that the schema takes. `steps` bounds how many schemas are looked at.
pub(super) fn allows_null(root: &Value, schema: &Value, steps: &mut usize) -> bool {
    allows_null_at(root, schema, steps, 0)
}

fn allows_null_at(root: &Value, schema: &Value, steps: &mut usize, depth: usize) -> bool {
    const DEEPEST: usize = 64;
    // Out of steps the answer is a guess; callers look at `steps` before they act on it.
    *steps = steps.saturating_sub(1);
    if *steps == 0 || depth > DEEPEST {
        return false;
    }
    let Some(object) = schema.as_object() else {
        return *schema != false;
    };
    // OpenAPI's keyword: it wins over the type beside it.
    if object.get("nullable") == Some(&Value::Bool(true)) {
        return true;
    }
    let mut allows = |schema: &Value| allows_null_at(root, schema, steps, depth + 1);
    let of_type = match object.get("type") {
        Some(Value::Array(names)) => names.iter().any(|name| name == "null"),
        Some(name) => name == "null",
        None => implied_type(object).is_none(),
    };
    // An `enum` that is no list is invalid, and excludes nothing.
    let listed = |values: &Value| {
        values
            .as_array()
            .is_none_or(|values| values.contains(&Value::Null))
    };
    // All keywords of a schema must hold together.
    of_type
        && object.get("const").is_none_or(Value::is_null)
        && object.get("enum").is_none_or(listed)
        && object
            .get("$ref")
            .and_then(Value::as_str)
            .is_none_or(|reference| target(root, reference).is_some_and(&mut allows))
        && ["anyOf", "oneOf"]
            .iter()
            .filter_map(|key| object.get(*key)?.as_array())
            .all(|branches| branches.iter().any(&mut allows))
        && object
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .all(&mut allows)
        && !object.get("not").is_some_and(&mut allows)
}

/// Does something to every schema inside a schema, one level down.
pub(crate) fn each_subschema(schema: &mut Object, act: &mut dyn FnMut(&mut Value)) {
    for (key, value) in schema.iter_mut() {
        match (key.as_str(), value) {
            (
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
                Value::Object(schemas),
            ) => {
                schemas.values_mut().for_each(&mut *act);
            }
            // A list under `items` is the older form of `prefixItems`.
            ("anyOf" | "oneOf" | "allOf" | "prefixItems" | "items", Value::Array(schemas)) => {
                schemas.iter_mut().for_each(&mut *act);
            }
            (
                "items"
                | "additionalProperties"
                | "additionalItems"
                | "not"
                | "if"
                | "then"
                | "else"
                | "contains"
                | "propertyNames"
                | "unevaluatedProperties"
                | "unevaluatedItems",
                schema,
            ) => act(schema),
            _ => {}
        }
    }
}
