//! Each message by itself: content, names, arguments.

use tool_core::serde_json::{Map, Value, from_value, json};

use super::super::convert::{keeps, legal_name, refusal_part};
use super::super::images::has_image_parts;
use super::super::wire::{
    AssistantMessage, FunctionCall, Message, TextMessage, ToolCall, ToolMessage, text_of,
};
use super::{HistoryChange, Repairs};
use crate::arguments;

/// The message in the form that services take; `None` if it is empty.
pub(super) fn message(message: Message, at: usize, repairs: &mut Repairs) -> Option<Message> {
    let repaired = match message {
        Message::System(text) => self::text(text, at, repairs).map(Message::System),
        Message::User(text) => self::text(text, at, repairs).map(Message::User),
        Message::Assistant(message) => assistant(message, at, repairs).map(Message::Assistant),
        Message::Tool(result) => Some(Message::Tool(tool(result, at, repairs))),
        Message::Other(keys) => return other(keys, at, repairs),
    };
    repairs.add_if(repaired.is_none(), at, || HistoryChange::EmptyRemoved);
    repaired
}

/// A message of a role that has no type of its own, or one whose type it does not fit.
fn other(mut keys: Map<String, Value>, at: usize, repairs: &mut Repairs) -> Option<Message> {
    let role = keys
        .get("role")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let typed = match &*role {
        "tool" => {
            let id = keys
                .remove("tool_call_id")
                .and_then(|id| id.as_str().map(str::to_owned))
                .unwrap_or_default();
            let content = keys.remove("content").unwrap_or_default();
            keys.remove("role");
            Message::Tool(ToolMessage {
                tool_call_id: id,
                content,
                extra: keys,
            })
        }
        "assistant" => Message::Assistant(misfit(keys, at, repairs)),
        "system" | "user" | "developer" | "function" => {
            let content = keys.entry("content").or_insert(Value::Null);
            let Some((repaired, changed)) = content_of(content.take(), role == "function") else {
                repairs.add(at, HistoryChange::EmptyRemoved);
                return None;
            };
            *content = repaired;
            repairs.add_if(changed, at, || HistoryChange::Content);
            if role == "function" {
                function_name(&mut keys, at, repairs);
            }
            return Some(Message::Other(keys));
        }
        _ => return Some(Message::Other(keys)),
    };
    message(typed, at, repairs)
}

/// The name by which a result names its call is changed as that of the call is.
fn function_name(keys: &mut Map<String, Value>, at: usize, repairs: &mut Repairs) {
    let mut given = keys
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    name(&mut given, at, repairs);
    keys.insert("name".to_owned(), given.into());
}

/// What can be kept of an assistant message that has some key of the wrong type.
fn misfit(mut keys: Map<String, Value>, at: usize, repairs: &mut Repairs) -> AssistantMessage {
    repairs.add(at, HistoryChange::Keys);
    let calls = keys
        .remove("tool_calls")
        .and_then(|calls| from_value::<Vec<Value>>(calls).ok())
        .unwrap_or_default();
    let function = keys
        .remove("function_call")
        .and_then(|function| from_value(function).ok());
    let refusal = keys
        .remove("refusal")
        .and_then(|refusal| from_value(refusal).ok());
    let content = keys.remove("content").unwrap_or_default();
    keys.remove("role");
    AssistantMessage {
        content,
        refusal,
        tool_calls: calls
            .into_iter()
            .filter_map(|call| from_value(call).ok())
            .collect(),
        function_call: function,
        extra: keys,
    }
}

fn text(mut message: TextMessage, at: usize, repairs: &mut Repairs) -> Option<TextMessage> {
    let (content, changed) = content_of(message.content, false)?;
    repairs.add_if(changed, at, || HistoryChange::Content);
    message.content = content;
    Some(message)
}

fn tool(mut message: ToolMessage, at: usize, repairs: &mut Repairs) -> ToolMessage {
    if has_image_parts(&message.content) {
        return message; // they are moved when the result is in its place
    }
    let (content, changed) =
        content_of(message.content, true).unwrap_or((Value::String(String::new()), true));
    repairs.add_if(changed, at, || HistoryChange::Content);
    message.content = content;
    message
}

