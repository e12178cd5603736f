//! What is stored as JSON, or sent to another process, and read back. Each format has a golden
//! file: a change of one is a change of what programs have stored.

use std::error::Error;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tool_core::{
    Audio, Behavior, CallContext, Content, Decision, DispatchEvent, Dispatcher, ErrorCode, Image,
    Link, Resource, ToolCall, ToolOutput, ToolResult, Waterfall, tool, tools,
};

use crate::support::{calls, contents};

#[derive(Debug, thiserror::Error)]
#[error("bed {0} cannot be booked")]
struct BookingError(u32, #[source] std::io::Error);

/// Book a bed.
#[tool(
    timeout = "5s",
    idempotent,
    destructive = false,
    serialize_by(bed),
    retry
)]
async fn book(#[context] cx: &CallContext, bed: u32) -> Result<String, BookingError> {
    cx.progress("looking", 0.5);
    tokio::time::sleep(Duration::from_millis(5)).await;
    match bed {
        0 => Err(BookingError(bed, std::io::Error::other("no such bed"))),
        bed => Ok(format!("booked {bed}")),
    }
}

/// List the beds.
#[tool]
async fn list() -> Vec<u32> {
    vec![1, 2]
}

async fn results() -> Vec<ToolResult> {
    let dispatcher = Dispatcher::new(tools![book, list]);
    dispatcher
        .dispatch(calls([
            ("book", r#"{"bed": 1}"#),
            ("list", "{}"),
            ("book", r#"{"bed": 0}"#),
            ("cook", "{}"),
        ]))
        .await
}

/// Compares with a golden file, and reads that back to the same JSON.
fn check<T: Serialize + DeserializeOwned>(golden: &str, value: &T) -> T {
    let golden: Value = serde_json::from_str(golden).unwrap();
    let written = serde_json::to_value(value).unwrap();
    assert_eq!(without_times(written), without_times(golden.clone()));
    let read: T = serde_json::from_value(golden.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), golden);
    read
}

/// What differs from run to run.
fn without_times(mut value: Value) -> Value {
    let objects = match &mut value {
        Value::Array(values) => values.iter_mut().collect(),
        value => vec![value],
    };
    for object in objects.into_iter().filter_map(Value::as_object_mut) {
        for key in ["queued_at_us", "started_after_ns", "finished_after_ns"] {
            if let Some(time) = object.get_mut(key) {
                assert!(time.is_u64(), "{key}");
                *time = Value::Null;
            }
        }
    }
    value
}

#[tokio::test(start_paused = true)]
async fn results_are_read_back_as_they_were() {
    let results = results().await;
    let read = check(include_str!("../golden/tool_results.json"), &results);
    assert_eq!(contents(&read), contents(&results));

    let stored = serde_json::to_string(&results).unwrap();
    let read: Vec<ToolResult> = serde_json::from_str(&stored).unwrap();
    for (before, after) in results.iter().zip(&read) {
        assert_eq!(after.call(), before.call());
        assert_eq!(after.position(), before.position());
        assert_eq!(after.elapsed(), before.elapsed());
        assert_eq!(after.started().is_some(), before.started().is_some());
        let waited = |result: &ToolResult| result.finished() - result.queued();
        assert_eq!(waited(after), waited(before));
    }
    let error = read[2].outcome().unwrap_err();
    assert_eq!(error.code(), ErrorCode::ToolError);
    assert_eq!(error.to_string(), "tool `book` failed");
    let source = error.source().unwrap();
    assert_eq!(source.to_string(), "bed 0 cannot be booked");
    assert_eq!(source.source().unwrap().to_string(), "no such bed");
    let path = |results: &[ToolResult]| Waterfall::new(results).critical_path();
    assert_eq!(path(&read), path(&results));
}

#[tokio::test]
async fn times_are_stored_by_the_wall_clock() {
    let before = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let results = results().await;
    let after = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let stored = serde_json::to_value(&results).unwrap();
    let queued = Duration::from_micros(stored[0]["queued_at_us"].as_u64().unwrap());
    let slack = Duration::from_secs(2);
    assert!(before.saturating_sub(slack) <= queued && queued <= after + slack);
    assert_eq!(stored[0]["queued_at_us"], stored[3]["queued_at_us"]); // of one batch
}

#[test]
fn a_result_of_a_later_version_is_refused() {
    let golden: Value = serde_json::from_str(include_str!("../golden/tool_results.json")).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut stored = golden[0].clone();
        change(&mut stored);
        serde_json::from_value::<ToolResult>(stored).map_err(|error| error.to_string())
    };
    assert!(with(&|_| {}).is_ok());
    assert_eq!(
        with(&|stored| stored["version"] = json!(2)).unwrap_err(),
        "format 2 was written by a later version of tool-core; this one reads formats up to 1, so update it"
    );
    for (change, expected) in [
        (json!({"version": null}), "invalid type: null, expected u64"),
        (json!({"output": null}), "a stored result has either an"),
        (
            json!({"error": {"code": "slow", "message": ""}}),
            "no error code `slow`",
        ),
        (
            json!({"output": [{"type": "hologram"}]}),
            "unknown variant `hologram`",
        ),
        (
            json!({"output": []}),
            "a stored output has at least one block",
        ),
        (json!({"position": -1}), "expected usize"),
        (json!({"queued_at_us": "today"}), "expected u64"),
    ] {
        let error = with(&|stored| {
            let stored = stored.as_object_mut().unwrap();
            stored.extend(change.as_object().unwrap().clone());
        });
        let error = error.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let without = with(&|stored| {
        stored.as_object_mut().unwrap().remove("version");
    });
    assert_eq!(without.unwrap_err(), "missing field `version`");
}

#[test]
fn times_beyond_every_clock_are_read_without_a_panic() {
    let golden: Value = serde_json::from_str(include_str!("../golden/tool_results.json")).unwrap();
    for queued in [0, 1, u64::MAX] {
        for after in [0, u64::MAX] {
            let mut stored = golden[0].clone();
            stored["queued_at_us"] = json!(queued);
            stored["started_after_ns"] = json!(after);
            stored["finished_after_ns"] = json!(after);
            let read: ToolResult = serde_json::from_value(stored).unwrap();
            assert_eq!(read.elapsed(), Duration::ZERO);
            assert!(read.finished() >= read.queued());
            drop(serde_json::to_string(&read).unwrap());
        }
    }
}

#[test]
fn fields_that_are_not_known_are_kept() {
    let golden: Value = serde_json::from_str(include_str!("../golden/tool_results.json")).unwrap();
    let mut stored = golden[2].clone();
    stored["shard"] = json!({"name": "north"});
    stored["error"]["retry_after"] = json!(5);
    let read: ToolResult = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), stored);
}

