#![doc = include_str!("../README.md")]

mod agent;
mod arguments;
mod assembler;
pub mod chat;
#[cfg(feature = "http")]
mod client;
mod error;
mod fallback;
#[cfg(feature = "async-openai")]
mod interop;
mod json;
mod model;
mod profile;
#[cfg(feature = "recording")]
pub mod recording;
mod relay;
pub mod responses;
mod service_error;
mod sse;
mod strict;
#[cfg(feature = "testing")]
pub mod testing;
mod version;

pub use agent::{
    Agent, AgentEvent, AgentStream, Conversation, History, LeftOutTool, Outcome, Reply,
    StartPolicy, Suspended,
};
pub use assembler::Assembler;
#[cfg(feature = "http")]
pub use client::OpenAi;
pub use error::{AgentError, ModelError};
pub use fallback::Fallback;
#[cfg(feature = "async-openai")]
pub use interop::ConversionError;
pub use model::{ChatModel, ModelEvent, ModelFuture, ModelStream, RequestRepair, RequestRetry};
pub use profile::Profile;
#[doc(no_inline)]
pub use tool_core::CancellationToken;

/// The front page of the repository, so that its code is compiled too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct FrontPage;

/// The code of the guides, tested.
#[cfg(all(doctest, feature = "http", feature = "recording", feature = "testing"))]
mod guide {
    #[doc = include_str!("../../docs/guide/agents.md")]
    mod agents {}
    #[doc = include_str!("../../docs/guide/migrating.md")]
    mod migrating {}
    #[doc = include_str!("../../docs/guide/observability.md")]
    mod observability {}
    #[doc = include_str!("../../docs/guide/providers.md")]
    mod providers {}
    #[doc = include_str!("../../docs/guide/streaming.md")]
    mod streaming {}
    #[doc = include_str!("../../docs/guide/testing.md")]
    mod testing {}
    #[doc = include_str!("../../docs/guide/threats.md")]
    mod threats {}
}
