//! A chat request as a Responses request.

use std::collections::HashMap;

use tool_core::serde_json::{Map, Value, json};

use super::echo;
use super::flat::{flat, nest};
use super::outputs::{Asked, output};
use super::tools::tool_choice;
use super::wire::{Item, Request, Tool};
use crate::chat::{self, AssistantMessage, Message, TextMessage, ToolCall, ToolMessage};

impl From<&chat::Request> for Request {
    fn from(request: &chat::Request) -> Self {
        let mut extra = request.extra.clone();
        let choice = request.tool_choice.as_ref().map(tool_choice);
        let (choice, parallel) = (
            choice.or(extra.remove("tool_choice").map(flat)),
            extra.remove("parallel_tool_calls"),
        );
        extra.retain(|key, _| !OWN_KEYS.contains(&key.as_str()));
        rename(&mut extra);
        let has_tools = !request.tools.is_empty();
        let (instructions, messages) = match request.messages.as_slice() {
            // Instructions alone are not an input.
            [
                Message::System(TextMessage {
                    content: Value::String(text),
                    ..
                }),
                rest @ ..,
            ] if !rest.is_empty() && !extra.contains_key("instructions") => {
                (Some(text.clone()), rest)
            }
            all => (None, all),
        };
        let mut input = Input {
            stateless: extra.get("store") == Some(&Value::Bool(false)),
            ..Input::default()
        };
        messages.iter().for_each(|message| input.push(message));
        Self {
            model: request.model.clone(),
            instructions,
            input: input.items,
            tools: request.tools.iter().cloned().map(Tool::from).collect(),
            tool_choice: choice.filter(|_| has_tools),
            parallel_tool_calls: request
                .parallel_tool_calls
                .or(parallel.and_then(|value| value.as_bool()))
                .filter(|_| has_tools),
            stream: request.stream,
            extra,
        }
    }
}

/// Parameters that cannot be set.
const OWN_KEYS: [&str; 5] = ["model", "input", "messages", "tools", "stream"];

/// Gives the parameters of chat completions their names here, and sets what the loop needs, unless
/// it is set.
fn rename(parameters: &mut Map<String, Value>) {
    for key in ["max_completion_tokens", "max_tokens"] {
        if let Some(most) = parameters.remove(key) {
            parameters.entry("max_output_tokens").or_insert(most);
        }
    }
    if let Some(format) = parameters.get_mut("response_format") {
        *format = flat(format.take());
    }
    nest(parameters, "response_format", "text", "format");
    nest(parameters, "verbosity", "text", "verbosity");
    nest(parameters, "reasoning_effort", "reasoning", "effort");
    // Usage comes unasked.
    if let Some(Value::Object(options)) = parameters.get_mut("stream_options") {
        options.remove("include_usage");
        if options.is_empty() {
            parameters.remove("stream_options");
        }
    }
    let store = parameters.entry("store").or_insert(Value::Bool(false));
    if *store == Value::Bool(false) {
        // Reasoning that is not stored can only be reused if it is sent back.
        parameters
            .entry("include")
            .or_insert_with(|| json!([ENCRYPTED_REASONING]));
    }
}

/// What `include` asks for.
pub(super) const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

/// The items of a conversation as they come together.
#[derive(Default)]
struct Input<'a> {
    items: Vec<Item>,
    /// Nothing of the items is stored at the service.
    stateless: bool,
    /// The calls of the last assistant message, by their ids.
    asked: HashMap<&'a str, Asked<'a>>,
    /// How many calls had no id, as those of `function_call` have none.
    nameless: usize,
}

impl<'a> Input<'a> {
    fn push(&mut self, message: &'a Message) {
        match message {
            Message::System(text) => self.items.push(message_item("system", text)),
            Message::User(text) => self.items.push(message_item("user", text)),
            Message::Assistant(message) => self.assistant(message),
            Message::Tool(ToolMessage {
                tool_call_id,
                content,
                ..
            }) => {
                let asked = self.asked.get(tool_call_id.as_str());
                let asked = asked.copied().unwrap_or_default();
                self.items.push(output(tool_call_id, parts(content), asked));
            }
            Message::Other(other) if other.get("role") == Some(&Value::from("function")) => {
                let content = other.get("content").map(parts).unwrap_or_default();
                self.items
                    .push(output(&nameless(self.nameless), content, Asked::default()));
            }
            Message::Other(other) => {
                let mut other = other.clone();
                other.remove("name"); // which only chat completions take
                if let Some(content) = other.get_mut("content") {
                    *content = parts(content);
                }
                self.items.push(Item(other));
            }
        }
    }

    fn assistant(&mut self, message: &'a AssistantMessage) {
        let asked = |call: &'a ToolCall| (call.id.as_str(), Asked::by(message, call));
        self.asked = message.tool_calls.iter().map(asked).collect();
        echo::assistant(message, self.stateless, &mut self.items);
        if let Some(call) = &message.function_call {
            self.nameless += 1;
            let id = nameless(self.nameless);
            self.items.push(echo::call(
                "function_call",
                &id,
                &call.name,
                "arguments",
                &call.arguments,
            ));
        }
    }
}

/// The id of a call that has none.
fn nameless(number: usize) -> String {
    format!("call_{number:024}")
}

fn message_item(role: &str, text: &TextMessage) -> Item {
    Item::from([
        ("type", "message".into()),
        ("role", role.into()),
        ("content", parts(&text.content)),
    ])
}

