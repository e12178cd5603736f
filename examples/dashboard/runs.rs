//! Runs: started, followed, stopped, decided on. Their events are in the database before a page shows
//! them.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use patient_summary::DbError;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tool_core::{Decision, ErrorCode, ToolCall, ToolError, ToolResult};
use tool_openai::{Agent, History};
use uuid::Uuid;

use crate::store::{Entry, Run, Store, now_us};
use crate::view::View;
use crate::writer::Writer;

/// Runs at the same time.
pub(crate) const MOST_RUNS: usize = 256;

/// How long the program waits for events to be written before it ends.
const LAST_EVENTS: Duration = Duration::from_secs(10);

/// The runs of this program. Clones share them.
#[derive(Clone)]
pub(crate) struct Runs {
    pub(crate) store: Store,
    agent: Agent,
    /// What stops each run that is under way.
    active: Arc<Mutex<HashMap<Uuid, CancellationToken>>>,
    /// Stops all of them, and those that begin later.
    stop_all: CancellationToken,
    tasks: TaskTracker,
    /// Changed when a run has new events. Runs share one if their hashes do.
    news: Arc<[watch::Sender<()>]>,
    hasher: RandomState,
}

/// Why a run does not start or continue.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Too many are under way.
    Busy,
    /// It is not there, or not in the state for it.
    Conflict,
    Database(DbError),
}

impl From<DbError> for Refused {
    fn from(error: DbError) -> Self {
        Self::Database(error)
    }
}

