//! Durable runs of an agent, which outlive its process.

mod journal;
mod remote;
mod service;

use serde::{Deserialize, Serialize};
use tool_core::ToolResult;
use tool_openai::chat::Message;
use tool_openai::{History, Reply};

pub use remote::{RemoteAgent, RunError};
pub(crate) use service::{AgentService, describe};

/// An agent is a workflow named by this and its name.
const PREFIX: &str = "agent.";

/// The handler that is a run, and the one that returns its held calls.
const RUN: &str = "run";
const HELD: &str = "held";

/// The prefix of the names of a run's messages.
fn run_ids(service: &str, id: &str) -> String {
    // With its length, no id begins like another one.
    format!("{service} {} {id}, turn ", id.len())
}

/// What a run begins with.
#[derive(Serialize, Deserialize)]
struct Begin {
    prompt: Message,
    #[serde(default)]
    history: History,
}

/// What a run ends with.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    Done(Box<RunReply>),
    Failed {
        message: String,
        history: Box<History>,
    },
}

/// The end of a run: the model's reply, and the conversation.
#[derive(Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunReply {
    /// The reply of the model, and the usage of the run.
    pub reply: Reply,
    /// The conversation, to continue from.
    pub history: History,
}

/// Calls of a run that wait for a decision (approval, human-in-the-loop).
///
/// Shape: serialised as an object with `id` and `results`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HeldCalls {
    /// The awakeable that a decision resolves.
    id: String,
    /// The results so far of the message's calls that may run, held ones among them.
    pub results: Vec<ToolResult>,
}

impl HeldCalls {
    /// The calls to be decided on: decisions name them by their
    /// [`position`](ToolResult::position).
    pub fn held(&self) -> impl Iterator<Item = &ToolResult> {
        let waits = |result: &&ToolResult| result.held_for() == Some(tool_core::HeldFor::Decision);
        self.results.iter().filter(waits)
    }
}
