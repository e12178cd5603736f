//! Values in one of several variants.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::reason::Obstacle;
use super::rewrite::{Rewriter, Rewritten};
use super::schema::Object;

impl Rewriter<'_> {
    /// `anyOf`, also in place of `oneOf`; less, where the branches come down to one or to
    /// constants.
    pub(super) fn union(&mut self, key: &str, branches: &[Value]) -> Rewritten {
        let (mut rewritten, mut seen) = (Vec::new(), HashSet::new());
        for (position, branch) in branches
            .iter()
            .enumerate()
            .filter(|(_, branch)| **branch != false)
        // `false` matches nothing, so the union is the same without it.
        {
            let mut branch = self.schema_at(&[&format!("{key}[{position}]")], branch)?;
            // Flattened: nested unions cost levels and are hard to read for a model.
            let inner = match branch.remove("anyOf") {
                Some(Value::Array(inner)) if branch.is_empty() => inner,
                Some(inner) => {
                    branch.insert("anyOf".to_owned(), inner);
                    vec![branch.into()]
                }
                None => vec![branch.into()],
            };
            // Different branches may become equal; repeated ones would only cost tokens.
            rewritten.extend(
                inner
                    .into_iter()
                    .filter(|branch| seen.insert(branch.to_string())),
            );
        }
        // A tool that no call could satisfy is a mistake of its author, to be reported.
        if rewritten.is_empty() {
            return Err(self.because(Obstacle::Nothing));
        }
        if rewritten.len() == 1
            && let Some(Value::Object(only)) = rewritten.pop()
        {
            return Ok(only);
        }
        if let Some(constants) = constants(&rewritten) {
            return Ok(constants);
        }
        // Some services distinguish variants by their first property only.
        tags_first(&mut rewritten);
        Ok(Object::from_iter([("anyOf".to_owned(), rewritten.into())]))
    }
}

/// Input:  `[{"type": "string", "const": "up", "description": "Rising."}, {"type": "string", "const": "down"}]`
/// Output: `{"description": "up: Rising.", "type": "string", "enum": ["up", "down"]}`
fn constants(branches: &[Value]) -> Option<Object> {
    let (mut of, mut null, mut values, mut lines) = (None, false, Vec::new(), Vec::new());
    // Only constants of one type can be listed in one `enum`, with their texts in its description.
    for branch in branches {
        let branch = branch.as_object()?;
        if branch
            .keys()
            .any(|key| !["description", "type", "const", "enum"].contains(&key.as_str()))
        {
            return None;
        }
        let mut these: Vec<Value> = match (branch.get("const"), branch.get("enum")) {
            (Some(constant), _) => vec![constant.clone()],
            (None, Some(Value::Array(values))) => values.clone(),
            _ if branch.get("type")? == "null" => vec![Value::Null],
            _ => return None,
        };
        if let Some(text) = branch.get("description").and_then(Value::as_str) {
            let names: Vec<String> = these
                .iter()
                .map(|value| {
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                })
                .collect();
            lines.push(format!("{}: {text}", names.join(", ")));
        }
        // `null` is written as a second type, so it is kept apart from the values.
        null |= these.contains(&Value::Null);
        these.retain(|value| !value.is_null());
        let name = match branch.get("type")? {
            Value::Array(names) => names.iter().find(|name| *name != "null")?,
            name => name,
        };
        if name != "null" && *of.get_or_insert(name) != name {
            return None;
        }
        values.extend(these);
    }
    let name = of?;
    let mut seen = HashSet::new();
    // The values of an enum have to be unique.
    values.retain(|value| seen.insert(value.to_string()));
    let mut schema = Object::new();
    if !lines.is_empty() {
        schema.insert("description".to_owned(), lines.join("\n").into());
    }
    if null {
        values.push(Value::Null);
    }
    schema.insert(
        "type".to_owned(),
        if null {
            json!([name, "null"])
        } else {
            name.clone()
        },
    );
    schema.insert("enum".to_owned(), values.into());
    Some(schema)
}

/// Where objects begin with the same property: puts in front what distinguishes them. The order of
/// properties means nothing in JSON, but a constrained model writes them in it: with the tag first
/// it is bound to one variant from there on.
fn tags_first(branches: &mut [Value]) {
    let mut objects: Vec<&mut Object> = branches
        .iter_mut()
        .filter_map(Value::as_object_mut)
        .filter(|o| has_properties(o))
        .collect();
    let firsts: HashSet<Option<String>> = objects
        .iter()
        .map(|object| names(object).next().cloned())
        .collect();
    let Some(first) = objects.first().filter(|_| firsts.len() < objects.len()) else {
        return;
    };
    // A tag has to have constants in all variants, all of them different.
    let distinguishes = |name: &&String| {
        let mut seen = HashSet::new();
        objects.iter().all(|object| {
            values_of(&object["properties"][name.as_str()])
                .is_some_and(|values| values.into_iter().all(|v| seen.insert(v)))
        })
    };
    let Some(tag) = names(first).find(distinguishes).cloned() else {
        return;
    };
    for object in &mut objects {
        let Some(Value::Object(properties)) = object.get_mut("properties") else {
            continue;
        };
        if let Some(schema) = properties.shift_remove(&tag) {
            properties.shift_insert(0, tag.clone(), schema);
        }
        // Rebuilt in the new order of the properties.
        let required: Vec<Value> = properties.keys().map(|name| json!(name)).collect();
        object.insert("required".to_owned(), required.into());
    }
}

/// Whether it is an object with something to distinguish it by.
pub(super) fn has_properties(schema: &Object) -> bool {
    names(schema).next().is_some()
}

fn names(schema: &Object) -> impl Iterator<Item = &String> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Object::keys)
}

/// The values that a constant property may have.
pub(super) fn values_of(schema: &Value) -> Option<HashSet<String>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(constant), _) => Some(HashSet::from([constant.to_string()])),
        (None, Some(Value::Array(values))) => Some(values.iter().map(Value::to_string).collect()),
        _ => None,
    }
}
