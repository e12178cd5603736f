//! Errors of models and runs.

use std::error::Error;

use tool_core::ToolError;

/// Why a model gave no completion.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The client cannot be set up: a missing key, or an invalid base URL.
    #[error("{0}")]
    Configuration(String),
    /// The service refused the API key (status 401).
    #[error(
        "the service refused the API key: {message}; check `OPENAI_API_KEY`, and that it belongs to `OPENAI_BASE_URL`{}",
        of_request(request_id)
    )]
    Unauthorized {
        /// The message of the service.
        message: String,
        /// The id that the service gave the request, for its support.
        request_id: Option<String>,
    },
    /// The service does not know the model, or the key may not use it (status 404).
    #[error(
        "the service has no model `{model}` for this key: {message}{}",
        of_request(request_id)
    )]
    UnknownModel {
        /// The model that was asked for.
        model: String,
        /// The message of the service.
        message: String,
        /// The id that the service gave the request, for its support.
        request_id: Option<String>,
    },
    /// Any other answer that is not a success. Transient ones (429, 5xx) have been retried
    /// as configured.
    #[error("the service answered {status}: {message}{}", of_request(request_id))]
    Status {
        /// The HTTP status.
        status: u16,
        /// The service's code for the error, `context_length_exceeded` for example.
        code: Option<String>,
        /// The message of the service.
        message: String,
        /// The id that the service gave the request, for its support.
        request_id: Option<String>,
    },
    /// No answer, or only a part of one: the service could not be reached, took too long, or broke
    /// off.
    #[error("no whole answer from the service at {url}: {}{}", chain(&**source), of_request(request_id))]
    Transport {
        /// Where the request went.
        url: String,
        /// What failed.
        #[source]
        source: Box<dyn Error + Send + Sync>,
        /// The id that the service gave the request, for its support, if it began to answer.
        request_id: Option<String>,
    },
    /// A successful answer that is not a chat completion.
    #[error(
        "the answer is not a chat completion ({reason}): {body}{}",
        of_request(request_id)
    )]
    InvalidResponse {
        /// What is missing.
        reason: String,
        /// The beginning of the body.
        body: String,
        /// The id that the service gave the request, for its support.
        request_id: Option<String>,
    },
    /// The service reported an error in a stream that had begun, or a response that failed.
    #[error(
        "the service reported an error in its stream: {message}{}",
        of_request(request_id)
    )]
    StreamError {
        /// The service's code for the error, `tool_use_failed` for example.
        code: Option<String>,
        /// The message of the service.
        message: String,
        /// What the model wrote and the service could not read as a call (Groq's
        /// `failed_generation`).
        failed_generation: Option<String>,
        /// The id that the service gave the request, for its support.
        request_id: Option<String>,
    },
    /// The stream ended in the middle of the message.
    #[error(
        "the stream ended before the message did; ask again{}",
        of_request(request_id)
    )]
    Interrupted {
        /// What had arrived.
        partial: Box<crate::chat::Completion>,
        /// The id that the service gave the request, for its support.
        request_id: Option<String>,
    },
    /// A failure of a custom [`ChatModel`](crate::ChatModel).
    #[error("the model failed: {}", chain(&**.0))]
    Other(#[source] Box<dyn Error + Send + Sync>),
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn of_request(id: &Option<String>) -> String {
    id.as_ref()
        .map_or_else(String::new, |id| format!(" (request {id})"))
}

impl ModelError {
    /// An answer that cannot be read.
    pub(crate) fn invalid_response(reason: impl Into<String>) -> Self {
        Self::InvalidResponse {
            reason: reason.into(),
            body: String::new(),
            request_id: None,
        }
    }

    /// The error of a service that answers with this status, code and text.
    #[cfg(any(feature = "http", feature = "testing"))]
    pub(crate) fn refused(status: u16, code: Option<String>, message: String, model: &str) -> Self {
        let request_id = None;
        match status {
            401 => Self::Unauthorized {
                message,
                request_id,
            },
            // Without this code it is the path that does not exist.
            404 if code.as_deref() == Some("model_not_found") || message.contains(model) => {
                Self::UnknownModel {
                    model: model.to_owned(),
                    message,
                    request_id,
                }
            }
            404 => Self::Status {
                status,
                code,
                message: format!("{message}; check `OPENAI_BASE_URL`"),
                request_id,
            },
            status => Self::Status {
                status,
                code,
                message,
                request_id,
            },
        }
    }

    /// The id that the service gave the request, in a header of its answer.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Unauthorized { request_id, .. }
            | Self::UnknownModel { request_id, .. }
            | Self::Status { request_id, .. }
            | Self::Transport { request_id, .. }
            | Self::InvalidResponse { request_id, .. }
            | Self::StreamError { request_id, .. }
            | Self::Interrupted { request_id, .. } => request_id.as_deref(),
            Self::Configuration(_) | Self::Other(_) => None,
        }
    }

    #[cfg(feature = "http")]
    pub(crate) fn with_request_id(mut self, id: Option<&str>) -> Self {
        match &mut self {
            Self::Unauthorized { request_id, .. }
            | Self::UnknownModel { request_id, .. }
            | Self::Status { request_id, .. }
            | Self::Transport { request_id, .. }
            | Self::InvalidResponse { request_id, .. }
            | Self::StreamError { request_id, .. }
            | Self::Interrupted { request_id, .. } => *request_id = id.map(str::to_owned),
            Self::Configuration(_) | Self::Other(_) => {}
        }
        self
    }

    /// Whether the conversation is longer than the model takes, as far as the service says so: the
    /// program can shorten it and ask again.
    pub fn is_context_overflow(&self) -> bool {
        const CODES: [&str; 4] = [
            "model_max_prompt_tokens_exceeded",
            "context_length_exceeded",
            "exceed_context_size_error",
            "model_context_window_exceeded",
        ];
        const WORDS: [&str; 14] = [
            "context limit",
            "input token count",
            "must have less than",
            "maximum prompt length",
            "model token limit",
            "prompt token count",
            "available context size",
            "context length",
            "context window",
            "input is too long",
            "maximum context",
            "max context",
            "prompt is too long",
            "too many input tokens",
        ];
        let (code, message) = match self {
            Self::Status { code, message, .. } | Self::StreamError { code, message, .. } => {
                (code.as_deref().unwrap_or_default(), message)
            }
            _ => return false,
        };
        let message = message.to_ascii_lowercase();
        CODES.contains(&code) || WORDS.iter().any(|words| message.contains(words))
    }

    /// Whether the service could not read what the model wrote as a call, so that a retry may
    /// help. Groq reports this.
    pub(crate) fn is_malformed_call(&self) -> bool {
        matches!(self, Self::StreamError { code: Some(code), .. } | Self::Status { code: Some(code), .. } if code == "tool_use_failed")
    }
}

