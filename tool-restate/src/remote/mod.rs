//! The workers' tools as a set of tools.

mod engine;
mod recovery;
mod tool;

use std::fmt;
use std::sync::Arc;

use tool_core::{LeftOutTool, ToolSet};

use crate::wire::PREFIX;
pub(crate) use engine::Engine;
#[cfg(feature = "agent")]
pub(crate) use engine::{UNREACHABLE_TIME, quoted, waits};

/// Remote tools: those of all workers of a Restate engine.
///
/// They are like any others, run by a [`Dispatcher`](tool_core::Dispatcher) with its limits,
/// policy, deadlines and spans; only their work is done elsewhere. Each call is sent under its
/// [idempotency key](tool_core::CallContext::idempotency_key). When the connection or the engine is
/// lost, it is requested again under the same key, which joins a running call or returns its
/// result. So a program that died and dispatches the same message under the same run id
/// ([`Dispatcher::dispatch_as`](tool_core::Dispatcher::dispatch_as)) gets the same results, and
/// nothing that has finished runs twice. An engine keeps results for a day, unless configured
/// otherwise.
///
/// A call that is stopped, by its deadline for example, is killed in the engine, also for others
/// that have joined it: its run id cannot be used again. That is tried for a minute, while the
/// runtime lives.
///
/// ```no_run
/// use tool_core::{Dispatcher, ToolCall};
/// use tool_restate::Remote;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let remote = Remote::connect("http://127.0.0.1:8080", "http://127.0.0.1:9070").await?;
/// let dispatcher = Dispatcher::new(remote.tools());
/// let calls = vec![ToolCall::new("call_1", "add", r#"{"a": 1, "b": 2}"#)];
/// let results = dispatcher.dispatch_as("order 7, turn 2", calls)?.await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Remote {
    tools: ToolSet,
    left_out: Arc<[LeftOutTool]>,
}

impl Remote {
    /// Lists the tools, and waits until an engine that has just started takes calls, for ten seconds
    /// at most. `ingress` is the engine's address for calls, `admin` the one for its administration.
    ///
    /// # Errors
    /// The engine cannot be reached, or is not an engine.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn connect(ingress: &str, admin: &str) -> Result<Self, RemoteError> {
        let engine = Arc::new(Engine::new(ingress, admin)?);
        let (mut tools, mut left_out) = (ToolSet::default(), Vec::new());
        let mut services = engine.services().await?;
        // The engine knows no order. Definitions that are the same in every run can be cached.
        services.sort_by(|one, other| one.name.cmp(&other.name));
        for service in services {
            let Some(name) = service.name.strip_prefix(PREFIX).map(str::to_owned) else {
                continue; // not one of ours
            };
            let remote = service.into_tool(&name, &engine);
            let added = remote.and_then(|tool| {
                let more = tools.clone().with_tool(tool);
                more.map_err(|error| error.to_string())
            });
            match added {
                Ok(more) => tools = more,
                Err(reason) => left_out.push(LeftOutTool::new(name, reason)),
            }
        }
        if let Some(tool) = tools.names().next() {
            engine.ready(&format!("{PREFIX}{tool}")).await;
        }
        Ok(Self {
            tools,
            left_out: left_out.into(),
        })
    }

    /// The tools that the engine knew when it was [connected](Self::connect) to.
    pub fn tools(&self) -> ToolSet {
        self.tools.clone()
    }

    /// Services that are named like tools but are not tools, each with the reason.
    pub fn left_out(&self) -> &[LeftOutTool] {
        &self.left_out
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("tools", &self.tools)
            .finish_non_exhaustive()
    }
}

/// The tools could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The engine does not answer.
    #[error("the Restate engine cannot be reached: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// The server is not an engine, or one of another version.
    #[error("what answers at the engine's admin address is not Restate's admin API: {0}")]
    NotAnEngine(#[source] reqwest::Error),
    /// No worker with such an agent was registered.
    #[cfg(feature = "agent")]
    #[error("the engine knows no agent `{0}`; register the worker that has it")]
    UnknownAgent(String),
}
