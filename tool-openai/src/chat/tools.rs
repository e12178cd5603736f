//! Definitions to the `tools` array of a request.

use tool_core::serde_json::{Map, Value};
use tool_core::{ToolDefinition, ToolSet};

use super::wire::{FunctionDefinition, Tool};

/// The most tools a service takes in one request.
const MOST_TOOLS: usize = 128;

/// The `tools` array of a request: the definitions in declaration order, in as few bytes as say the same.
///
/// Shape: of tools that check their arguments themselves, `additionalProperties: false` is left out at the root, and so are the
/// bounds of 64-bit integers: a service that does not enforce the schema makes nothing of them, and they cost tokens in every
/// request. The same set gives the same bytes in every run.
///
/// # Errors
/// There are more tools than services accept, or one has parameters that are no object, or an array without `items`.
///
/// ```
/// use tool_core::{tool, tools};
///
/// /// Add two numbers.
/// #[tool]
/// fn add(a: i64, b: i64) -> i64 {
///     a.wrapping_add(b)
/// }
///
/// let tools = tool_openai::chat::tools(&tools![add])?;
/// assert_eq!(
///     tool_core::serde_json::to_value(&tools)?,
///     tool_core::serde_json::json!([{"type": "function", "function": {
///         "name": "add",
///         "description": "Add two numbers.",
///         "parameters": {
///             "type": "object",
///             "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
///             "required": ["a", "b"],
///         },
///     }}]),
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn tools(tools: &ToolSet) -> Result<Vec<Tool>, InvalidTools> {
    if tools.len() > MOST_TOOLS {
        return Err(InvalidTools::TooMany { count: tools.len() });
    }
    tools.definitions().map(tool).collect()
}

fn tool(definition: &ToolDefinition) -> Result<Tool, InvalidTools> {
    let mut parameters = definition.parameters().clone();
    definition.check()?;
    if let Some(path) = array_without_items(&parameters, &mut Vec::new()) {
        return Err(InvalidTools::ArrayWithoutItems { tool: definition.name().to_owned(), path: path.join(".") });
    }
    if let Some(root) = parameters.as_object_mut().filter(|_| definition.checks_arguments()) {
        root.remove("additionalProperties");
        leave_out_widest_bounds(&mut parameters);
    }
    let function = FunctionDefinition {
        name: definition.name().to_owned(),
        description: definition.description().to_owned(),
        parameters: Some(parameters),
        strict: None,
        extra: Map::new(),
    };
    Ok(Tool { r#type: "function".to_owned(), function, custom: None, extra: Map::new() })
}

/// Removes the bounds of 64-bit integers.
fn leave_out_widest_bounds(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.retain(|key, limit| match key.as_str() {
                "minimum" => limit.as_i64().is_none_or(|limit| limit > i64::MIN + 1024),
                "maximum" => *limit != i64::MAX && *limit != u64::MAX,
                _ => true,
            });
            let schemas = object.iter_mut().filter(|(key, _)| !["const", "default", "enum"].contains(&key.as_str()));
            schemas.for_each(|(_, schema)| leave_out_widest_bounds(schema));
        }
        Value::Array(values) => values.iter_mut().for_each(leave_out_widest_bounds),
        _ => {}
    }
}

/// Tools that no service would accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTools {
    /// More than fit into one request.
    #[error("{count} tools are more than the {MOST_TOOLS} a service accepts in one request; offer fewer")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// Services accept parameters only as a plain object.
    #[error(transparent)]
    Definition(#[from] tool_core::InvalidDefinition),
    /// Services refuse an array that does not say what is in it, and the whole request with it.
    #[error("the parameters of tool `{tool}` have an array without `items` at `{path}`; write `\"items\": {{}}` for any")]
    ArrayWithoutItems {
        /// The tool.
        tool: String,
        /// Where in its schema.
        path: String,
    },
}

/// The path of the first array schema that has no `items`.
pub(crate) fn array_without_items(schema: &Value, path: &mut Vec<String>) -> Option<Vec<String>> {
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
        let entries = object.get(key).and_then(Value::as_object).into_iter().flatten();
        entries.map(move |(name, schema)| (vec![key.to_owned(), name.clone()], schema))
    });
    let listed = ["anyOf", "allOf", "oneOf", "prefixItems"].into_iter().flat_map(|key| {
        let entries = object.get(key).and_then(Value::as_array).into_iter().flatten().enumerate();
        entries.map(move |(position, schema)| (vec![key.to_owned(), position.to_string()], schema))
    });
    let single = ["items", "additionalProperties"].into_iter().filter_map(|key| Some((vec![key.to_owned()], object.get(key)?)));
    named.chain(listed).chain(single).find_map(|(steps, schema)| {
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
    use tool_core::serde_json::json;

    #[test]
    fn what_a_service_would_refuse_is_named_before_it_is_sent() {
        let dynamic = |name: String, items: Value| {
            let parameters = json!({"type": "object", "properties": {"rows": items}, "additionalProperties": false});
            tool_core::DynamicTool::new(name, "", parameters, |_| async { Ok::<_, String>(()) }).unwrap()
        };
        let bare = ToolSet::<()>::default().with_tool(dynamic("bare".into(), json!({"type": "array"}))).unwrap();
        let path = "properties.rows".to_owned();
        assert_eq!(tools(&bare).unwrap_err(), InvalidTools::ArrayWithoutItems { tool: "bare".into(), path });

        let many = (0..129).fold(ToolSet::<()>::default(), |set, n| {
            set.with_tool(dynamic(format!("t{n}"), json!({"type": "array", "items": {}}))).unwrap()
        });
        assert_eq!(tools(&many).unwrap_err(), InvalidTools::TooMany { count: 129 });
    }

    #[test]
    fn a_tool_that_does_not_check_its_arguments_keeps_its_schema() {
        let parameters = json!({"type": "object", "properties": {}, "additionalProperties": false});
        let tool = tool_core::DynamicTool::new("t", "", parameters.clone(), |_| async { Ok::<_, String>(()) }).unwrap();
        let offered = tools(&ToolSet::<()>::default().with_tool(tool).unwrap()).unwrap();
        assert_eq!(offered[0].function.parameters, Some(parameters));
    }
}
