//! `messages`.

use std::collections::BTreeMap;

use tool_core::serde_json::Value;

use super::{
    ApiError, Checked, Dialect, empty_array, known_keys, missing, name, refuse, refuse_with,
    wrong_type,
};

/// The rules of a conversation: above all, every call is answered by a tool message before any
/// other message.
pub(super) fn check(messages: &[Value], dialect: Dialect) -> Checked {
    // The calls of the last assistant message, and whether each is answered; none before the first.
    let mut calls: Option<BTreeMap<&str, bool>> = None;
    for (position, message) in messages.iter().enumerate() {
        let path = format!("messages.[{position}]");
        let role = message
            .get("role")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if role == "tool" {
            let id = message
                .get("tool_call_id")
                .and_then(Value::as_str)
                .unwrap_or_default();
            match &mut calls {
                None => {
                    let message = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
                    return refuse(format!("{path}.role"), message);
                }
                Some(calls) => match calls.get_mut(id) {
                    None => {
                        let message = format!(
                            "Invalid parameter: 'tool_call_id' of '{id}' not found in 'tool_calls' of previous message."
                        );
                        return refuse(format!("{path}.tool_call_id"), message);
                    }
                    Some(answered) => *answered = true,
                },
            }
        } else {
            all_answered(calls.as_ref(), &path)?;
            calls = None;
        }
        content(position, role, message)?;
        known_keys(
            &format!("messages[{position}]"),
            message,
            keys_of(role, dialect),
        )?;
        match role {
            "assistant" => {
                calls = tool_calls(position, message)?;
                if let Some(call) = message.get("function_call").filter(|call| !call.is_null()) {
                    what_is_called(
                        &format!("messages[{position}].function_call"),
                        call,
                        "arguments",
                    )?;
                }
            }
            "function" => name(&format!("messages[{position}].name"), message.get("name"))?,
            _ => {}
        }
    }
    all_answered(calls.as_ref(), &format!("messages.[{}]", messages.len()))
}

/// The keys of a message, in the published specification.
fn keys_of(role: &str, dialect: Dialect) -> &'static [&'static str] {
    match role {
        "assistant" if dialect == Dialect::Thinking => &[
            "role",
            "content",
            "name",
            "refusal",
            "audio",
            "tool_calls",
            "function_call",
            "reasoning_content",
        ],
        "assistant" => &[
            "role",
            "content",
            "name",
            "refusal",
            "audio",
            "tool_calls",
            "function_call",
        ],
        "tool" => &["role", "content", "tool_call_id"],
        _ => &["role", "content", "name"],
    }
}

fn all_answered(calls: Option<&BTreeMap<&str, bool>>, path: &str) -> Checked {
    let missing: Vec<&str> = calls
        .into_iter()
        .flatten()
        .filter(|(_, answered)| !**answered)
        .map(|(id, _)| *id)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. \
         The following tool_call_ids did not have response messages: {}",
        missing.join(", ")
    );
    refuse(format!("{path}.role"), message)
}

fn content(position: usize, role: &str, message: &Value) -> Checked {
    let path = format!("messages[{position}].content");
    let calls_something =
        message.get("tool_calls").is_some() || message.get("function_call").is_some();
    match (role, message.get("content").unwrap_or(&Value::Null)) {
        ("system" | "developer" | "user" | "assistant" | "tool" | "function", Value::String(_)) => {
            Ok(())
        }
        ("assistant", Value::Null) if calls_something => Ok(()),
        ("system" | "developer" | "user" | "assistant" | "tool", Value::Array(parts)) => {
            let is_image = |part: &Value| part["type"] == "image_url";
            if role == "tool" && parts.iter().any(is_image) {
                return refuse_with(
                    "invalid_value",
                    format!("messages[{position}]"),
                    format!(
                        "Invalid 'messages[{position}]'. Image URLs are only allowed for messages with role 'user', but this message with role 'tool' contains an image URL."
                    ),
                );
            }
            let untyped = parts.iter().position(|part| part.get("type").is_none());
            untyped.map_or(Ok(()), |part| {
                refuse(
                    format!("{path}[{part}].type"),
                    format!("Missing required parameter: '{path}[{part}].type'."),
                )
            })
        }
        ("system" | "developer" | "user" | "assistant" | "tool" | "function", Value::Null) => {
            refuse(
                format!("messages.[{position}].content"),
                "Invalid value for 'content': expected a string, got null.",
            )
        }
        ("system" | "developer" | "user" | "assistant" | "tool" | "function", other) => {
            wrong_type(&path, "one of a string or array of objects", other)
        }
        (other, _) => {
            let message = format!(
                "Invalid value: '{other}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."
            );
            refuse_with(
                "invalid_value",
                format!("messages[{position}].role"),
                message,
            )
        }
    }
}

