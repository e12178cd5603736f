//! What a service says when it breaks off.

use tool_core::serde_json::{Value, from_str};

use crate::error::ModelError;

/// An `error` that says something.
pub(crate) fn of_value(error: Value) -> Option<ModelError> {
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let (code, message, failed_generation) = match &error {
        Value::Null | Value::Bool(false) => return None,
        Value::String(message) if message.is_empty() => return None,
        Value::Object(members) if members.is_empty() => return None,
        Value::String(message) => (None, message.clone(), None),
        error => (
            text(error.get("code")).or_else(|| text(error.get("type"))),
            text(error.get("message")).unwrap_or_else(|| error.to_string()),
            text(error.get("failed_generation")),
        ),
    };
    Some(ModelError::StreamError {
        code,
        message,
        failed_generation,
    })
}

/// The data of `event: error`: an object that has an `error`, the error itself, or plain words.
pub(crate) fn of_event(data: &str) -> ModelError {
    let error = match from_str(data) {
        Ok(Value::Object(mut members)) => members
            .remove("error")
            .and_then(of_value)
            .or_else(|| of_value(Value::Object(members))),
        Ok(value) => of_value(value),
        Err(_) => None,
    };
    error.unwrap_or_else(|| ModelError::StreamError {
        code: None,
        message: data.to_owned(),
        failed_generation: None,
    })
}