/// The beginning of a body, to be shown.
pub(crate) fn excerpt(body: &[u8]) -> String {
    const LONGEST: usize = 300;
    // four bytes make a character at most
    let body = String::from_utf8_lossy(body.get(..(LONGEST + 1) * 4).unwrap_or(body));
    match body.char_indices().nth(LONGEST) {
        _ if body.trim().is_empty() => "the body is empty".to_owned(),
        Some((end, _)) => format!("{}…", &body[..end]),
        None => body.into_owned(),
    }
}

/// Why a run ended without a reply, its cause on the same line. The history is valid after each: the
/// next run can continue from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The model gave no completion. Nothing of this turn is in the history, but calls that had
    /// started early and their results.
    #[error("turn {turn} failed: {source}")]
    Model {
        /// The turn, from 1.
        turn: usize,
        /// Why.
        #[source]
        source: ModelError,
    },
    /// The tools cannot be offered to the service.
    #[error("the tools cannot be offered: {0}")]
    Tools(#[from] crate::chat::InvalidToolsError),
    /// A parameter of [`with_parameter`](crate::Agent::with_parameter) is one that the agent writes
    /// itself.
    #[error(
        "`{key}` is written by the agent itself; set it with the `with_…` method that it has for it"
    )]
    Parameter {
        /// The key.
        key: String,
    },
    /// The tool of [`with_final_tool`](crate::Agent::with_final_tool) is not among the agent's.
    #[error("there is no tool `{tool}` to end a run with; give the agent one, or another name")]
    FinalTool {
        /// The name.
        tool: String,
    },
    /// The choice of tools names one that is not on offer.
    #[error("the choice of tools cannot be made: {0}")]
    ToolChoice(#[from] crate::chat::InvalidToolChoiceError),
    /// The model refused to answer. Its refusal is in the history.
    #[error("the model refused: {refusal}")]
    Refused {
        /// The text of the model.
        refusal: String,
    },
    /// The model wrote nothing and called nothing, though there were no results before it, or it
    /// was cut short. Nothing of this turn is in the history.
    #[error("the model gave no answer (finish reason: {})", finish_reason.as_deref().unwrap_or("none"))]
    NoAnswer {
        /// Why it stopped, as the provider writes it; `length` or `content_filter` for example.
        finish_reason: Option<String>,
    },
    /// The model was still calling tools in its last turn. The calls and their results are in the
    /// history; [`resume`](crate::Conversation::resume) continues.
    #[error("the model has not answered within {turns} turns; raise `with_max_turns`, or resume")]
    TurnLimit {
        /// The limit.
        turns: usize,
    },
    /// The run has used the tokens of [`with_token_budget`](crate::Agent::with_token_budget). The
    /// turns so far are in the history; [`resume`](crate::Conversation::resume) continues.
    #[error("the run has used {used} tokens of {budget}; raise `with_token_budget`, or resume")]
    TokenBudget {
        /// Tokens used.
        used: u64,
        /// The limit.
        budget: u64,
    },
    /// The model makes the same calls again and again, and gets the same results. They are in the
    /// history.
    #[error("the model has called `{tool}` {times} times in a row with the same result")]
    Loop {
        /// The first tool of the message.
        tool: String,
        /// How often.
        times: usize,
    },
    /// The answer is not of the requested type (structured output).
    #[error("the answer is not what was asked for: {reason}")]
    Answer {
        /// What is wrong, and where.
        reason: String,
        /// The reply.
        reply: Box<crate::Reply>,
    },
    /// Another run of the conversation is not over. Nothing was asked.
    #[error("the conversation has a run that is not over; wait for it, or begin another")]
    Busy,
    /// The suspended run does not match the decisions or the conversation, or is not as it was
    /// stored. Nothing ran.
    #[error("the run cannot be resumed: {reason}")]
    NotResumed {
        /// The run, as it was given.
        suspended: Box<crate::Suspended>,
        /// Why.
        reason: String,
        /// The error that no run could begin with: [`Busy`](Self::Busy), for example.
        source: Option<Box<Self>>,
    },
    /// The program cancelled the run, by the token of
    /// [`with_cancellation`](crate::Agent::with_cancellation). Calls of the turn, if any had
    /// started, are in the history with their results.
    #[error("the run was cancelled")]
    Cancelled,
    /// A tool asked for the run to stop. The calls and their results are in the history.
    #[error("tool `{tool}` stopped the run: {source}")]
    Fatal {
        /// The tool.
        tool: String,
        /// Its error.
        #[source]
        source: ToolError,
    },
}

