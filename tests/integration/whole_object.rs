//! One parameter that takes the whole arguments object.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tool_core::{Dispatcher, ToolSet, tool, tools};

use crate::support::{self, calls, codes, contents};

/// What is asked of the laboratory.
#[derive(Debug, Deserialize, Serialize, schemars::JsonSchema)]
struct LabQuery {
    /// Patient ID.
    patient_id: String,
    limit: Option<u32>,
    #[serde(default)]
    abnormal_only: bool,
    tests: Vec<Test>,
}

#[derive(Debug, Deserialize, Serialize, schemars::JsonSchema)]
struct Test {
    code: u16,
}

/// Get lab results.
#[tool]
async fn get_lab_results(#[args] query: LabQuery) -> LabQuery {
    query
}

/// Get lab results, on a thread.
#[tool]
fn borrow_query(#[state] prefix: &String, #[args] query: &LabQuery) -> String {
    format!("{prefix}{}", query.patient_id)
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(tag = "by", rename_all = "snake_case")]
enum Search {
    /// By name.
    Name { name: String, exact: Option<bool> },
    /// By number.
    Number { number: u32, exact: Option<bool> },
}

/// Search.
#[tool]
async fn search(#[args] search: Search) -> String {
    match search {
        Search::Name { name, exact } => format!("{name} {exact:?}"),
        Search::Number { number, exact } => format!("{number} {exact:?}"),
    }
}

/// Add up.
#[tool]
async fn add_up(#[args] numbers: BTreeMap<String, u8>) -> u32 {
    numbers.values().copied().map(u32::from).sum()
}

fn all() -> ToolSet {
    tools![get_lab_results, borrow_query, search, add_up].with_state("P: ".to_owned())
}

/// The code of the error and what the model reads, or `ok` and the output.
async fn reported(tool: &str, arguments: &str) -> (&'static str, String) {
    let results = Dispatcher::new(all())
        .dispatch(calls([(tool, arguments)]))
        .await;
    support::reported(&results[0])
}

#[test]
fn the_schema_is_that_of_the_type() {
    let tools = all();
    let definition = tools.definition("get_lab_results").unwrap();
    assert_eq!(definition.description(), "Get lab results.");
    let expected = json!({
        "type": "object",
        "properties": {
            "patient_id": {"description": "Patient ID.", "type": "string"},
            "limit": {"type": ["integer", "null"], "minimum": 0, "maximum": u32::MAX},
            "abnormal_only": {"type": "boolean", "default": false},
            "tests": {"type": "array", "items": {"$ref": "#/$defs/Test"}},
        },
        "required": ["patient_id", "tests"],
        "additionalProperties": false,
    });
    let mut shown = definition.parameters().clone();
    let definitions = shown.as_object_mut().unwrap().remove("$defs").unwrap();
    shown.as_object_mut().unwrap().remove("description"); // the type's own, beside the tool's
    assert_eq!(shown, expected);
    assert_eq!(
        definitions.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["Test"]
    );
    assert_eq!(
        shown["properties"]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["patient_id", "limit", "abnormal_only", "tests"]
    );
}

#[tokio::test]
async fn the_object_is_decoded_as_the_type_says() {
    let (code, text) = reported(
        "get_lab_results",
        r#"{"tests": [{"code": 7.0}], "patient_id": "P-1"}"#,
    )
    .await;
    assert_eq!(code, "ok", "{text}");
    let output: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        output,
        json!({"patient_id": "P-1", "limit": null, "abnormal_only": false, "tests": [{"code": 7}]})
    );
    assert_eq!(
        reported("borrow_query", r#"{"tests": [], "patient_id": "1"}"#).await,
        ("ok", "P: 1".to_owned())
    );
}

