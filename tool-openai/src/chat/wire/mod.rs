//! The JSON of the chat completions API, field for field. What is not named here is kept in `extra`
//! and sent back as it came.

mod answer;
mod lenient;
mod message;
mod request;
#[cfg(test)]
mod tests;

pub use answer::{Choice, Completion, Usage};
pub(crate) use lenient::null_as_default;
pub(crate) use message::MODEL;
pub use message::{
    AssistantMessage, CustomCall, FunctionCall, Message, TextMessage, ToolCall, ToolMessage,
};
pub(super) use message::{text_of, thought, thought_of_part};
pub use request::{CustomDefinition, FunctionDefinition, Request, Tool};
