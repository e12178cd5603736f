//! The rules the service enforces on a request, and its words for breaking them.

use std::collections::BTreeMap;

use tool_core::serde_json::{Map, Value, json};

use crate::chat::array_without_items;

/// The keys of a request body, in the published specification.
const KEYS: [&str; 37] = [
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "moderation",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];

/// A refusal, as the service words it.
#[derive(Debug, PartialEq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    message: String,
    param: Option<String>,
    code: Option<&'static str>,
}

impl ApiError {
    pub(super) fn invalid(message: impl Into<String>, param: Option<String>) -> Self {
        Self { status: 400, message: message.into(), param, code: None }
    }

    pub(super) fn no_key() -> Self {
        let message = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth \
                       (i.e. Authorization: Bearer YOUR_KEY).";
        Self { status: 401, ..Self::invalid(message, None) }
    }

    pub(super) fn not_json() -> Self {
        Self::invalid("We could not parse the JSON body of your request.", None)
    }

    pub(super) fn body(&self) -> Value {
        json!({"error": {"message": self.message, "type": "invalid_request_error", "param": self.param, "code": self.code}})
    }
}

type Checked = Result<(), ApiError>;

fn refuse(param: impl Into<String>, message: impl Into<String>) -> Checked {
    Err(ApiError::invalid(message, Some(param.into())))
}

fn refuse_with(code: &'static str, param: impl Into<String>, message: impl Into<String>) -> Checked {
    Err(ApiError { code: Some(code), ..ApiError::invalid(message, Some(param.into())) })
}

/// Whether the service would take this body.
pub(super) fn request(body: &Value) -> Checked {
    let Some(body) = body.as_object() else { return Err(ApiError::not_json()) };
    if let Some(key) = body.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return refuse_with("unknown_parameter", key, format!("Unknown parameter: '{key}'."));
    }
    if body.get("model").and_then(Value::as_str).is_none_or(str::is_empty) {
        return refuse("model", "you must provide a model parameter");
    }
    if body.get("stream") == Some(&Value::Bool(true)) {
        return refuse("stream", "This scripted server does not stream; leave out 'stream'.");
    }
    tools(body)?;
    match body.get("messages") {
        None => refuse("messages", "Missing required parameter: 'messages'."),
        Some(Value::Array(messages)) if messages.is_empty() => empty_array("messages"),
        Some(Value::Array(messages)) => conversation(messages),
        Some(other) => wrong_type("messages", "an array of objects", other),
    }
}

fn tools(body: &Map<String, Value>) -> Checked {
    let tools = match body.get("tools") {
        None => {
            let dependent = ["tool_choice", "parallel_tool_calls"].into_iter().find(|key| body.contains_key(*key));
            return dependent.map_or(Ok(()), |key| refuse(key, format!("'{key}' is only allowed when 'tools' are specified.")));
        }
        Some(Value::Array(tools)) if tools.is_empty() => return empty_array("tools"),
        Some(Value::Array(tools)) => tools,
        Some(other) => return wrong_type("tools", "an array of objects", other),
    };
    if tools.len() > 128 {
        let message = format!(
            "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length {} instead.",
            tools.len()
        );
        return refuse_with("array_above_max_length", "tools", message);
    }
    tools.iter().enumerate().try_for_each(|(position, tool)| {
        let path = format!("tools[{position}]");
        known_keys(&path, tool, &["type", "function", "custom"])?;
        match tool["type"].as_str() {
            Some("function") => function(&format!("{path}.function"), &tool["function"]),
            Some("custom") => name(&format!("{path}.custom.name"), tool["custom"].get("name")),
            Some(other) => {
                let message = format!("Invalid value: '{other}'. Supported values are: 'function' and 'custom'.");
                refuse_with("invalid_value", format!("{path}.type"), message)
            }
            None => {
                refuse_with("missing_required_parameter", format!("{path}.type"), format!("Missing required parameter: '{path}.type'."))
            }
        }
    })
}

fn function(path: &str, function: &Value) -> Checked {
    known_keys(path, function, &["name", "description", "parameters", "strict"])?;
    name(&format!("{path}.name"), function.get("name"))?;
    let Some(parameters) = function.get("parameters") else { return Ok(()) };
    let tool = function["name"].as_str().unwrap_or_default();
    let invalid = |message: &str| {
        refuse_with("invalid_function_parameters", format!("{path}.parameters"), format!("Invalid schema for function '{tool}': {message}"))
    };
    if parameters["type"] != "object" || ["oneOf", "anyOf", "allOf", "enum", "not"].iter().any(|key| parameters.get(key).is_some()) {
        return invalid("schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level.");
    }
    match array_without_items(parameters, &mut Vec::new()) {
        Some(path) => {
            let context: Vec<String> = path.iter().map(|step| format!("'{step}'")).collect();
            invalid(&format!("In context=({}), array schema missing items.", context.join(", ")))
        }
        None => Ok(()),
    }
}

