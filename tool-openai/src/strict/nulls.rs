//! `null` for absent properties: a model has to write it when a strict schema is enforced.

use std::collections::HashSet;

use serde_json::Value;
use serde_json::value::RawValue;

use super::schema::{Object, allows_null, implied_type};

/// How deep arguments are looked into; deeper down they stay as they are.
const DEEPEST: usize = 64;

/// How many schemas may be compared with values, and how many more for each byte; after that, the
/// rest stays as it is.
const MOST_STEPS: usize = 200_000;
const STEPS_PER_BYTE: usize = 10;

/// The arguments without the properties that are `null` where the schema, as it was before it
/// became strict, lists them, but neither requires them nor allows `null`. None if there are none,
/// or the text is not one JSON object. What is kept keeps its text.
pub(crate) fn drop_nulls(arguments: &str, schema: &Value) -> Option<String> {
    // Most calls have no `null`, and need no parsing here.
    if !arguments.contains("null") {
        return None;
    }
    let Node::Object(members) = Node::parse(serde_json::from_str(arguments).ok()?, 0) else {
        return None;
    };
    // In proportion to the text: a hostile schema must not take longer than that.
    let steps = MOST_STEPS.saturating_add(STEPS_PER_BYTE.saturating_mul(arguments.len()));
    let mut walk = Walk {
        root: schema,
        steps,
        depth: 0,
    };
    walk.object(&members, &[schema])
}

/// A JSON value, its scalars as they are written.
enum Node<'a> {
    Object(Vec<(String, &'a RawValue, Node<'a>)>),
    Array(Vec<(&'a RawValue, Node<'a>)>),
    Scalar(Value),
    /// Too deep down to be looked into.
    Deep,
}

type Members<'a> = [(String, &'a RawValue, Node<'a>)];

impl<'a> Node<'a> {
    fn parse(text: &'a RawValue, depth: usize) -> Self {
        let parsed = match text.get().as_bytes().first() {
            // Not parsed, so deep arguments cannot use up the stack.
            Some(b'{' | b'[') if depth >= DEEPEST => None,
            Some(b'{') => serde_json::from_str(text.get())
                .ok()
                .map(|Entries(entries)| {
                    let node = |(name, value): (String, &'a RawValue)| {
                        (name, value, Self::parse(value, depth + 1))
                    };
                    Self::Object(entries.into_iter().map(node).collect())
                }),
            Some(b'[') => serde_json::from_str(text.get())
                .ok()
                .map(|items: Vec<&'a RawValue>| {
                    Self::Array(
                        items
                            .into_iter()
                            .map(|item| (item, Self::parse(item, depth + 1)))
                            .collect(),
                    )
                }),
            _ => serde_json::from_str(text.get()).ok().map(Self::Scalar),
        };
        parsed.unwrap_or(Self::Deep)
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Scalar(Value::Null))
    }
}

/// The members of an object, in the order and as often as they are written.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Entries<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                // Not a map: repeated keys must reach the decoder, which refuses them.
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

/// Whether the same value fits another schema.
type Again<'f, 's> = &'f dyn Fn(&mut Walk<'s>, &'s Value) -> bool;

/// Goes through arguments and schema side by side.
struct Walk<'s> {
    root: &'s Value,
    steps: usize,
    depth: usize,
}

