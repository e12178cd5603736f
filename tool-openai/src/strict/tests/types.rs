//! What schemars writes for Rust types, as it writes it.

#![expect(dead_code, reason = "types are only described")]

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroI8;

use serde::Deserialize;
use tool_core::schemars::generate::SchemaSettings;
use tool_core::schemars::{self, JsonSchema};

use super::*;

/// What happens to a parameter of that type.
fn of<T: JsonSchema>() -> Result<Value, (String, Obstacle)> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let parameter = generator.subschema_for::<T>().to_value();
    let definitions = generator.take_definitions(true);
    let root = json!({"type": "object", "properties": {"p": parameter}, "required": ["p"], "$defs": definitions});
    let strict = whole(root, &Profile::openai())?;
    // Of a type with a definition, that.
    let parameter = &strict["properties"]["p"];
    Ok(parameter["$ref"].as_str().map_or_else(
        || parameter.clone(),
        |reference| strict.pointer(&reference[1..]).unwrap().clone(),
    ))
}

fn why_not<T: JsonSchema>() -> String {
    let (path, obstacle) = of::<T>().unwrap_err();
    format!("{path} {}", obstacle.to_string().split(';').next().unwrap())
}

#[derive(Deserialize, JsonSchema)]
struct Visit {
    /// The day.
    at: String,
    /// Who came along.
    with: Vec<Visit>,
    #[serde(default)]
    days: u8,
}

#[derive(Deserialize, JsonSchema)]
struct Empty {}

#[derive(Deserialize, JsonSchema, PartialEq, Eq, Hash)]
enum Unit {
    Up,
    Down,
}

#[derive(Deserialize, JsonSchema)]
enum External {
    Point,
    Circle(f64),
    Box { width: f64 },
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind")]
enum Internal {
    Free,
    Seen(Solo),
}

#[derive(Deserialize, JsonSchema)]
struct Solo {
    only: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Nothing,
    One(bool),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Text(String),
}

#[derive(Deserialize, JsonSchema)]
struct Flat {
    due: bool,
    #[serde(flatten)]
    solo: Solo,
}

#[derive(Deserialize, JsonSchema)]
struct FlatEnum {
    due: bool,
    #[serde(flatten)]
    internal: Internal,
}

#[derive(Deserialize, JsonSchema)]
struct FlatMap {
    due: bool,
    #[serde(flatten)]
    rest: HashMap<String, u8>,
}

#[test]
fn a_struct_is_closed_and_requires_all() {
    assert_eq!(
        of::<Visit>(),
        Ok(closed(json!({
            "at": {"description": "The day.", "type": "string"},
            "with": {"description": "Who came along.", "type": "array", "items": {"$ref": "#/$defs/Visit"}},
            "days": {"description": "Default: 0.", "type": ["integer", "null"], "minimum": 0, "maximum": 255},
        })))
    );
    assert_eq!(
        of::<Flat>(),
        Ok(closed(
            json!({"due": {"type": "boolean"}, "only": {"type": "boolean"}})
        ))
    );
}

#[test]
fn a_nested_option_may_be_ambiguous() {
    #[derive(Deserialize, JsonSchema)]
    struct Patch {
        email: Option<String>,
    }

    assert_eq!(
        of::<Patch>(),
        Err((
            "properties.p.properties.email".to_owned(),
            Obstacle::NullOrAbsent
        ))
    );
}

#[test]
fn options_are_kept() {
    assert_eq!(
        of::<Option<String>>(),
        Ok(json!({"type": ["string", "null"]}))
    );
    assert_eq!(
        of::<Option<Vec<bool>>>(),
        Ok(json!({"type": ["array", "null"], "items": {"type": "boolean"}}))
    );
    assert_eq!(
        of::<Option<Solo>>(),
        Ok(json!({"anyOf": [{"$ref": "#/$defs/Solo"}, {"type": "null"}]}))
    );
}

#[test]
fn enums_are_distinguished_by_their_first_keys() {
    assert_eq!(
        of::<Unit>(),
        Ok(json!({"type": "string", "enum": ["Up", "Down"]}))
    );
    let number = || json!({"type": "number"});
    assert_eq!(
        of::<External>(),
        Ok(json!({"anyOf": [
            {"type": "string", "enum": ["Point"]},
            closed(json!({"Circle": number()})),
            closed(json!({"Box": closed(json!({"width": number()}))})),
        ]}))
    );
    let constant = |value: &str| json!({"type": "string", "const": value});
    let kinds = json!([
        closed(json!({"kind": constant("Free")})),
        closed(json!({"kind": constant("Seen"), "only": {"type": "boolean"}}))
    ]);
    assert_eq!(of::<Internal>(), Ok(json!({ "anyOf": kinds })));
    assert_eq!(
        of::<Adjacent>(),
        Ok(
            json!({"anyOf": [closed(json!({"t": constant("Nothing")})), closed(json!({"t": constant("One"), "c": {"type": "boolean"}}))]})
        )
    );
    assert_eq!(
        of::<Untagged>(),
        Ok(json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}))
    );
    let due = json!([
        closed(json!({"kind": constant("Free"), "due": {"type": "boolean"}})),
        closed(
            json!({"kind": constant("Seen"), "due": {"type": "boolean"}, "only": {"type": "boolean"}})
        ),
    ]);
    assert_eq!(of::<FlatEnum>(), Ok(json!({ "anyOf": due })));
    assert!(of::<Result<u8, String>>().unwrap()["anyOf"].is_array());
}

