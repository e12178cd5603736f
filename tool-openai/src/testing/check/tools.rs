//! `tools`.

use tool_core::serde_json::{Map, Value};

use super::{
    Checked, empty_array, known_keys, missing, name, refuse, refuse_with, strict, wrong_type,
};

pub(super) fn check(body: &Map<String, Value>) -> Checked {
    let tools = match body.get("tools") {
        None => {
            let dependent = ["tool_choice", "parallel_tool_calls"]
                .into_iter()
                .find(|key| body.contains_key(*key));
            return dependent.map_or(Ok(()), |key| {
                refuse(
                    key,
                    format!("'{key}' is only allowed when 'tools' are specified."),
                )
            });
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
            Some("custom") => custom(&format!("{path}.custom"), &tool["custom"]),
            Some(other) => {
                let message = format!(
                    "Invalid value: '{other}'. Supported values are: 'function' and 'custom'."
                );
                refuse_with("invalid_value", format!("{path}.type"), message)
            }
            None => missing(&format!("{path}.type")),
        }
    })
}

fn function(path: &str, function: &Value) -> Checked {
    known_keys(
        path,
        function,
        &["name", "description", "parameters", "strict"],
    )?;
    name(&format!("{path}.name"), function.get("name"))?;
    let Some(parameters) = function.get("parameters") else {
        return Ok(());
    };
    let tool = function["name"].as_str().unwrap_or_default();
    let invalid = |message: &str| {
        refuse_with(
            "invalid_function_parameters",
            format!("{path}.parameters"),
            format!("Invalid schema for function '{tool}': {message}"),
        )
    };
    if parameters["type"] != "object"
        || ["oneOf", "anyOf", "allOf", "enum", "not"]
            .iter()
            .any(|key| parameters.get(key).is_some())
    {
        return invalid(
            "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level.",
        );
    }
    match array_without_items(parameters, &mut Vec::new()) {
        Some(path) => {
            let context: Vec<String> = path.iter().map(|step| format!("'{step}'")).collect();
            invalid(&format!(
                "In context=({}), array schema missing items.",
                context.join(", ")
            ))
        }
        None if function["strict"] == true => {
            strict::refusal(parameters).map_or(Ok(()), |message| invalid(&message))
        }
        None => Ok(()),
    }
}

fn custom(path: &str, custom: &Value) -> Checked {
    known_keys(path, custom, &["name", "description", "format"])?;
    name(&format!("{path}.name"), custom.get("name"))?;
    let path = format!("{path}.format");
    match (custom.get("format"), custom["format"]["type"].as_str()) {
        (None, _) | (_, Some("text")) => Ok(()),
        (_, Some("grammar")) => match custom["format"]["grammar"]["syntax"].as_str() {
            Some("lark" | "regex") => Ok(()),
            Some(other) => {
                let message =
                    format!("Invalid value: '{other}'. Supported values are: 'lark' and 'regex'.");
                refuse_with("invalid_value", format!("{path}.grammar.syntax"), message)
            }
            None => missing(&format!("{path}.grammar.syntax")),
        },
        (_, Some(other)) => {
            let message =
                format!("Invalid value: '{other}'. Supported values are: 'text' and 'grammar'.");
            refuse_with("invalid_value", format!("{path}.type"), message)
        }
        (_, None) => missing(&format!("{path}.type")),
    }
}

/// The path of the first array schema that has no `items`.
fn array_without_items(schema: &Value, path: &mut Vec<String>) -> Option<Vec<String>> {
    let object = schema.as_object()?;
    let is_array = match object.get("type") {
        Some(Value::String(name)) => name == "array",
        Some(Value::Array(names)) => names.iter().any(|name| name == "array"),
        _ => false,
    };
    if is_array && !object.contains_key("items") {
        return Some(path.clone());
    }
    let named = ["properties", "$defs"].into_iter().flat_map(|key| {
        let entries = object
            .get(key)
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        entries.map(move |(name, schema)| (vec![key.to_owned(), name.clone()], schema))
    });
    let listed = ["anyOf", "allOf", "oneOf", "prefixItems"]
        .into_iter()
        .flat_map(|key| {
            let entries = object
                .get(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .enumerate();
            entries
                .map(move |(position, schema)| (vec![key.to_owned(), position.to_string()], schema))
        });
    let single = ["items", "additionalProperties"]
        .into_iter()
        .filter_map(|key| Some((vec![key.to_owned()], object.get(key)?)));
    named
        .chain(listed)
        .chain(single)
        .find_map(|(steps, schema)| {
            let depth = path.len();
            path.extend(steps);
            let found = array_without_items(schema, path);
            path.truncate(depth);
            found
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check::{Dialect, request};
    use tool_core::serde_json::json;

    #[test]
    fn definitions_are_checked() {
        let schema = |parameters: Value| json!([{"type": "function", "function": {"name": "add", "parameters": parameters}}]);
        for (tools, expected) in [
            (json!([]), "empty array"),
            (
                json!([{"type": "function", "function": {"name": "a b"}}]),
                "does not match pattern",
            ),
            (
                json!([{"type": "function", "function": {"name": "a", "parameter": {}}}]),
                "Unknown parameter: 'tools[0].function.parameter'",
            ),
            (
                json!([{"type": "funktion"}]),
                "Supported values are: 'function' and 'custom'",
            ),
            (
                json!([{"custom": {"name": "a"}}]),
                "Missing required parameter: 'tools[0].type'",
            ),
            (
                json!([{"type": "custom", "custom": {"name": "a", "format": {"type": "lark"}}}]),
                "Supported values are: 'text' and 'grammar'",
            ),
            (
                json!([{"type": "custom", "custom": {"name": "a", "input": ""}}]),
                "Unknown parameter: 'tools[0].custom.input'",
            ),
            (
                schema(json!({"type": "string"})),
                "schema must have type 'object'",
            ),
            (
                schema(json!({"type": "object", "anyOf": []})),
                "schema must have type 'object'",
            ),
            (
                schema(json!({"type": "object", "properties": {"p": {"type": "array"}}})),
                "In context=('properties', 'p'), array schema missing items",
            ),
        ] {
            let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": tools});
            let refused = request(&body, Dialect::OpenAi).unwrap_err().message;
            assert!(refused.contains(expected), "{tools}: {refused}");
        }
        let bare = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "parallel_tool_calls": true});
        assert!(
            request(&bare, Dialect::OpenAi)
                .unwrap_err()
                .message
                .contains("only allowed when 'tools' are specified")
        );
    }
}