impl<'s> Walk<'s> {
    /// The new text of a value that all of the schemas describe, if it changes.
    fn value(&mut self, node: &Node<'_>, schemas: &[&'s Value]) -> Option<String> {
        match node {
            Node::Object(members) => self.object(members, schemas),
            Node::Array(items) => self.array(items, schemas),
            Node::Scalar(_) | Node::Deep => None,
        }
    }

    fn object(&mut self, members: &Members<'_>, schemas: &[&'s Value]) -> Option<String> {
        let parts = self.parts(
            |walk, schema, beside| walk.fits_object(members, schema, beside),
            |walk, schema| walk.may_be(members, schema, 0),
            schemas,
        );
        let mut changed = false;
        let mut kept: Vec<String> = Vec::with_capacity(members.len());
        for (name, text, node) in members {
            let described = described(&parts, name);
            // Only here something is dropped; in doubt a `null` stays, and the tool decides.
            if node.is_null() && self.means_absent(&parts, name, &described) {
                changed = true;
                continue;
            }
            let value = self.value(node, &described);
            changed |= value.is_some();
            kept.push(format!(
                "{}:{}",
                Value::from(name.as_str()),
                // The original text, so that numbers keep their digits.
                value.as_deref().unwrap_or(text.get())
            ));
        }
        changed.then(|| format!("{{{}}}", kept.join(",")))
    }

    /// A `null` in a list is always a value: the length and the places of the others depend on it.
    fn array(&mut self, items: &[(&RawValue, Node<'_>)], schemas: &[&'s Value]) -> Option<String> {
        let parts = self.parts(
            |walk, schema, _| walk.fits_array(items, schema),
            |_, _| false,
            schemas,
        );
        let mut changed = false;
        let mut kept: Vec<String> = Vec::with_capacity(items.len());
        for (place, (text, node)) in items.iter().enumerate() {
            let described: Vec<&Value> =
                parts.iter().filter_map(|part| item(part, place)).collect();
            let value = self.value(node, &described);
            changed |= value.is_some();
            kept.push(value.unwrap_or_else(|| text.get().to_owned()));
        }
        changed.then(|| format!("[{}]", kept.join(",")))
    }

    /// Whether a `null` property means an absent one: it is declared and optional, and some schema
    /// that describes it does not take `null`. A strict schema makes the model write such properties.
    fn means_absent(&mut self, parts: &[&'s Object], name: &str, described: &[&'s Value]) -> bool {
        let required = |part: &&Object| {
            part.get("required")
                .and_then(Value::as_array)
                .is_some_and(|names| names.iter().any(|n| n == name))
        };
        let listed = |part: &&Object| {
            part.get("properties")
                .is_some_and(|properties| properties.get(name).is_some())
        };
        let root = self.root;
        // An entry of a map is never one that had to be written.
        parts.iter().any(listed)
            && !parts.iter().any(required)
            && !described
                .iter()
                .all(|schema| allows_null(root, schema, &mut self.steps))
            // Out of steps the answers above are guesses.
            && self.steps > 0
    }

    /// The plain schemas that describe a value together: through references and `allOf`, and of
    /// several branches the first that fits beside the others, or else may be meant.
    fn parts(
        &mut self,
        fits: impl Fn(&mut Self, &'s Value, &[&'s Object]) -> bool,
        may_be: impl Fn(&mut Self, &'s Value) -> bool,
        schemas: &[&'s Value],
    ) -> Vec<&'s Object> {
        let (mut parts, mut unread, mut choices) = (Vec::new(), schemas.to_vec(), Vec::new());
        let mut read = HashSet::new();
        loop {
            while let Some(schema) = unread.pop() {
                let (Some(object), true) = (schema.as_object(), self.step()) else {
                    continue;
                };
                // By address: recursive references come back to the same schema.
                if !read.insert(std::ptr::from_ref(object)) {
                    continue;
                }
                parts.push(object);
                unread.extend(
                    object
                        .get("$ref")
                        .and_then(Value::as_str)
                        .and_then(|reference| super::target(self.root, reference)),
                );
                unread.extend(
                    object
                        .get("allOf")
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten(),
                );
                choices.extend(
                    ["anyOf", "oneOf"]
                        .iter()
                        .filter_map(|key| object.get(*key)?.as_array()),
                );
            }
            let Some(branches) = choices.pop() else {
                return parts;
            };
            // A call with a mistake fits no branch, but its nulls are still worth dropping.
            let fitting = branches.iter().find(|branch| fits(self, branch, &parts));
            unread.extend(fitting.or_else(|| branches.iter().find(|branch| may_be(self, branch))));
        }
    }

    /// Whether a value is one that the schema takes, once the `null`s for absent properties
    /// are removed.
    fn fits(&mut self, node: &Node<'_>, schema: &'s Value) -> bool {
        match node {
            Node::Object(members) => self.fits_object(members, schema, &[]),
            Node::Array(items) => self.fits_array(items, schema),
            Node::Scalar(value) => {
                self.fits_itself(schema, type_of(value), Some(value), &|walk, schema| {
                    walk.fits(node, schema)
                })
            }
            // Unknown, so it must not exclude a branch.
            Node::Deep => true,
        }
    }

    /// `beside`: the other schemas that describe the same object, which may say that a property
    /// cannot be `null`.
    fn fits_object(
        &mut self,
        members: &Members<'_>,
        schema: &'s Value,
        beside: &[&'s Object],
    ) -> bool {
        let parts: Vec<&Object> = beside.iter().copied().chain(schema.as_object()).collect();
        let again = |walk: &mut Self, schema: &'s Value| walk.fits_object(members, schema, &parts);
        if !self.fits_itself(schema, "object", None, &again) {
            return false;
        }
        // Members cost steps too, or wide objects would be free.
        self.steps = self.steps.saturating_sub(members.len());
        let Some(object) = schema.as_object() else {
            return true;
        };
        // A `null` that means "absent" does not satisfy `required`.
        let mut given = |required: &Value| {
            let mut named = members.iter().filter(|(name, ..)| required == name);
            named.any(|(name, _, node)| {
                !node.is_null() || !self.means_absent(beside, name, &described(beside, name))
            })
        };
        let required = object.get("required").and_then(Value::as_array);
        required.into_iter().flatten().all(&mut given)
            && members.iter().all(|(name, _, node)| {
                if node.is_null() && self.means_absent(&parts, name, &described(&parts, name)) {
                    return true;
                }
                let described = described(&[object], name);
                let closed = object.get("additionalProperties") == Some(&Value::Bool(false));
                (!closed || !described.is_empty())
                    && described.into_iter().all(|schema| self.fits(node, schema))
            })
    }

    /// Whether an object with a mistake in it may be meant as one that the schema describes: by the
    /// constants in both.
    fn may_be(&mut self, members: &Members<'_>, schema: &'s Value, hops: usize) -> bool {
        const MOST_HOPS: usize = 16;
        let (Some(object), true) = (schema.as_object(), hops < MOST_HOPS && self.step()) else {
            return false;
        };
        // Bounded hops: references may form a circle.
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            return super::target(self.root, reference)
                .is_some_and(|schema| self.may_be(members, schema, hops + 1));
        }
        let Some(properties) = object.get("properties").and_then(Value::as_object) else {
            return false;
        };
        members.iter().all(|(name, _, node)| {
            match (
                properties.get(name).and_then(|schema| schema.get("const")),
                node,
            ) {
                (Some(constant), Node::Scalar(value)) => constant == value,
                (Some(_), _) => false,
                (None, _) => true,
            }
        })
    }

    fn fits_array(&mut self, items: &[(&RawValue, Node<'_>)], schema: &'s Value) -> bool {
        let again = |walk: &mut Self, schema: &'s Value| walk.fits_array(items, schema);
        if !self.fits_itself(schema, "array", None, &again) {
            return false;
        }
        self.steps = self.steps.saturating_sub(items.len());
        let Some(object) = schema.as_object() else {
            return true;
        };
        let count = |keyword: &str| {
            object
                .get(keyword)
                .and_then(Value::as_u64)
                .and_then(|count| usize::try_from(count).ok())
        };
        // Lengths distinguish tuples from each other.
        count("minItems").is_none_or(|least| items.len() >= least)
            && count("maxItems").is_none_or(|most| items.len() <= most)
            && items.iter().enumerate().all(|(place, (_, node))| {
                item(object, place).is_none_or(|schema| self.fits(node, schema))
            })
    }

    /// Whether the type, the constants and the parts of a schema fit; not what is inside the value.
    fn fits_itself(
        &mut self,
        schema: &'s Value,
        name: &str,
        value: Option<&Value>,
        again: Again<'_, 's>,
    ) -> bool {
        // Arguments and references nest independently, hence twice the depth.
        if !self.step() || self.depth >= 2 * DEEPEST {
            return false;
        }
        self.depth += 1;
        let fits = self.fits_shallow(schema, name, value, again);
        self.depth -= 1;
        fits
    }

    fn fits_shallow(
        &mut self,
        schema: &'s Value,
        name: &str,
        value: Option<&Value>,
        again: Again<'_, 's>,
    ) -> bool {
        let Some(object) = schema.as_object() else {
            return *schema != false;
        };
        let is = |named: &str| {
            named == name
                || named == "number" && name == "integer"
                || named == "integer" && is_whole(value)
        };
        let of_type = match object.get("type") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).any(is),
            Some(named) => named.as_str().is_some_and(is),
            None => implied_type(object).is_none_or(is),
        };
        // OpenAPI's `nullable` adds `null` to the type beside it.
        let nullable = name == "null" && object.get("nullable") == Some(&Value::Bool(true));
        // Of objects and lists only the type is compared.
        let equal =
            |listed: &Value| value.map_or_else(|| type_of(listed) == name, |value| value == listed);
        let (root, branches) = (self.root, |key: &str| {
            object.get(key).and_then(Value::as_array)
        });
        let listed = branches("enum");
        (of_type || nullable)
            && object.get("const").is_none_or(equal)
            && listed.is_none_or(|values| values.iter().any(equal))
            && object
                .get("$ref")
                .and_then(Value::as_str)
                .is_none_or(|reference| {
                    let schema = super::target(root, reference);
                    schema.is_some_and(|schema| again(self, schema))
                })
            && branches("allOf")
                .into_iter()
                .flatten()
                .all(|part| again(self, part))
            && ["anyOf", "oneOf"]
                .into_iter()
                .filter_map(branches)
                .all(|branches| branches.iter().any(|branch| again(self, branch)))
    }

    /// Whether another schema may be looked at: the model, which writes the arguments, must not decide
    /// how long this takes.
    fn step(&mut self) -> bool {
        self.steps = self.steps.saturating_sub(1);
        self.steps > 0
    }
}

/// How each of the parts describes a property.
fn described<'s>(parts: &[&'s Object], name: &str) -> Vec<&'s Value> {
    let of = |part: &&'s Object| {
        let listed = part
            .get("properties")
            .and_then(Value::as_object)
            .and_then(|listed| listed.get(name));
        // A property that is not listed is described by the schema of a map, if there is one.
        listed.or_else(|| {
            part.get("additionalProperties")
                .filter(|more| more.is_object())
        })
    };
    parts.iter().filter_map(of).collect()
}

/// How a list describes one of its items.
fn item(list: &Object, place: usize) -> Option<&Value> {
    let rest = match (
        list.get("prefixItems").or(list.get("items")),
        list.get("prefixItems"),
    ) {
        (Some(Value::Array(places)), _) if place < places.len() => return places.get(place),
        // The form before 2020-12.
        (Some(Value::Array(_)), None) => list.get("additionalItems"),
        _ => list.get("items"),
    };
    rest.filter(|items| items.is_object() || items.is_boolean())
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// `5.0` is an integer, too.
fn is_whole(value: Option<&Value>) -> bool {
    value
        .and_then(Value::as_f64)
        .is_some_and(|number| number.fract() == 0.0)
}
