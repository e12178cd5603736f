//! The schema of a tool's parameters is one that every service accepts.

#![expect(dead_code, reason = "only the types and their schemas are of interest")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tool_core::{Dispatcher, ToolCall, ToolSet, tool, tools};

/// When it was.
#[derive(Deserialize, JsonSchema)]
struct Period {
    until: String,
    from: Option<String>,
    #[serde(default)]
    open: bool,
}

#[derive(Deserialize, JsonSchema)]
struct Node {
    value: i64,
    children: Vec<Node>,
    parent: Option<Box<Node>>,
}

#[derive(Deserialize, JsonSchema)]
struct Amount {
    zloty: u32,
    cents: i32,
}

/// How it was paid.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Payment {
    /// In coins.
    Cash(Amount),
    Card {
        number: String,
    },
    Free,
}

#[derive(Deserialize, JsonSchema)]
enum Order {
    /// From the smallest.
    Rising,
    /// From the largest.
    Falling,
}

#[derive(Deserialize, JsonSchema)]
enum Shape {
    Point,
    Circle(f64),
    Box { width: u8, height: u16 },
}

const NORTH: &str = "north";

/// Take one of everything.
#[tool]
#[expect(
    clippy::too_many_arguments,
    unused_variables,
    reason = "only its schema is of interest"
)]
fn everything(
    /// Since when.
    period: Period,
    signed: i32,
    unsigned: u32,
    #[arg(range(-5..50))] ranged: i32,
    long: i64,
    size: usize,
    float: f64,
    single: f32,
    pair: (f64, f64),
    mixed: (u32, String, bool),
    /// The tree.
    node: Option<Node>,
    payment: Payment,
    order: Order,
    shapes: &[Shape],
    anything: Value,
    list_of_anything: Vec<Value>,
    map: BTreeMap<String, Period>,
    /// A title.
    title: String,
    #[arg(name = "format")] wanted: Option<u8>,
    #[arg(default = 5)] literal: u8,
    #[arg(default = NORTH)] constant: &str,
    #[arg(default = 2 + 3)] computed: u8,
) {
}

fn parameters(tools: &ToolSet) -> &Value {
    tools.definitions().next().unwrap().parameters()
}

/// The names of an object's properties, in order.
fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .map(|object| object.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

/// Every schema inside a schema, itself first.
fn each_schema<'a>(schema: &'a Value, visit: &mut dyn FnMut(&'a Value)) {
    visit(schema);
    for (key, value) in schema.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("properties" | "$defs", Value::Object(schemas)) => schemas
                .values()
                .for_each(|schema| each_schema(schema, visit)),
            ("anyOf" | "allOf" | "oneOf" | "prefixItems", Value::Array(schemas)) => {
                schemas.iter().for_each(|schema| each_schema(schema, visit));
            }
            ("items" | "additionalProperties" | "not", schema) => each_schema(schema, visit),
            _ => {}
        }
    }
}

#[test]
fn the_root_is_a_plain_closed_object() {
    let tools = tools![everything];
    let root = parameters(&tools);
    assert_eq!(
        keys(root),
        [
            "type",
            "properties",
            "required",
            "additionalProperties",
            "$defs"
        ]
    );
    assert_eq!(
        (&root["type"], &root["additionalProperties"]),
        (&json!("object"), &json!(false))
    );
    assert!(jsonschema::meta::is_valid(root));
}

#[test]
fn properties_are_in_declaration_order_at_every_level() {
    let tools = tools![everything];
    let root = parameters(&tools);
    let declared = [
        "period",
        "signed",
        "unsigned",
        "ranged",
        "long",
        "size",
        "float",
        "single",
        "pair",
        "mixed",
        "node",
        "payment",
        "order",
        "shapes",
        "anything",
        "list_of_anything",
        "map",
        "title",
        "format",
        "literal",
        "constant",
        "computed",
    ];
    assert_eq!(keys(&root["properties"]), declared);
    assert_eq!(
        keys(&root["$defs"]["Period"]["properties"]),
        ["until", "from", "open"]
    );
    assert_eq!(
        keys(&root["$defs"]["Node"]["properties"]),
        ["value", "children", "parent"]
    );
    assert_eq!(
        keys(&root["$defs"]["Payment"]["anyOf"][0]["properties"]),
        ["kind", "zloty", "cents"]
    );
}

