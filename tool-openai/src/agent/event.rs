//! Events of an agent's run, and its reply.

use std::fmt;

use serde::{Deserialize, Serialize};
use tool_core::{LeftOutTool, Progress, ToolCall, ToolResult};

use super::Suspended;
use crate::chat::{HistoryRepair, InvalidToolsError, Repair, Usage};
use crate::model::{RequestRepair, RequestRetry};

/// An event of a run, reported as it happens.
///
/// Positions count the calls of one message from 0. Those of `ToolCallStarted` and
/// `ToolCallDelta` count what the model writes; where one call that it wrote was several (a wrapper
/// for parallel calls, say), the positions from `ToolCallReady` on are larger.
///
/// Shape: serialised as an object with `type` (`text`, `tool_call_ready` and so on), and in `data`
/// what the event holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
#[non_exhaustive]
pub enum AgentEvent {
    /// The given history was invalid for a provider; these changes repaired it.
    HistoryRepaired(Vec<HistoryRepair>),
    /// These tools are not offered, since the service would refuse the request because of them.
    /// Once in a run, before its first turn.
    ToolsLeftOut(Vec<LeftOutTool>),
    /// The service refused a request, and took it with these changes. The client keeps to them.
    RequestRepaired(Vec<RequestRepair>),
    /// The request was sent again until the service answered.
    RequestRetried(Vec<RequestRetry>),
    /// A turn begins: the model is about to be asked. Again for the same turn, where the service
    /// could not read its calls; the earlier events of that turn are void then.
    TurnStarted {
        /// The turn, from 1.
        turn: usize,
    },
    /// More of the model's text. All of it at once, where the answer is not streamed.
    Text(String),
    /// More of the model's reasoning, as far as the service shows it: for people to read. All of it
    /// at once, where the answer is not streamed.
    Thinking(String),
    /// More of why the model will not answer.
    Refusal(String),
    /// The model begins to write a call. Only where the answer is streamed.
    ToolCallStarted {
        /// The call's place in what the model writes.
        position: usize,
        /// The tool's name, as far as it is known.
        name: String,
    },
    /// More of a call's arguments. Only where the answer is streamed.
    ToolCallDelta {
        /// The call's place in what the model writes.
        position: usize,
        /// What is added.
        delta: String,
    },
    /// A call is complete, and runs from now on or when the message is over.
    ToolCallReady {
        /// The call's place in the message.
        position: usize,
        /// The call as it runs.
        call: ToolCall,
        /// What had to be repaired before it could run.
        repairs: Vec<Repair>,
    },
    /// The model's message is complete; these are its calls, all of them, in call order.
    ToolCallsReady(Vec<ToolCall>),
    /// A tool reports progress.
    Progress(Progress),
    /// A call is answered. Results come as tools finish.
    Result(ToolResult),
    /// Every call of the message is answered: one result per call, in call order. Calls that are held
    /// are among them; when the run continues, it comes again with what happened to them.
    Results(Vec<ToolResult>),
    /// What the turn has cost, where the service counts it.
    Usage(Usage),
    /// The run is over. Last of a stream; [`run`](crate::Agent::run) returns it instead.
    Reply(Reply),
}

impl From<&InvalidToolsError> for LeftOutTool {
    fn from(error: &InvalidToolsError) -> Self {
        Self::new(error.tool().unwrap_or_default(), error.to_string())
    }
}

/// The end of a run: the model's answer, or what it waits for.
#[derive(Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reply {
    /// The text of the model; empty if it had nothing to add to the results of its calls.
    pub text: String,
    /// Whether that is its answer, or it waits for decisions on calls.
    pub outcome: Outcome,
    /// Why it stopped, as the provider writes it: `stop`, or `length` if the text is cut short.
    pub finish_reason: Option<String>,
    /// How often the model was asked in this run.
    pub turns: usize,
    /// The id that the service gave the last request, for its support.
    pub request_id: Option<String>,
    /// Tokens used by this run, where the service counts them.
    pub usage: Usage,
}

/// The text, and of a suspended run the names of the tools whose calls wait.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        let Outcome::Suspended(suspended) = &self.outcome else {
            return Ok(());
        };
        let held: Vec<&str> = suspended.held().map(ToolResult::name).collect();
        let break_line = if self.text.is_empty() { "" } else { "\n" };
        write!(
            f,
            "{break_line}[waits for a decision on: {}]",
            held.join(", ")
        )
    }
}

/// How a run ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The model has answered.
    Finished,
    /// A condition of the program ended it, [`with_stop_when`](crate::Agent::with_stop_when) or
    /// [`with_final_tool`](crate::Agent::with_final_tool): the last message has calls, and their
    /// results are in the history.
    Stopped,
    /// A policy held calls: the run continues after a decision (approval) on them.
    Suspended(Box<Suspended>),
}

/// When the calls of a message that is still being written may start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartPolicy {
    /// When the message is over.
    #[default]
    StreamEnd,
    /// When the call itself is over: a tool that is declared `read_only` or `idempotent` runs while
    /// the model still writes the calls behind it. Others wait for the end of the message, and so
    /// do the calls behind them.
    ///
    /// A call that has run stays in the history, even if the rest of the message never comes.
    CallEnd,
}
