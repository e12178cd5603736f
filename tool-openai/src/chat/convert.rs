//! Messages to the form in which they are sent back, results to tool messages.

use tool_core::ToolResult;
use tool_core::serde_json::{Map, Value};

use super::wire::{AssistantMessage, FunctionCall, Message, ToolMessage};
use crate::arguments;

impl AssistantMessage {
    /// The message as it goes into the history of the next request. What services write but do not take back is left out;
    /// names are written as they accept them, and arguments that are no JSON object as `{}`: the tool message says what was
    /// wrong with them. A refusal becomes a part of the content.
    pub fn into_message(mut self) -> Message {
        self.extra.retain(|key, value| !value.is_null() && key != "annotations");
        self.function_call = self.function_call.take().filter(|function| !function.name.is_empty());
        self.function_call.iter_mut().for_each(make_legal);
        for call in &mut self.tool_calls {
            call.extra.remove("index");
            match &mut call.custom {
                Some(custom) if call.function.name.is_empty() => custom.name = legal_name(&custom.name),
                _ => {
                    call.custom = None; // some services write an empty one beside the function
                    make_legal(&mut call.function);
                }
            }
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

fn make_legal(function: &mut FunctionCall) {
    function.name = legal_name(&function.name);
    if !arguments::is_object(&function.arguments) {
        function.arguments = "{}".to_owned();
    }
}

/// Services refuse a history in which a name is not 1 to 64 letters, digits, `_` or `-`, even if they wrote it.
pub(super) fn legal_name(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    if name.is_empty() { "_".to_owned() } else { name.chars().take(64).map(legal).collect() }
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
