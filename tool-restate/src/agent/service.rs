//! An agent as a workflow of the engine.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use restate_sdk::discovery;
use restate_sdk::endpoint::{ContextInternal, Error as EndpointError};
use restate_sdk::errors::TerminalError;
use restate_sdk::serde::Json;
use restate_sdk::service::Service;
use serde_json::json;
use tool_core::{CancellationToken, Decision, Dispatcher, ToolCall, ToolResult};
use tool_openai::{Agent, Outcome, Reply, Suspended};
use tracing::Instrument;

use super::journal::{Journal, JournaledModel};
use super::{Begin, Ended, HELD, HeldCalls, PREFIX, RUN, RunReply, run_ids};
use crate::worker::{LONGEST, manifest, millis};

/// An agent with journaled runs: a step for each answer of the model, and one for the
/// results of each message's calls. A run that begins again takes them from there.
pub(crate) struct AgentService {
    agent: Agent,
}

impl AgentService {
    pub(crate) fn new(agent: Agent) -> Self {
        Self { agent }
    }
}

impl Service for AgentService {
    type Future = BoxFuture<'static, Result<(), EndpointError>>;

    fn handle(&self, context: ContextInternal) -> Self::Future {
        let agent = self.agent.clone();
        Box::pin(async move {
            match context.handler_name() {
                RUN => {
                    let (body, metadata) = context.input::<Bytes>().await;
                    // A panic would look like a dead process, and be repeated for ever.
                    let run = AssertUnwindSafe(run(agent, &context, &metadata.key, &body));
                    let ended = run
                        .catch_unwind()
                        .await
                        .unwrap_or_else(|_| Err(TerminalError::new("the agent panicked")));
                    context.handle_handler_result(ended.map(Json).map_err(Into::into));
                }
                HELD => {
                    context.input::<Bytes>().await;
                    let held = context.get::<Json<HeldCalls>>(HELD).await;
                    let held = held.map(|held| Json(held.map(Json::into_inner)));
                    context.handle_handler_result(held.map_err(Into::into));
                }
                handler => {
                    return Err(EndpointError::unknown_handler(
                        context.service_name(),
                        handler,
                    ));
                }
            }
            context.end();
            Ok(())
        })
    }
}

/// One run, from the beginning: recorded steps do not run again.
async fn run(
    agent: Agent,
    context: &ContextInternal,
    id: &str,
    body: &[u8],
) -> Result<Ended, TerminalError> {
    let refused = |text: String| TerminalError::new_with_code(400, text);
    let begin = serde_json::from_slice::<Begin>(body);
    let Begin { prompt, history } = begin.map_err(|error| refused(error.to_string()))?;
    let steps = Steps {
        service: context.service_name(),
        id,
        dispatcher: agent.dispatcher().clone(),
        journal: Journal::new(context.clone()),
    };
    let model = JournaledModel {
        model: Arc::clone(agent.model()),
        journal: steps.journal.clone(),
    };
    // The agent runs no call itself: each run of calls has to be a journaled step.
    // It has limits of its own: a replay must not depend on what else this process runs.
    let holding = steps.dispatcher.clone().with_max_concurrency(1);
    let holding = holding.with_policy(|_| Decision::Hold);
    let conversation = agent
        .with_model(model)
        .with_tools(holding)
        // The run outlives this process: a shutdown is not its end.
        .with_cancellation(CancellationToken::new())
        .conversation_from(history);
    let mut reply = conversation.run(prompt).await;
    loop {
        if let Some(error) = steps.journal.ended() {
            return Err(error);
        }
        match reply {
            Ok(Reply {
                outcome: Outcome::Suspended(suspended),
                ..
            }) => {
                let suspended = steps.answer(*suspended).await?;
                reply = conversation.resume_with(suspended, Vec::new()).await;
            }
            Ok(reply) => {
                let history = conversation.history();
                return Ok(Ended::Done(Box::new(RunReply { reply, history })));
            }
            Err(error) => {
                return Ok(Ended::Failed {
                    message: error.to_string(),
                    history: Box::new(conversation.history()),
                });
            }
        }
    }
}

/// What a run does beside asking the model.
struct Steps<'a> {
    service: &'a str,
    id: &'a str,
    dispatcher: Dispatcher,
    journal: Journal,
}

impl Steps<'_> {
    /// Runs the calls of a message.
    async fn answer(&self, suspended: Suspended) -> Result<Suspended, TerminalError> {
        let held = suspended.results().iter().filter(|result| is_held(result));
        let (positions, calls): (Vec<usize>, Vec<ToolCall>) = held
            .map(|result| (result.position(), result.call().clone()))
            .unzip();
        let run_id = run_ids(self.service, self.id) + &suspended.turns().to_string();
        let dispatched = self.dispatcher.dispatch_as(&run_id, calls);
        let dispatched =
            dispatched.map_err(|error| TerminalError::new_with_code(400, error.to_string()))?;
        let mut results = self.finish("calls", dispatched).await?;
        while results.iter().any(is_held) {
            let decisions = self.decisions(&results).await?;
            // Decisions that do not match leave the calls held.
            if let Ok(resumed) = self.dispatcher.resume(results.clone(), decisions) {
                results = self.finish("decided calls", resumed).await?;
            }
        }
        let answers = results.into_iter().zip(positions);
        let answers = answers.map(|(answer, position)| answer.with_position(position));
        Ok(suspended.with_answers(answers.collect()))
    }

    /// The results of calls, run by a task: an attempt that loses its connection is dropped, and the
    /// next one joins what runs.
    async fn finish<F>(&self, name: &str, calls: F) -> Result<Vec<ToolResult>, TerminalError>
    where
        F: Future<Output = Vec<ToolResult>> + Send + 'static,
    {
        let running = async {
            let done = tokio::spawn(calls.in_current_span()).await;
            match done {
                // The runtime shuts down: that is not the end of the run.
                Err(error) if error.is_cancelled() => std::future::pending().await,
                done => done.map_err(|error| error.to_string()),
            }
        };
        let done = self.journal.step(name, Box::pin(running)).await?;
        done.map_err(TerminalError::new)
    }

    /// Waits for decisions on held calls, without a timeout: meanwhile the run needs no process.
    async fn decisions(
        &self,
        results: &[ToolResult],
    ) -> Result<Vec<(usize, Decision)>, TerminalError> {
        let decided = self.journal.wait(HELD, |id| HeldCalls {
            id,
            results: results.to_vec(),
        });
        let decided = decided.await?;
        Ok(serde_json::from_slice(&decided).unwrap_or_default())
    }
}

fn is_held(result: &ToolResult) -> bool {
    result.held_for().is_some()
}

/// The agent in its worker's manifest.
pub(crate) fn describe(name: &str) -> io::Result<discovery::Service> {
    let handler = |name: &str, kind: &str| {
        json!({
            "name": name,
            "ty": kind,
            "input": {"contentType": "application/json"},
            "output": {"contentType": "application/json", "setContentTypeIfEmpty": false},
        })
    };
    manifest(json!({
        "ty": "WORKFLOW",
        "name": format!("{PREFIX}{name}"),
        // A model and its tools may take their time within a step.
        "abortTimeout": millis(LONGEST),
        "handlers": [handler(RUN, "WORKFLOW"), handler(HELD, "SHARED")],
    }))
}
