//! The seam between the agent and whatever answers it.

use std::pin::Pin;
use std::sync::Arc;

use crate::chat::{Completion, Request};
use crate::error::ModelError;

/// The future of one completion.
pub type ModelFuture<'a> = Pin<Box<dyn Future<Output = Result<Completion, ModelError>> + Send + 'a>>;

/// Anything that speaks chat completions: a service over HTTP, a model in the process, a script in a test.
///
/// One call is one turn; whoever implements it retries, if anybody does. Dropping the future abandons the turn.
///
/// ```
/// use tool_core::serde_json::{from_value, json};
/// use tool_openai::chat::Request;
/// use tool_openai::{Agent, ChatModel, ModelError, ModelFuture};
///
/// /// Says back what it is told.
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
}

impl<M: ChatModel + ?Sized> ChatModel for Arc<M> {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        (**self).complete(request)
    }
}

impl<M: ChatModel + ?Sized> ChatModel for Box<M> {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        (**self).complete(request)
    }
}
