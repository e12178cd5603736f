//! `#[serde(…)]`, `#[schemars(…)]` and `#[cfg(…)]` on a parameter.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use tool_core::{Dispatcher, ToolSet, tool, tools};

use crate::support::{self, calls};

mod seconds {
    use super::*;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.contains('!') {
        Err(serde::de::Error::custom("no shouting"))
    } else {
        Ok(text.trim().to_owned())
    }
}

fn first_page() -> u32 {
    1
}

/// Without a schema of its own.
#[derive(Deserialize)]
struct Bare(u32);

/// Take what serde and schemars say.
#[tool]
#[expect(clippy::too_many_arguments, reason = "one of each")]
async fn take(
    #[serde(rename = "type")] kind: &str,
    #[serde(alias = "patientId", alias = "id")] patient_id: &str,
    #[serde(default)] flag: bool,
    #[serde(default = "first_page")] page: u32,
    #[serde(with = "seconds")]
    #[schemars(with = "u64")]
    pause: Duration,
    /// A note.
    #[serde(deserialize_with = "trimmed", default, alias = "remark")]
    #[arg(length(..=5))]
    note: String,
    #[schemars(with = "u32")]
    #[arg(name = "bare")]
    Bare(bare): Bare,
    #[schemars(regex(pattern = "^P-[0-9]+$"))] code: Option<String>,
    #[schemars(extend("examples" = ["a"]))] example: Option<&str>,
    #[arg(default = 5, range(1..=9))]
    #[schemars(extend("x-unit" = "s"))]
    limit: u32,
) -> String {
    format!(
        "{kind} {patient_id} {flag} {page} {pause:?} {note:?} {bare:?} {code:?} {example:?} {limit}"
    )
}

async fn reported(arguments: Value) -> (&'static str, String) {
    let results = Dispatcher::new(tools![take])
        .dispatch(calls([("take", &arguments.to_string())]))
        .await;
    support::reported(&results[0])
}

/// Enough to succeed, and `more`.
fn with(more: Value) -> Value {
    let mut arguments = json!({"type": "a", "patient_id": "P-1", "pause": 3, "bare": 7});
    arguments
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    arguments
}

#[test]
fn the_definition_shows_what_the_attributes_say() {
    let tools: ToolSet = tools![take];
    let root = tools.definition("take").unwrap().parameters();
    let properties = root["properties"].as_object().unwrap();
    let declared = [
        "type",
        "patient_id",
        "flag",
        "page",
        "pause",
        "note",
        "bare",
        "code",
        "example",
        "limit",
    ];
    assert_eq!(properties.keys().collect::<Vec<_>>(), declared);
    assert_eq!(
        root["required"],
        json!(["type", "patient_id", "pause", "bare"])
    );
    assert_eq!(
        properties["pause"],
        json!({"type": "integer", "minimum": 0, "maximum": u64::MAX})
    );
    assert_eq!(
        properties["bare"],
        json!({"type": "integer", "minimum": 0, "maximum": u32::MAX})
    );
    assert_eq!(properties["code"]["pattern"], "^P-[0-9]+$");
    assert_eq!(properties["example"]["examples"], json!(["a"]));
    assert_eq!(
        (
            &properties["limit"]["x-unit"],
            &properties["limit"]["maximum"]
        ),
        (&json!("s"), &json!(9))
    );
    assert_eq!(
        (
            &properties["note"]["description"],
            &properties["note"]["maxLength"]
        ),
        (&json!("A note."), &json!(5))
    );
    // What is computed, or decoded in another way than shown, is left to the tool.
    for computed in ["flag", "page", "note"] {
        assert!(properties[computed].get("default").is_none(), "{computed}");
    }
}

#[tokio::test]
async fn a_missing_argument_follows_the_attributes() {
    let expected = r#"a P-1 false 1 3s "" 7 None None 5"#;
    assert_eq!(reported(with(json!({}))).await, ("ok", expected.to_owned()));
    // For a default, `null` means the same.
    let nulls = json!({"flag": null, "page": null, "note": null, "code": null, "example": null, "limit": null});
    assert_eq!(reported(with(nulls)).await, ("ok", expected.to_owned()));
}

#[tokio::test]
async fn a_given_argument_is_decoded_as_the_attributes_say() {
    let given = json!({"flag": true, "page": 2.0, "note": "  b  ", "code": "P-9", "example": "e", "limit": 9});
    assert_eq!(
        reported(with(given)).await,
        (
            "ok",
            r#"a P-1 true 2 3s "b" 7 Some("P-9") Some("e") 9"#.to_owned()
        )
    );
}

#[tokio::test]
async fn a_property_accepts_each_of_its_names_once() {
    for name in ["patientId", "id"] {
        let arguments = json!({"type": "a", name: "P-2", "pause": 3, "bare": 7, "remark": "c"});
        assert_eq!(
            reported(arguments).await,
            ("ok", r#"a P-2 false 1 3s "c" 7 None None 5"#.to_owned())
        );
    }
    let (code, text) = reported(with(json!({"id": "P-2"}))).await;
    assert_eq!(code, "invalid_arguments");
    assert!(text.contains("given twice"), "{text}");
    let (code, text) = reported(with(json!({"kind": "b"}))).await; // what the function calls it
    assert!(
        code == "invalid_arguments" && text.starts_with("`kind`: unknown argument"),
        "{code}: {text}"
    );
}

#[tokio::test]
async fn mistakes_are_reported_at_the_property() {
    for (more, expected) in [
        (json!({"note": "no!"}), "`note`: no shouting"),
        (
            json!({"note": "too long"}),
            "`note`: must have at most 5 characters, but has 8 characters",
        ),
        (
            json!({"pause": "3s"}),
            "`pause`: invalid type: string \"3s\", expected u64",
        ),
        (
            json!({"limit": 10}),
            "`limit`: must be at least 1 and at most 9, but is 10",
        ),
        (
            json!({"bare": -1}),
            "`bare`: invalid value: integer `-1`, expected u32",
        ),
    ] {
        assert_eq!(
            reported(with(more.clone())).await,
            ("invalid_arguments", expected.to_owned()),
            "{more}"
        );
    }
    let (_, text) = reported(json!({"type": "a", "patient_id": "P-1", "bare": 7})).await;
    assert_eq!(text, "`pause`: missing; this integer is required");
}

/// Take what is there.
#[tool]
async fn conditional(
    #[cfg(test)] there: u32,
    #[cfg(not(test))] absent: Missing,
    #[cfg(not(test))] either: Missing,
    #[cfg(test)]
    #[arg(default = "north", length(1..))]
    either: &str,
) -> String {
    format!("{there} {either}")
}

#[tokio::test]
async fn a_parameter_that_is_configured_away_is_unknown_to_the_model() {
    let tools: ToolSet = tools![conditional];
    let root = tools.definition("conditional").unwrap().parameters();
    assert_eq!(
        root["properties"]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["there", "either"]
    );
    assert_eq!(root["required"], json!(["there"]));
    let batch = calls([
        ("conditional", r#"{"there": 1}"#),
        ("conditional", r#"{"there": 1, "absent": 2}"#),
    ]);
    let results = Dispatcher::new(tools).dispatch(batch).await;
    assert_eq!(results[0].content(), "1 north");
    assert_eq!(
        results[1].outcome().unwrap_err().message_for_model(),
        "`absent`: unknown argument (the tool takes `there`, `either`)"
    );
}
