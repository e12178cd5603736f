//! The client of an agent that runs on a worker.

use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tool_core::Decision;
use tool_openai::History;
use tool_openai::chat::Message;

use super::{Begin, Ended, HELD, HeldCalls, PREFIX, RUN, RunReply, run_ids};
use crate::remote::{Engine, RemoteError, UNREACHABLE_TIME, quoted, waits};
use crate::wire::encode;

/// Client for a durable agent of some [`Worker`](crate::Worker), whose runs outlive its process and
/// this one.
///
/// ```no_run
/// use tool_core::Decision;
/// use tool_restate::RemoteAgent;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let agent = RemoteAgent::connect("http://127.0.0.1:8080", "http://127.0.0.1:9070", "clerk").await?;
/// let running = tokio::spawn({
///     let agent = agent.clone();
///     async move { agent.run("case 17", "Pay the bill of March.").await }
/// });
/// // When a person approves, in any process:
/// if let Some(calls) = agent.held("case 17").await? {
///     let all = calls.held().map(|call| (call.position(), Decision::Allow)).collect();
///     agent.decide(&calls, all).await?;
/// }
/// println!("{}", running.await??.reply);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RemoteAgent {
    engine: Engine,
    service: String,
}

impl RemoteAgent {
    /// The agent that workers have under this name. `ingress` is the engine's address for calls,
    /// `admin` the one for its administration.
    ///
    /// # Errors
    /// The engine cannot be reached, is not an engine, or has no such agent.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn connect(ingress: &str, admin: &str, name: &str) -> Result<Self, RemoteError> {
        let engine = Engine::new(ingress, admin)?;
        let service = format!("{PREFIX}{name}");
        let services = engine.services().await?;
        match services.iter().any(|known| known.name == service) {
            true => Ok(Self { engine, service }),
            false => Err(RemoteError::UnknownAgent(name.to_owned())),
        }
    }

    /// Sends `prompt` to the agent in a run of this id, and waits for its reply. If there is such a
    /// run, or was one within a day, it waits for that reply, whatever the prompt was. An id has 1
    /// to 400 bytes.
    ///
    /// Dropping the future does not stop the run.
    ///
    /// # Errors
    /// Each [`RunError`] states why there is no reply. After [`Unreachable`](RunError::Unreachable)
    /// the same can be asked again.
    ///
    /// # Cancel safety
    /// Cancel-safe: the run needs nobody who waits for it.
    pub async fn run(&self, id: &str, prompt: impl Into<Message>) -> Result<RunReply, RunError> {
        self.run_from(id, History::default(), prompt).await
    }

    /// As [`run`](Self::run), after an earlier conversation.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    ///
    /// # Cancel safety
    /// As for [`run`](Self::run).
    pub async fn run_from(
        &self,
        id: &str,
        history: History,
        prompt: impl Into<Message>,
    ) -> Result<RunReply, RunError> {
        let begin = Begin {
            prompt: prompt.into(),
            history,
        };
        let run = self.path(id, RUN);
        self.send(|http| http.post(format!("{run}/send")).json(&begin))
            .await?;
        let service = &self.service;
        let key = encode(id);
        let attach = format!(
            "{}/restate/workflow/{service}/{key}/attach",
            self.engine.ingress
        );
        let ended = self.send(|http| http.get(&attach)).await?;
        match read(&ended)? {
            Ended::Done(reply) => Ok(*reply),
            Ended::Failed { message, history } => Err(RunError::Failed { message, history }),
        }
    }

    /// The calls that the run holds, if it waits for decisions.
    ///
    /// # Errors
    /// The engine does not answer, or refuses.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn held(&self, id: &str) -> Result<Option<HeldCalls>, RunError> {
        let path = self.path(id, HELD);
        let held = self.send(|http| http.post(&path).json(&())).await?;
        let held: Option<HeldCalls> = read(&held)?;
        if held.is_none() {
            return Ok(None);
        }
        // The engine keeps what a run that was stopped had written.
        let running = self.engine.running(&self.run_of(id)).await;
        let is_running = !running.map_err(RunError::Unreachable)?.is_empty();
        Ok(held.filter(|_| is_running))
    }

    /// Decides on held calls, by their positions. Those without a decision stay held. Of several
    /// decisions on the same [`HeldCalls`] the first counts.
    ///
    /// # Errors
    /// A decision is for a call that does not wait for one; or the engine does not answer, or
    /// refuses.
    ///
    /// # Cancel safety
    /// Cancel-safe, and can be repeated.
    pub async fn decide(
        &self,
        calls: &HeldCalls,
        decisions: Vec<(usize, Decision)>,
    ) -> Result<(), RunError> {
        let waits = |position: usize| calls.held().any(|call| call.position() == position);
        if let Some((position, _)) = decisions.iter().find(|(position, _)| !waits(*position)) {
            return Err(RunError::NoSuchCall(*position));
        }
        let awakeable = encode(&calls.id);
        let path = format!(
            "{}/restate/awakeables/{awakeable}/resolve",
            self.engine.ingress
        );
        self.send(|http| http.post(&path).json(&decisions)).await?;
        Ok(())
    }

    /// Stops the run and its calls on workers; its waiters get [`RunError::Stopped`]. Returns whether
    /// a run was there to stop. Tools of the agent's own process end by themselves.
    ///
    /// # Errors
    /// The engine does not answer, or refuses.
    ///
    /// # Cancel safety
    /// Cancel-safe, and can be repeated.
    pub async fn stop(&self, id: &str) -> Result<bool, RunError> {
        let kill = async |which: &str| self.engine.kill(which).await.map_err(RunError::Unreachable);
        let calls = quoted(&encode(&run_ids(&self.service, id)));
        let calls = format!("starts_with(idempotency_key, {calls})");
        let stopped = kill(&self.run_of(id)).await? > 0;
        // Calls that wait for each other, or are on their way, begin when others have ended.
        let mut empty_rounds = 0;
        while empty_rounds < 3 {
            match kill(&calls).await? {
                0 => empty_rounds += 1,
                _ => empty_rounds = 0,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(stopped)
    }

    /// The run, in a query.
    fn run_of(&self, id: &str) -> String {
        let (service, key) = (quoted(&self.service), quoted(id));
        format!(
            "target_service_name = {service} AND target_service_key = {key} AND target_handler_name = '{RUN}'"
        )
    }

    fn path(&self, id: &str, handler: &str) -> String {
        let (ingress, service) = (&self.engine.ingress, &self.service);
        format!("{ingress}/{service}/{}/{handler}", encode(id))
    }

    /// Asks until there is an answer.
    async fn send(&self, request: impl Fn(&Client) -> RequestBuilder) -> Result<Vec<u8>, RunError> {
        let mut waits = waits();
        let mut last_reached = Instant::now();
        loop {
            let asked = Instant::now();
            let failed = match answer(request(&self.engine.http)).await {
                Err(RunError::Unreachable(error)) => RunError::Unreachable(error),
                Err(RunError::Refused { status, message }) if is_busy(status) => {
                    RunError::Refused { status, message }
                }
                answered => return answered,
            };
            let is_reached = !matches!(&failed, RunError::Unreachable(error) if error.is_connect());
            if is_reached && asked.elapsed() > Duration::from_secs(1) {
                last_reached = Instant::now(); // it was waited for, and lost
            }
            if last_reached.elapsed() > UNREACHABLE_TIME {
                return Err(failed);
            }
            tokio::time::sleep(waits.next().unwrap_or(UNREACHABLE_TIME)).await;
        }
    }
}

async fn answer(request: RequestBuilder) -> Result<Vec<u8>, RunError> {
    #[derive(Deserialize)]
    struct Failure {
        message: String,
    }
    let answer = request.send().await.map_err(RunError::Unreachable)?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(RunError::Unreachable)?;
    if status.is_success() {
        return Ok(body.to_vec());
    }
    let message = match serde_json::from_slice::<Failure>(&body) {
        Ok(failure) => failure.message,
        Err(_) => String::from_utf8_lossy(&body).into_owned(),
    };
    Err(match status {
        StatusCode::CONFLICT | StatusCode::GONE => RunError::Stopped,
        status => RunError::Refused {
            status: status.as_u16(),
            message,
        },
    })
}

/// Whether an engine may answer better soon.
fn is_busy(status: u16) -> bool {
    matches!(status, 429 | 502..=504)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, RunError> {
    serde_json::from_slice(body).map_err(RunError::Unreadable)
}

/// Why a run has no reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The engine does not answer. The run may be on its way.
    #[error("the Restate engine cannot be reached: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// The engine answers, but not with success, or the agent's worker could not begin.
    #[error("the engine refused (HTTP {status}): {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The text of the engine.
        message: String,
    },
    /// The run ended with an [error of the agent](tool_openai::AgentError).
    #[error("the agent failed: {message}")]
    Failed {
        /// The error.
        message: String,
        /// The conversation, to continue from.
        history: Box<History>,
    },
    /// The run was stopped.
    #[error("the run was stopped")]
    Stopped,
    /// A decision is on a call that does not wait for one.
    #[error("call {0} does not wait for a decision")]
    NoSuchCall(usize),
    /// The answer is not from an agent, or from one of another version.
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[source] serde_json::Error),
}
