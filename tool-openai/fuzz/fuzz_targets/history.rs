//! Any stored conversation: no panic, a repair that changes nothing more the second
//! time, and every call answered once, in order, right behind the message that asked for it.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use tool_core::serde_json::{Map, Value, from_str, from_value, json};
use tool_openai::chat::{self, Message};

#[derive(Debug, Arbitrary)]
struct Input {
    messages: Vec<DrawnMessage>,
    raw: String,
}

#[derive(Debug, Arbitrary)]
struct DrawnMessage {
    role: u8,
    content: Content,
    calls: Vec<Call>,
    answers: u8,
    extra: Option<u8>,
}

#[derive(Debug, Arbitrary)]
enum Content {
    Missing,
    Null,
    Text(String),
    Parts(Vec<Option<u8>>),
    Number(i8),
}

#[derive(Debug, Arbitrary)]
struct Call {
    id: u8,
    name: Option<u8>,
    arguments: u8,
    custom: bool,
    index: Option<u8>,
}

fn id(number: u8) -> Value {
    match number % 6 {
        0 => json!(""),
        1 => json!("x".repeat(70)),
        2 => json!(7),
        number => json!(format!("call_{number}")),
    }
}

impl DrawnMessage {
    fn message(&self) -> Value {
        let role = [
            "user",
            "assistant",
            "tool",
            "system",
            "function",
            "critic",
            "",
        ];
        let mut message = Map::new();
        let mut put = |key: &str, value: Value| drop(message.insert(key.to_owned(), value));
        put("role", json!(role[usize::from(self.role) % role.len()]));
        match &self.content {
            Content::Missing => {}
            Content::Null => put("content", Value::Null),
            Content::Text(text) => put("content", json!(text)),
            Content::Number(number) => put("content", json!(number)),
            Content::Parts(parts) => {
                let part = |part: &Option<u8>| match part {
                    None => json!({"text": "a"}),
                    Some(kind) if kind % 3 == 0 => {
                        json!({"type": "image_url", "image_url": {"url": "data:x"}})
                    }
                    Some(kind) if kind % 3 == 1 => json!({"type": "text", "text": "b"}),
                    Some(_) => json!("c"),
                };
                put("content", parts.iter().map(part).collect());
            }
        }
        if self.role % 7 == 2 {
            put("tool_call_id", id(self.answers));
        }
        if !self.calls.is_empty() {
            put("tool_calls", self.calls.iter().map(Call::value).collect());
        }
        match self.extra.map(|extra| extra % 4) {
            Some(0) => put("reasoning_content", json!("hm")),
            Some(1) => put("refusal", json!("no")),
            Some(2) => put("function_call", json!({"name": "a", "arguments": "{"})),
            Some(_) => put("name", json!("a")),
            None => {}
        }
        Value::Object(message)
    }
}

impl Call {
    fn value(&self) -> Value {
        let name = self
            .name
            .map(|name| ["", "a", "b c", "functions.d"][usize::from(name % 4)]);
        let text = ["", "{}", "{\"a\":1}", "{\"a\"", "[]", "null"][usize::from(self.arguments) % 6];
        let (kind, key) = if self.custom {
            ("custom", "input")
        } else {
            ("function", "arguments")
        };
        json!({"id": id(self.id), "type": kind, kind: {"name": name, key: text}, "index": self.index})
    }
}

fuzz_target!(|input: Input| {
    let drawn: Value = input.messages.iter().map(DrawnMessage::message).collect();
    let raw: Value = from_str(&input.raw).unwrap_or_default();
    for messages in [drawn, raw] {
        if let Ok(messages) = from_value::<Vec<Message>>(messages) {
            check(messages);
        }
    }
});

fn check(mut messages: Vec<Message>) {
    chat::repair(&mut messages);
    let once = messages.clone();
    assert_eq!(chat::repair(&mut messages), []);
    assert_eq!(messages, once);
    let mut rest = messages.iter().peekable();
    while let Some(message) = rest.next() {
        assert!(!matches!(message, Message::Tool(_)), "a result of no call");
        if let Message::Assistant(message) = message {
            for call in &message.tool_calls {
                let answer = rest.next_if(|next| matches!(next, Message::Tool(_)));
                let Some(Message::Tool(answer)) = answer else {
                    panic!("no result of {}", call.id);
                };
                assert_eq!(answer.tool_call_id, call.id);
            }
        }
    }
}