/// The ids of a message's calls, none answered yet.
fn tool_calls(position: usize, message: &Value) -> Result<Option<BTreeMap<&str, bool>>, ApiError> {
    let path = format!("messages[{position}].tool_calls");
    let calls = match message.get("tool_calls") {
        None => return Ok(None),
        Some(Value::Array(calls)) if calls.is_empty() => return empty_array(&path).map(|()| None),
        Some(Value::Array(calls)) => calls,
        Some(other) => return wrong_type(&path, "an array of objects", other).map(|()| None),
    };
    let mut ids = BTreeMap::new();
    for (position, call) in calls.iter().enumerate() {
        let path = format!("{path}[{position}]");
        let Some(id) = call.get("id").and_then(Value::as_str) else {
            return missing(&format!("{path}.id")).map(|()| None);
        };
        if id.chars().count() > 40 {
            let message = format!(
                "Invalid '{path}.id': string too long. Expected a string with maximum length 40, but got a string with length {} instead.",
                id.chars().count()
            );
            refuse_with("string_above_max_length", format!("{path}.id"), message)?;
        }
        tool_call(&path, call)?;
        if ids.insert(id, false).is_some() {
            refuse(
                format!("{path}.id"),
                format!("Duplicate value for 'tool_call_id' of '{id}' in '{path}'."),
            )?;
        }
    }
    Ok(Some(ids))
}

fn tool_call(path: &str, call: &Value) -> Checked {
    let (kind, text) = match call["type"].as_str() {
        Some("function") => ("function", "arguments"),
        Some("custom") => ("custom", "input"),
        Some(other) => {
            let message =
                format!("Invalid value: '{other}'. Supported values are: 'function' and 'custom'.");
            return refuse_with("invalid_value", format!("{path}.type"), message);
        }
        None => return missing(&format!("{path}.type")),
    };
    known_keys(path, call, &["id", "type", kind])?;
    what_is_called(&format!("{path}.{kind}"), &call[kind], text)
}

