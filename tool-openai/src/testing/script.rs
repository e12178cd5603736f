//! Replies of the mock model, and how they arrive.

use std::time::Duration;

use tool_core::serde_json::{Value, json};

use crate::chat::Request;

/// One scripted reply of the mock model.
///
/// A request with `stream: true` is answered in chunks, in OpenAI's order: the role; the text in
/// pieces of eight characters; of each call its id and name, then its arguments in such pieces; the
/// finish reason; the token counts, if asked for; `[DONE]`.
///
/// ```
/// use std::time::Duration;
/// use tool_core::serde_json::json;
/// use tool_openai::testing::ScriptedReply;
///
/// let calls = || ScriptedReply::calls([("add", json!({"a": 2, "b": 3})), ("now", json!({}))]);
/// let talkative = calls().with_text("Let me see.");
/// let slow = calls().with_pace(Duration::from_millis(5));
/// let lost = calls().with_cut_after(3);
/// let cut_short = ScriptedReply::calls([("add", json!("{\"a\": 2, "))]).with_finish_reason("length");
/// # let _ = (talkative, slow, lost, cut_short);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptedReply {
    pub(super) answer: ScriptedAnswer,
    /// The wait before each chunk but the first.
    pub(super) pace: Duration,
    pub(super) end: End,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum ScriptedAnswer {
    Message(Spoken),
    Status {
        status: u16,
        body: Value,
        retry_after: Option<u64>,
    },
    Body(String),
    Sse(String),
}

/// A message of the mock model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spoken {
    pub(super) reasoning: Option<String>,
    pub(super) text: Option<String>,
    pub(super) refusal: Option<String>,
    /// Names and arguments.
    pub(super) calls: Vec<(String, String)>,
    pub(super) finish_reason: Option<String>,
}

/// How an answer ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    Regular,
    /// The connection breaks after so many chunks.
    Cut(usize),
    /// After so many chunks comes an error.
    Error(usize, Value),
}

impl ScriptedReply {
    fn new(answer: ScriptedAnswer) -> Self {
        Self {
            answer,
            pace: Duration::ZERO,
            end: End::Regular,
        }
    }

    /// The model answers with text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(ScriptedAnswer::Message(Spoken {
            text: Some(text.into()),
            ..Spoken::default()
        }))
    }

    /// The model asks for these calls in one message: pairs of a tool's name and its arguments.
    /// Arguments given as a JSON string are sent as that text, so that they need not be valid. A
    /// tool that the request offers as a custom one gets the text as its input.
    pub fn calls<N: Into<String>>(calls: impl IntoIterator<Item = (N, Value)>) -> Self {
        let text = |arguments: Value| match arguments {
            Value::String(text) => text,
            value => value.to_string(),
        };
        let calls = calls
            .into_iter()
            .map(|(name, arguments)| (name.into(), text(arguments)))
            .collect();
        Self::new(ScriptedAnswer::Message(Spoken {
            calls,
            ..Spoken::default()
        }))
    }

    /// The model refuses to answer, with this text.
    pub fn refusal(refusal: impl Into<String>) -> Self {
        Self::new(ScriptedAnswer::Message(Spoken {
            refusal: Some(refusal.into()),
            ..Spoken::default()
        }))
    }

    /// The service refuses with this HTTP status, with the text of OpenAI.
    pub fn error(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::new(ScriptedAnswer::Status {
            status,
            body: error(code, message.into()),
            retry_after: None,
        })
    }

    /// As [`error`](Self::error) with 429, asking to be tried again after so many seconds.
    pub fn rate_limit(retry_after: u64) -> Self {
        let body = error(
            "rate_limit_exceeded",
            "Rate limit reached. Please try again later.".to_owned(),
        );
        Self::new(ScriptedAnswer::Status {
            status: 429,
            body,
            retry_after: Some(retry_after),
        })
    }

    /// The service answers 200 with this body, valid or not, for any request.
    pub fn body(body: impl Into<String>) -> Self {
        Self::new(ScriptedAnswer::Body(body.into()))
    }

    /// The service answers with this stream of server-sent events, valid or not, for any
    /// request. Text between two blank lines counts as a chunk.
    pub fn sse(events: impl Into<String>) -> Self {
        Self::new(ScriptedAnswer::Sse(events.into()))
    }

    /// Adds text before the calls.
    #[must_use]
    pub fn with_text(self, text: impl Into<String>) -> Self {
        self.with(|message| message.text = Some(text.into()))
    }

    /// Adds reasoning before anything else: a reasoning item of the Responses API, or
    /// `reasoning_content`, which OpenAI's own chat completions do not have. The server takes it
    /// back from then on.
    #[must_use]
    pub fn with_reasoning(self, reasoning: impl Into<String>) -> Self {
        self.with(|message| message.reasoning = Some(reasoning.into()))
    }

    /// Sets another finish reason than `tool_calls` with calls and `stop` without.
    #[must_use]
    pub fn with_finish_reason(self, reason: impl Into<String>) -> Self {
        self.with(|message| message.finish_reason = Some(reason.into()))
    }

    /// Waits so long before each chunk but the first, or before a whole answer. Time is tokio's,
    /// and may be paused.
    #[must_use]
    pub fn with_pace(self, pace: Duration) -> Self {
        Self { pace, ..self }
    }

    /// Breaks the connection after so many chunks; a whole answer, in its middle.
    #[must_use]
    pub fn with_cut_after(self, chunks: usize) -> Self {
        Self {
            end: End::Cut(chunks),
            ..self
        }
    }

    /// Ends a stream with an error after so many chunks, as services do that fail while
    /// streaming; a whole answer is that error, with status 200.
    #[must_use]
    pub fn with_error_after(self, chunks: usize, code: &str, message: impl Into<String>) -> Self {
        Self {
            end: End::Error(chunks, error(code, message.into())),
            ..self
        }
    }

    pub(super) fn thinks(&self) -> bool {
        matches!(&self.answer, ScriptedAnswer::Message(message) if message.reasoning.is_some())
    }

    /// Only messages of the model have these parts.
    fn with(mut self, set: impl FnOnce(&mut Spoken)) -> Self {
        if let ScriptedAnswer::Message(message) = &mut self.answer {
            set(message);
        }
        self
    }
}

fn error(code: &str, message: String) -> Value {
    json!({"error": {"message": message, "type": "scripted_error", "param": null, "code": code}})
}

/// Decides each answer from the request.
pub(super) type Script = Box<dyn FnMut(&Request) -> ScriptedReply + Send>;
