//! The text of a message, which may come as strings or as content parts.

use tool_core::serde_json::{Value, json};

/// The received part of `content`.
#[derive(Debug, Default)]
pub(super) enum Content {
    #[default]
    None,
    Text(String),
    Parts(Vec<Value>),
}

impl Content {
    pub(super) fn is_blank(&self) -> bool {
        match self {
            Self::None => true,
            Self::Text(text) => text.is_empty(),
            Self::Parts(parts) => parts.is_empty(),
        }
    }

    /// Adds a piece, and says what of it is text.
    pub(super) fn push(&mut self, piece: Value) -> Option<String> {
        match piece {
            Value::String(text) => {
                self.push_text(&text);
                Some(text)
            }
            Value::Array(parts) => {
                let text = parts.iter().filter_map(text_of).collect();
                for part in parts {
                    self.push_part(part);
                }
                Some(text)
            }
            // Of a wrong type: one bad chunk must not lose the answer.
            _ => None,
        }
    }

    fn push_text(&mut self, text: &str) {
        match self {
            Self::None => *self = Self::Text(text.to_owned()),
            Self::Text(before) => before.push_str(text),
            // Parts came before: the text stays behind them.
            Self::Parts(_) => self.push_part(json!({"type": "text", "text": text})),
        }
    }

    fn push_part(&mut self, part: Value) {
        match self {
            Self::None => *self = Self::Parts(vec![part]),
            Self::Text(text) => {
                // Text came before, so it becomes the first part; an empty part is left out.
                let mut parts = Vec::new();
                if !text.is_empty() {
                    parts.push(json!({"type": "text", "text": std::mem::take(text)}));
                }
                append(&mut parts, part);
                *self = Self::Parts(parts);
            }
            Self::Parts(parts) => append(parts, part),
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::Text(text) => Value::String(text),
            Self::Parts(parts) => Value::Array(parts),
        }
    }
}

/// Text continues the text before it, and reasoning (Mistral's is a list of such parts) the
/// reasoning before it.
fn append(parts: &mut Vec<Value>, mut part: Value) {
    // Otherwise the history would have one part for each chunk of the stream.
    if let Some((before, more)) = parts.last_mut().and_then(text_mut).zip(text_of(&part)) {
        before.push_str(more);
    } else if let Some((before, more)) = parts
        .last_mut()
        .and_then(thought_mut)
        .zip(thought_mut(&mut part))
    {
        more.drain(..).for_each(|part| append(before, part));
    } else {
        parts.push(part);
    }
}

fn thought_mut(part: &mut Value) -> Option<&mut Vec<Value>> {
    part.get_mut("thinking")?.as_array_mut()
}

/// The text of a part that is only text.
fn text_of(part: &Value) -> Option<&str> {
    // Some servers leave the type out.
    let is_text = part.get("type").is_none_or(|kind| kind == "text");
    part.get("text").filter(|_| is_text).and_then(Value::as_str)
}

fn text_mut(part: &mut Value) -> Option<&mut String> {
    text_of(part)?;
    match part.get_mut("text") {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}
