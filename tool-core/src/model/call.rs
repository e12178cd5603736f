//! One call of a message.

use serde::{Deserialize, Serialize};

/// A tool call: one request by the model to run a tool (function calling).
///
/// Shape: serialised as an object with these three strings.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ToolCall {
    /// What the result is matched by. As the model gave it: it may be empty, or be given twice in a
    /// message.
    pub id: String,
    /// The tool to run, which may not exist.
    pub name: String,
    /// Arguments as the model sent them: the text of one JSON object, not yet checked.
    ///
    /// May be malformed or name unknown properties. Follows `tool_calls[].function.arguments` of
    /// the chat completions API.
    pub arguments: String,
}

impl ToolCall {
    /// A call of `name` with JSON text as `arguments`.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        arguments: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        }
    }
}
