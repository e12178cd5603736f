//! The chat completions format: definitions, calls and results, and the bodies they travel in.

mod convert;
mod wire;

#[cfg(feature = "testing")]
pub(crate) use convert::array_without_items;
pub use convert::{InvalidTools, tool_messages, tools};
pub use wire::{
    AssistantMessage, Choice, Completion, FunctionCall, FunctionDefinition, Message, Request, TextMessage, Tool, ToolCall, ToolMessage,
    Usage,
};
