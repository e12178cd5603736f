//! Arguments that a tool did not declare never reach it, and the model reads how to correct them.

use serde::Deserialize;
use serde_json::json;
use tool_core::{ArgumentsError, Dispatcher, tool, tools};

use crate::support::{self, calls, codes, contents};

#[derive(Deserialize, schemars::JsonSchema)]
struct Visit {
    date: String,
    rooms: Vec<u8>,
}

/// Book a visit.
#[tool]
async fn book_visit(
    #[state] clinic: &String,
    patient_id: &str,
    visits: Option<&[Visit]>,
    #[arg(default = 5, range(1..=50))] limit: u32,
    #[arg(name = "type")] kind: Option<String>,
) -> String {
    let visits: Vec<_> = visits
        .unwrap_or_default()
        .iter()
        .map(|visit| format!("{}{:?}", visit.date, visit.rooms))
        .collect();
    format!(
        "{clinic} {patient_id} {} {limit} {kind:?}",
        visits.join("+")
    )
}

fn dispatcher() -> Dispatcher {
    Dispatcher::new(tools![book_visit].with_state("north".to_owned()))
}

async fn reported(arguments: &str) -> (&'static str, String) {
    let results = dispatcher()
        .dispatch(calls([("book_visit", arguments)]))
        .await;
    support::reported(&results[0])
}

