//! Definitions to `tools`, `tool_calls` to calls, results to tool messages.

use std::collections::HashSet;

use tool_core::serde_json::{Map, Value};
use tool_core::{ToolDefinition, ToolResult, ToolSet};

use super::wire::{AssistantMessage, Choice, FunctionDefinition, Message, Tool, ToolMessage};

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
        extra: Map::new(),
    };
    Ok(Tool { r#type: "function".to_owned(), function, extra: Map::new() })
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

impl AssistantMessage {
    /// The calls, in order, for [`Dispatcher::dispatch`](tool_core::Dispatcher::dispatch).
    ///
    /// Arguments that are empty or `null` mean `{}`, as servers write them for tools without parameters. Of a message that
    /// was cut short, take [`Choice::tool_calls`] instead. Ids are as the server gave them.
    pub fn tool_calls(&self) -> Vec<tool_core::ToolCall> {
        self.calls(false)
    }

    fn calls(&self, cut: bool) -> Vec<tool_core::ToolCall> {
        let call =
            |call: &super::ToolCall| tool_core::ToolCall::new(&call.id, &call.function.name, arguments(&call.function.arguments, cut));
        self.tool_calls.iter().map(call).collect()
    }

    /// Gives every call an id of its own: one is invented where the server gave none, or gave it to an earlier call of this
    /// message. The same `turn` gives the same ids; no two turns of a conversation should share one.
    pub fn complete_ids(&mut self, turn: usize) {
        let mut taken = HashSet::new();
        for (position, call) in self.tool_calls.iter_mut().enumerate() {
            if call.id.is_empty() || taken.contains(&call.id) {
                call.id = format!("call_{turn:012}{position:012}");
            }
            taken.insert(call.id.clone());
        }
    }

    /// The message as it goes into the history of the next request. What services write but do not take back is left out;
    /// names are written as they accept them, and arguments that are no JSON object as `{}`: the tool message says what was
    /// wrong with them. A refusal becomes a part of the content.
    pub fn into_message(mut self) -> Message {
        self.extra.retain(|key, value| !value.is_null() && key != "annotations");
        for call in &mut self.tool_calls {
            if !is_object(&call.function.arguments) {
                call.function.arguments = "{}".to_owned();
            }
            call.function.name = legal_name(&call.function.name);
            call.extra.remove("index");
        }
        if let Some(refusal) = self.refusal.take() {
            let part = Map::from_iter([("type".to_owned(), "refusal".into()), ("refusal".to_owned(), refusal.into())]);
            self.content = vec![Value::Object(part)].into();
        }
        if !self.tool_calls.is_empty() && self.content == "" {
            self.content = Value::Null; // which every service takes beside calls
        }
        Message::Assistant(self)
    }
}

fn is_object(text: &str) -> bool {
    tool_core::serde_json::from_str::<Map<String, Value>>(text).is_ok()
}

impl Choice {
    /// The calls, in order. Where the message was cut short (`length`, `content_filter`), arguments that never began stay
    /// empty, so that the call is answered with an error instead of run with nothing.
    pub fn tool_calls(&self) -> Vec<tool_core::ToolCall> {
        self.message.calls(self.is_cut())
    }

    /// Whether the service stopped the model before it had finished.
    pub fn is_cut(&self) -> bool {
        matches!(self.finish_reason.as_deref(), Some("length" | "content_filter"))
    }
}

/// Services refuse a history in which a name is not 1 to 64 letters, digits, `_` or `-`, even if they wrote it.
fn legal_name(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    if name.is_empty() { "_".to_owned() } else { name.chars().take(64).map(legal).collect() }
}

fn arguments(text: &str, cut: bool) -> &str {
    if !cut && matches!(text.trim(), "" | "null") { "{}" } else { text }
}

/// One `role: "tool"` message per result, in order, each with the id of its call.
pub fn tool_messages(results: &[ToolResult]) -> Vec<Message> {
    let message = |result: &ToolResult| {
        Message::Tool(ToolMessage {
            tool_call_id: result.id().to_owned(),
            content: Value::String(result.content().into_owned()),
            extra: Map::new(),
        })
    };
    results.iter().map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::{from_value, json};

    fn message(calls: Value) -> AssistantMessage {
        from_value(json!({"content": null, "tool_calls": calls})).unwrap()
    }

    #[test]
    fn empty_arguments_mean_no_arguments_unless_the_message_was_cut() {
        let message = message(json!([
            {"id": "1", "function": {"name": "now", "arguments": ""}},
            {"id": "2", "function": {"name": "now", "arguments": "null"}},
            {"id": "3", "function": {"name": "now", "arguments": "{\"x\": "}},
        ]));
        let texts = |calls: Vec<tool_core::ToolCall>| calls.into_iter().map(|call| call.arguments).collect::<Vec<_>>();
        assert_eq!(texts(message.tool_calls()), ["{}", "{}", "{\"x\": "]);
        let cut = Choice { message, finish_reason: Some("length".into()), extra: Map::new() };
        assert_eq!(texts(cut.tool_calls()), ["", "null", "{\"x\": "]);
    }

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

    #[test]
    fn every_call_gets_an_id_of_its_own() {
        let mut message = message(json!([
            {"id": "a", "function": {"name": "x"}}, {"id": "a", "function": {"name": "x"}}, {"function": {"name": "x"}},
        ]));
        message.complete_ids(3);
        let ids: Vec<_> = message.tool_calls.iter().map(|call| call.id.as_str()).collect();
        assert_eq!(ids, ["a", "call_000000000003000000000001", "call_000000000003000000000002"]);
        assert!(ids.iter().all(|id| id.len() <= 40));
    }

    #[test]
    fn history_leaves_out_what_services_do_not_take_back() {
        let received: AssistantMessage = from_value(json!({
            "role": "assistant", "content": "", "refusal": "", "annotations": [], "audio": null, "reasoning_content": "hm",
            "tool_calls": [{"id": "1", "index": 0, "function": {"name": "functions.now", "arguments": "{\"cut"}}],
        }))
        .unwrap();
        let expected = json!({
            "role": "assistant", "content": null, "reasoning_content": "hm",
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "functions_now", "arguments": "{}"}}],
        });
        assert_eq!(tool_core::serde_json::to_value(received.into_message()).unwrap(), expected);
    }
}
