//! Calls and messages of the model, and the outputs for it.

use tool_core::serde_json::Value;
use tool_core::{ToolResult, ToolSet};

use super::completion::caller;
use super::echo;
use super::input::parts;
use super::wire::{Item, Response};
use crate::chat::images::content_with_images;
use crate::chat::{AssistantMessage, ParsedMessage, ToolCall};

impl Response {
    /// What to run of the response, and what the history keeps of it: as
    /// [`Choice::parse`](crate::chat::Choice::parse), which it serves too, repaired in the same way. A
    /// call that the response was cut short in is never run.
    ///
    /// The next request appends [`items`] of the message and [`outputs`] of the results to the
    /// last one.
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
    /// let dispatcher = Dispatcher::new(tools![add]);
    /// let response: Response = from_value(json!({"status": "completed", "output": [
    ///     {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "add", "arguments": "{\"a\": 2, \"b\": 3}"},
    /// ]}))?;
    /// let mut input = Vec::new(); // and the earlier conversation
    ///
    /// let parsed = response.parse(dispatcher.tools(), input.len());
    /// let results = dispatcher.dispatch_blocking(parsed.calls);
    /// input.extend(responses::items(&parsed.message));
    /// input.extend(responses::outputs(&results, &parsed.message));
    /// assert_eq!(
    ///     to_value(input)?,
    ///     json!([
    ///         {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "add", "arguments": "{\"a\": 2, \"b\": 3}"},
    ///         {"type": "function_call_output", "call_id": "call_1", "output": "5"},
    ///     ]),
    /// );
    /// # Ok::<(), tool_core::serde_json::Error>(())
    /// ```
    pub fn parse(self, tools: &ToolSet, turn: usize) -> ParsedMessage {
        self.into_choice().parse(tools, turn)
    }
}

/// The items of a message: as they came, if they came from this API; else a message, and its
/// calls.
pub fn items(message: &AssistantMessage) -> Vec<Item> {
    let mut items = Vec::new();
    echo::assistant(message, false, &mut items);
    items
}

/// One output item per result, in order, each with the id of its call; `message` is the one that
/// asked for them.
///
/// Shape: `output` is a string; where the result has images, a list of `input_text` and
/// `input_image`. Images are GIF, JPEG, PNG or WebP; what is not text otherwise is named as text.
pub fn outputs(results: &[ToolResult], message: &AssistantMessage) -> Vec<Item> {
    let output = |(position, result): (usize, &ToolResult)| {
        let call = message.tool_calls.get(position);
        let asked = call.map_or_else(Asked::default, |call| Asked::by(message, call));
        output(result.id(), parts(&content_with_images(result)), asked)
    };
    results.iter().enumerate().map(output).collect()
}

/// The kind of a call.
#[derive(Clone, Copy, Default)]
pub(super) struct Asked<'m> {
    is_custom: bool,
    caller: Option<&'m Value>,
}

impl<'m> Asked<'m> {
    pub(super) fn by(message: &'m AssistantMessage, call: &ToolCall) -> Self {
        Self {
            is_custom: call.custom.is_some(),
            caller: caller(message, call),
        }
    }
}

/// The answer to one call.
pub(super) fn output(call_id: &str, output: Value, asked: Asked<'_>) -> Item {
    let kind = match asked.is_custom {
        true => "custom_tool_call_output",
        false => "function_call_output",
    };
    let mut item = Item::from([
        ("type", kind.into()),
        ("call_id", call_id.into()),
        ("output", output),
    ]);
    if let Some(caller) = asked.caller {
        item.0.insert("caller".to_owned(), caller.clone());
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::Dispatcher;
    use tool_core::serde_json::{from_value, json, to_value};

    #[test]
    fn each_result_is_an_output_of_its_kind_in_call_order() {
        let response: Response = from_value(json!({"output": [
            {"type": "custom_tool_call", "id": "ctc_1", "call_id": "a", "name": "shell", "input": "ls"},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call", "id": "fc_1", "call_id": "b", "name": "nothing", "arguments": "{}"},
        ]}))
        .unwrap();
        let schema = json!({"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]});
        let shell = tool_core::DynamicTool::new("shell", "", schema, |arguments| async move {
            Ok::<_, String>(arguments["command"].clone())
        });
        let dispatcher =
            Dispatcher::new(ToolSet::<()>::default().with_tool(shell.unwrap()).unwrap());
        let parsed = response.parse(dispatcher.tools(), 0);
        let results = dispatcher.dispatch_blocking(parsed.calls);
        let outputs = to_value(outputs(&results, &parsed.message)).unwrap();
        assert_eq!(
            outputs[0],
            json!({"type": "custom_tool_call_output", "call_id": "a", "output": "ls"})
        );
        assert_eq!(
            (&outputs[1]["type"], &outputs[1]["call_id"]),
            (&json!("function_call_output"), &json!("b"))
        );
        assert!(outputs[1]["output"].as_str().unwrap().contains("nothing"));
    }

    #[test]
    fn the_caller_of_a_call_is_repeated_with_its_output() {
        let caller = json!({"type": "program", "caller_id": "prog_1"});
        let response: Response = from_value(json!({"status": "completed", "output": [
            {"type": "program", "id": "prog_1"},
            {"type": "function_call", "call_id": "a", "name": "now", "arguments": "{}", "status": "in_progress", "caller": caller},
            {"type": "function_call", "call_id": "b", "name": "now", "arguments": "{}"},
        ]}))
        .unwrap();
        let dispatcher = Dispatcher::new(ToolSet::<()>::default());
        let parsed = response.parse(dispatcher.tools(), 0);
        let results = dispatcher.dispatch_blocking(parsed.calls);
        let here = outputs(&results, &parsed.message);
        assert_eq!(
            (here[0].0.get("caller"), here[1].0.get("caller")),
            (Some(&caller), None)
        );

        // In a history of chat messages, too.
        let replies =
            ["a", "b"].map(|id| json!({"role": "tool", "tool_call_id": id, "content": "noon"}));
        let message = to_value(parsed.message.into_message()).unwrap();
        let chat = json!({"model": "m", "messages": [message, replies[0], replies[1]]});
        let request =
            super::super::Request::from(&from_value::<crate::chat::Request>(chat).unwrap());
        let callers: Vec<_> = request.input[3..]
            .iter()
            .map(|item| item.0.get("caller"))
            .collect();
        assert_eq!(callers, [Some(&caller), None]);
    }

    #[test]
    fn a_call_that_was_cut_short_is_not_run() {
        let response: Response = from_value(json!({"status": "incomplete", "output": [
            {"type": "function_call", "call_id": "a", "name": "now", "arguments": "{}", "status": "completed"},
            {"type": "function_call", "call_id": "b", "name": "now", "arguments": "{\"x\":48151", "status": "incomplete"},
        ], "incomplete_details": {"reason": "max_output_tokens"}}))
        .unwrap();
        let parsed = response.parse(&ToolSet::default(), 0);
        assert_eq!((parsed.calls.len(), parsed.truncated), (2, vec![1]));
        assert_eq!(items(&parsed.message)[1].0["arguments"], "{}");
    }
}
