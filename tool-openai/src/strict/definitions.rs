//! What references refer to: each thing once, under a name that every service takes.

use std::collections::HashMap;

use serde_json::Value;

use super::schema::{Object, target};

#[derive(Default)]
pub(super) struct Definitions {
    found: Vec<Definition>,
    places: HashMap<*const Value, usize>,
    /// The names in use, and the number behind the last that was made from each.
    names: HashMap<String, usize>,
}

struct Definition {
    /// Where in the original: the address of the schema that is referred to, since there is more
    /// than one way to write it.
    original: *const Value,
    name: String,
    /// Empty as long as it is being rewritten.
    schema: Object,
}

impl Definitions {
    /// The place of what a reference refers to, and whether it is seen for the first time.
    pub(super) fn place(&mut self, root: &Value, pointer: &str) -> (usize, bool) {
        let original = target(root, pointer).map_or(std::ptr::null(), std::ptr::from_ref);
        if let Some(place) = self.places.get(&original) {
            return (*place, false);
        }
        let name = self.unused(legal_name(root, pointer));
        // Before its schema is known, so that a recursive reference finds it.
        self.places.insert(original, self.found.len());
        self.found.push(Definition {
            original,
            name,
            schema: Object::new(),
        });
        (self.found.len() - 1, true)
    }

    pub(super) fn set(&mut self, place: usize, schema: Object) {
        if let Some(definition) = self.found.get_mut(place) {
            definition.schema = schema;
        }
    }

    /// The reference to a definition, which may still be empty: names are known before schemas.
    pub(super) fn reference(&self, place: usize) -> String {
        self.found
            .get(place)
            .map(|definition| format!("#/$defs/{}", definition.name))
            .unwrap_or_default()
    }

    /// All that were referred to, in the order of the original.
    pub(super) fn in_order(self, root: &Value) -> Object {
        let named = ["$defs", "definitions"].into_iter().flat_map(|key| {
            root.get(key)
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
        });
        let order: HashMap<*const Value, usize> = named
            .enumerate()
            .map(|(position, (_, schema))| (std::ptr::from_ref(schema), position))
            .collect();
        // Not in the order of discovery, which an unrelated change of the schema would alter.
        let mut found = self.found;
        found.sort_by_key(|definition| {
            order
                .get(&definition.original)
                .copied()
                .unwrap_or(usize::MAX)
        });
        found
            .into_iter()
            .map(|definition| (definition.name, definition.schema.into()))
            .collect()
    }

    fn unused(&mut self, name: String) -> String {
        // Different names may become equal when their letters are replaced.
        let mut unused = name.clone();
        let mut number = self.names.get(&name).copied().unwrap_or(1);
        while self.names.contains_key(&unused) {
            number += 1;
            unused = format!("{name}_{number}");
        }
        // The number is kept, so that many equal names do not take quadratic time.
        self.names.insert(unused.clone(), 1);
        self.names.insert(name, number);
        unused
    }
}

/// A name of plain letters. What is in `$defs` keeps its own, if it is one.
fn legal_name(root: &Value, pointer: &str) -> String {
    let plain = |name: &str| {
        name.chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "_-.".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect::<String>()
    };
    let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
    let named = ["#/$defs/", "#/definitions/"]
        .iter()
        .find_map(|prefix| pointer.strip_prefix(prefix));
    let name = match named.filter(|_| root.is_object()) {
        Some(name) => name.replace("~1", "/").replace("~0", "~"),
        None => pointer.trim_start_matches("#/").to_owned(),
    };
    if name.is_empty() {
        "_".to_owned()
    } else {
        plain(&name)
    }
}
