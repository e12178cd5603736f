//! What is done to each schema on its own.

use schemars::Schema;
use schemars::transform::transform_subschemas;
use serde_json::{Map, Value, json};

use super::keywords;

/// Every rule that looks at one schema at a time, applied to all of them.
pub(super) fn tidy(schema: &mut Schema) {
    if let Some(object) = schema.as_object_mut() {
        mark_parts(object);
    }
    transform_subschemas(&mut tidy, schema);
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    keywords::remove(object, "$schema");
    keywords::remove(object, "title");
    keywords::remove(object, "unevaluatedProperties");
    keywords::remove(object, "uniqueItems"); // a set takes a repeated value as one
    if let Some(branches) = keywords::remove(object, "oneOf") {
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
    if is_type(object, &["integer", "number"]) {
        bound_number(object);
        leave_out_least(object);
        leave_out_zero(object);
    }
    if is_type(object, &["string"]) {
        tidy_format(object);
    }
    if is_type(object, &["array"]) {
        give_items(object);
    }
    close(object);
}

pub(super) fn is_type_of(schema: &Value, name: &str) -> bool {
    schema
        .as_object()
        .is_some_and(|object| is_type(object, &[name]))
}

pub(super) fn is_type(object: &Map<String, Value>, names: &[&str]) -> bool {
    match keywords::get(object, "type") {
        Some(Value::String(name)) => names.contains(&name.as_str()),
        Some(Value::Array(types)) => types
            .iter()
            .any(|name| name.as_str().is_some_and(|name| names.contains(&name))),
        _ => false,
    }
}

/// Bounds where the format implies one and schemars states none: a value the schema admits must fit
/// the type.
///
/// `isize` and `usize` have those of 64 bits, so that the bytes are the same on every machine.
///
/// The least is not quite that of 64 bits: engines for constrained decoding that read bounds as
/// floats negate it, and refuse a schema with `i64::MIN`. This is the next float.
fn bound_number(object: &mut Map<String, Value>) {
    const LEAST_I64: i64 = i64::MIN + 1024;
    // two to the 127th, exactly
    const BEYOND_I128: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    let format = keywords::remove(object, "format");
    let (least, (maximum, most)): (Value, (&str, Value)) =
        match format.as_ref().and_then(Value::as_str) {
            Some("int32") => (i32::MIN.into(), ("maximum", i32::MAX.into())),
            Some("uint32") => (u32::MIN.into(), ("maximum", u32::MAX.into())),
            Some("int64" | "int") => (LEAST_I64.into(), ("maximum", i64::MAX.into())),
            Some("uint64" | "uint") => (u64::MIN.into(), ("maximum", u64::MAX.into())),
            Some("int128") => (
                (-BEYOND_I128).into(),
                ("exclusiveMaximum", BEYOND_I128.into()),
            ),
            Some("uint128") => (
                u64::MIN.into(),
                ("exclusiveMaximum", (2.0 * BEYOND_I128).into()),
            ),
            _ => return,
        };
    if !keywords::has_any(object, &["minimum", "exclusiveMinimum"]) {
        object.insert("minimum".to_owned(), least);
    }
    if !keywords::has_any(object, &["maximum", "exclusiveMaximum"]) {
        object.insert(maximum.to_owned(), most);
    }
}

/// A default is not shown that is below the least value: the least integer of 64 bits.
fn leave_out_least(object: &mut Map<String, Value>) {
    let number = |keyword| keywords::get(object, keyword).and_then(Value::as_i64);
    if let (Some(default), Some(least)) = (number("default"), number("minimum"))
        && default < least
    {
        object.remove("default");
    }
}

/// Input:  `{"type": "integer", "minimum": -128, "maximum": 127, "not": {"const": 0}}`
/// Output: `{"anyOf": [{"type": "integer", "minimum": -128, "maximum": -1}, {"type": "integer", "minimum": 1, "maximum": 127}]}`
fn leave_out_zero(object: &mut Map<String, Value>) {
    if keywords::get(object, "not").is_none_or(|not| *not != json!({ "const": 0 })) {
        return;
    }
    object.remove("not");
    let keys = ["type", "minimum", "maximum", "exclusiveMaximum"];
    let range: Map<String, Value> = keys
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), object.remove(*key)?)))
        .collect();
    let (mut below, mut above) = (range.clone(), range);
    below.remove("exclusiveMaximum");
    below.insert("maximum".to_owned(), (-1).into());
    above.insert("minimum".to_owned(), 1.into());
    object.insert("anyOf".to_owned(), json!([below, above]));
}

