//! The arguments of a call as one JSON object.

use serde_json::error::Category;
use serde_json::{Map, Value};

use super::code::ErrorCode;
use super::error::ToolError;

/// The arguments of a tool that checks them itself.
///
/// # Errors
/// The text is not JSON, or not one JSON object.
pub(crate) fn read(text: &str) -> Result<Map<String, Value>, ToolError> {
    serde_json::from_str(text).map_err(|error| not_an_object(text, &error))
}

/// What the model reads where `text` could not be read as an object.
pub(crate) fn not_an_object(text: &str, error: &serde_json::Error) -> ToolError {
    if text.trim().is_empty() {
        return ToolError::with_text(
            ErrorCode::InvalidJson,
            "the arguments are empty; send one JSON object",
        );
    }
    let (code, lead) = match error.classify() {
        Category::Data => (
            ErrorCode::InvalidArguments,
            "the arguments must be one JSON object",
        ),
        Category::Syntax | Category::Eof | Category::Io => {
            (ErrorCode::InvalidJson, "the arguments are not valid JSON")
        }
    };
    ToolError::with_text(code, format!("{lead}: {error}"))
}
