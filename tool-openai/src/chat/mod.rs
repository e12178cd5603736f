//! The chat completions format: definitions, calls and results, and the bodies they travel in.

pub(crate) mod assemble;
mod convert;
mod history;
mod ids;
mod read;
mod tools;
pub(crate) mod wire;

pub use crate::arguments::Repair;
pub use assemble::{Assembler, MAX_CALLS, MAX_CHOICES, MAX_MESSAGE_BYTES};
pub use convert::tool_messages;
pub use history::{HistoryChange, HistoryRepair, repair};
pub use read::{ReadCall, Reader, Reading};
#[cfg(feature = "testing")]
pub(crate) use tools::array_without_items;
pub use tools::{InvalidTools, tools};
pub use wire::{
    AssistantMessage, Choice, Completion, CustomCall, CustomDefinition, FunctionCall, FunctionDefinition, Message, Request, TextMessage,
    Tool, ToolCall, ToolMessage, Usage,
};