impl AgentError {
    /// The kind of error.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Model { .. } => "model",
            Self::Tools(_) => "tools",
            Self::Parameter { .. } => "parameter",
            Self::FinalTool { .. } => "final_tool",
            Self::ToolChoice(_) => "tool_choice",
            Self::Refused { .. } => "refused",
            Self::NoAnswer { .. } => "no_answer",
            Self::TurnLimit { .. } => "turn_limit",
            Self::TokenBudget { .. } => "token_budget",
            Self::Loop { .. } => "loop",
            Self::Answer { .. } => "answer",
            Self::Busy => "busy",
            Self::NotResumed { .. } => "not_resumed",
            Self::Cancelled => "cancelled",
            Self::Fatal { .. } => "fatal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_overflow_is_recognised_for_every_provider() {
        let refused = |code: Option<&str>, message: &str| ModelError::Status {
            status: 400,
            code: code.map(str::to_owned),
            message: message.to_owned(),
            request_id: None,
        };
        for error in [
            refused(Some("context_length_exceeded"), "no"),
            refused(None, "This model's maximum context length is 8192 tokens."),
            refused(
                Some("400"),
                "the request exceeds the available context size",
            ),
            refused(
                Some("invalid_request_error"),
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            ),
            refused(
                None,
                "input length and max_tokens exceed context limit: 1 + 2 > 3",
            ),
            refused(
                None,
                "This model's maximum prompt length is 131072 but the request contains 2",
            ),
            refused(
                None,
                "Invalid request: Your request exceeded model token limit: 8192",
            ),
            refused(
                None,
                "prompt token count of 135366 exceeds the limit of 128000",
            ),
            refused(
                None,
                "`inputs` must have less than 4096 tokens. Given: 5000",
            ),
            refused(
                Some("invalid_request_error"),
                "prompt is too long: 210000 tokens",
            ),
        ] {
            assert!(error.is_context_overflow(), "{error:?}");
        }
        assert!(!refused(Some("429"), "too many requests").is_context_overflow());
        assert!(!ModelError::Configuration("context window".to_owned()).is_context_overflow());
    }

    #[test]
    fn an_excerpt_is_short_and_ends_between_characters() {
        for character in ["a", "é", "€", "🦀"] {
            assert_eq!(
                excerpt(character.repeat(5000).as_bytes()),
                format!("{}…", character.repeat(300))
            );
        }
        assert_eq!(excerpt(&[b'a', 0xff]), "a\u{fffd}");
    }
}