#[tokio::test(start_paused = true)]
async fn events_are_read_back_as_they_were() {
    let dispatcher = Dispatcher::new(tools![book]);
    let mut stream = dispatcher
        .stream(calls([("book", r#"{"bed": 1}"#)]))
        .events();
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push(event);
    }
    let read = check(include_str!("../golden/dispatch_events.json"), &events);
    assert!(matches!(
        &read[..],
        [DispatchEvent::Progress(progress), DispatchEvent::Result(result)]
            if progress.message == "looking" && result.content() == "booked 1"
    ));
}

#[test]
fn calls_outputs_and_decisions_are_read_back_as_they_were() {
    let call = ToolCall::new("call_1", "book", r#"{"bed": 1}"#);
    let read = check(include_str!("../golden/tool_call.json"), &call);
    assert_eq!(read, call);
    let outputs = vec![
        ToolOutput::from_text("[1, 2] is a list"),
        ToolOutput::from_serialize(&[1, 2]).unwrap(),
        ToolOutput::from_blocks([
            Content::from("Found:"),
            Image::new("image/png", *b"png").into(),
            Audio::new("audio/wav", *b"wav").into(),
            Resource::text("file:///a.md", "# A")
                .with_mime_type("text/markdown")
                .into(),
            Resource::blob("file:///b", *b"b").into(),
            Link::new("https://a.example", "A")
                .with_description("the first")
                .into(),
        ]),
    ];
    let read = check(include_str!("../golden/tool_outputs.json"), &outputs);
    assert_eq!(read, outputs);
    let decisions = vec![
        Decision::Allow,
        Decision::deny("not on a Sunday"),
        Decision::Edit(r#"{"bed": 2}"#.to_owned()),
    ];
    let read = check(include_str!("../golden/decisions.json"), &decisions);
    assert_eq!(read, decisions);
    let codes = vec![ErrorCode::Denied, ErrorCode::LostIndeterminate];
    let read = check(include_str!("../golden/error_codes.json"), &codes);
    assert_eq!(read, codes);
}

#[test]
fn a_behavior_is_read_back_with_defaults_for_what_is_missing() {
    let tools = tools![book];
    let behavior = tools.definition("book").unwrap().behavior();
    let read = check(include_str!("../golden/behavior.json"), behavior);
    assert_eq!(&read, behavior);
    let partial: Behavior =
        serde_json::from_str(r#"{"read_only": true, "later": 1, "timeout": "never"}"#).unwrap();
    assert!(partial.is_read_only() && partial.destructive.is_none());
}
