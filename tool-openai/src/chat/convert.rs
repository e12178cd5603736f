//! `tool_calls` to calls, results to tool messages.

use std::collections::HashSet;

use tool_core::ToolResult;
use tool_core::serde_json::{Map, Value};

use super::wire::{AssistantMessage, Choice, Message, ToolMessage};

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
