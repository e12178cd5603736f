//! How messages are read, quirk by quirk. The numbers are those of the list of quirks that the wire
//! was specified by.

mod names_and_ids;
mod properties;
mod quirks;

use tool_core::serde_json::{Value, from_value, json, to_value};
use tool_core::{DynamicTool, ToolSet};

use super::super::wire::{AssistantMessage, Choice, Message};
use super::Reading;

/// Tools with these names, which take anything.
fn tools(names: &[&str]) -> ToolSet {
    let open = json!({"type": "object", "properties": {}});
    let tool = |name: &str| {
        DynamicTool::new(name, "", open.clone(), |_| async {
            Ok::<_, String>("done")
        })
        .unwrap()
    };
    names.iter().fold(ToolSet::default(), |set, name| {
        set.with_tool(tool(name)).unwrap()
    })
}

fn message(message: Value) -> AssistantMessage {
    from_value(message).unwrap()
}

/// A message with these calls, read with tools `now` and `add`.
fn read(calls: Value) -> Reading {
    message(json!({"content": null, "tool_calls": calls})).read(&tools(&["now", "add"]), 1)
}

/// The same of a message that was cut short.
fn read_cut(calls: Value) -> Reading {
    let message = message(json!({"content": null, "tool_calls": calls}));
    let choice = Choice {
        message,
        finish_reason: Some("length".into()),
        extra: Default::default(),
    };
    choice.read(&tools(&["now", "add"]), 1)
}

fn call(id: &str, name: &str, arguments: impl Into<Value>) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments.into()}})
}

/// What runs: names and arguments.
fn runs(reading: &Reading) -> Vec<(&str, &str)> {
    reading
        .calls
        .iter()
        .map(|call| (call.name.as_str(), call.arguments.as_str()))
        .collect()
}

fn ids(reading: &Reading) -> Vec<&str> {
    reading.calls.iter().map(|call| call.id.as_str()).collect()
}

/// What the next request says of the message. Its calls are in that form already.
fn kept(reading: Reading) -> Value {
    let message = reading.message.clone().into_message();
    assert!(
        matches!(&message, Message::Assistant(kept) if kept.tool_calls == reading.message.tool_calls)
    );
    to_value(message).unwrap()
}
