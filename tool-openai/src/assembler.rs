//! What assemblers of streamed answers have in common.

use tool_core::serde_json::Value;

use crate::error::ModelError;
use crate::model::ModelEvent;

/// Assembles the parts of one streamed answer, and reports its calls as they arrive.
/// [`ChatAssembler`](crate::chat::ChatAssembler) does so for chat completions,
/// [`ResponsesAssembler`](crate::responses::ResponsesAssembler) for the Responses API.
///
/// Push the stream as it comes, in one of three forms: [`push_bytes`](Self::push_bytes) takes the
/// body, cut anywhere; [`push_text`](Self::push_text) the data of one event; [`push`](Self::push)
/// one event as a JSON value. Each returns the events of what was pushed. When the stream is over,
/// [`finish`](Self::finish) returns the answer, in the form of one that was not streamed.
///
/// After an error the answer is lost: push nothing more, and do not finish it.
///
/// ```
/// use tool_openai::chat::ChatAssembler;
/// use tool_openai::responses::ResponsesAssembler;
/// use tool_openai::{Assembler, ModelError};
///
/// /// The answer in a body that was recorded.
/// fn replay<A: Assembler>(mut assembler: A, body: &[u8]) -> Result<A::Output, ModelError> {
///     assembler.push_bytes(body)?;
///     assembler.finish()
/// }
///
/// let chat = replay(ChatAssembler::new(), b"data: {\"choices\": [{\"delta\": {\"content\": \"Hi.\"}, \"finish_reason\": \"stop\"}]}\n\n")?;
/// assert_eq!(chat.choices[0].message.text(), "Hi.");
///
/// let response = replay(ResponsesAssembler::new(), b"data: {\"type\": \"response.completed\", \"response\": {\"output\": []}}\n\n")?;
/// assert_eq!(response.text(), "");
/// # Ok::<(), tool_openai::ModelError>(())
/// ```
pub trait Assembler {
    /// The whole answer.
    type Output;

    /// Takes more of the body: server-sent events, cut anywhere.
    ///
    /// # Errors
    /// As for [`push_text`](Self::push_text), and if there is an event of type `error`, or one
    /// larger than 16 MiB.
    fn push_bytes(&mut self, bytes: &[u8]) -> Result<Vec<ModelEvent>, ModelError>;

    /// Takes the data of one event: JSON text, or the `[DONE]` that streams end with.
    ///
    /// # Errors
    /// As for [`push`](Self::push), and [`ModelError::InvalidResponse`] if the text is not JSON.
    fn push_text(&mut self, data: &str) -> Result<Vec<ModelEvent>, ModelError>;

    /// Takes one event, or chunk.
    ///
    /// # Errors
    /// [`ModelError::StreamError`] if it reports an error; [`ModelError::InvalidResponse`] if the
    /// answer becomes larger than what is kept, or cannot be understood.
    fn push(&mut self, event: Value) -> Result<Vec<ModelEvent>, ModelError>;

    /// Whether the server ended the answer. Bytes and text that follow are not read.
    fn is_done(&self) -> bool;

    /// The stream is over: returns the events that are known only now. Call it once, before
    /// [`finish`](Self::finish), if you need each event.
    ///
    /// # Errors
    /// As for [`push_bytes`](Self::push_bytes), for a last event that the server did not end with a
    /// blank line.
    fn close(&mut self) -> Result<Vec<ModelEvent>, ModelError>;

    /// The stream is over: returns the answer.
    ///
    /// # Errors
    /// [`ModelError::Interrupted`] if it ended in the middle of the answer, with what has arrived.
    /// Else as for [`close`](Self::close).
    fn finish(self) -> Result<Self::Output, ModelError>
    where
        Self: Sized;
}
