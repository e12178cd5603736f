//! The model interface: what the agent asks.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde::{Deserialize, Serialize};
use tool_core::serde_json::{Map, Value};

use crate::chat::{Completion, Request, ToolCall};
use crate::error::ModelError;
use crate::profile::Profile;

/// The future of one completion.
pub type ModelFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Completion, ModelError>> + Send + 'a>>;

/// One completion as it arrives. The last item is [`ModelEvent::Finished`], or an error.
pub type ModelStream<'a> = Pin<Box<dyn Stream<Item = Result<ModelEvent, ModelError>> + Send + 'a>>;

/// A part of a message that is still being written.
///
/// Positions count the calls of the message from 0, in the order in which they began.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ModelEvent {
    /// More of the text.
    Text(String),
    /// More of the model's reasoning, as far as the service shows it: for people to read. What is
    /// sent back to the service is in [`MessageKeys`](Self::MessageKeys).
    Thinking(String),
    /// More of a refusal.
    Refusal(String),
    /// More of the message's other keys, `reasoning_content` for example, as the service wrote it. A
    /// message that breaks off is kept with them, if some of its calls have run.
    MessageKeys(Map<String, Value>),
    /// A call begins: its name is known, its arguments are not.
    ToolCallStarted {
        /// The call's place in the message.
        position: usize,
        /// The tool's name as far as it is known.
        name: String,
    },
    /// More of a call's arguments, or of a custom tool's input.
    ToolCallDelta {
        /// The call's place in the message.
        position: usize,
        /// What is added.
        delta: String,
    },
    /// A call is complete, as far as is known before the message ends.
    ToolCallComplete {
        /// The call's place in the message.
        position: usize,
        /// The call, as the server wrote it.
        call: ToolCall,
    },
    /// More arguments came for a call that was complete: what it was is no longer so. It is
    /// complete again later, or never.
    ToolCallReopened {
        /// The call's place in the message.
        position: usize,
    },
    /// The message is over. Its `tool_calls` are the calls of the events before, by position.
    Finished(Completion),
}

/// What was changed in a request that a service had refused, before it was sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RequestRepair {
    /// A key of an earlier answer was left out.
    KeyLeftOut {
        /// The key.
        key: String,
    },
    /// The ids of calls were replaced, in their results too.
    IdsReplaced,
    /// An assistant message was inserted between tool results and a user message.
    RolesAlternated,
    /// Encrypted reasoning that the service could not read was left out.
    ReasoningLeftOut,
}

/// Why a request was sent again: what it was answered before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestRetry {
    /// The error of the attempt before.
    pub reason: String,
}

impl fmt::Display for RequestRepair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyLeftOut { key } => write!(f, "key `{key}` left out"),
            Self::IdsReplaced => f.write_str("ids of calls replaced"),
            Self::RolesAlternated => {
                f.write_str("an assistant message inserted between results and the user")
            }
            Self::ReasoningLeftOut => f.write_str("encrypted reasoning left out"),
        }
    }
}

/// A chat model (LLM) that answers chat completions: a provider over HTTP, a model in the process,
/// a mock in a test.
///
/// One call is one turn; retries, if any, are part of the implementation. Dropping the future
/// abandons the turn.
///
/// ```
/// use tool_core::serde_json::{from_value, json};
/// use tool_openai::chat::Request;
/// use tool_openai::{Agent, ChatModel, ModelError, ModelFuture};
///
/// /// Repeats the last message.
/// struct Echo;
///
/// impl ChatModel for Echo {
///     fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
///         let answer = json!({"choices": [{"message": {"content": format!("{} message", request.messages.len())}}]});
///         Box::pin(async move { from_value(answer).map_err(|error| ModelError::Other(error.into())) })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tool_openai::AgentError> {
/// let reply = Agent::new(Echo, "echo").run("Hello?").await?;
/// assert_eq!(reply.text, "1 message");
/// # Ok(())
/// # }
/// ```
pub trait ChatModel: Send + Sync {
    /// Asks for the next message of the conversation.
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a>;

    /// What the service takes, where services differ: what every one does, unless it is known to
    /// take more.
    fn profile(&self) -> Profile {
        Profile::portable()
    }

    /// As [`complete`](Self::complete), streamed as it is written; in one piece, where the model
    /// does not stream.
    fn stream<'a>(&'a self, request: &'a Request) -> ModelStream<'a> {
        whole(self.complete(request))
    }
}

/// A completion streamed in one piece.
pub(crate) fn whole(completion: ModelFuture<'_>) -> ModelStream<'_> {
    Box::pin(Whole(Some(completion)))
}

struct Whole<'a>(Option<ModelFuture<'a>>);

impl Stream for Whole<'_> {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(complete) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let completion = ready!(complete.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(Some(completion.map(ModelEvent::Finished)))
    }
}

impl<M: ChatModel + ?Sized> ChatModel for Arc<M> {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        (**self).complete(request)
    }

    fn profile(&self) -> Profile {
        (**self).profile()
    }

    fn stream<'a>(&'a self, request: &'a Request) -> ModelStream<'a> {
        (**self).stream(request)
    }
}

impl<M: ChatModel + ?Sized> ChatModel for Box<M> {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        (**self).complete(request)
    }

    fn profile(&self) -> Profile {
        (**self).profile()
    }

    fn stream<'a>(&'a self, request: &'a Request) -> ModelStream<'a> {
        (**self).stream(request)
    }
}