#[tokio::test]
async fn an_optional_argument_may_be_null() {
    let expected = ("ok", "north P-1  5 None".to_owned());
    assert_eq!(reported(r#"{"patient_id": "P-1"}"#).await, expected);
    assert_eq!(
        reported(r#"{"patient_id": "P-1", "visits": null, "limit": null, "type": null}"#).await,
        expected
    );
    let all = r#" {"type": "a", "limit": 50, "visits": [{"rooms": [1], "date": "d"}], "patient_id": "P\u002d1"} "#;
    assert_eq!(
        reported(all).await,
        ("ok", "north P-1 d[1] 50 Some(\"a\")".to_owned())
    );
}

#[tokio::test]
async fn text_that_is_not_one_json_object_is_refused() {
    for (arguments, code) in [
        ("", "invalid_json"),
        ("  \n", "invalid_json"),
        ("{", "invalid_json"),
        (r#"{"patient_id": "P-1""#, "invalid_json"),
        (r#"{"patient_id": "P-1"} trailing"#, "invalid_json"),
        (r#"{'patient_id': 'P-1'}"#, "invalid_json"),
        (r#"{"patient_id": NaN}"#, "invalid_json"),
        ("null", "invalid_arguments"),
        ("[]", "invalid_arguments"),
        (r#"["P-1"]"#, "invalid_arguments"),
        (r#""{\"patient_id\": \"P-1\"}""#, "invalid_arguments"),
    ] {
        assert_eq!(reported(arguments).await.0, code, "{arguments}");
    }
}

#[tokio::test]
async fn each_mistake_is_reported_with_its_path_and_fix() {
    for (arguments, text) in [
        ("{}", "`patient_id`: missing; this string is required"),
        (
            r#"{"patient_id": null}"#,
            "`patient_id`: invalid type: null, expected a string",
        ),
        (
            r#"{"patient_id": 7}"#,
            "`patient_id`: invalid type: integer `7`, expected a string",
        ),
        (
            r#"{"patient_id": "P-1", "patientId": "P-1"}"#,
            "`patientId`: unknown argument (did you mean `patient_id`?)",
        ),
        (
            r#"{"patient_id": "P-1", "colour": "red"}"#,
            "`colour`: unknown argument (the tool takes `patient_id`, `visits`, `limit`, `type`)",
        ),
        (
            r#"{"patient_id": "P-1", "patient_id": "P-2"}"#,
            "`patient_id`: given twice; give it once",
        ),
        (
            r#"{"patient_id": "P-1", "limit": 0}"#,
            "`limit`: must be at least 1 and at most 50, but is 0",
        ),
        (
            r#"{"patient_id": "P-1", "limit": -1}"#,
            "`limit`: invalid value: integer `-1`, expected u32",
        ),
        (
            r#"{"patient_id": "P-1", "visits": [{"date": "d", "rooms": [1, 256]}]}"#,
            "`visits[0].rooms[1]`: invalid value: integer `256`, expected u8",
        ),
        (
            r#"{"patient_id": "P-1", "visits": [{"date": "d"}]}"#,
            "`visits[0]`: missing field `rooms`",
        ),
        (
            r#"{"patient_id": "P-1", "visits": {}}"#,
            "`visits`: invalid type: map, expected a sequence",
        ),
    ] {
        assert_eq!(
            reported(arguments).await,
            ("invalid_arguments", text.to_owned()),
            "{arguments}"
        );
    }
}

#[tokio::test]
async fn all_mistakes_are_reported_at_once_and_as_values() {
    let results = dispatcher()
        .dispatch(calls([("book_visit", r#"{"limit": "ten", "wing": 1}"#)]))
        .await;
    let error = results[0].outcome().unwrap_err();
    let source = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<ArgumentsError>())
        .unwrap();
    let paths: Vec<_> = source.errors().iter().map(|error| error.path()).collect();
    assert_eq!(paths, ["wing", "patient_id", "limit"]);
    assert_eq!(
        source.errors()[2].message(),
        "invalid type: string \"ten\", expected u32"
    );
    let content: serde_json::Value = serde_json::from_str(&results[0].content()).unwrap();
    assert_eq!(content["tool"], "book_visit");
    assert_eq!(content["error"], source.to_string());
}

#[tokio::test]
async fn state_cannot_be_forged() {
    let (code, text) = reported(r#"{"patient_id": "P-1", "clinic": "south"}"#).await;
    assert_eq!(code, "invalid_arguments");
    assert!(text.starts_with("`clinic`: unknown argument"), "{text}");
}

#[tokio::test]
async fn a_tool_without_parameters_takes_an_empty_object_only() {
    /// Count the beds.
    #[tool]
    async fn count_beds() -> u32 {
        12
    }

    let results = Dispatcher::new(tools![count_beds])
        .dispatch(calls([("count_beds", "{}"), ("count_beds", r#"{"a": 1}"#)]))
        .await;
    assert_eq!(codes(&results), ["ok", "invalid_arguments"]);
    assert_eq!(
        results[1].outcome().unwrap_err().message_for_model(),
        "`a`: unknown argument (the tool takes none)"
    );
}

#[tokio::test]
async fn an_unknown_tool_is_answered_with_the_nearest_name_or_a_list() {
    let batch = calls([
        ("book_visits", "{}"),
        ("BookVisit", "not even JSON"),
        ("send_mail", "{}"),
        ("", "{}"),
    ]);
    let results = dispatcher().dispatch(batch).await;
    assert_eq!(
        contents(&results),
        [
            r#"{"error":"there is no tool `book_visits`; did you mean `book_visit`?","tool":"book_visits"}"#,
            r#"{"error":"there is no tool `BookVisit`; did you mean `book_visit`?","tool":"BookVisit"}"#,
            r#"{"error":"there is no tool `send_mail`; the tools are `book_visit`","tool":"send_mail"}"#,
            r#"{"error":"there is no tool ``; the tools are `book_visit`","tool":""}"#,
        ]
    );
    assert_eq!(codes(&results), ["unknown_tool"; 4]);
    let results = Dispatcher::new(tools![])
        .dispatch(calls([("book_visit", "{}")]))
        .await;
    assert_eq!(
        results[0].outcome().unwrap_err().message_for_model(),
        "there is no tool `book_visit`; there are no tools"
    );
}

#[tokio::test]
async fn long_text_of_the_models_is_not_repeated_in_full() {
    let name = "x".repeat(10_000);
    let results = dispatcher()
        .dispatch(calls([
            (&name, "{}"),
            ("book_visit", &json!({&name: 1}).to_string()),
        ]))
        .await;
    assert!(results.iter().all(|result| result.content().len() < 500));
}

#[tokio::test]
async fn an_integral_float_is_never_reported_as_a_mistake() {
    /// Book beds.
    #[tool]
    async fn book(beds: Vec<u8>) -> usize {
        beds.len()
    }
    let results = Dispatcher::new(tools![book])
        .dispatch(calls([("book", r#"{"beds": [5.0, "six"]}"#)]))
        .await;
    assert_eq!(
        results[0].content(),
        r#"{"error":"`beds[1]`: invalid type: string \"six\", expected u8","tool":"book"}"#
    );
}

mod lengths {
    use std::borrow::Cow;
    use std::collections::{BTreeMap, VecDeque};

    use serde_json::Value;

    use super::*;

    /// Take what has a length.
    #[tool]
    async fn measured(
        #[arg(length(2..=3))] text: Option<&str>,
        #[arg(length(..3))] owned: Option<String>,
        #[arg(length(1..), default = Cow::Borrowed("cow"))] cow: Cow<'_, str>,
        #[arg(length(1..=2))] list: Option<&[u8]>,
        #[arg(length(1..=2), default = VecDeque::from([1]))] queue: VecDeque<u8>,
        #[arg(length(1..=1))] map: Option<BTreeMap<String, u8>>,
        #[arg(length(2..=2))] boxed: Option<Box<[u8]>>,
    ) -> usize {
        let lists = list.map_or(0, <[u8]>::len) + queue.len() + boxed.map_or(0, |list| list.len());
        text.map_or(0, str::len)
            + owned.map_or(0, |text| text.len())
            + cow.len()
            + lists
            + map.map_or(0, |map| map.len())
    }

    async fn reported(arguments: &Value) -> (&'static str, String) {
        let results = Dispatcher::new(tools![measured])
            .dispatch(calls([("measured", &arguments.to_string())]))
            .await;
        support::reported(&results[0])
    }

    #[tokio::test]
    async fn both_ends_of_a_length_are_kept() {
        for arguments in [
            json!({}),
            json!({"text": "ab", "owned": "", "cow": "a", "list": [1], "queue": [1], "map": {"a": 1}, "boxed": [1, 2]}),
            json!({"text": "abc", "owned": "ab", "list": [1, 2], "queue": [1, 2]}),
            json!({"text": null, "cow": null, "queue": null}),
        ] {
            assert_eq!(reported(&arguments).await.0, "ok", "{arguments}");
        }
        for (arguments, expected) in [
            (
                json!({"text": "a"}),
                "`text`: must have at least 2 and at most 3 characters, but has 1 character",
            ),
            (
                json!({"text": "abcd"}),
                "`text`: must have at least 2 and at most 3 characters, but has 4 characters",
            ),
            (
                json!({"owned": "abc"}),
                "`owned`: must have less than 3 characters, but has 3 characters",
            ),
            (
                json!({"cow": ""}),
                "`cow`: must have at least 1 character, but has 0 characters",
            ),
            (
                json!({"list": []}),
                "`list`: must have at least 1 and at most 2 items, but has 0 items",
            ),
            (
                json!({"queue": [1, 2, 3]}),
                "`queue`: must have at least 1 and at most 2 items, but has 3 items",
            ),
            (
                json!({"map": {"a": 1, "b": 2}}),
                "`map`: must have at least 1 and at most 1 property, but has 2 properties",
            ),
            (
                json!({"boxed": [1]}),
                "`boxed`: must have at least 2 and at most 2 items, but has 1 item",
            ),
        ] {
            assert_eq!(
                reported(&arguments).await,
                ("invalid_arguments", expected.to_owned()),
                "{arguments}"
            );
        }
    }

    #[tokio::test]
    async fn text_is_counted_in_characters() {
        assert_eq!(
            reported(&json!({"text": "žluť"})).await.0,
            "invalid_arguments"
        );
        for text in ["žlu", "🏥🏥🏥", "e\u{301}a"] {
            assert_eq!(reported(&json!({"text": text})).await.0, "ok", "{text}");
        }
    }

    #[test]
    fn lengths_are_shown_in_the_unit_of_their_type() {
        let tools = tools![measured];
        let root = tools.definition("measured").unwrap().parameters();
        let limits = |name: &str| {
            let property = root["properties"][name].as_object().unwrap();
            let limits = property
                .iter()
                .filter(|(key, _)| key.starts_with("min") || key.starts_with("max"));
            limits
                .map(|(key, limit)| (key.clone(), limit.clone()))
                .collect::<serde_json::Map<_, _>>()
        };
        for (name, expected) in [
            ("text", json!({"minLength": 2, "maxLength": 3})),
            ("owned", json!({"maxLength": 2})),
            ("cow", json!({"minLength": 1})),
            ("list", json!({"minItems": 1, "maxItems": 2})),
            ("queue", json!({"minItems": 1, "maxItems": 2})),
            ("map", json!({"minProperties": 1, "maxProperties": 1})),
            ("boxed", json!({"minItems": 2, "maxItems": 2})),
        ] {
            assert_eq!(Value::Object(limits(name)), expected, "{name}");
        }
    }
}
