//! The chat completions format: definitions, calls and results, and the bodies they travel in.

pub(crate) mod assemble;
mod convert;
mod custom;
mod cut;
mod history;
mod ids;
pub(crate) mod images;
mod list;
mod minimal;
mod nullable;
mod nulls;
mod offered;
mod parse;
mod prompt;
mod tool_choice;
mod tool_rules;
mod tools;
pub(crate) mod wire;

pub use crate::arguments::Repair;
#[doc(no_inline)]
pub use crate::strict::{NotStrictError, Obstacle};
pub use assemble::{ChatAssembler, MAX_CALLS, MAX_CHOICES, MAX_MESSAGE_BYTES};
pub(crate) use convert::answer_results;
pub use convert::tool_messages;
pub use custom::{TextFormat, custom};
pub use history::{HistoryChange, HistoryRepair, repair};
pub(crate) use ids::replace_ids;
pub use list::Tools;
pub use nulls::without_nulls;
pub use offered::OfferedTools;
pub use parse::{MessageParser, ParsedCall, ParsedMessage};
pub use tool_choice::{InvalidToolChoiceError, ToolChoice, ToolName};
pub use tool_rules::InvalidToolsError;
pub use tools::{Strictness, Warning, strictness, tools, tools_for};
pub use wire::{
    AssistantMessage, Choice, Completion, CustomCall, CustomDefinition, FunctionCall,
    FunctionDefinition, Message, Request, TextMessage, Tool, ToolCall, ToolMessage, Usage,
};