impl Runs {
    pub(crate) fn new(store: Store, agent: Agent) -> Self {
        Self {
            store,
            agent,
            active: Arc::default(),
            stop_all: CancellationToken::new(),
            tasks: TaskTracker::new(),
            news: (0..64).map(|_| watch::Sender::new(())).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Starts a run for a patient, after the conversation of an earlier one.
    pub(crate) async fn start(
        &self,
        patient: String,
        prompt: String,
        follows: Option<Uuid>,
    ) -> Result<Uuid, Refused> {
        let runs = self.clone();
        self.to_its_end(async move {
            let history = match follows {
                Some(earlier) if runs.is_active(earlier) => return Err(Refused::Conflict),
                Some(earlier) => runs.store.history(earlier).await?,
                None => History::default(),
            };
            let run = Run {
                id: Uuid::new_v4(),
                patient,
                prompt,
                started_at: now_us(),
                status: "running".to_owned(),
            };
            let writer = runs.enter(run.id)?;
            runs.store.add_run(&run).await?;
            let prompt = match history.messages.is_empty() {
                true => format!("Patient {}. {}", run.patient, run.prompt),
                false => run.prompt,
            };
            let agent = runs.agent.clone().with_cancellation(writer.stop.clone());
            let conversation = agent.conversation_from(history);
            let stream = conversation.stream(prompt);
            runs.tasks.spawn(writer.follow(conversation, stream));
            Ok(run.id)
        })
        .await
    }

    /// Decides on a call that waits for an approval. The others of its message keep waiting.
    pub(crate) async fn decide(
        &self,
        id: Uuid,
        approval: Uuid,
        position: usize,
        decision: Decision,
    ) -> Result<(), Refused> {
        let runs = self.clone();
        self.to_its_end(async move {
            let mut writer = runs.enter(id)?;
            let decided = Entry::Decided {
                position,
                is_approved: decision == Decision::Allow,
            };
            let suspended = writer.take(approval, decided).await?;
            let suspended = suspended.ok_or(Refused::Conflict)?;
            let agent = runs.agent.clone().with_cancellation(writer.stop.clone());
            let conversation = agent.conversation();
            let stream = conversation.resume_stream_with(suspended, vec![(position, decision)]);
            runs.tasks.spawn(writer.follow(conversation, stream));
            Ok(())
        })
        .await
    }

    /// Runs a call that failed once more, by its place among all calls of the run.
    pub(crate) async fn retry(&self, id: Uuid, number: usize) -> Result<(), Refused> {
        let runs = self.clone();
        self.to_its_end(async move {
            let mut writer = runs.enter(id)?;
            let mut view = View::default();
            while runs.catch_up(id, &mut view).await? {}
            let call = view.calls.get(number).ok_or(Refused::Conflict)?;
            if call.error().is_none() || call.is_held() {
                return Err(Refused::Conflict);
            }
            let call = ToolCall::new(format!("retry_{number}"), &call.tool, &call.arguments);
            let dispatcher = runs.agent.dispatcher().clone();
            writer.record(Entry::Retrying(number)).await;
            runs.tasks.spawn(async move {
                let result = tokio::select! {
                    mut results = dispatcher.dispatch(vec![call.clone()]) => results.pop(),
                    () = writer.stop.cancelled() => {
                        let stopped = ToolError::new(ErrorCode::Cancelled, "the retry was stopped");
                        Some(ToolResult::new(call, 0, Err(stopped)))
                    }
                };
                if let Some(result) = result {
                    writer.record(Entry::Retried(number, result)).await;
                }
            });
            Ok(())
        })
        .await
    }

    /// In a task: a browser that goes away drops its request, and what has begun is finished.
    async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Refused>> + Send + 'static,
    ) -> Result<T, Refused> {
        self.tasks
            .spawn(work)
            .await
            .unwrap_or(Err(Refused::Conflict))
    }

    /// Whether there was something to stop.
    pub(crate) fn stop(&self, id: Uuid) -> bool {
        let stop = self.active().get(&id).cloned();
        stop.inspect(CancellationToken::cancel).is_some()
    }

    /// Stops all runs, and waits until their ends are written.
    pub(crate) async fn shut_down(&self) {
        self.stop_all.cancel();
        self.tasks.close();
        if timeout(LAST_EVENTS, self.tasks.wait()).await.is_err() {
            eprintln!("some events could not be written within {LAST_EVENTS:?}");
        }
    }

    pub(crate) fn is_active(&self, id: Uuid) -> bool {
        self.active().contains_key(&id)
    }

    /// All of a run so far.
    pub(crate) async fn view(&self, id: Uuid) -> Result<View, DbError> {
        let mut view = View::default();
        // Before its events are read: what ends in between has its end among them.
        let is_active = self.is_active(id);
        while self.catch_up(id, &mut view).await? {}
        if !is_active && !self.is_active(id) && !view.is_over() {
            view.interrupt();
        }
        Ok(view)
    }

    /// Adds newer events, if there are any.
    pub(crate) async fn catch_up(&self, id: Uuid, view: &mut View) -> Result<bool, DbError> {
        let events = self.store.events(id, view.seq).await?;
        let is_newer = !events.is_empty();
        events.into_iter().for_each(|event| view.apply(event));
        Ok(is_newer)
    }

    /// The run as a recording: lines of JSON, as `tool_openai::recording` describes them. What people
    /// retried by hand is not of the agent's run.
    pub(crate) async fn recording(&self, run: &Run) -> Result<String, DbError> {
        let line = |at_us: i64, event: &Value| {
            let line =
                json!({"version": 1, "at_us": at_us, "recorded_content": true, "event": event});
            format!("{line}\n")
        };
        let prompt = json!({"type": "prompt", "data": run.prompt});
        let (mut lines, mut after) = (line(run.started_at, &prompt), 0);
        loop {
            let events = self.store.events(run.id, after).await?;
            let Some(last) = events.last() else {
                return Ok(lines);
            };
            after = last.seq;
            for recorded in events {
                let failed = |kind: &str, message: &str| json!({"type": "error", "data": {"kind": kind, "message": message}});
                let event = match recorded.entry {
                    Entry::Event(event) => json!(event),
                    Entry::Failed(message) => failed("failed", &message),
                    Entry::Stopped => failed("cancelled", "the user stopped the run"),
                    _ => continue, // the dashboard's own
                };
                lines += &line(recorded.at_us, &event);
            }
        }
    }

    /// Changes when a run may have newer events.
    pub(crate) fn news(&self, id: Uuid) -> watch::Receiver<()> {
        self.news_of(id).subscribe()
    }

    fn news_of(&self, id: Uuid) -> &watch::Sender<()> {
        let hash = self.hasher.hash_one(id) as usize;
        &self.news[hash % self.news.len()]
    }

    fn active(&self) -> MutexGuard<'_, HashMap<Uuid, CancellationToken>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one writer of a run's events.
    fn enter(&self, id: Uuid) -> Result<Writer, Refused> {
        let mut active = self.active();
        if active.contains_key(&id) {
            return Err(Refused::Conflict);
        }
        if active.len() >= MOST_RUNS || self.tasks.is_closed() {
            return Err(Refused::Busy);
        }
        let stop = self.stop_all.child_token();
        active.insert(id, stop.clone());
        Ok(Writer::new(self.clone(), id, stop))
    }

    /// The run has no writer any more.
    pub(crate) fn leave(&self, id: Uuid) {
        self.active().remove(&id);
        self.changed(id);
    }

    /// Wakes the pages that show the run.
    pub(crate) fn changed(&self, id: Uuid) {
        self.news_of(id).send_replace(());
    }
}