/// Content of chat completions as content here: text stays text, and the parts of a list get their
/// names here.
pub(super) fn parts(content: &Value) -> Value {
    match content {
        Value::Array(parts) => parts.iter().map(part).collect(),
        Value::Null => Value::String(String::new()),
        other => other.clone(),
    }
}

fn part(part: &Value) -> Value {
    let or_null = |value: Option<&Value>| value.cloned().unwrap_or_default();
    match part.get("type").and_then(Value::as_str) {
        Some("text") => json!({"type": "input_text", "text": or_null(part.get("text"))}),
        Some("image_url") => {
            let image = &part["image_url"];
            let mut converted = json!({"type": "input_image", "image_url": or_null(image.get("url").or(Some(image)))});
            converted["detail"] = image
                .get("detail")
                .cloned()
                .unwrap_or_else(|| "auto".into()); // the one key that must not be absent
            converted
        }
        Some("file") => {
            let mut converted = Map::from_iter([("type".to_owned(), Value::from("input_file"))]);
            converted.extend(part["file"].as_object().cloned().unwrap_or_default());
            Value::Object(converted)
        }
        _ => part.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tool_core::serde_json::{from_value, to_value};

    fn converted(chat: Value) -> Value {
        to_value(Request::from(&from_value::<chat::Request>(chat).unwrap())).unwrap()
    }

    #[test]
    fn messages_become_input_items() {
        let request = converted(json!({"model": "m", "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": "And polite.", "name": "bob"},
            {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:x"}},
                                         {"type": "file", "file": {"file_id": "file_1"}}], "name": "ann"},
            {"role": "assistant", "content": "Let me see.", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                {"id": "call_2", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
            {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "b"}]},
        ]}));
        assert_eq!(request["instructions"], "Be brief.");
        assert_eq!(
            request["input"],
            json!([
                {"role": "developer", "content": "And polite."},
                {"type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {"type": "input_image", "image_url": "data:x", "detail": "auto"},
                    {"type": "input_file", "file_id": "file_1"},
                ]},
                {"type": "message", "role": "assistant", "content": "Let me see."},
                {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
                {"type": "custom_tool_call", "call_id": "call_2", "name": "sh", "input": "ls"},
                {"type": "function_call_output", "call_id": "call_1", "output": "a cat"},
                {"type": "custom_tool_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "b"}]},
            ]),
        );
    }

    #[test]
    fn calls_without_ids_get_some() {
        let request = converted(json!({"model": "m", "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": null, "function_call": {"name": "now", "arguments": "{}"}},
            {"role": "function", "name": "now", "content": "12:00"},
        ]}));
        assert_eq!(
            request["input"][1]["call_id"],
            request["input"][2]["call_id"]
        );
        assert_eq!(request["input"][2]["output"], "12:00");
    }

    #[test]
    fn parameters_get_their_names_here() {
        let request = converted(json!({
            "model": "m", "messages": [], "max_completion_tokens": 99, "temperature": 0, "reasoning_effort": "low", "verbosity": "low",
            "reasoning": {"summary": "auto"}, "stream_options": {"include_usage": true},
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
            "tools": [{"type": "function", "function": {"name": "x"}}],
            "tool_choice": {"type": "function", "function": {"name": "x"}}, "parallel_tool_calls": false,
        }));
        assert_eq!(
            request,
            json!({
                "model": "m", "input": [], "max_output_tokens": 99, "temperature": 0, "reasoning": {"summary": "auto", "effort": "low"},
                "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
                "tools": [{"type": "function", "name": "x", "strict": false}],
                "tool_choice": {"type": "function", "name": "x"}, "parallel_tool_calls": false,
                "store": false, "include": ["reasoning.encrypted_content"],
            }),
        );
    }

    #[test]
    fn tool_keys_are_omitted_without_tools() {
        let request = converted(
            json!({"model": "m", "messages": [], "tool_choice": "none", "parallel_tool_calls": true}),
        );
        assert_eq!(
            (
                request.get("tools"),
                request.get("tool_choice"),
                request.get("parallel_tool_calls")
            ),
            (None, None, None)
        );
        let extra = [
            ("tool_choice", json!("none")),
            ("parallel_tool_calls", json!(true)),
            ("stream", json!(true)),
            ("input", json!("x")),
        ];
        let extra = extra
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let request = Request::from(&chat::Request {
            extra,
            ..chat::Request::default()
        });
        assert_eq!(
            (&request.tool_choice, request.parallel_tool_calls),
            (&None, None)
        );
        assert!(
            request
                .extra
                .keys()
                .all(|key| ["store", "include"].contains(&key.as_str())),
            "{:?}",
            request.extra
        );
    }

    #[test]
    fn explicit_settings_are_kept() {
        let chat = json!({"model": "m", "messages": [{"role": "system", "content": "A"}, {"role": "user", "content": "hi"}]});
        let with = |key: &str, value: Value| {
            let mut chat = chat.clone();
            chat[key] = value;
            converted(chat)
        };
        let stored = with("store", json!(true));
        assert_eq!(
            (&stored["store"], stored.get("include")),
            (&json!(true), None)
        );
        assert_eq!(with("include", json!([]))["include"], json!([]));
        let instructed = with("instructions", json!("B"));
        assert_eq!(
            (
                &instructed["instructions"],
                &instructed["input"][0]["content"]
            ),
            (&json!("B"), &json!("A"))
        );
    }
}
