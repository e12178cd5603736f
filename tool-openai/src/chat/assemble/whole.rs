//! Answers that came whole, read like streams: they tolerate the same faults.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tool_core::serde_json::Value;

use super::assembler::ChatAssembler;
use crate::chat::wire::Completion;
use crate::error::ModelError;

/// The answer. What in it is not of the type it should be is ignored.
///
/// # Errors
///
/// - [`ModelError::StreamError`]: the service reports an error in it.
/// - [`ModelError::InvalidResponse`]: it has no choices, or more than are kept.
pub(crate) fn read(answer: Value) -> Result<Completion, ModelError> {
    ChatAssembler::new().read_whole(answer)
}

/// What is not of the type it should be is ignored; an error that the service reports in it is one
/// here.
impl<'de> Deserialize<'de> for Completion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let answer = Value::deserialize(deserializer)?;
        read(answer).map_err(|error| match error {
            ModelError::InvalidResponse { reason, .. } => D::Error::custom(reason),
            error => D::Error::custom(error),
        })
    }
}
