//! The schema and the decoder accept and refuse the same arguments, with an independent validator
//! as the reference.

#![expect(dead_code, reason = "what is decoded is not looked at")]

use std::collections::BTreeMap;
use std::num::NonZeroU8;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tool_core::{Dispatcher, ToolCall, ToolSet, tool, tools};

use crate::support::code;

/// Gives each sample to the validator and to the tool; both must accept the first list, and refuse
/// the second.
fn agree(tools: ToolSet, accepted: &[Value], refused: &[Value]) {
    let definition = tools.definitions().next().unwrap();
    let (name, validator) = (
        definition.name().to_owned(),
        jsonschema::validator_for(definition.parameters()).unwrap(),
    );
    let dispatcher = Dispatcher::new(tools);
    for (samples, expected) in [(accepted, true), (refused, false)] {
        let arguments: Vec<_> = samples
            .iter()
            .map(|sample| json!({"value": sample}))
            .collect();
        let calls = arguments
            .iter()
            .map(|arguments| ToolCall::new("id", &name, arguments.to_string()))
            .collect();
        for (arguments, result) in arguments.iter().zip(dispatcher.dispatch_blocking(calls)) {
            assert_eq!(
                validator.is_valid(arguments),
                expected,
                "the schema of {name}, {arguments}"
            );
            let code = code(&result);
            assert!(["ok", "invalid_arguments"].contains(&code), "{code}");
            assert_eq!(
                code == "ok",
                expected,
                "the decoder of {name}, {arguments}: {}",
                result.content()
            );
        }
    }
}

