//! What is answered, and what it cost.

use serde::{Deserialize, Serialize};
use tool_core::serde_json::{Map, Value};

use super::AssistantMessage;
use super::lenient::null_as_default;

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Completion {
    /// The alternatives; one, unless more were asked for.
    pub choices: Vec<Choice>,
    /// Tokens used, where the server counts them in a form that can be read.
    pub usage: Option<Usage>,
    /// Any other key.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One alternative.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What the model says.
    pub message: AssistantMessage,
    /// Why it stopped: `stop`, `tool_calls`, `length`, `content_filter`, or a word of the server's
    /// own. Whether there are calls is decided by their presence, never by this.
    #[serde(default)]
    pub finish_reason: Option<String>,
    /// Any other key.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Tokens used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    #[serde(default, deserialize_with = "null_as_default")]
    pub prompt_tokens: u64,
    /// Tokens written.
    #[serde(default, deserialize_with = "null_as_default")]
    pub completion_tokens: u64,
    /// Both.
    #[serde(default, deserialize_with = "null_as_default")]
    pub total_tokens: u64,
    /// Any other key: `prompt_tokens_details`, for example. Sums have none.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl std::ops::AddAssign<&Self> for Usage {
    fn add_assign(&mut self, more: &Self) {
        self.prompt_tokens = self.prompt_tokens.saturating_add(more.prompt_tokens);
        self.completion_tokens = self
            .completion_tokens
            .saturating_add(more.completion_tokens);
        self.total_tokens = self.total_tokens.saturating_add(more.total_tokens);
    }
}
