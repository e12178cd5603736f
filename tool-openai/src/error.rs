//! What can go wrong between us and the model.

use std::error::Error;

use tool_core::ToolError;

/// Why a model gave no completion.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The client cannot be set up: a missing key, or a base URL that is none.
    #[error("{0}")]
    Configuration(String),
    /// The service refused the API key (status 401).
    #[error(
        "the service refused the API key: {message}; check `OPENAI_API_KEY`, and that it belongs to `OPENAI_BASE_URL`"
    )]
    Unauthorized {
        /// The service's own words.
        message: String,
    },
    /// The service does not know the model, or the key may not use it (status 404).
    #[error("the service has no model `{model}` for this key: {message}")]
    UnknownModel {
        /// The model that was asked for.
        model: String,
        /// The service's own words.
        message: String,
    },
    /// Any other answer that is not a success. What may pass, 429 and 5xx above all, has been tried
    /// again as the client was set to.
    #[error("the service answered {status}: {message}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The service's code for the error, `context_length_exceeded` for example.
        code: Option<String>,
        /// The service's own words.
        message: String,
    },
    /// No answer, or only a part of one: the service could not be reached, took too long, or broke
    /// off.
    #[error("no whole answer from the service at {url}")]
    Transport {
        /// Where the request went.
        url: String,
        /// What failed.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A successful answer that is no chat completion.
    #[error("the answer is no chat completion ({reason}): {body}")]
    InvalidResponse {
        /// What is missing.
        reason: String,
        /// The beginning of the body.
        body: String,
    },
    /// The service reported an error in a stream that had begun, or a response that failed.
    #[error("the service reported an error in its stream: {message}")]
    StreamError {
        /// The service's code for the error, `tool_use_failed` for example.
        code: Option<String>,
        /// The service's own words.
        message: String,
        /// What the model wrote and the service could not read as a call (Groq's
        /// `failed_generation`).
        failed_generation: Option<String>,
    },
    /// The stream ended in the middle of the message.
    #[error("the stream ended before the message did; ask again")]
    Interrupted {
        /// What had arrived.
        partial: Box<crate::chat::Completion>,
    },
    /// A failure of a [`ChatModel`](crate::ChatModel) of another make.
    #[error("the model failed")]
    Other(#[source] Box<dyn Error + Send + Sync>),
}

impl ModelError {
    /// Whether the conversation is longer than the model takes, as far as the service says so: the
    /// program can shorten it and ask again.
    pub fn is_context_overflow(&self) -> bool {
        const CODES: [&str; 3] = [
            "context_length_exceeded",
            "exceed_context_size_error",
            "model_context_window_exceeded",
        ];
        const WORDS: [&str; 8] = [
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

    /// Whether the service could not read what the model wrote as a call, so that asking again may
    /// do. Groq says so.
    pub(crate) fn is_botched_call(&self) -> bool {
        matches!(self, Self::StreamError { code: Some(code), .. } | Self::Status { code: Some(code), .. } if code == "tool_use_failed")
    }
}

/// Why a run ended without a reply. The history is valid after each: the next run can go on from
/// it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The model gave no completion. Nothing of this turn is in the history, but calls that had
    /// started early and their results.
    #[error("turn {turn} failed")]
    Model {
        /// The turn, from 1.
        turn: usize,
        /// Why.
        #[source]
        source: ModelError,
    },
    /// The tools cannot be offered to the service.
    #[error("the tools cannot be offered")]
    Tools(#[from] crate::chat::InvalidToolsError),
    /// The choice of tools names one that is not on offer.
    #[error("the choice of tools cannot be made")]
    ToolChoice(#[from] crate::chat::InvalidToolChoiceError),
    /// The model refused to answer. Its refusal is in the history.
    #[error("the model refused: {refusal}")]
    Refused {
        /// The model's own words.
        refusal: String,
    },
    /// The model said nothing and called nothing, though there were no results before it, or it was
    /// cut short. Nothing of this turn is in the history.
    #[error("the model gave no answer (finish reason: {})", finish_reason.as_deref().unwrap_or("none"))]
    NoAnswer {
        /// Why it stopped, in the service's word; `length` or `content_filter` for example.
        finish_reason: Option<String>,
    },
    /// The model was still calling tools in its last turn. The calls and their results are in the
    /// history; [`resume`](crate::Agent::resume) goes on.
    #[error("the model has not answered within {turns} turns; raise `with_max_turns`, or resume")]
    TurnLimit {
        /// The limit.
        turns: usize,
    },
    /// The program cancelled the run, by the token of
    /// [`with_cancellation`](crate::Agent::with_cancellation). Calls of the turn, if any had
    /// started, are in the history with their results.
    #[error("the run was cancelled")]
    Cancelled,
    /// A tool asked for the run to stop. The calls and their results are in the history.
    #[error("tool `{tool}` stopped the run")]
    Fatal {
        /// The tool.
        tool: String,
        /// Its error.
        #[source]
        source: ToolError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_that_is_too_long_is_known_in_every_dialect() {
        let refused = |code: Option<&str>, message: &str| ModelError::Status {
            status: 400,
            code: code.map(str::to_owned),
            message: message.to_owned(),
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
                "prompt is too long: 210000 tokens",
            ),
        ] {
            assert!(error.is_context_overflow(), "{error:?}");
        }
        assert!(!refused(Some("429"), "too many requests").is_context_overflow());
        assert!(!ModelError::Configuration("context window".to_owned()).is_context_overflow());
    }
}
