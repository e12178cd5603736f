//! `$defs`, and the references to them.

use std::collections::HashSet;

use schemars::Schema;
use serde_json::{Map, Value};

use super::keywords;

/// What a reference refers to, at the end of all references.
pub(super) fn resolved(mut schema: Value, definitions: &Map<String, Value>) -> Value {
    for _ in 0..definitions.len() {
        match schema
            .as_object()
            .and_then(definition_name)
            .and_then(|name| definitions.get(&name))
        {
            Some(target) => schema = target.clone(),
            None => break,
        }
    }
    schema
}

/// The name of the definition that a schema refers to. In the reference it is written as a fragment
/// of a URI.
pub(super) fn definition_name(schema: &Map<String, Value>) -> Option<String> {
    let name = keywords::get(schema, "$ref")?
        .as_str()?
        .strip_prefix("#/$defs/")?;
    let name = percent_encoding::percent_decode_str(name)
        .decode_utf8()
        .ok()?;
    Some(name.replace("~1", "/").replace("~0", "~"))
}

/// A definition that was joined into all its uses has none left.
pub(super) fn drop_unused_definitions(root: &mut Schema) {
    let Some(Value::Object(definitions)) = root.remove("$defs") else {
        return;
    };
    let (mut used, mut unread) = (HashSet::new(), references(root.as_value()));
    while let Some(name) = unread.pop() {
        if let Some(definition) = definitions.get(&name).filter(|_| !used.contains(&name)) {
            unread.extend(references(definition));
            used.insert(name);
        }
    }
    if !used.is_empty() {
        let kept = definitions
            .into_iter()
            .filter(|(name, _)| used.contains(name));
        root.insert("$defs".to_owned(), kept.collect::<Map<_, _>>().into());
    }
}

/// The names of the definitions referred to anywhere in a schema.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(object) => definition_name(object)
            .into_iter()
            .chain(object.values().flat_map(references))
            .collect(),
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}
