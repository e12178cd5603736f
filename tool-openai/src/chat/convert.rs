//! Messages to the form in which they are sent back, results to tool messages.

use tool_core::ToolResult;
use tool_core::serde_json::{Map, Value, json};

use super::wire::{AssistantMessage, FunctionCall, Message, ToolMessage};
use crate::arguments;

impl AssistantMessage {
    /// The message as it goes into the history of the next request. What services write but do not
    /// take back is left out; names are written as they accept them, and arguments that are not a
    /// JSON object as `{}`: the tool message names the mistake. A refusal becomes a part of the
    /// content.
    pub fn into_message(mut self) -> Message {
        self.extra.retain(|key, value| keeps(key, value));
        self.function_call = self
            .function_call
            .take()
            .filter(|function| !function.name.is_empty());
        self.function_call.iter_mut().for_each(make_legal);
        for call in &mut self.tool_calls {
            call.extra.remove("index");
            let is_custom = call.is_custom();
            if is_custom != (call.r#type == "custom") {
                call.r#type = if is_custom { "custom" } else { "function" }.to_owned();
            }
            match &mut call.custom {
                Some(custom) if is_custom => {
                    custom.name = legal_name(&custom.name);
                    call.function = FunctionCall::default();
                }
                _ => {
                    call.custom = None;
                    make_legal(&mut call.function);
                }
            }
        }
        if let Some(refusal) = self.refusal.take() {
            self.content = refusal_part(refusal);
        }
        let is_blank = |text: &str| text.trim().is_empty();
        if !self.tool_calls.is_empty() && self.content.as_str().is_some_and(is_blank) {
            self.content = Value::Null; // which every service takes beside calls
        }
        Message::Assistant(self)
    }
}

/// Whether a key of an answer goes into the history.
pub(super) fn keeps(key: &str, value: &Value) -> bool {
    !value.is_null() && key != "annotations"
}

/// A refusal as content.
pub(super) fn refusal_part(refusal: String) -> Value {
    json!([{"type": "refusal", "refusal": refusal}])
}

fn make_legal(function: &mut FunctionCall) {
    function.name = legal_name(&function.name);
    if !arguments::is_object(&function.arguments) {
        function.arguments = "{}".to_owned();
    }
}

/// Services refuse a history in which a name is not 1 to 64 letters, digits, `_` or `-`, even if
/// they wrote it.
pub(super) fn legal_name(name: &str) -> String {
    let legal = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
            c
        } else {
            '_'
        }
    };
    if name.is_empty() {
        "_".to_owned()
    } else {
        name.chars().take(64).map(legal).collect()
    }
}

/// The answer to the one call of a service without `tool_calls`.
pub(super) fn function_message(name: &str, content: Value) -> Message {
    let keys = [
        ("role", "function".into()),
        ("name", name.into()),
        ("content", content),
    ];
    Message::Other(
        keys.into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

/// One `role: "tool"` message per result, in order, each with the id of its call and text alone:
/// [`ParsedMessage::replies_for`](super::ParsedMessage::replies_for) has the images too.
pub fn tool_messages(results: &[ToolResult]) -> Vec<Message> {
    results
        .iter()
        .map(|result| tool_message(result.id().to_owned(), result.content().into()))
        .collect()
}

/// Inserts an assistant message between results and a user message that follows them.
pub(crate) fn answer_results(messages: &mut Vec<Message>) {
    let is_result = |message: &Message| matches!(message, Message::Tool(_));
    let mut answered = Vec::with_capacity(messages.len());
    for message in messages.drain(..) {
        let is_user = matches!(message, Message::User(_));
        if is_user && answered.last().is_some_and(is_result) {
            answered.push(Message::Assistant(AssistantMessage {
                content: "I have the results.".into(),
                ..AssistantMessage::default()
            }));
        }
        answered.push(message);
    }
    *messages = answered;
}

/// The answer to the call with this id.
pub(super) fn tool_message(id: String, content: Value) -> Message {
    Message::Tool(ToolMessage {
        tool_call_id: id,
        content,
        extra: Map::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::from_value;

    #[test]
    fn blank_text_beside_calls_is_left_out() {
        for content in ["", "\n\n", " \t"] {
            let call = json!({"id": "1", "type": "function", "function": {"name": "now", "arguments": "{}"}});
            let message = json!({"role": "assistant", "content": content, "tool_calls": [call]});
            let message: AssistantMessage = from_value(message).unwrap();
            let message = tool_core::serde_json::to_value(message.into_message()).unwrap();
            assert_eq!(message["content"], Value::Null);
        }
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
        assert_eq!(
            tool_core::serde_json::to_value(received.into_message()).unwrap(),
            expected
        );
    }
}
