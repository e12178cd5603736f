//! A request to the Responses API.

use tool_core::serde_json::{Map, Value};

use super::{
    ApiError, Checked, empty_array, missing, name_within, refuse, refuse_with, wrong_type,
};

/// The keys of a request body, in the published specification.
const KEYS: [&str; 31] = [
    "background",
    "context_management",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "moderation",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

const LONGEST_NAME: usize = 128;

/// Whether the service would take this body.
pub(in crate::testing) fn responses_request(body: &Value) -> Checked {
    let Some(body) = body.as_object() else {
        return Err(ApiError::not_json());
    };
    if let Some(key) = body.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return refuse_with(
            "unknown_parameter",
            key,
            format!("Unknown parameter: '{key}'."),
        );
    }
    if body
        .get("model")
        .and_then(Value::as_str)
        .is_none_or(str::is_empty)
    {
        return missing("model");
    }
    tools(body)?;
    match body.get("input") {
        None => missing("input"),
        Some(Value::String(_)) => Ok(()),
        Some(Value::Array(items)) => input(items),
        Some(other) => wrong_type("input", "one of a string or array of objects", other),
    }
}

fn tools(body: &Map<String, Value>) -> Checked {
    let tools = match body.get("tools") {
        None => return Ok(()),
        Some(Value::Array(tools)) if tools.is_empty() => return empty_array("tools"),
        Some(Value::Array(tools)) => tools,
        Some(other) => return wrong_type("tools", "an array of objects", other),
    };
    tools.iter().enumerate().try_for_each(|(position, tool)| {
        let path = format!("tools[{position}]");
        match tool["type"].as_str() {
            Some("function" | "custom") => {
                name_within(LONGEST_NAME, &format!("{path}.name"), tool.get("name"))
            }
            Some(_) => Ok(()), // run by the service
            None => missing(&format!("{path}.type")),
        }
    })
}

/// Every call has an output and every output a call; reasoning is before the item it led to.
fn input(items: &[Value]) -> Checked {
    for (position, item) in items.iter().enumerate() {
        let path = format!("input[{position}]");
        let (calls, outputs) = match item["type"].as_str() {
            Some("function_call") => (text(&path, item, "arguments")?, None),
            Some("custom_tool_call") => (text(&path, item, "input")?, None),
            Some("function_call_output" | "custom_tool_call_output")
                if item["output"].is_null() =>
            {
                return missing(&format!("{path}.output"));
            }
            Some("function_call_output" | "custom_tool_call_output") => (None, Some(item)),
            Some("reasoning") => {
                followed(items.get(position + 1), item)?;
                continue;
            }
            _ => continue,
        };
        let Some(id) = item["call_id"].as_str() else {
            return missing(&format!("{path}.call_id"));
        };
        let twin = |kind: &str| {
            items.iter().any(|other| {
                other["call_id"] == id
                    && other["type"].as_str().is_some_and(|it| it.ends_with(kind))
            })
        };
        if calls.is_some() && !twin("_output") {
            return refuse(
                "input",
                format!("No tool output found for function call {id}."),
            );
        }
        if outputs.is_some() && !twin("_call") {
            return refuse(
                "input",
                format!("No tool call found for function call output with call_id {id}."),
            );
        }
    }
    Ok(())
}

/// The name of a call and its text.
fn text<'a>(path: &str, item: &'a Value, key: &str) -> Result<Option<&'a Value>, ApiError> {
    name_within(LONGEST_NAME, &format!("{path}.name"), item.get("name"))?;
    match item.get(key) {
        Some(text @ Value::String(_)) => Ok(Some(text)),
        None => missing(&format!("{path}.{key}")).map(|()| None),
        Some(other) => wrong_type(&format!("{path}.{key}"), "a string", other).map(|()| None),
    }
}

fn followed(next: Option<&Value>, item: &Value) -> Checked {
    let is_output = |next: &Value| match next["type"].as_str() {
        Some("message") => next["role"] == "assistant",
        Some(kind) => !kind.ends_with("_output"),
        None => false,
    };
    if next.is_some_and(is_output) {
        return Ok(());
    }
    let id = item["id"].as_str().unwrap_or_default();
    refuse(
        "input",
        format!(
            "Item '{id}' of type 'reasoning' was provided without its required following item."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::json;

    fn refusal(input: &Value) -> Option<String> {
        let body = json!({"model": "m", "input": input});
        responses_request(&body).err().map(|error| error.message)
    }

    fn call(id: &str) -> Value {
        json!({"type": "function_call", "call_id": id, "name": "add", "arguments": "{}"})
    }

    fn output(id: &str) -> Value {
        json!({"type": "function_call_output", "call_id": id, "output": "1"})
    }

    #[test]
    fn calls_and_outputs_must_match() {
        let user = json!({"role": "user", "content": "hi"});
        let thought = json!({"type": "reasoning", "id": "rs_1", "summary": []});
        assert_eq!(refusal(&json!("hi")), None);
        assert_eq!(
            refusal(&json!([
                user,
                thought,
                call("a"),
                call("b"),
                output("b"),
                output("a"),
                user
            ])),
            None
        );
        for (input, expected) in [
            (
                json!([user, call("a"), call("b"), output("a")]),
                "No tool output found for function call b.",
            ),
            (
                json!([user, output("a")]),
                "No tool call found for function call output with call_id a.",
            ),
            (
                json!([thought, user]),
                "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
            ),
            (
                json!([call("a"), thought, output("a")]),
                "Item 'rs_1' of type 'reasoning' was provided without",
            ),
            (
                json!([{"type": "function_call", "call_id": "a", "name": "a.b", "arguments": "{}"}]),
                "does not match pattern",
            ),
            (
                json!([{"type": "function_call", "call_id": "a", "name": "a", "arguments": {}}]),
                "expected a string, but got an object",
            ),
            (
                json!([{"type": "function_call", "name": "a", "arguments": "{}"}]),
                "Missing required parameter: 'input[0].call_id'.",
            ),
            (
                json!([call("a"), {"type": "function_call_output", "call_id": "a"}]),
                "Missing required parameter: 'input[1].output'.",
            ),
        ] {
            let refused = refusal(&input).unwrap_or_default();
            assert!(refused.contains(expected), "{input}: {refused}");
        }
    }

    #[test]
    fn keys_and_tools_are_checked() {
        for (rest, expected) in [
            (json!({"messages": []}), "Unknown parameter: 'messages'."),
            (json!({"tools": []}), "empty array"),
            (
                json!({"tools": [{"type": "function", "function": {"name": "a"}}]}),
                "Missing required parameter: 'tools[0].name'.",
            ),
        ] {
            let mut body = json!({"model": "m", "input": "hi"});
            body.as_object_mut()
                .unwrap()
                .extend(rest.as_object().unwrap().clone());
            let refused = responses_request(&body).unwrap_err().message;
            assert!(refused.contains(expected), "{rest}: {refused}");
        }
    }
}