/// Formats that JSON Schema does not define mean nothing to a provider, and some refuse them.
fn tidy_format(object: &mut Map<String, Value>) {
    let known = [
        "date",
        "date-time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "time",
        "uri",
        "uuid",
    ];
    match keywords::get(object, "format").and_then(Value::as_str) {
        Some("ip") => {
            let mut versions = ["ipv4", "ipv6"]
                .map(|format| json!({ "type": "string", "format": format }))
                .to_vec();
            versions.extend(is_type(object, &["null"]).then(|| json!({ "type": "null" })));
            object.remove("type");
            object.remove("format");
            object.insert("anyOf".to_owned(), versions.into());
        }
        Some(format) if !known.contains(&format) => {
            let example = EXAMPLES.iter().find(|(name, _)| *name == format);
            object.remove("format");
            if let Some((_, example)) = example {
                say_example(object, example);
            }
        }
        _ => {}
    }
}

/// Dates and times without a time zone, as chrono and jiff name them: JSON Schema has no format for
/// them.
const EXAMPLES: [(&str, &str); 2] = [
    ("partial-date-time", "2026-05-12T08:30:00"),
    ("partial-time", "08:30:00"),
];

fn say_example(object: &mut Map<String, Value>, example: &str) {
    let description = object.get("description").and_then(Value::as_str);
    let text = match description.map(str::trim_end).unwrap_or_default() {
        "" => format!("Like {example}."),
        text if text.ends_with(['.', '!', '?', ':']) => format!("{text} Like {example}."),
        text => format!("{text}. Like {example}."),
    };
    object.shift_insert(0, "description".to_owned(), text.into());
}

/// Providers refuse arrays without `items`, which is how schemars writes tuples.
fn give_items(object: &mut Map<String, Value>) {
    if keywords::get(object, "items").is_some_and(|items| !items.is_boolean()) {
        return;
    }
    let items = match object
        .get("prefixItems")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        Some([first, rest @ ..]) if rest.iter().all(|item| item == first) => {
            let first = first.clone();
            object.remove("prefixItems");
            first
        }
        Some(items @ [_, ..]) => json!({ "anyOf": items }),
        _ => json!({}),
    };
    object.insert("items".to_owned(), items);
}

/// A temporary mark on a schema that describes one part of an object: it must not refuse the
/// other parts' properties.
const PART: &str = "x-part";

/// Marks what describes an object in parts, where they could not be joined: two flattened enums,
/// for example.
fn mark_parts(object: &mut Map<String, Value>) {
    let unions = ["oneOf", "anyOf", "allOf"];
    let parts =
        keywords::count(object, &["properties", "$ref", PART]) + keywords::count(object, &unions);
    if parts < 2 && keywords::get(object, "allOf").is_none() {
        return;
    }
    for key in unions {
        let branches = object.get_mut(key).and_then(Value::as_array_mut);
        for part in branches
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            part.insert(PART.to_owned(), true.into());
        }
    }
}

/// Closes an object that lists its properties, if only none. One that is only part of a larger
/// description stays open.
fn close(object: &mut Map<String, Value>) {
    let part = keywords::remove(object, PART).is_some();
    let open = keywords::has_any(
        object,
        &[
            "$ref",
            "allOf",
            "anyOf",
            "additionalProperties",
            "patternProperties",
        ],
    );
    if part {
        object.remove("additionalProperties");
    } else if !open
        && (keywords::get(object, "properties").is_some() || is_type(object, &["object"]))
    {
        object.insert("additionalProperties".to_owned(), false.into());
    }
}
