//! A conversation: a handle on its history, which one run at a time adds to.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Serialize, Serializer};
use tokio_util::sync::CancellationToken;
use tool_core::Decision;
use tracing::Instrument;

use super::events::Queue;
use super::run::{Ended, Run};
use super::span;
use super::{Agent, AgentStream, History, Reply, StartPolicy, Suspended};
use crate::chat::{self, HistoryRepair, Message, Usage};
use crate::error::AgentError;

/// A multi-turn conversation with a model that may call tools; made by [`Agent::conversation`].
///
/// It is a handle: a clone is the same conversation. One run at a time adds to it; another is
/// [`AgentError::Busy`]. Its history is always valid: a message with calls and all
/// their results enter it together, so a run that fails or is dropped can be followed by another.
///
/// Serialised, it is its [`History`]; during a run, what has been added to it so far.
///
/// ```
/// use tool_core::serde_json;
/// use tool_openai::testing::{ScriptedReply, ScriptedServer};
/// use tool_openai::{Agent, History};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = ScriptedServer::start(["Hello!", "Fine."].map(ScriptedReply::text)).await?;
/// let agent = Agent::new(server.client()?, "scripted");
///
/// let conversation = agent.conversation();
/// conversation.run("Hello?").await?;
/// let stored = serde_json::to_string(&conversation)?;
///
/// // Later, in another process:
/// let conversation = agent.conversation_from(serde_json::from_str::<History>(&stored)?);
/// assert_eq!(conversation.run("How are you?").await?.text, "Fine.");
/// assert_eq!(conversation.messages().len(), 4);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Conversation {
    agent: Agent,
    shared: Arc<Shared>,
}

#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Whether a run adds to it.
    is_running: AtomicBool,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) history: History,
    /// What was changed in the history that it began with, until a run reports it.
    pub(super) repairs: Vec<HistoryRepair>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to add to a conversation: one at a time has it.
pub(super) struct Writer(Arc<Shared>);

impl Writer {
    fn new(shared: &Arc<Shared>) -> Result<Self, AgentError> {
        match shared.is_running.swap(true, Ordering::Acquire) {
            false => Ok(Self(Arc::clone(shared))),
            true => Err(AgentError::Busy),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The next holder sees what this one wrote.
        self.0.is_running.store(false, Ordering::Release);
    }
}

impl Conversation {
    pub(super) fn new(agent: Agent, mut history: History) -> Self {
        let repairs = chat::repair(&mut history.messages);
        let shared = Shared {
            state: Mutex::new(State { history, repairs }),
            is_running: AtomicBool::new(false),
        };
        Self {
            agent,
            shared: Arc::new(shared),
        }
    }

    pub(super) fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Sends `prompt` to the model, runs the tools that it calls, and returns its reply.
    ///
    /// # Errors
    /// Each [`AgentError`] states why there is no reply and which part of the run is in the
    /// history.
    ///
    /// # Cancel safety
    /// Dropping the future stops the request and the tools. The history is valid: a message whose tools have
    /// begun is in it, with a result for each call.
    pub async fn run(&self, prompt: impl Into<Message>) -> Result<Reply, AgentError> {
        self.begin(Some(prompt.into()), false, None).await.reply
    }

    /// Continues the conversation without a new prompt, after [`AgentError::TurnLimit`] or a model
    /// that could not be reached.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    ///
    /// # Cancel safety
    /// As for [`run`](Self::run).
    pub async fn resume(&self) -> Result<Reply, AgentError> {
        self.begin(None, false, None).await.reply
    }

    /// Resumes a run that was [suspended](crate::Outcome::Suspended) for approval, with decisions
    /// on held calls by their positions. A call without a decision, or with
    /// [`Decision::Hold`](tool_core::Decision::Hold), stays held, and the run with it.
    ///
    /// The history becomes that of the suspended run. If the conversation has messages that the run
    /// has not, from a prompt in between for example, the run is not resumed. If the run is
    /// cancelled or dropped while calls run, the message enters the history with a result for each,
    /// and calls that are still held are answered so.
    ///
    /// # Errors
    /// [`AgentError::NotResumed`] if the decisions or the history do not match; it holds what was
    /// given. Else as for [`run`](Self::run).
    ///
    /// # Cancel safety
    /// As for [`run`](Self::run): keep the stored run until its outcome is stored.
    pub async fn resume_with(
        &self,
        suspended: Suspended,
        decisions: Vec<(usize, Decision)>,
    ) -> Result<Reply, AgentError> {
        self.continue_run(suspended, decisions, None).await.reply
    }

