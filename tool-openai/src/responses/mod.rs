//! The Responses API: the same definitions, calls and results as in [`chat`](crate::chat), in its
//! flat shapes.
//!
//! [`tools`] offers a tool set, [`Response::parse`] reads what the model asks for, [`items`] and
//! [`outputs`] are what the next request sends back, and a [`ResponsesAssembler`] reads a stream.
//! `OpenAi::into_responses` is all of it as a [`ChatModel`](crate::ChatModel) for the agent, whose
//! history serves both APIs.

mod assemble;
mod completion;
mod echo;
mod flat;
mod input;
mod outputs;
mod tools;
mod wire;

#[cfg(feature = "http")]
pub use crate::client::Responses;
pub use assemble::{MAX_ITEMS, ResponsesAssembler};
#[cfg(any(feature = "async-openai", feature = "http", feature = "testing"))]
pub(crate) use completion::forget;
#[cfg(feature = "http")]
pub(crate) use completion::has_notes;
pub(crate) use completion::{ITEM, OUTPUT};
#[cfg(feature = "http")]
pub(crate) use echo::MOST_ID;
pub use outputs::{items, outputs};
pub use tools::{tool_choice, tools, tools_for};
pub use wire::{Item, Request, Response, Tool, Usage};
