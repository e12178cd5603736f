//! `tool_choice`.

use tool_core::serde_json::{Map, Value};

use super::{Checked, known_keys, missing, refuse, refuse_with, wrong_type};

pub(super) fn check(body: &Map<String, Value>) -> Checked {
    let choice = match body.get("tool_choice") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(mode)) => {
            return supported("tool_choice", mode, &["none", "auto", "required"]);
        }
        Some(choice @ Value::Object(_)) => choice,
        Some(other) => return wrong_type("tool_choice", "one of a string or object", other),
    };
    match choice["type"].as_str() {
        Some("allowed_tools") => allowed(body, choice),
        Some(_) => one("tool_choice", body, choice),
        None => missing("tool_choice.type"),
    }
}

fn allowed(body: &Map<String, Value>, choice: &Value) -> Checked {
    known_keys("tool_choice", choice, &["type", "allowed_tools"])?;
    let path = "tool_choice.allowed_tools";
    let allowed = match choice.get("allowed_tools") {
        Some(allowed @ Value::Object(_)) => allowed,
        Some(other) => return wrong_type(path, "an object", other),
        None => return missing(path),
    };
    known_keys(path, allowed, &["mode", "tools"])?;
    match allowed["mode"].as_str() {
        Some(mode) => supported(&format!("{path}.mode"), mode, &["auto", "required"])?,
        None => return missing(&format!("{path}.mode")),
    }
    let Some(tools) = allowed["tools"].as_array() else {
        return missing(&format!("{path}.tools"));
    };
    tools
        .iter()
        .enumerate()
        .try_for_each(|(position, tool)| one(&format!("{path}.tools[{position}]"), body, tool))
}

/// One tool by its name, which must be offered.
fn one(path: &str, body: &Map<String, Value>, tool: &Value) -> Checked {
    let kind = tool["type"].as_str().unwrap_or_default();
    supported(&format!("{path}.type"), kind, &["function", "custom"])?;
    known_keys(path, tool, &["type", kind])?;
    let Some(name) = tool[kind]["name"].as_str() else {
        return missing(&format!("{path}.{kind}.name"));
    };
    let is_offered = body
        .get("tools")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|offered| offered[kind]["name"] == name);
    if is_offered {
        Ok(())
    } else {
        refuse(
            path,
            format!("Tool choice '{name}' not found in 'tools' parameter."),
        )
    }
}

fn supported(path: &str, value: &str, values: &[&str]) -> Checked {
    if values.contains(&value) {
        return Ok(());
    }
    let values: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
    refuse_with(
        "invalid_value",
        path,
        format!(
            "Invalid value: '{value}'. Supported values are: {}.",
            values.join(", ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use crate::testing::check::{Dialect, request};
    use tool_core::serde_json::{Value, json};

    fn refusal(choice: &Value) -> Option<String> {
        let tools = json!([{"type": "function", "function": {"name": "add"}}, {"type": "custom", "custom": {"name": "run"}}]);
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": tools, "tool_choice": choice});
        request(&body, Dialect::OpenAi)
            .err()
            .map(|error| error.message)
    }

    #[test]
    fn every_choice_that_is_specified_is_accepted() {
        let (add, run) = (
            json!({"type": "function", "function": {"name": "add"}}),
            json!({"type": "custom", "custom": {"name": "run"}}),
        );
        let allowed = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [add, run]}});
        for choice in [
            json!("none"),
            json!("auto"),
            json!("required"),
            add,
            run,
            allowed,
        ] {
            assert_eq!(refusal(&choice), None, "{choice}");
        }
    }

    #[test]
    fn any_other_choice_is_refused() {
        for (choice, expected) in [
            (
                json!("any"),
                "Invalid value: 'any'. Supported values are: 'none', 'auto', 'required'.",
            ),
            (
                json!(1),
                "expected one of a string or object, but got a number",
            ),
            (
                json!({"function": {"name": "add"}}),
                "Missing required parameter: 'tool_choice.type'.",
            ),
            (
                json!({"type": "tool", "name": "add"}),
                "Invalid value: 'tool'",
            ),
            (
                json!({"type": "function", "name": "add"}),
                "Unknown parameter: 'tool_choice.name'.",
            ),
            (
                json!({"type": "function", "function": {"name": "run"}}),
                "Tool choice 'run' not found in 'tools' parameter.",
            ),
            (
                json!({"type": "allowed_tools", "mode": "auto", "tools": []}),
                "Unknown parameter: 'tool_choice.mode'.",
            ),
            (
                json!({"type": "allowed_tools", "allowed_tools": []}),
                "expected an object, but got an array",
            ),
            (
                json!({"type": "allowed_tools", "allowed_tools": {"mode": "none", "tools": []}}),
                "Invalid value: 'none'",
            ),
        ] {
            let refused = refusal(&choice).unwrap_or_default();
            assert!(refused.contains(expected), "{choice}: {refused}");
        }
    }
}