/// A name, and the text beside it.
fn what_is_called(path: &str, called: &Value, text: &str) -> Checked {
    known_keys(path, called, &["name", text])?;
    name(&format!("{path}.name"), called.get("name"))?;
    match called.get(text) {
        Some(Value::String(_)) => Ok(()),
        None => missing(&format!("{path}.{text}")),
        Some(other) => wrong_type(&format!("{path}.{text}"), "a string", other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::json;

    fn call(id: &str) -> Value {
        json!({"id": id, "type": "function", "function": {"name": "add", "arguments": "{}"}})
    }

    fn refusal(messages: &Value) -> Option<String> {
        crate::testing::check::request(
            &json!({"model": "m", "messages": messages}),
            Dialect::OpenAi,
        )
        .err()
        .map(|error| error.message)
    }

    fn tool(id: &str) -> Value {
        json!({"role": "tool", "tool_call_id": id, "content": "1"})
    }

    fn asks(ids: &[&str]) -> Value {
        json!({"role": "assistant", "content": null, "tool_calls": ids.iter().map(|id| call(id)).collect::<Vec<_>>()})
    }

    fn user() -> Value {
        json!({"role": "user", "content": "hi"})
    }

    #[test]
    fn answered_calls_are_accepted_in_any_order() {
        assert_eq!(
            refusal(&json!([
                user(),
                asks(&["a", "b"]),
                tool("b"),
                tool("a"),
                user()
            ])),
            None
        );
        assert_eq!(
            refusal(&json!([
                user(),
                asks(&["a"]),
                tool("a"),
                asks(&["a"]),
                tool("a")
            ])),
            None
        );
    }

    #[test]
    fn custom_and_older_calls_are_accepted() {
        let custom =
            json!({"id": "a", "type": "custom", "custom": {"name": "run", "input": "1 + 1"}});
        assert_eq!(
            refusal(
                &json!([user(), {"role": "assistant", "content": null, "tool_calls": [custom]}, tool("a")])
            ),
            None
        );
        let older = json!({"role": "assistant", "content": null, "function_call": {"name": "add", "arguments": "{}"}});
        assert_eq!(
            refusal(&json!([user(), older, {"role": "function", "name": "add", "content": "2"}])),
            None
        );
        let nameless = refusal(&json!([user(), older, {"role": "function", "content": "2"}]));
        assert_eq!(
            nameless.as_deref(),
            Some("Missing required parameter: 'messages[2].name'.")
        );
    }

    #[test]
    fn reasoning_is_accepted_by_a_service_that_writes_it() {
        let messages = [
            user(),
            json!({"role": "assistant", "content": "hi", "reasoning_content": "hm"}),
        ];
        assert!(check(&messages, Dialect::OpenAi).is_err());
        assert_eq!(check(&messages, Dialect::Thinking), Ok(()));
    }

    #[test]
    fn an_image_in_a_result_is_refused() {
        let image = json!([{"type": "image_url", "image_url": {"url": "data:x"}}]);
        let tool = json!({"role": "tool", "tool_call_id": "a", "content": image});
        let refused = refusal(&json!([user(), asks(&["a"]), tool])).unwrap();
        assert!(refused.contains("this message with role 'tool' contains an image URL"));
        let user = json!({"role": "user", "content": image});
        assert_eq!(refusal(&json!([user])), None);
    }

    #[test]
    fn a_missing_tool_message_is_refused_by_id() {
        let words = |ids: &str| {
            Some(format!(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. \
                 The following tool_call_ids did not have response messages: {ids}"
            ))
        };
        assert_eq!(
            refusal(&json!([user(), asks(&["a", "b"]), tool("a")])),
            words("b")
        );
        assert_eq!(
            refusal(&json!([user(), asks(&["a", "b"]), user()])),
            words("a, b")
        );
        assert_eq!(
            refusal(&json!([
                user(),
                asks(&["a", "b"]),
                tool("b"),
                user(),
                tool("a")
            ])),
            words("a")
        );
    }

    #[test]
    fn a_misplaced_tool_message_is_refused() {
        let orphan = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
        assert_eq!(
            refusal(&json!([user(), tool("a")])).as_deref(),
            Some(orphan)
        );
        assert_eq!(
            refusal(&json!([user(), asks(&["a"]), tool("a"), user(), tool("a")])).as_deref(),
            Some(orphan)
        );
        let stranger = "Invalid parameter: 'tool_call_id' of 'x' not found in 'tool_calls' of previous message.";
        assert_eq!(
            refusal(&json!([user(), asks(&["a"]), tool("x")])).as_deref(),
            Some(stranger)
        );
    }

    #[test]
    fn required_fields_of_a_call_are_checked() {
        for (broken, expected) in [
            (json!({"tool_calls": []}), "empty array"),
            (json!({"content": null}), "expected a string, got null"),
            (
                json!({"tool_calls": [{"type": "function", "function": {"name": "add", "arguments": "{}"}}]}),
                "tool_calls[0].id",
            ),
            (
                json!({"tool_calls": [{"id": "a", "type": "function", "function": {"name": "a.b", "arguments": "{}"}}]}),
                "does not match pattern",
            ),
            (
                json!({"tool_calls": [{"id": "a", "type": "function", "function": {"name": "add", "arguments": {}}}]}),
                "expected a string, but got an object",
            ),
            (
                json!({"tool_calls": [call(&"x".repeat(41))]}),
                "maximum length 40",
            ),
            (
                json!({"tool_calls": [call("a"), call("a")]}),
                "Duplicate value",
            ),
            (
                json!({"tool_calls": [{"id": "a", "type": "tool"}]}),
                "Supported values are: 'function' and 'custom'",
            ),
            (
                json!({"tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "add"}}]}),
                "tool_calls[0].custom.input",
            ),
            (
                json!({"tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "add", "input": ""}, "function": {}}]}),
                "Unknown parameter: 'messages[1].tool_calls[0].function'",
            ),
            (
                json!({"function_call": {"name": "add"}}),
                "Missing required parameter: 'messages[1].function_call.arguments'",
            ),
            (
                json!({"content": "hi", "annotations": []}),
                "Unknown parameter: 'messages[1].annotations'",
            ),
        ] {
            let mut message = json!({"role": "assistant"});
            message
                .as_object_mut()
                .unwrap()
                .extend(broken.as_object().unwrap().clone());
            let refused = refusal(&json!([user(), message])).unwrap_or_default();
            assert!(refused.contains(expected), "{message}: {refused}");
        }
    }
}
