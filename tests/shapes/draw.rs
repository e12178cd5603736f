//! Draws JSON texts near a schema: what it admits, with a mistake here and there.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;
use serde_json::{Map, Value};

/// Texts near the schema of a tool's arguments.
pub(crate) fn near(root: &Value) -> BoxedStrategy<String> {
    Drawer { root }.text(root, 4)
}

/// One in how many places holds a mistake.
const MISTAKES: u32 = 25;

/// What is admitted in few places.
const JUNK: &str = r#"null true 0 -1 1 5.0 0.5 1e2 -0.0 300 70000 "" "x" "5" [] [null] [0] {} {"kind":"Free"} {"only":0} {"Circle":null} {"Point":null}
    "Point" {"Ok":null}"#;

fn junk() -> BoxedStrategy<String> {
    select(JUNK.split_whitespace().collect::<Vec<_>>())
        .prop_map(str::to_owned)
        .boxed()
}

struct Drawer<'s> {
    root: &'s Value,
}

type Members = BoxedStrategy<Vec<(String, String)>>;

impl Drawer<'_> {
    fn text(&self, schema: &Value, depth: i32) -> BoxedStrategy<String> {
        let right = self.admitted(schema, depth);
        prop_oneof![MISTAKES - 1 => right, 1 => junk()].boxed()
    }

    fn admitted(&self, schema: &Value, depth: i32) -> BoxedStrategy<String> {
        let Some(object) = schema
            .as_object()
            .filter(|object| !object.is_empty() && depth > -4)
        else {
            return junk();
        };
        if let Some(same) = object.get("const") {
            return Just(same.to_string()).boxed();
        }
        if let Some(one_of) = object.get("enum").and_then(Value::as_array) {
            return select(one_of.iter().map(Value::to_string).collect::<Vec<_>>()).boxed();
        }
        if object.contains_key("properties") || object.contains_key("allOf") {
            return self.object(object, depth);
        }
        if let Some(target) = self.target(object) {
            return self.admitted(target, depth - 1);
        }
        if let Some(branches) = object.get("anyOf").and_then(Value::as_array) {
            let last = branches
                .iter()
                .filter(|branch| depth <= 0 && branch["type"] == "null");
            let branches = last
                .chain(branches)
                .map(|branch| self.admitted(branch, depth))
                .collect::<Vec<_>>();
            return Union::new(branches).boxed();
        }
        match object.get("type") {
            Some(Value::Array(types)) => {
                let of_type = |name: &Value| {
                    let mut object = object.clone();
                    object.insert("type".to_owned(), name.clone());
                    self.admitted(&object.into(), depth)
                };
                Union::new(types.iter().map(of_type)).boxed()
            }
            Some(Value::String(name)) => self.of_type(name, object, depth),
            _ => junk(),
        }
    }

    fn of_type(
        &self,
        name: &str,
        object: &Map<String, Value>,
        depth: i32,
    ) -> BoxedStrategy<String> {
        match name {
            "null" => Just("null".to_owned()).boxed(),
            "boolean" => select(vec!["true".to_owned(), "false".to_owned()]).boxed(),
            "integer" => select(integers(object)).boxed(),
            "number" => prop_oneof![
                select(integers(object)),
                select(vec!["0.5", "1.5", "-2.75e-3", "1e30"]).prop_map(str::to_owned)
            ]
            .boxed(),
            "string" => select(strings(object))
                .prop_map(|text| Value::from(text).to_string())
                .boxed(),
            "array" => self.array(object, depth),
            _ => self.object(object, depth),
        }
    }

    fn target(&self, object: &Map<String, Value>) -> Option<&Value> {
        let name = object.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
        self.root["$defs"].get(name)
    }

    fn array(&self, object: &Map<String, Value>, depth: i32) -> BoxedStrategy<String> {
        let count = |key: &str| {
            object
                .get(key)
                .and_then(Value::as_u64)
                .and_then(|count| usize::try_from(count).ok())
        };
        let (least, most) = (
            count("minItems").unwrap_or(0),
            count("maxItems").unwrap_or(3),
        );
        let most = if depth <= 0 { least } else { most };
        let first = object
            .get("prefixItems")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let items = (0..=most)
            .map(|place| self.text(first.get(place).unwrap_or(&object["items"]), depth - 1))
            .collect::<Vec<_>>();
        // One item more or less, now and then.
        let length = prop_oneof![MISTAKES => least..=most, 1 => least.saturating_sub(1)..=most + 1];
        (items, length)
            .prop_map(|(mut items, length)| {
                items.truncate(length);
                format!("[{}]", items.join(","))
            })
            .boxed()
    }

    fn object(&self, object: &Map<String, Value>, depth: i32) -> BoxedStrategy<String> {
        let unknown = prop_oneof![MISTAKES => Just(None), 1 => Just(Some(("unknown".to_owned(), "1".to_owned())))];
        let members = (self.members(object, depth), unknown).prop_map(|(mut members, unknown)| {
            members.extend(unknown);
            let mut seen = HashSet::new();
            members.retain(|(name, _)| seen.insert(name.clone()));
            members
        });
        let braced = members.clone().prop_shuffle().prop_map(|members| {
            let members = members
                .iter()
                .map(|(name, text)| format!("{}:{text}", Value::from(name.as_str())));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        });
        // What a struct would take in the order of its fields.
        let listed = members.prop_map(|members| {
            format!(
                "[{}]",
                members
                    .into_iter()
                    .map(|(_, text)| text)
                    .collect::<Vec<_>>()
                    .join(",")
            )
        });
        prop_oneof![2 * MISTAKES => braced, 1 => listed].boxed()
    }

    /// The members of an object, with those of the parts it is described in.
    fn members(&self, object: &Map<String, Value>, depth: i32) -> Members {
        let mut parts: Vec<Members> = Vec::new();
        let required = object
            .get("required")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        for (name, schema) in object
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let (name, text) = (name.clone(), self.text(schema, depth - 1));
            let presence = match required.iter().any(|required| *required == *name) {
                true => f64::from(MISTAKES) / f64::from(MISTAKES + 1),
                false if depth <= 0 => 0.1,
                false => 0.6,
            };
            parts.push(
                prop::option::weighted(presence, text)
                    .prop_map(move |text| {
                        text.map(|text| (name.clone(), text)).into_iter().collect()
                    })
                    .boxed(),
            );
        }
        let patterns = object
            .get("patternProperties")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::values);
        let names = if patterns.clone().count() > 0 {
            vec!["0", "7", "-7", "x"]
        } else {
            vec!["a", "b", ""]
        };
        for more in object
            .get("additionalProperties")
            .into_iter()
            .chain(patterns)
            .filter(|more| more.is_object())
        {
            let member = (
                select(names.clone()).prop_map(str::to_owned),
                self.text(more, depth - 1),
            );
            parts.push(prop::collection::vec(member, 0..=if depth <= 0 { 0 } else { 2 }).boxed());
        }
        for branches in ["anyOf", "oneOf"]
            .iter()
            .filter_map(|key| object.get(*key)?.as_array())
        {
            let branches = branches
                .iter()
                .filter_map(Value::as_object)
                .map(|branch| self.members(branch, depth))
                .collect::<Vec<_>>();
            parts.push(Union::new(branches).boxed());
        }
        let all = object
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object);
        parts.extend(
            all.chain(self.target(object).and_then(Value::as_object))
                .map(|part| self.members(part, depth - 1)),
        );
        parts.prop_map(|parts| parts.concat()).boxed()
    }
}