/// The rules of a conversation: above all, every call is answered by a tool message before anybody else speaks.
fn conversation(messages: &[Value]) -> Checked {
    // The calls of the last assistant message, and whether each is answered; none before the first.
    let mut calls: Option<BTreeMap<&str, bool>> = None;
    for (position, message) in messages.iter().enumerate() {
        let path = format!("messages.[{position}]");
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if role == "tool" {
            let id = message.get("tool_call_id").and_then(Value::as_str).unwrap_or_default();
            match &mut calls {
                None => {
                    let message =
                        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
                    return refuse(format!("{path}.role"), message);
                }
                Some(calls) => match calls.get_mut(id) {
                    None => {
                        let message = format!("Invalid parameter: 'tool_call_id' of '{id}' not found in 'tool_calls' of previous message.");
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
        known_keys(&format!("messages[{position}]"), message, keys_of(role))?;
        if role == "assistant" {
            calls = tool_calls(position, message)?;
        }
    }
    all_answered(calls.as_ref(), &format!("messages.[{}]", messages.len()))
}

/// The keys of a message, in the published specification.
fn keys_of(role: &str) -> &'static [&'static str] {
    match role {
        "assistant" => &["role", "content", "name", "refusal", "audio", "tool_calls", "function_call"],
        "tool" => &["role", "content", "tool_call_id"],
        _ => &["role", "content", "name"],
    }
}

/// The service takes no key that the specification does not list.
fn known_keys(path: &str, object: &Value, known: &[&str]) -> Checked {
    let unknown = object.as_object().into_iter().flatten().map(|(key, _)| key).find(|key| !known.contains(&key.as_str()));
    unknown.map_or(Ok(()), |key| refuse_with("unknown_parameter", format!("{path}.{key}"), format!("Unknown parameter: '{path}.{key}'.")))
}

fn all_answered(calls: Option<&BTreeMap<&str, bool>>, path: &str) -> Checked {
    let missing: Vec<&str> = calls.into_iter().flatten().filter(|(_, answered)| !**answered).map(|(id, _)| *id).collect();
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
    let calls_something = message.get("tool_calls").is_some() || message.get("function_call").is_some();
    match (role, message.get("content").unwrap_or(&Value::Null)) {
        ("system" | "developer" | "user" | "assistant" | "tool" | "function", Value::String(_)) => Ok(()),
        ("assistant", Value::Null) if calls_something => Ok(()),
        ("system" | "developer" | "user" | "assistant" | "tool", Value::Array(parts)) => {
            let untyped = parts.iter().position(|part| part.get("type").is_none());
            untyped.map_or(Ok(()), |part| {
                refuse(format!("{path}[{part}].type"), format!("Missing required parameter: '{path}[{part}].type'."))
            })
        }
        ("system" | "developer" | "user" | "assistant" | "tool" | "function", Value::Null) => {
            refuse(format!("messages.[{position}].content"), "Invalid value for 'content': expected a string, got null.")
        }
        ("system" | "developer" | "user" | "assistant" | "tool" | "function", other) => {
            wrong_type(&path, "one of a string or array of objects", other)
        }
        (other, _) => {
            let message = format!(
                "Invalid value: '{other}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."
            );
            refuse_with("invalid_value", format!("messages[{position}].role"), message)
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
        if call["type"] != "function" {
            refuse(format!("{path}.type"), format!("Missing required parameter: '{path}.type'."))?;
        }
        let Some(id) = call.get("id").and_then(Value::as_str) else {
            return refuse(format!("{path}.id"), format!("Missing required parameter: '{path}.id'.")).map(|()| None);
        };
        if id.chars().count() > 40 {
            let message = format!(
                "Invalid '{path}.id': string too long. Expected a string with maximum length 40, but got a string with length {} instead.",
                id.chars().count()
            );
            refuse_with("string_above_max_length", format!("{path}.id"), message)?;
        }
        known_keys(&path, call, &["id", "type", "function", "custom"])?;
        known_keys(&format!("{path}.function"), &call["function"], &["name", "arguments"])?;
        name(&format!("{path}.function.name"), call["function"].get("name"))?;
        match call["function"].get("arguments") {
            Some(Value::String(_)) => {}
            None => refuse(format!("{path}.function.arguments"), format!("Missing required parameter: '{path}.function.arguments'."))?,
            Some(other) => wrong_type(&format!("{path}.function.arguments"), "a string", other)?,
        }
        if ids.insert(id, false).is_some() {
            refuse(format!("{path}.id"), format!("Duplicate value for 'tool_call_id' of '{id}' in '{path}'."))?;
        }
    }
    Ok(Some(ids))
}

fn name(path: &str, name: Option<&Value>) -> Checked {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match name.map(Value::as_str) {
        None => refuse_with("missing_required_parameter", path, format!("Missing required parameter: '{path}'.")),
        Some(None) => wrong_type(path, "a string", name.unwrap_or(&Value::Null)),
        Some(Some("")) => refuse_with(
            "empty_string",
            path,
            format!("Invalid '{path}': empty string. Expected a string with minimum length 1, but got an empty string instead."),
        ),
        Some(Some(name)) if name.len() > 64 => {
            let message = format!(
                "Invalid '{path}': string too long. Expected a string with maximum length 64, but got a string with length {} instead.",
                name.len()
            );
            refuse_with("string_above_max_length", path, message)
        }
        Some(Some(name)) if !name.chars().all(legal) => {
            let message =
                format!("Invalid '{path}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.");
            refuse_with("invalid_value", path, message)
        }
        Some(Some(_)) => Ok(()),
    }
}

fn empty_array(path: &str) -> Checked {
    let message = format!("Invalid '{path}': empty array. Expected an array with minimum length 1, but got an empty array instead.");
    refuse_with("empty_array", path, message)
}

fn wrong_type(path: &str, expected: &str, got: &Value) -> Checked {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    refuse_with("invalid_type", path, format!("Invalid type for '{path}': expected {expected}, but got {got} instead."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str) -> Value {
        json!({"id": id, "type": "function", "function": {"name": "add", "arguments": "{}"}})
    }

    fn refusal(messages: &Value) -> Option<String> {
        request(&json!({"model": "m", "messages": messages})).err().map(|error| error.message)
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
        assert_eq!(refusal(&json!([user(), asks(&["a", "b"]), tool("b"), tool("a"), user()])), None);
        assert_eq!(refusal(&json!([user(), asks(&["a"]), tool("a"), asks(&["a"]), tool("a")])), None);
    }

    #[test]
    fn a_missing_tool_message_is_refused_by_id() {
        let words = |ids: &str| {
            Some(format!(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. \
                 The following tool_call_ids did not have response messages: {ids}"
            ))
        };
        assert_eq!(refusal(&json!([user(), asks(&["a", "b"]), tool("a")])), words("b"));
        assert_eq!(refusal(&json!([user(), asks(&["a", "b"]), user()])), words("a, b"));
        assert_eq!(refusal(&json!([user(), asks(&["a", "b"]), tool("b"), user(), tool("a")])), words("a"));
    }

    #[test]
    fn a_misplaced_tool_message_is_refused() {
        let orphan = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
        assert_eq!(refusal(&json!([user(), tool("a")])).as_deref(), Some(orphan));
        assert_eq!(refusal(&json!([user(), asks(&["a"]), tool("a"), user(), tool("a")])).as_deref(), Some(orphan));
        let stranger = "Invalid parameter: 'tool_call_id' of 'x' not found in 'tool_calls' of previous message.";
        assert_eq!(refusal(&json!([user(), asks(&["a"]), tool("x")])).as_deref(), Some(stranger));
    }

    #[test]
    fn what_a_call_must_have_is_checked() {
        for (broken, expected) in [
            (json!({"tool_calls": []}), "empty array"),
            (json!({"content": null}), "expected a string, got null"),
            (json!({"tool_calls": [{"type": "function", "function": {"name": "add", "arguments": "{}"}}]}), "tool_calls[0].id"),
            (
                json!({"tool_calls": [{"id": "a", "type": "function", "function": {"name": "a.b", "arguments": "{}"}}]}),
                "does not match pattern",
            ),
            (
                json!({"tool_calls": [{"id": "a", "type": "function", "function": {"name": "add", "arguments": {}}}]}),
                "expected a string, but got an object",
            ),
            (json!({"tool_calls": [call(&"x".repeat(41))]}), "maximum length 40"),
            (json!({"tool_calls": [call("a"), call("a")]}), "Duplicate value"),
            (json!({"content": "hi", "annotations": []}), "Unknown parameter: 'messages[1].annotations'"),
        ] {
            let mut message = json!({"role": "assistant"});
            message.as_object_mut().unwrap().extend(broken.as_object().unwrap().clone());
            let refused = refusal(&json!([user(), message])).unwrap_or_default();
            assert!(refused.contains(expected), "{message}: {refused}");
        }
    }

    #[test]
    fn definitions_are_checked() {
        let schema = |parameters: Value| json!([{"type": "function", "function": {"name": "add", "parameters": parameters}}]);
        for (tools, expected) in [
            (json!([]), "empty array"),
            (json!([{"type": "function", "function": {"name": "a b"}}]), "does not match pattern"),
            (json!([{"type": "function", "function": {"name": "a", "parameter": {}}}]), "Unknown parameter: 'tools[0].function.parameter'"),
            (json!([{"type": "funktion"}]), "Supported values are: 'function' and 'custom'"),
            (schema(json!({"type": "string"})), "schema must have type 'object'"),
            (schema(json!({"type": "object", "anyOf": []})), "schema must have type 'object'"),
            (
                schema(json!({"type": "object", "properties": {"p": {"type": "array"}}})),
                "In context=('properties', 'p'), array schema missing items",
            ),
        ] {
            let body = json!({"model": "m", "messages": [user()], "tools": tools});
            let refused = request(&body).unwrap_err().message;
            assert!(refused.contains(expected), "{tools}: {refused}");
        }
        assert!(request(&json!({"model": "m", "messages": [user()], "parallel_tool_calls": true})).is_err());
        assert!(request(&json!({"model": "m", "messages": [user()], "temprature": 1})).is_err());
    }
}
