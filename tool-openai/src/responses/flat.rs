//! Chat completions nest what belongs to a kind under the kind's name; the Responses API does not.

use tool_core::serde_json::{Map, Value};

/// Input: `{"type": "x", "x": {"a": 1}}`. Output: `{"type": "x", "a": 1}`. The members of `tools` likewise; what is flat stays.
pub(super) fn flat(value: Value) -> Value {
    let Value::Object(mut object) = value else {
        return value;
    };
    let kind = object
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if let Some(Value::Object(_)) = object.get(&kind)
        && let Some(Value::Object(inner)) = object.remove(&kind)
    {
        for (key, value) in inner {
            object.entry(key).or_insert(value);
        }
    }
    if let Some(Value::Array(tools)) = object.get_mut("tools") {
        tools.iter_mut().for_each(|tool| *tool = flat(tool.take()));
    }
    Value::Object(object)
}

/// Takes `key` out of a chat request and puts it, as `member`, into the object `parent`, unless
/// there is one already.
pub(super) fn nest(parameters: &mut Map<String, Value>, key: &str, parent: &str, member: &str) {
    let Some(value) = parameters.remove(key).filter(|value| !value.is_null()) else {
        return;
    };
    let parent = parameters
        .entry(parent)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(parent) = parent {
        parent.entry(member).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::json;

    #[test]
    fn nested_fields_move_up() {
        for (nested, expected) in [
            (json!("required"), json!("required")),
            (
                json!({"type": "function", "function": {"name": "x"}}),
                json!({"type": "function", "name": "x"}),
            ),
            (
                json!({"type": "custom", "custom": {"name": "x"}}),
                json!({"type": "custom", "name": "x"}),
            ),
            (
                json!({"type": "function", "name": "x"}),
                json!({"type": "function", "name": "x"}),
            ),
            (
                json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "x"}}]}}),
                json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "x"}]}),
            ),
            (
                json!({"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: \"x\""}}),
                json!({"type": "grammar", "syntax": "lark", "definition": "start: \"x\""}),
            ),
            (
                json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}}),
                json!({"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}),
            ),
        ] {
            assert_eq!(flat(nested), expected);
        }
    }
}