/// Integers in all forms, most of them within the bounds or next to one.
fn integers(object: &Map<String, Value>) -> Vec<String> {
    let mut integers: Vec<String> = ["0", "1", "-1", "5", "5.0", "1e2", "-0", "0.5", "3e0"]
        .map(str::to_owned)
        .into();
    for bound in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
        if let Some(bound) = object
            .get(bound)
            .and_then(|bound| bound.to_string().parse::<i128>().ok())
        {
            integers.extend([bound - 1, bound, bound + 1].map(|integer| integer.to_string()));
        }
    }
    integers
}

fn strings(object: &Map<String, Value>) -> Vec<&'static str> {
    let mut strings = vec!["", "x", "木", "two words", "\u{1F600}\n\"\\", "5"];
    strings.extend(
        match object
            .get("format")
            .and_then(Value::as_str)
            .unwrap_or_default()
        {
            "date" => &["2024-02-29", "2023-02-29", "0000-01-01", "2024-2-9"][..],
            "date-time" => &[
                "2024-02-29T12:00:00Z",
                "2024-02-29T12:00:00.5+02:00",
                "2024-02-29 12:00:00Z",
                "2024-02-29T12:00:00",
                "2024-06-30T23:59:60Z",
                "2024-02-29t12:00:00z",
            ],
            "uuid" => &[
                "67e55044-10b1-426f-9247-bb680e5fe0c8",
                "67E55044-10B1-426F-9247-BB680E5FE0C8",
                "67e5504410b1426f9247bb680e5fe0c8",
                "67e55044",
            ],
            "uri" => &[
                "http://example.org/a?b=c#d",
                "mailto:a@b",
                "urn:x:y",
                "/a",
                "example.org",
            ],
            "ipv4" | "ipv6" | "ip" => &["127.0.0.1", "::1", "1.2.3", "256.0.0.1", "fe80::1%eth0"],
            _ => &["n", "c"],
        },
    );
    strings
}