#[tokio::test]
async fn only_an_object_is_accepted_even_if_serde_accepts_more() {
    for arguments in [r#"["P-1", 5, true, []]"#, "[]", "null", "7", r#""P-1""#] {
        let (code, text) = reported("get_lab_results", arguments).await;
        assert_eq!(code, "invalid_arguments", "{arguments}: {text}");
        assert!(text.contains("object"), "{arguments}: {text}");
    }
    for arguments in ["", "{", r#"{"patient_id": "P-1", "tests": []} and more"#] {
        assert_eq!(
            reported("get_lab_results", arguments).await.0,
            "invalid_json",
            "{arguments}"
        );
    }
    // A map would take nothing else either.
    for arguments in ["null", "[]"] {
        assert_eq!(
            reported("add_up", arguments).await.0,
            "invalid_arguments",
            "{arguments}"
        );
    }
}

#[tokio::test]
async fn each_mistake_is_reported_with_its_path() {
    for (arguments, expected) in [
        (r#"{"tests": []}"#, "missing field `patient_id`"),
        (
            r#"{"patient_id": 7, "tests": []}"#,
            "`patient_id`: invalid type: integer `7`, expected a string",
        ),
        (
            r#"{"patient_id": "P-1", "tests": [{"code": 1}, {"code": -1}]}"#,
            "`tests[1].code`: invalid value: integer `-1`, expected u16",
        ),
    ] {
        assert_eq!(
            reported("get_lab_results", arguments).await,
            ("invalid_arguments", expected.to_owned()),
            "{arguments}"
        );
    }
}

#[tokio::test]
async fn unknown_and_repeated_properties_are_refused() {
    for (arguments, named) in [
        (
            r#"{"patient_id": "P-1", "tests": [], "colour": "red"}"#,
            "colour",
        ),
        (
            r#"{"patient_id": "P-1", "tests": [], "patientId": "P-2"}"#,
            "patientId",
        ),
        (
            r#"{"patient_id": "P-1", "patient_id": "P-2", "tests": []}"#,
            "patient_id",
        ),
        (
            r#"{"patient_id": "P-1", "tests": [{"code": 1, "name": "x"}]}"#,
            "name",
        ),
        // The names of what the tool takes beside the object mean nothing to the model.
        (
            r#"{"patient_id": "P-1", "tests": [], "query": {}}"#,
            "query",
        ),
    ] {
        let (code, text) = reported("get_lab_results", arguments).await;
        assert_eq!(code, "invalid_arguments", "{arguments}: {text}");
        assert!(text.contains(named), "{arguments}: {text}");
    }
    let (code, text) = reported(
        "borrow_query",
        r#"{"patient_id": "P-1", "tests": [], "prefix": "forged"}"#,
    )
    .await;
    assert!(
        code == "invalid_arguments" && text.contains("prefix"),
        "{code} {text}"
    );
}

#[test]
fn an_enum_becomes_one_plain_object() {
    let tools = all();
    let root = tools.definition("search").unwrap().parameters();
    for keyword in ["anyOf", "oneOf", "allOf", "enum", "not", "$ref"] {
        assert!(root.get(keyword).is_none(), "{keyword} in {root}");
    }
    assert_eq!(
        (&root["type"], &root["additionalProperties"]),
        (&json!("object"), &json!(false))
    );
    assert_eq!(root["required"], json!(["by"]));
    let properties = root["properties"].as_object().unwrap();
    assert_eq!(
        properties.keys().collect::<Vec<_>>(),
        ["by", "name", "exact", "number"]
    );
    let validator = jsonschema::validator_for(root).unwrap();
    for arguments in [
        json!({"by": "name", "name": "Jana"}),
        json!({"by": "number", "number": 7, "exact": true}),
    ] {
        assert!(validator.is_valid(&arguments), "{arguments}");
    }
    for arguments in [
        json!({"by": "colour"}),
        json!({"name": "Jana"}),
        json!({"by": "name", "name": 7}),
    ] {
        assert!(!validator.is_valid(&arguments), "{arguments}");
    }
}

#[tokio::test]
async fn the_tool_decides_between_the_forms_of_an_enum() {
    assert_eq!(
        reported("search", r#"{"by": "name", "name": "Jana"}"#).await,
        ("ok", "Jana None".to_owned())
    );
    assert_eq!(
        reported("search", r#"{"exact": true, "number": 7, "by": "number"}"#).await,
        ("ok", "7 Some(true)".to_owned())
    );
    for arguments in [
        "{}",
        r#"{"by": "name"}"#,
        r#"{"by": "name", "number": 7}"#,
        r#"{"by": "colour"}"#,
    ] {
        assert_eq!(
            reported("search", arguments).await.0,
            "invalid_arguments",
            "{arguments}"
        );
    }
}

#[tokio::test]
async fn a_map_takes_any_property_of_its_type() {
    let tools = all();
    let root = tools.definition("add_up").unwrap().parameters();
    let numbers = json!({"type": "integer", "minimum": 0, "maximum": 255});
    assert_eq!(
        root,
        &json!({"type": "object", "additionalProperties": numbers, "properties": {}})
    );
    assert_eq!(
        reported("add_up", r#"{"a": 1, "b": 2.0}"#).await,
        ("ok", "3".to_owned())
    );
    assert_eq!(reported("add_up", "{}").await, ("ok", "0".to_owned()));
    let (code, text) = reported("add_up", r#"{"a": 1, "b": 256}"#).await;
    assert_eq!(
        (code, text.as_str()),
        (
            "invalid_arguments",
            "`b`: invalid value: integer `256`, expected u8"
        )
    );
}

#[tokio::test]
async fn a_type_that_takes_unknown_properties_keeps_them() {
    #[derive(Deserialize, schemars::JsonSchema)]
    struct Open {
        name: String,
        #[serde(flatten)]
        more: serde_json::Map<String, Value>,
    }

    /// Keep everything.
    #[tool]
    async fn keep(#[args] open: Open) -> (String, usize) {
        (open.name, open.more.len())
    }

    let results = Dispatcher::new(tools![keep])
        .dispatch(calls([
            ("keep", r#"{"name": "a", "b": 1, "c": [2]}"#),
            ("keep", "{}"),
        ]))
        .await;
    assert_eq!(contents(&results)[0], r#"["a",2]"#);
    assert_eq!(codes(&results), ["ok", "invalid_arguments"]);
}

#[tokio::test]
async fn variants_that_are_not_objects_are_left_out() {
    #[derive(Deserialize, schemars::JsonSchema)]
    enum Change {
        Add { bed: u8 },
        Remove { bed: u8 },
        Clear,
    }

    #[derive(Deserialize, schemars::JsonSchema)]
    #[serde(untagged)]
    enum Loose {
        One { bed: u8 },
        Many(Vec<u8>),
    }

    /// Change the beds.
    #[tool]
    async fn change(#[args] change: Change) -> i32 {
        match change {
            Change::Add { bed } => i32::from(bed),
            Change::Remove { bed } => -i32::from(bed),
            Change::Clear => 0,
        }
    }

    /// Count the beds.
    #[tool]
    async fn count(#[args] loose: Loose) -> usize {
        match loose {
            Loose::One { bed } => bed.into(),
            Loose::Many(beds) => beds.len(),
        }
    }

    /// Take anything.
    #[tool]
    async fn anything(#[args] value: Value) -> Value {
        value
    }

    let tools = tools![change, count, anything];
    for definition in tools.definitions() {
        let root = definition.parameters();
        assert_eq!(root["type"], "object", "{root}");
        for keyword in ["anyOf", "oneOf", "allOf", "enum", "not"] {
            assert!(root.get(keyword).is_none(), "{keyword} in {root}");
        }
    }
    let properties = |name| {
        tools.definition(name).unwrap().parameters()["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (properties("change"), properties("count")),
        (
            vec!["Add".to_owned(), "Remove".to_owned()],
            vec!["bed".to_owned()]
        )
    );
    assert_eq!(
        tools.definition("anything").unwrap().parameters()["additionalProperties"],
        true
    );
    let batch = calls([
        ("change", r#"{"Remove": {"bed": 2}}"#),
        ("count", r#"{"bed": 3}"#),
        ("anything", r#"{"a": [1]}"#),
        ("change", r#""Clear""#),
        ("count", "[1, 2]"),
        ("anything", "[1]"),
    ]);
    let results = Dispatcher::new(tools).dispatch(batch).await;
    assert_eq!(contents(&results)[..3], ["-2", "3", r#"{"a":[1]}"#]);
    assert_eq!(codes(&results)[3..], ["invalid_arguments"; 3]);
}
