//! Answers and their token usage.

use serde::{Deserialize, Serialize};
use tool_core::serde_json::to_value;
use tool_core::serde_json::{Map, Value, from_value};

use super::AssistantMessage;
use super::lenient::null_as_default;
use crate::model::{RequestRepair, RequestRetry};

/// No keys of any service's.
const REQUEST_ID: &str = "_request_id";
const REQUEST_REPAIRS: &str = "_request_repairs";

/// Where a completion keeps why its request was sent again.
const REQUEST_RETRIES: &str = "_request_retries";

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

impl Completion {
    /// The id that the service gave the request, in a header of its answer. It is in `extra`
    /// under `_request_id`.
    pub fn request_id(&self) -> Option<&str> {
        self.extra.get(REQUEST_ID)?.as_str()
    }

    /// What was changed in the request before the service took it. It is in `extra` under
    /// `_request_repairs`.
    pub fn request_repairs(&self) -> Vec<RequestRepair> {
        let repairs = self.extra.get(REQUEST_REPAIRS).cloned();
        repairs
            .and_then(|repairs| from_value(repairs).ok())
            .unwrap_or_default()
    }

    /// Why the request was sent again, once for each time. It is in `extra` under
    /// `_request_retries`.
    pub fn request_retries(&self) -> Vec<RequestRetry> {
        let retries = self.extra.get(REQUEST_RETRIES).cloned();
        retries
            .and_then(|retries| from_value(retries).ok())
            .unwrap_or_default()
    }

    /// Adds retries that came before its own.
    pub(crate) fn add_request_retries(&mut self, earlier: &[RequestRetry]) {
        let retries = [earlier, &self.request_retries()].concat();
        if let (false, Ok(retries)) = (retries.is_empty(), to_value(retries)) {
            self.extra.insert(REQUEST_RETRIES.to_owned(), retries);
        }
    }

    #[cfg(feature = "http")]
    pub(crate) fn set_request_repairs(&mut self, repairs: &[RequestRepair]) {
        if let (false, Ok(repairs)) = (repairs.is_empty(), to_value(repairs)) {
            self.extra.insert(REQUEST_REPAIRS.to_owned(), repairs);
        }
    }

    #[cfg(feature = "http")]
    pub(crate) fn set_request_id(&mut self, id: Option<&str>) {
        if let Some(id) = id {
            self.extra.insert(REQUEST_ID.to_owned(), id.into());
        }
    }

    /// The one answer, where no alternatives were asked for (`n`): what a service has spread over
    /// several choices is merged. Copilot has the text in the first, and each call in one
    /// of its own. `None` if there is no choice.
    pub fn into_choice(self) -> Option<Choice> {
        let mut choices = self.choices.into_iter();
        let mut one = choices.next()?;
        for other in choices {
            one.take_in(other);
        }
        Some(one)
    }
}

impl Choice {
    /// The calls of another part of the answer, and what this one does not have.
    fn take_in(&mut self, other: Self) {
        let is_cut = other.is_cut();
        let (message, more) = (&mut self.message, other.message);
        message.tool_calls.extend(more.tool_calls);
        message.function_call = message.function_call.take().or(more.function_call);
        message.refusal = message.refusal.take().or(more.refusal);
        if message.text().is_empty() && !more.content.is_null() {
            message.content = more.content;
        }
        for (key, value) in more.extra {
            message.extra.entry(key).or_insert(value);
        }
        if is_cut {
            self.finish_reason = other.finish_reason.or(self.finish_reason.take());
            self.extra.extend(other.extra); // the service's own reason among them
        } else {
            self.finish_reason = self.finish_reason.take().or(other.finish_reason);
        }
    }
}

/// One alternative.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The message of the model.
    pub message: AssistantMessage,
    /// Why it stopped: `stop`, `tool_calls`, `length`, `content_filter`, or a value of the server's
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

impl Usage {
    /// What is known by now, where a service sends it in parts, or again with each.
    pub(in crate::chat) fn update(&mut self, more: Self) {
        let latest = |known: u64, more: u64| if more == 0 { known } else { more };
        self.prompt_tokens = latest(self.prompt_tokens, more.prompt_tokens);
        self.completion_tokens = latest(self.completion_tokens, more.completion_tokens);
        let sum = self.prompt_tokens.saturating_add(self.completion_tokens);
        self.total_tokens = latest(self.total_tokens, more.total_tokens).max(sum);
        self.extra
            .extend(more.extra.into_iter().filter(|(_, value)| !value.is_null()));
    }
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