#[test]
fn what_may_be_left_out_is_not_required() {
    let tools = tools![everything];
    let root = parameters(&tools);
    let required: Vec<_> = root["required"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for name in ["node", "format", "literal", "constant", "computed"] {
        assert!(!required.contains(&name), "{name}");
    }
    assert_eq!(required.len(), 17);
    assert_eq!(root["$defs"]["Period"]["required"], json!(["until"]));
}

#[test]
fn literal_and_constant_defaults_are_shown_and_no_others() {
    let tools = tools![everything];
    let default = |name: &str| {
        parameters(&tools)["properties"][name]
            .get("default")
            .cloned()
    };
    assert_eq!(default("literal"), Some(json!(5)));
    assert_eq!(default("constant"), Some(json!("north")));
    assert_eq!(default("computed"), None);
}

#[test]
fn descriptions_are_beside_references() {
    let tools = tools![everything];
    let root = parameters(&tools);
    assert_eq!(
        root["properties"]["period"],
        json!({"description": "Since when.", "$ref": "#/$defs/Period"})
    );
    assert_eq!(root["$defs"]["Period"]["description"], "When it was.");
    assert_eq!(root["properties"]["node"]["description"], "The tree.");
    assert_eq!(
        root["properties"]["title"],
        json!({"description": "A title.", "type": "string"})
    );
}

#[test]
fn no_keyword_is_used_that_a_service_refuses() {
    let tools = tools![everything];
    each_schema(parameters(&tools), &mut |schema| {
        for keyword in ["$schema", "title", "oneOf", "format", "definitions", "$id"] {
            assert!(schema.get(keyword).is_none(), "{keyword} in {schema}");
        }
    });
}

#[test]
fn every_array_says_what_is_in_it() {
    let tools = tools![everything];
    each_schema(parameters(&tools), &mut |schema| {
        if schema["type"] == "array" {
            assert!(schema["items"].is_object(), "{schema}");
        }
    });
    let properties = &parameters(&tools)["properties"];
    assert_eq!(
        properties["pair"],
        json!({"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}})
    );
    assert_eq!(
        properties["mixed"]["items"]["anyOf"]
            .as_array()
            .map(Vec::len),
        Some(3)
    );
}

#[test]
fn integers_have_the_bounds_of_their_type() {
    let tools = tools![everything];
    let properties = &parameters(&tools)["properties"];
    assert_eq!(
        properties["signed"],
        json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX})
    );
    assert_eq!(
        properties["unsigned"],
        json!({"type": "integer", "minimum": 0, "maximum": u32::MAX})
    );
    assert_eq!(
        properties["ranged"],
        json!({"type": "integer", "minimum": -5, "exclusiveMaximum": 50})
    );
    assert_eq!(
        properties["long"],
        json!({"type": "integer", "minimum": i64::MIN + 1024, "maximum": i64::MAX})
    );
    assert_eq!(
        properties["size"],
        json!({"type": "integer", "minimum": 0, "maximum": u64::MAX})
    );
    assert_eq!(
        (&properties["float"], &properties["single"]),
        (&json!({"type": "number"}), &json!({"type": "number"}))
    );
}

#[test]
fn objects_are_closed_at_every_level() {
    let tools = tools![everything];
    each_schema(parameters(&tools), &mut |schema| {
        if schema.get("properties").is_some() {
            assert_eq!(schema["additionalProperties"], false, "{schema}");
            assert_eq!(schema["type"], "object", "{schema}");
        }
    });
}

#[test]
fn a_recursive_type_refers_to_itself() {
    let tools = tools![everything];
    let node = &parameters(&tools)["$defs"]["Node"];
    assert_eq!(
        node["properties"]["children"]["items"],
        json!({"$ref": "#/$defs/Node"})
    );
    let validator = jsonschema::validator_for(parameters(&tools)).unwrap();
    let node = |node: Value| {
        let prefix = "/node";
        validator
            .iter_errors(&json!({"node": node}))
            .filter(|error| error.instance_path().to_string().starts_with(prefix))
            .count()
    };
    assert_eq!(
        node(json!({"value": 1, "children": [{"value": 2, "children": []}]})),
        0
    );
    assert!(node(json!({"value": 1, "children": [{"value": "two", "children": []}]})) > 0);
}

#[test]
fn a_newtype_variant_of_a_tagged_enum_is_one_closed_object() {
    let tools = tools![everything];
    let branches = parameters(&tools)["$defs"]["Payment"]["anyOf"]
        .as_array()
        .unwrap();
    assert_eq!(keys(&branches[0]["properties"]), ["kind", "zloty", "cents"]);
    assert_eq!(branches[0]["required"], json!(["kind", "zloty", "cents"]));
    assert_eq!(branches[0]["description"], "In coins.");
    assert_eq!(keys(&branches[1]["properties"]), ["kind", "number"]);
}

#[test]
fn definitions_joined_into_all_their_uses_are_left_out() {
    /// Pay.
    #[tool]
    fn pay(payment: Payment) -> bool {
        matches!(payment, Payment::Free)
    }
    let tools = tools![pay];
    assert_eq!(keys(&parameters(&tools)["$defs"]), ["Payment"]);
}

#[test]
fn floats_are_shown_as_they_are_written() {
    /// Dig.
    #[tool]
    fn dig(#[arg(default = 0.1, range(0.1..=0.7))] depth: f32) -> f32 {
        depth
    }
    let tools = tools![dig];
    assert_eq!(
        parameters(&tools)["properties"]["depth"],
        json!({"type": "number", "minimum": 0.1, "maximum": 0.7, "default": 0.1})
    );
}

#[test]
fn text_is_a_default_for_a_string() {
    /// Turn.
    #[tool]
    fn turn(
        #[arg(default = "east")] towards: String,
        #[arg(default = "slowly")] how: &str,
    ) -> String {
        format!("{towards}, {how}")
    }
    let tools = tools![turn];
    let properties = &parameters(&tools)["properties"];
    assert_eq!(
        (
            &properties["towards"]["default"],
            &properties["how"]["default"]
        ),
        (&json!("east"), &json!("slowly"))
    );
    let results = Dispatcher::new(tools).dispatch_blocking(vec![ToolCall::new("", "turn", "{}")]);
    assert_eq!(results[0].content(), "east, slowly");
}

#[test]
fn an_infinite_bound_or_default_is_not_shown() {
    /// Measure.
    #[tool]
    fn measure(
        #[arg(range(f64::NEG_INFINITY..=0.0))] below: f64,
        #[arg(range(0.0..f32::INFINITY))] above: f32,
        #[arg(default = f64::INFINITY)] most: f64,
        #[arg(default = i64::MIN)] least: i64,
    ) -> String {
        format!("{below} {above} {most} {least}")
    }

    let tools = tools![measure];
    let parameters = tools.definition("measure").unwrap().parameters();
    assert!(jsonschema::meta::is_valid(parameters), "{parameters}");
    let property = |name: &str| parameters["properties"][name].clone();
    assert_eq!(property("below"), json!({"type": "number", "maximum": 0.0}));
    assert_eq!(property("above"), json!({"type": "number", "minimum": 0.0}));
    assert_eq!(property("most"), json!({"type": "number"}));
    assert_eq!(property("least").get("default"), None);
    let dispatcher = Dispatcher::new(tools);
    let answer = |arguments: &str| {
        let call = ToolCall::new("1", "measure", arguments);
        dispatcher.dispatch_blocking(vec![call])[0]
            .content()
            .into_owned()
    };
    assert_eq!(
        answer(r#"{"below": -1, "above": 1}"#),
        format!("-1 1 inf {}", i64::MIN)
    );
    assert!(
        answer(r#"{"below": 1, "above": 1}"#).contains("`below`: must be at most 0.0, but is 1.0")
    );
}

#[test]
fn times_without_a_zone_describe_their_format() {
    /// Book a visit.
    #[tool]
    fn book(
        /// When it begins
        at: chrono::NaiveDateTime,
        until: Option<chrono::NaiveTime>,
    ) -> String {
        format!("{at} {until:?}")
    }

    let tools = tools![book];
    let parameters = tools.definition("book").unwrap().parameters();
    assert_eq!(
        parameters["properties"]["at"],
        json!({"description": "When it begins. Like 2026-05-12T08:30:00.", "type": "string"})
    );
    assert_eq!(
        parameters["properties"]["until"],
        json!({"description": "Like 08:30:00.", "type": ["string", "null"]})
    );
    let call = ToolCall::new("1", "book", r#"{"at": "tomorrow"}"#);
    let result = &Dispatcher::new(tools).dispatch_blocking(vec![call])[0];
    assert!(
        result
            .content()
            .contains("expected a date and time like `2026-05-12T08:30:00`"),
        "{}",
        result.content()
    );
}