/// The content as text or, unless it is to be `plain` text, as parts that have a type. `None` if
/// there is none.
fn content_of(content: Value, plain: bool) -> Option<(Value, bool)> {
    match content {
        Value::Null => None,
        Value::String(text) => Some((Value::String(text), false)),
        Value::Array(parts) if plain => {
            let text = parts
                .iter()
                .all(|part| part.get("text").is_some_and(Value::is_string));
            let parts = Value::Array(parts);
            Some((
                Value::String(if text {
                    text_of(&parts)
                } else {
                    parts.to_string()
                }),
                true,
            ))
        }
        Value::Array(mut parts) => {
            let untyped = |part: &&mut Value| !part.get("type").is_some_and(Value::is_string);
            let mut changed = false;
            for part in parts.iter_mut().filter(untyped) {
                let text = part
                    .as_str()
                    .or_else(|| part.get("text")?.as_str())
                    .map_or_else(|| part.to_string(), str::to_owned);
                *part = json!({"type": "text", "text": text});
                changed = true;
            }
            (!parts.is_empty()).then_some((Value::Array(parts), changed))
        }
        other => Some((Value::String(other.to_string()), true)),
    }
}

fn assistant(
    mut message: AssistantMessage,
    at: usize,
    repairs: &mut Repairs,
) -> Option<AssistantMessage> {
    let keys = message.extra.len();
    message.extra.retain(|key, value| keeps(key, value));
    repairs.add_if(message.extra.len() < keys, at, || HistoryChange::Keys);
    for call in &mut message.tool_calls {
        self::call(call, at, repairs);
    }
    let calls = !message.tool_calls.is_empty();
    let function = message.function_call.take();
    let had_one = function.is_some();
    message.function_call = function.filter(|function| !calls && !function.name.is_empty());
    repairs.add_if(had_one && message.function_call.is_none(), at, || {
        HistoryChange::Keys
    });
    if let Some(call) = &mut message.function_call {
        function_call(call, at, repairs);
    }
    let calls = calls || message.function_call.is_some();
    let had_content = !message.content.is_null();
    match content_of(message.content, false) {
        Some((content, changed)) if calls || content != "" => {
            message.content = content;
            repairs.add_if(changed, at, || HistoryChange::Content);
        }
        _ => {
            let refusal = message.refusal.take();
            if refusal.is_none() && !calls {
                return None;
            }
            repairs.add_if(had_content || refusal.is_some(), at, || {
                HistoryChange::Content
            });
            message.content = refusal.map_or(Value::Null, refusal_part);
        }
    }
    Some(message)
}

fn call(call: &mut ToolCall, at: usize, repairs: &mut Repairs) {
    let custom = call
        .custom
        .as_mut()
        .filter(|_| call.r#type == "custom" || call.function == FunctionCall::default());
    let mut changed = call.extra.remove("index").is_some();
    if let Some(custom) = custom {
        name(&mut custom.name, at, repairs);
        changed |= call.r#type != "custom" || call.function != FunctionCall::default();
        call.r#type = "custom".to_owned();
        call.function = FunctionCall::default();
    } else {
        function_call(&mut call.function, at, repairs);
        changed |= call.r#type != "function" || call.custom.is_some();
        call.r#type = "function".to_owned();
        call.custom = None;
    }
    repairs.add_if(changed, at, || HistoryChange::Keys);
}

fn function_call(function: &mut FunctionCall, at: usize, repairs: &mut Repairs) {
    name(&mut function.name, at, repairs);
    if !arguments::is_object(&function.arguments) {
        function.arguments = "{}".to_owned();
        repairs.add(at, HistoryChange::Arguments);
    }
}

fn name(name: &mut String, at: usize, repairs: &mut Repairs) {
    let legal = legal_name(name);
    if legal != *name {
        repairs.add(
            at,
            HistoryChange::Name {
                given: std::mem::replace(name, legal),
            },
        );
    }
}
