//! A Responses request as the chat request that a script sees.

use tool_core::serde_json::{self, Map, Value, from_value, json};

use crate::chat::{AssistantMessage, Message, Request, Tool};
use crate::responses::Item;

pub(super) fn request(mut body: Value) -> Result<Request, serde_json::Error> {
    let mut take = |key: &str| body.get_mut(key).map(Value::take).unwrap_or_default();
    let (input, instructions, tools) = (take("input"), take("instructions"), take("tools"));
    let instructions = instructions.as_str().map(Message::system);
    let mut messages: Vec<Message> = instructions.into_iter().collect();
    match input {
        Value::Array(items) => items
            .into_iter()
            .try_for_each(|item| push(&mut messages, from_value(item)?))?,
        text => messages.push(Message::user(text.as_str().unwrap_or_default())),
    }
    let tools = match tools {
        Value::Array(tools) => tools
            .into_iter()
            .filter_map(tool)
            .collect::<Result<_, _>>()?,
        _ => Vec::new(),
    };
    let mut rest: Map<String, Value> = from_value(body)?;
    for key in ["input", "instructions", "tools"] {
        rest.remove(key);
    }
    rest.insert("messages".to_owned(), json!([]));
    Ok(Request {
        messages,
        tools: tools.into(),
        ..from_value(rest.into())?
    })
}

fn push(messages: &mut Vec<Message>, item: Item) -> Result<(), serde_json::Error> {
    if let Some(call) = item.tool_call() {
        if !matches!(messages.last(), Some(Message::Assistant(_))) {
            messages.push(Message::Assistant(AssistantMessage::default()));
        }
        if let Some(Message::Assistant(message)) = messages.last_mut() {
            message.tool_calls.push(call);
        }
        return Ok(());
    }
    let get = |key: &str| item.0.get(key).cloned().unwrap_or_default();
    match item.kind() {
        "function_call_output" | "custom_tool_call_output" => {
            messages.push(from_value(
                json!({"role": "tool", "tool_call_id": get("call_id"), "content": get("output")}),
            )?);
        }
        "" | "message" => messages.push(from_value(
            json!({"role": get("role"), "content": get("content")}),
        )?),
        _ => {} // reasoning, and what the service does by itself
    }
    Ok(())
}

/// A tool of the program; not one that the service runs.
fn tool(flat: Value) -> Option<Result<Tool, serde_json::Error>> {
    let Value::Object(mut definition) = flat else {
        return None;
    };
    let kind = definition.remove("type")?;
    let kind = kind
        .as_str()
        .filter(|kind| ["function", "custom"].contains(kind))?;
    Some(from_value(json!({"type": kind, kind: definition})))
}
