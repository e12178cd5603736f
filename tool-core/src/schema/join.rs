//! Objects that schemars describes in parts.

use schemars::Schema;
use schemars::transform::transform_subschemas;
use serde_json::{Map, Value};

use super::definitions::definition_name;
use super::keywords;
use super::tidy::is_type_of;

/// What is one object to serde, but described in parts, becomes one object: no part alone could be
/// closed.
///
/// schemars writes newtype variants of internally tagged enums, and flattened enums, in parts:
/// Input:  `{"properties": {"kind": …}, "$ref": "#/$defs/Visit"}`
/// Output: `{"properties": {"kind": …, "date": …}}`
/// Input:  `{"properties": {"due": …}, "oneOf": [{"properties": {"cash": …}}, {"properties": {"card": …}}]}`
/// Output: `{"oneOf": [{"properties": {"due": …, "cash": …}}, {"properties": {"due": …, "card": …}}]}`
pub(super) fn join_parts(root: &mut Schema) {
    let definitions = root
        .get("$defs")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    join(root, &definitions, &mut Vec::new());
}

/// `within` are the definitions this one is in: one that contains itself stays in parts.
fn join(schema: &mut Schema, definitions: &Map<String, Value>, within: &mut Vec<String>) {
    let depth = within.len();
    if let Some(object) = schema
        .as_object_mut()
        .filter(|object| keywords::get(object, "properties").is_some())
    {
        while let Some((name, target)) =
            referred(object, definitions).filter(|(name, _)| !within.contains(name))
        {
            object.remove("$ref");
            add_part(object, target);
            within.push(name);
        }
        for key in ["oneOf", "anyOf"] {
            distribute(object, key);
        }
    }
    transform_subschemas(
        &mut |sub: &mut Schema| join(sub, definitions, within),
        schema,
    );
    within.truncate(depth);
}

fn referred<'d>(
    object: &Map<String, Value>,
    definitions: &'d Map<String, Value>,
) -> Option<(String, &'d Map<String, Value>)> {
    let name = definition_name(object)?;
    let target = definitions.get(&name)?.as_object()?;
    keywords::has_any(target, &["$ref", "properties", "oneOf", "anyOf"]).then_some((name, target))
}

/// Moves the properties of an object into each of its branches.
fn distribute(object: &mut Map<String, Value>, key: &str) {
    let Some(Value::Array(branches)) = keywords::get(object, key) else {
        return;
    };
    let one_of_several = ["oneOf", "anyOf", "allOf", "$ref"]
        .iter()
        .any(|other| *other != key && object.contains_key(*other));
    let open = ["additionalProperties", "unevaluatedProperties"]
        .iter()
        .any(|key| object.get(*key).is_some_and(|more| more != false));
    let mut branches: Vec<Value> = branches
        .iter()
        .filter(|branch| !is_type_of(branch, "null"))
        .cloned()
        .collect();
    if one_of_several
        || open
        || !branches
            .iter()
            .all(|branch| is_type_of(branch, "object") || branch.get("$ref").is_some())
    {
        return;
    }
    let keys = ["type", "properties", "required"];
    let shared: Map<String, Value> = keys
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), object.remove(*key)?)))
        .collect();
    for branch in branches.iter_mut().filter_map(Value::as_object_mut) {
        let part = std::mem::replace(branch, shared.clone());
        add_part(branch, &part);
    }
    object.insert(key.to_owned(), branches.into());
}

fn add_part(object: &mut Map<String, Value>, part: &Map<String, Value>) {
    for (key, more) in part {
        match (object.get_mut(key), more) {
            (None, _) => drop(object.insert(key.clone(), more.clone())),
            (Some(Value::Object(have)), Value::Object(more)) => have.extend(more.clone()),
            (Some(Value::Array(have)), Value::Array(more)) => have.extend(more.iter().cloned()),
            _ => {}
        }
    }
}
