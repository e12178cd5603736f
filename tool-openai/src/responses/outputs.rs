//! What the model calls, and what it is told.

use std::collections::HashSet;

use tool_core::ToolResult;
use tool_core::serde_json::Value;

use super::wire::{Item, Response};

/// The calls of a response, in order, for [`Dispatcher::dispatch`](tool_core::Dispatcher::dispatch). Of a response that was cut
/// short, the call that the cut fell into is answered with an error instead of run.
///
/// ```
/// use tool_core::serde_json::{from_value, json, to_value};
/// use tool_core::{Dispatcher, tool, tools};
/// use tool_openai::responses::{self, Response};
///
/// /// Add two numbers.
/// #[tool]
/// fn add(a: i64, b: i64) -> i64 {
///     a.wrapping_add(b)
/// }
///
/// let response: Response = from_value(json!({"status": "completed", "output": [
///     {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "add", "arguments": "{\"a\": 2, \"b\": 3}"},
/// ]}))?;
/// let results = Dispatcher::new(tools![add]).dispatch_blocking(responses::calls(&response));
/// let next = responses::outputs(&results, &response);
/// assert_eq!(to_value(next)?, json!([{"type": "function_call_output", "call_id": "call_1", "output": "5"}]));
/// # Ok::<(), tool_core::serde_json::Error>(())
/// ```
pub fn calls(response: &Response) -> Vec<tool_core::ToolCall> {
    response.choice().tool_calls()
}

/// One output item per result, in order, each with the id of its call; `response` is the one that asked for them.
///
/// Append to the input: first `response.output`, then these.
pub fn outputs(results: &[ToolResult], response: &Response) -> Vec<Item> {
    let custom: HashSet<&str> =
        response.output.iter().filter(|item| item.kind() == "custom_tool_call").map(|item| item.str("call_id")).collect();
    results.iter().map(|result| output(result.id(), Value::String(result.content().into_owned()), custom.contains(result.id()))).collect()
}

/// The answer to one call.
pub(super) fn output(call_id: &str, output: Value, custom: bool) -> Item {
    let kind = if custom { "custom_tool_call_output" } else { "function_call_output" };
    Item::from([("type", kind.into()), ("call_id", call_id.into()), ("output", output)])
}