#[test]
fn numbers_keep_their_bounds_and_lose_their_formats() {
    assert_eq!(of::<f32>(), Ok(json!({"type": "number"})));
    assert_eq!(
        of::<u16>(),
        Ok(json!({"type": "integer", "minimum": 0, "maximum": 65_535}))
    );
    assert_eq!(of::<i64>(), Ok(json!({"type": "integer"})));
    assert_eq!(of::<u64>(), Ok(json!({"type": "integer", "minimum": 0})));
    assert_eq!(
        of::<i32>(),
        Ok(json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX}))
    );
    assert_eq!(
        of::<u32>(),
        Ok(json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}))
    );
    assert_eq!(
        of::<NonZeroI8>(),
        Ok(json!({"description": "Not 0.", "type": "integer", "minimum": -128, "maximum": 127}))
    );
    assert_eq!(
        of::<char>(),
        Ok(json!({"description": "At least 1 character. At most 1 character.", "type": "string"}))
    );
}

#[test]
fn tuples_of_one_type_are_lists() {
    let item = || json!({"type": "boolean"});
    assert_eq!(
        of::<[bool; 2]>(),
        Ok(json!({"type": "array", "items": item(), "minItems": 2, "maxItems": 2}))
    );
    assert_eq!(of::<(bool, bool)>(), of::<[bool; 2]>());
    assert_eq!(
        of::<(bool,)>(),
        Ok(json!({"type": "array", "items": item(), "minItems": 1, "maxItems": 1}))
    );
    assert_eq!(
        of::<BTreeSet<bool>>(),
        Ok(json!({"description": "No item twice.", "type": "array", "items": item()}))
    );
    let of_old = json!({"type": "array", "items": [{"type": "string"}, {"type": "string"}], "additionalItems": false});
    assert_eq!(
        parameter(of_old.clone()),
        Ok(json!({"type": "array", "items": {"type": "string"}, "maxItems": 2}))
    );
    let described =
        json!({"description": "At most 2 items.", "type": "array", "items": {"type": "string"}});
    assert_eq!(
        parameter_for(of_old, &Profile::azure()),
        Ok(described),
        "Azure takes no bounds, implied or not"
    );
    assert_eq!(
        obstacle(json!({"type": "array", "prefixItems": [{"type": "string"}]})).1,
        Obstacle::MixedTuple,
        "more may follow"
    );
}

#[test]
fn a_map_with_known_keys_is_an_object() {
    let number = |()| json!({"type": ["integer", "null"], "minimum": 0, "maximum": 255});
    assert_eq!(
        of::<HashMap<Unit, u8>>(),
        Ok(closed(json!({"Down": number(()), "Up": number(())})))
    );
}

#[test]
fn a_unit_is_null() {
    assert_eq!(of::<()>(), Ok(json!({"type": "null"})));
}

#[test]
fn these_are_not_strict() {
    assert_eq!(
        why_not::<HashMap<String, u8>>(),
        "properties.p is a map with keys of any name"
    );
    assert_eq!(
        why_not::<HashMap<u8, u8>>(),
        "properties.p is a map with keys of any name"
    );
    assert_eq!(
        why_not::<serde_json::Map<String, Value>>(),
        "properties.p is a map with keys of any name"
    );
    assert_eq!(
        why_not::<FlatMap>(),
        "properties.p is a map with keys of any name"
    );
    assert_eq!(why_not::<Value>(), "properties.p takes any JSON value");
    assert_eq!(
        why_not::<Vec<Value>>(),
        "properties.p is a list of anything"
    );
    assert_eq!(
        why_not::<(u8, String)>(),
        "properties.p is a tuple of different types"
    );
    assert_eq!(why_not::<[u8; 0]>(), "properties.p is a list of anything");
    assert_eq!(
        why_not::<Empty>(),
        "properties.p is an object that lists no properties",
        "schemars does not close it, `#[tool]` does"
    );
}