    /// As [`resume_with`](Self::resume_with), as a stream of events.
    pub fn resume_stream_with(
        &self,
        suspended: Suspended,
        decisions: Vec<(usize, Decision)>,
    ) -> AgentStream {
        let queue = Queue::default();
        AgentStream::new(
            self.continue_run(suspended, decisions, Some(queue.clone())),
            queue,
        )
    }

    fn continue_run(
        &self,
        suspended: Suspended,
        decisions: Vec<(usize, Decision)>,
        queue: Option<Queue>,
    ) -> impl Future<Output = Ended> + Send + use<> {
        let Self { agent, shared } = self.clone();
        traced(agent, move |agent| async move {
            let streamed = queue.is_some() || agent.config.start_policy != StartPolicy::StreamEnd;
            let run = Writer::new(&shared).and_then(|writer| Run::new(agent, writer, queue));
            match run {
                Ok(run) => run.resume(suspended, decisions, streamed).await,
                Err(error) => Ended::from(AgentError::NotResumed {
                    suspended: Box::new(suspended),
                    reason: error.to_string(),
                    source: Some(Box::new(error)),
                }),
            }
        })
    }

    /// As [`run`](Self::run), as a stream of events, with text as the model writes it.
    pub fn stream(&self, prompt: impl Into<Message>) -> AgentStream {
        self.stream_events(Some(prompt.into()))
    }

    /// As [`resume`](Self::resume), as a stream of events.
    pub fn resume_stream(&self) -> AgentStream {
        self.stream_events(None)
    }

    /// Nothing happens before the stream is polled.
    fn stream_events(&self, prompt: Option<Message>) -> AgentStream {
        let queue = Queue::default();
        AgentStream::new(self.begin(prompt, true, Some(queue.clone())), queue)
    }

    fn begin(
        &self,
        prompt: Option<Message>,
        streamed: bool,
        queue: Option<Queue>,
    ) -> impl Future<Output = Ended> + Send + use<> {
        let Self { agent, shared } = self.clone();
        traced(agent, move |agent| async move {
            let streamed = streamed || agent.config.start_policy != StartPolicy::StreamEnd;
            let run = Writer::new(&shared).and_then(|writer| {
                writer.lock().history.messages.extend(prompt);
                Run::new(agent, writer, queue)
            });
            match run {
                Ok(run) => run.turns(streamed).await,
                Err(error) => error.into(),
            }
        })
    }

    /// The same conversation with another agent: other instructions, tools or model from the next
    /// run on.
    #[must_use]
    pub fn with_agent(self, agent: Agent) -> Self {
        Self { agent, ..self }
    }

    /// The same conversation, the runs of this handle cancelled by this token, as by
    /// [`Agent::with_cancellation`].
    #[must_use]
    pub fn with_cancellation(self, token: CancellationToken) -> Self {
        let agent = self.agent.clone().with_cancellation(token);
        self.with_agent(agent)
    }

    /// The messages so far, without the instructions. Every call that a run put there is answered.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.lock().history.messages.clone()
    }

    /// Tokens used by all runs, where the service counts them.
    pub fn usage(&self) -> Usage {
        self.shared.lock().history.usage.clone()
    }

    /// The conversation so far, to be stored.
    pub fn history(&self) -> History {
        self.shared.lock().history.clone()
    }

    /// Removes all messages. The count of tokens continues.
    ///
    /// # Errors
    /// [`AgentError::Busy`] during a run.
    pub fn clear(&self) -> Result<(), AgentError> {
        self.truncate(0)
    }

    /// Removes the oldest messages: the newest stay, `most` at most, from one of the user on.
    ///
    /// # Errors
    /// [`AgentError::Busy`] during a run.
    pub fn truncate(&self, most: usize) -> Result<(), AgentError> {
        Writer::new(&self.shared)?.lock().history.truncate(most);
        Ok(())
    }
}

/// A run within its span, which begins when it is first polled.
async fn traced<F: Future<Output = Ended>>(agent: Agent, run: impl FnOnce(Agent) -> F) -> Ended {
    let span = span::of_run(&agent.config);
    let end = run(agent).instrument(span.clone()).await;
    match &end.reply {
        Ok(reply) => span::note_usage(&span, &reply.usage),
        Err(error) => span::note_run_error(&span, error),
    }
    end
}

impl Serialize for Conversation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.history().serialize(serializer)
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("agent", &self.agent)
            .field("messages", &self.shared.lock().history.messages.len())
            .finish()
    }
}
