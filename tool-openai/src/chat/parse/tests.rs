//! How messages are parsed, quirk by quirk. The numbers are those of the list of quirks that the wire
//! was specified by.

mod names_and_ids;
mod properties;
mod quirks;

use tool_core::serde_json::{Value, from_value, json, to_value};
use tool_core::{DynamicTool, ToolSet};

use super::super::wire::{AssistantMessage, Choice, Message};
use super::ParsedMessage;

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

/// A message with these calls, parsed with tools `now` and `add`.
fn parse(calls: Value) -> ParsedMessage {
    message(json!({"content": null, "tool_calls": calls})).parse(&tools(&["now", "add"]), 1)
}

/// The same of a message that was cut short.
fn parse_cut(calls: Value) -> ParsedMessage {
    let message = message(json!({"content": null, "tool_calls": calls}));
    let choice = Choice {
        message,
        finish_reason: Some("length".into()),
        extra: Default::default(),
    };
    choice.parse(&tools(&["now", "add"]), 1)
}

fn call(id: &str, name: &str, arguments: impl Into<Value>) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments.into()}})
}

/// What runs: names and arguments.
fn runs(parsed: &ParsedMessage) -> Vec<(&str, &str)> {
    parsed
        .calls
        .iter()
        .map(|call| (call.name.as_str(), call.arguments.as_str()))
        .collect()
}

fn ids(parsed: &ParsedMessage) -> Vec<&str> {
    parsed.calls.iter().map(|call| call.id.as_str()).collect()
}

/// What the next request says of the message. Its calls are in that form already.
fn kept(parsed: ParsedMessage) -> Value {
    let message = parsed.message.clone().into_message();
    assert!(
        matches!(&message, Message::Assistant(kept) if kept.tool_calls == parsed.message.tool_calls)
    );
    to_value(message).unwrap()
}
