//! One call of a message, and its one result.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::error::{ToolError, clip};
use crate::output::ToolOutput;

/// One request by the model to run a tool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ToolCall {
    /// What the answer is matched by. As the model gave it: it may be empty, or stand in a message twice.
    pub id: String,
    /// The tool to run, which may not exist.
    pub name: String,
    /// Arguments as the model sent them: the text of one JSON object, not yet checked.
    ///
    /// May be malformed or name unknown properties. Follows `tool_calls[].function.arguments` of the chat completions
    /// API.
    pub arguments: String,
}

impl ToolCall {
    /// A call of `name` with JSON text as `arguments`.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), arguments: arguments.into() }
    }
}

/// A call on its way from queued to finished; shared by the batch, the task and the result.
#[derive(Debug)]
pub(crate) struct CallRecord {
    pub(crate) call: ToolCall,
    pub(crate) position: usize,
    queued: Instant,
    started: OnceLock<Instant>,
    finished: OnceLock<Instant>,
}

impl CallRecord {
    pub(crate) fn new(call: ToolCall, position: usize, queued: Instant) -> Self {
        Self { call, position, queued, started: OnceLock::new(), finished: OnceLock::new() }
    }

    pub(crate) fn start(&self) {
        self.started.get_or_init(Instant::now);
    }

    pub(crate) fn finish(&self) {
        self.finished.get_or_init(Instant::now);
    }
}

/// The one answer to one call.
///
/// [`content`](Self::content) is what the model reads, [`outcome`](Self::outcome) what the program reads.
#[derive(Clone, Debug)]
pub struct ToolResult {
    record: Arc<CallRecord>,
    outcome: Result<ToolOutput, ToolError>,
}

impl ToolResult {
    pub(crate) fn new(record: Arc<CallRecord>, outcome: Result<ToolOutput, ToolError>) -> Self {
        record.finish();
        let outcome = outcome.map_err(|error| error.of_tool(&clip(&record.call.name)));
        Self { record, outcome }
    }

    /// The call that this answers.
    pub fn call(&self) -> &ToolCall {
        &self.record.call
    }

    /// The call's id, as the model gave it.
    pub fn id(&self) -> &str {
        &self.record.call.id
    }

    /// The name the tool was called by.
    pub fn name(&self) -> &str {
        &self.record.call.name
    }

    /// The call's place in its batch, from 0.
    pub fn position(&self) -> usize {
        self.record.position
    }

    /// What the program reads: the output, or a typed error with its source.
    ///
    /// # Errors
    /// Why the call has no output.
    pub fn outcome(&self) -> Result<&ToolOutput, &ToolError> {
        self.outcome.as_ref()
    }

    /// As [`outcome`](Self::outcome), owned.
    ///
    /// # Errors
    /// Why the call has no output.
    pub fn into_outcome(self) -> Result<ToolOutput, ToolError> {
        self.outcome
    }

    /// What the model reads: the tool's output, or `{"error": …, "tool": …}` with enough to correct the call.
    pub fn content(&self) -> Cow<'_, str> {
        #[derive(Serialize)]
        struct Failed<'a> {
            error: &'a str,
            tool: &'a str,
        }
        match &self.outcome {
            Ok(output) => Cow::Borrowed(output.as_str()),
            Err(error) => {
                let failed = Failed { error: error.model_text(), tool: &clip(self.name()) };
                Cow::Owned(serde_json::to_string(&failed).unwrap_or_else(|_| error.code().to_string()))
            }
        }
    }

    /// When the batch was handed over.
    pub fn queued(&self) -> Instant {
        self.record.queued
    }

    /// When the call began to run; `None` if none of its code ran.
    pub fn started(&self) -> Option<Instant> {
        self.record.started.get().copied()
    }

    /// When the answer was known.
    pub fn finished(&self) -> Instant {
        self.record.finished.get().copied().unwrap_or(self.record.queued)
    }

    /// How long the call ran, zero if it did not.
    pub fn elapsed(&self) -> Duration {
        self.started().map_or(Duration::ZERO, |started| self.finished().saturating_duration_since(started))
    }
}
