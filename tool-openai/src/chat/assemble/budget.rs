//! Memory limits of a streamed answer.

use tool_core::serde_json::{Map, Value};

use crate::error::ModelError;

/// The most bytes of text and unknown keys that a [`ChatAssembler`](super::ChatAssembler) keeps of one
/// answer.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// The most calls that a [`ChatAssembler`](super::ChatAssembler) takes in one message.
pub const MAX_CALLS: usize = 4096;

/// The most alternatives that a [`ChatAssembler`](super::ChatAssembler) takes in one answer.
pub const MAX_CHOICES: usize = 128;

/// What may still be kept.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), ModelError> {
        self.0 = self
            .0
            .checked_sub(bytes)
            .ok_or_else(|| too_much(MAX_MESSAGE_BYTES, "bytes"))?;
        Ok(())
    }

    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.0 = self.0.saturating_add(bytes).min(MAX_MESSAGE_BYTES);
    }
}

pub(crate) fn too_much(limit: usize, of: &str) -> ModelError {
    ModelError::invalid_response(format!("more than {limit} {of}"))
}

/// About what a value takes in memory beside itself, in bytes.
pub(crate) fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items
            .iter()
            .map(|item| size_of::<Value>() + weight(item))
            .sum(),
        Value::Object(members) => weight_of(members),
        _ => 0,
    }
}

/// About what the members of an object take in memory, in bytes.
pub(crate) fn weight_of(members: &Map<String, Value>) -> usize {
    members
        .iter()
        .map(|(key, value)| weight_of_member(key, value))
        .sum()
}

pub(crate) fn weight_of_member(key: &str, value: &Value) -> usize {
    key.len() + size_of::<Value>() + weight(value)
}