macro_rules! agreements {
    ($($(#[$arg:meta])* $name:ident: $ty:ty, accepts [$($accepted:tt),*], refuses [$($refused:tt),*];)*) => {
        $(
            #[test]
            fn $name() {
                /// Take a value.
                #[tool]
                async fn $name($(#[$arg])* value: $ty) {
                    let _ = value;
                }

                agree(tools![$name], &[$(json!($accepted)),*], &[$(json!($refused)),*]);
            }
        )*
    };
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Visit {
    date: String,
    #[serde(rename = "room-number")]
    room: u8,
    note: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Ward(u8);

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    /// From the smallest.
    Rising,
    Falling,
}

#[derive(Deserialize, JsonSchema)]
enum Shape {
    Point,
    Circle(f64),
    Line(i8, i8),
    Box { width: u8 },
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Amount {
    euros: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind")]
enum Payment {
    Cash(Amount),
    Card { number: String },
    Free,
}

#[derive(Deserialize, JsonSchema)]
struct Visitor {
    name: String,
    note: Option<String>,
}

/// Two flattened enums cannot be joined into one object: their parts stay open, or none could be
/// met.
#[derive(Deserialize, JsonSchema)]
struct Split {
    due: String,
    #[serde(flatten)]
    payment: Payment,
    #[serde(flatten)]
    route: Route,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "by")]
enum Route {
    Post { address: String },
    Hand,
}

#[derive(Deserialize, JsonSchema)]
struct Bill {
    due: String,
    #[serde(flatten)]
    payment: Payment,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "state")]
enum Invoice {
    Paid(Payment),
    Open,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "of")]
enum Adjacent {
    Number(u8),
    Text(String),
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Either {
    Number(u8),
    Text(String),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Node {
    value: i64,
    next: Option<Box<Node>>,
}

agreements! {
    small_number: u8, accepts [0, 255], refuses [(-1), 256, 1.5, "1", null, [], {}];
    number: i32, accepts [(i32::MIN), (i32::MAX), 0], refuses [2147483648_i64, (-2147483649_i64), 0.5, true];
    unsigned_number: u32, accepts [0, (u32::MAX), 5.0, 1e2, (-0.0)], refuses [(-1), 4294967296_i64, "0", 5.5, (-5.0), 4294967296.0];
    long_number: i64, accepts [0, (i64::MIN + 1024), (i64::MAX)], refuses [0.5, "0", null];
    non_zero: NonZeroU8, accepts [1, 255], refuses [0, 256, null];
    float: f64, accepts [0, 1.5, (-1e300), 7], refuses ["1.5", null, true];
    flag: bool, accepts [true, false], refuses [0, "true", null];
    character: char, accepts ["x", "é", "木"], refuses ["", "xy", 5];
    text: String, accepts ["", "x\n\u{1F600}"], refuses [5, null, ["x"]];
    optional_text: Option<String>, accepts ["x", null], refuses [5, ["x"]];
    list: Vec<u8>, accepts [[], [1, 2]], refuses [[256], [null], "1", {}];
    array: [i8; 3], accepts [[1, 2, 3]], refuses [[1, 2], [1, 2, 3, 4], [1, 2, 300]];
    pair: (i32, String), accepts [[1, "x"]], refuses [["x", 1], [1], [1, "x", 2], {"0": 1, "1": "x"}];
    like_pair: (f64, f64), accepts [[1, 2.5]], refuses [[1], [1, "2"], [1, 2, 3]];
    map: BTreeMap<String, bool>, accepts [{}, {"a": true}], refuses [{"a": 1}, [["a", true]], null];
    nested: Vec<Option<Vec<u8>>>, accepts [[], [null, [], [1]]], refuses [[[null]], [1]];
    duration: Duration, accepts [{"secs": 1, "nanos": 0}], refuses [{"secs": 1}, 1, {"secs": (-1), "nanos": 0}];
    unit: (), accepts [null], refuses [0, {}, ""];
    new_type: Ward, accepts [7], refuses [256, [7], null];
    object: Visit,
        accepts [{"date": "d", "room-number": 1}, {"date": "d", "room-number": 1, "note": null, "tags": ["a"]}],
        refuses [{"date": "d"}, {"date": "d", "room-number": 256}, {"date": "d", "room-number": 1, "wing": 2},
                 {"date": null, "room-number": 1}, {"date": "d", "room-number": 1, "tags": null}, null];
    names: Order, accepts ["rising", "falling"], refuses ["Rising", "", 0, null, {"rising": 1}];
    shape: Shape,
        accepts ["Point", {"Circle": 1.5}, {"Line": [1, 2]}, {"Box": {"width": 1}}],
        refuses ["Circle", {"Circle": "1"}, {"Line": [1]}, {"Box": {}}, {"Circle": 1, "Line": [1, 2]}, {}];
    payment: Payment,
        accepts [{"kind": "Cash", "euros": 5}, {"kind": "Card", "number": "1"}, {"kind": "Free"}],
        refuses [{"kind": "Cash"}, {"kind": "Card", "euros": 5}, {"euros": 5}, {"kind": "Gold"}, {"kind": "Cash", "euros": 5, "x": 1}];
    nested_without_denial: Vec<Visitor>,
        accepts [[], [{"name": "north"}], [{"name": "north", "note": null}]],
        refuses [[{"name": "north", "nnote": "typo"}], [{"note": "n"}]];
    integral_float_in_a_tagged_enum: Vec<Payment>,
        accepts [[{"kind": "Cash", "euros": 5.0}]],
        refuses [[{"kind": "Cash", "euros": 5.5}]];
    two_flattened_enums: Split,
        accepts [{"due": "d", "kind": "Free", "by": "Hand"}, {"due": "d", "kind": "Card", "number": "1", "by": "Post", "address": "a"}],
        refuses [{"due": "d", "kind": "Free"}, {"due": "d", "by": "Hand"}, {"kind": "Free", "by": "Hand"}];
    flattened_enum: Bill,
        accepts [{"due": "d", "kind": "Free"}, {"due": "d", "kind": "Cash", "euros": 5}],
        refuses [{"due": "d"}, {"kind": "Free"}, {"due": "d", "kind": "Cash"}];
    enum_in_enum: Invoice,
        accepts [{"state": "Open"}, {"state": "Paid", "kind": "Free"}, {"state": "Paid", "kind": "Cash", "euros": 5}],
        refuses [{"state": "Paid"}, {"kind": "Free"}, {"state": "Paid", "kind": "Gold"}];
    adjacent: Adjacent,
        accepts [{"kind": "Number", "of": 1}, {"kind": "Text", "of": "x"}],
        refuses [{"kind": "Number", "of": "x"}, {"kind": "Number"}, {"of": 1}];
    either: Either, accepts [1, "x"], refuses [256, null, []];
    node: Node,
        accepts [{"value": 1}, {"value": 1, "next": {"value": 2, "next": null}}],
        refuses [{"next": null}, {"value": 1, "next": {}}, {"value": 1, "next": {"value": 1, "other": 1}}];
    #[arg(range(1..=5))] ranged: u32, accepts [1, 5], refuses [0, 6, (-1), null];
    #[arg(range(-1.5..1.5))] ranged_float: f64, accepts [(-1.5), 0, 1.49], refuses [1.5, (-1.51)];
    #[arg(range(10..))] ranged_from: u8, accepts [10, 255], refuses [9, 256];
    #[arg(range(..=10))] ranged_option: Option<i8>, accepts [10, (-128), null], refuses [11, (-129), "1"];
    borrowed_text: &str, accepts ["x"], refuses [1, null];
    borrowed_list: &[u8], accepts [[1]], refuses [[256], null];
    borrowed_object: Option<&Visit>, accepts [null, {"date": "d", "room-number": 1}], refuses [{"date": "d"}, 1];
}
