//! One call of a message, and its one result.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::dispatch::Call;
use crate::error::{ToolError, clip};
use crate::output::ToolOutput;

/// One request by the model to run a tool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ToolCall {
    /// What the answer is matched by. As the model gave it: it may be empty, or stand in a message
    /// twice.
    pub id: String,
    /// The tool to run, which may not exist.
    pub name: String,
    /// Arguments as the model sent them: the text of one JSON object, not yet checked.
    ///
    /// May be malformed or name unknown properties. Follows `tool_calls[].function.arguments` of
    /// the chat completions API.
    pub arguments: String,
}

impl ToolCall {
    /// A call of `name` with JSON text as `arguments`.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        arguments: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        }
    }
}

/// The one answer to one call.
///
/// [`content`](Self::content) is what the model reads, [`outcome`](Self::outcome) what the program
/// reads.
#[derive(Clone, Debug)]
pub struct ToolResult {
    call: Arc<Call>,
}

impl ToolResult {
    /// The answer to a call that has one.
    pub(crate) fn new(call: Arc<Call>) -> Self {
        Self { call }
    }

    /// The call that this answers.
    #[inline]
    pub fn call(&self) -> &ToolCall {
        &self.call.call
    }

    /// The call's id, as the model gave it.
    #[inline]
    pub fn id(&self) -> &str {
        &self.call.call.id
    }

    /// The name the tool was called by.
    pub fn name(&self) -> &str {
        &self.call.call.name
    }

    /// The call's place in its batch, from 0.
    #[inline]
    pub fn position(&self) -> usize {
        self.call.position
    }

    /// What the program reads: the output, or a typed error with its source.
    ///
    /// # Errors
    /// Why the call has no output.
    #[inline]
    pub fn outcome(&self) -> Result<&ToolOutput, &ToolError> {
        self.call.answered().as_ref()
    }

    /// As [`outcome`](Self::outcome), owned.
    ///
    /// # Errors
    /// Why the call has no output.
    pub fn into_outcome(self) -> Result<ToolOutput, ToolError> {
        match Arc::try_unwrap(self.call) {
            Ok(call) => call.into_outcome(),
            Err(shared) => shared.answered().clone(),
        }
    }

    /// What the model reads: the tool's output, or `{"error": …, "tool": …}` with enough to correct
    /// the call.
    #[inline]
    pub fn content(&self) -> Cow<'_, str> {
        #[derive(Serialize)]
        struct Failed<'a> {
            error: &'a str,
            tool: &'a str,
        }
        match self.outcome() {
            Ok(output) => Cow::Borrowed(output.as_str()),
            Err(error) => {
                let failed = Failed {
                    error: error.message_for_model(),
                    tool: &clip(self.name()),
                };
                Cow::Owned(
                    serde_json::to_string(&failed).unwrap_or_else(|_| error.code().to_string()),
                )
            }
        }
    }

    /// When the batch was handed over.
    pub fn queued(&self) -> Instant {
        self.call.batch.queued
    }

    /// When the call began to run; `None` if none of its code ran.
    pub fn started(&self) -> Option<Instant> {
        self.call.started()
    }

    /// When the answer was known.
    pub fn finished(&self) -> Instant {
        self.call.finished().unwrap_or(self.queued())
    }

    /// How long the call ran, zero if it did not.
    pub fn elapsed(&self) -> Duration {
        self.started().map_or(Duration::ZERO, |started| {
            self.finished().saturating_duration_since(started)
        })
    }
}
