#![doc = include_str!("../README.md")]

mod agent;
mod arguments;
pub mod chat;
#[cfg(feature = "http")]
mod client;
mod error;
mod model;
pub mod responses;
mod sse;
#[cfg(feature = "testing")]
pub mod testing;

pub use agent::{Agent, AgentEvent, AgentStream, Reply, StartPolicy};
#[cfg(feature = "http")]
pub use client::OpenAi;
pub use error::{AgentError, ModelError};
pub use model::{ChatModel, ModelEvent, ModelFuture, ModelStream};

/// The front page of the repository, so that its code is compiled too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct FrontPage;
