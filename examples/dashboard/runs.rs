//! Runs: started, followed, stopped, decided on. Their events are in the database before a page shows
//! them.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use patient_summary::DbError;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tool_core::{Decision, ToolCall};
use tool_openai::{
    Agent, AgentError, AgentEvent, AgentStream, Conversation, History, Outcome, Suspended,
};
use uuid::Uuid;

use crate::store::{Entry, Run, Store, now_us};
use crate::view::View;

/// Runs at the same time.
pub(crate) const MOST_RUNS: usize = 256;

/// Events that are written together.
const MOST_TOGETHER: usize = 64;

/// How long to wait for a database that is away.
const AWAY: Duration = Duration::from_millis(500);

/// The runs of this program. Clones share them.
#[derive(Clone)]
pub(crate) struct Runs {
    pub(crate) store: Store,
    agent: Agent,
    /// What stops each run that is under way.
    active: Arc<Mutex<HashMap<Uuid, CancellationToken>>>,
    tasks: TaskTracker,
    /// Changed when a run has new events. Runs share one if their hashes do.
    news: Arc<[watch::Sender<()>]>,
    hasher: RandomState,
}

/// An entry, and when it was made.
type Timed = (i64, Entry);

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
        let history = match follows {
            Some(earlier) => self.store.history(earlier).await?,
            None => Default::default(),
        };
        let run = Run {
            id: Uuid::new_v4(),
            patient,
            prompt,
            started_at: now_us(),
            status: "running".to_owned(),
        };
        let stop = self.enter(run.id)?;
        if let Err(error) = self.store.add_run(&run).await {
            self.leave(run.id);
            return Err(error.into());
        }
        let agent = self.agent.clone().with_cancellation(stop);
        let conversation = agent.conversation_from(history);
        let prompt = match follows {
            Some(_) => run.prompt,
            None => format!("Patient {}. {}", run.patient, run.prompt),
        };
        let stream = conversation.stream(prompt);
        self.follow(run.id, conversation, stream);
        Ok(run.id)
    }

    /// Decides on a call that waits for an approval. The others of its message keep waiting.
    pub(crate) async fn decide(
        &self,
        id: Uuid,
        approval: Uuid,
        position: usize,
        decision: Decision,
    ) -> Result<(), Refused> {
        let stop = self.enter(id)?;
        let taken = self.store.take(id, approval).await;
        let suspended = match taken {
            Ok(Some(suspended)) => suspended,
            other => {
                self.leave(id);
                other?;
                return Err(Refused::Conflict);
            }
        };
        let agent = self.agent.clone().with_cancellation(stop);
        let conversation = agent.conversation();
        let is_approved = decision == Decision::Allow;
        let decided = Entry::Decided {
            position,
            is_approved,
        };
        self.record(id, vec![(now_us(), decided)]).await;
        let stream = conversation.resume_stream_with(suspended, vec![(position, decision)]);
        self.follow(id, conversation, stream);
        Ok(())
    }

    /// Runs a call that failed once more, by its place among all calls of the run.
    pub(crate) async fn retry(&self, id: Uuid, number: usize) -> Result<(), Refused> {
        let view = self.view(id).await?;
        let call = view.calls.get(number).ok_or(Refused::Conflict)?;
        if !view.is_over() || call.error().is_none() || call.is_held() {
            return Err(Refused::Conflict);
        }
        self.enter(id)?;
        let call = ToolCall::new(format!("retry_{number}"), &call.tool, &call.arguments);
        let runs = self.clone();
        self.tasks.spawn(async move {
            runs.record(id, vec![(now_us(), Entry::Retrying(number))])
                .await;
            let result = runs.agent.dispatcher().dispatch(vec![call]).await.pop();
            let retried = result.map(|result| (now_us(), Entry::Retried(number, result)));
            runs.record(id, retried.into_iter().collect()).await;
            runs.leave(id);
        });
        Ok(())
    }

    /// Whether there was something to stop.
    pub(crate) fn stop(&self, id: Uuid) -> bool {
        let stop = self.active().get(&id).cloned();
        stop.inspect(CancellationToken::cancel).is_some()
    }

    /// Stops all runs, and waits until their ends are written.
    pub(crate) async fn shut_down(&self) {
        for stop in self.active().values() {
            stop.cancel();
        }
        self.tasks.close();
        self.tasks.wait().await;
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
        if !is_active && !view.is_over() {
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

    /// The run as a recording: lines of JSON, as `tool_openai::recording` describes them.
    pub(crate) async fn recording(&self, id: Uuid) -> Result<String, DbError> {
        let (mut lines, mut after) = (String::new(), 0);
        loop {
            let events = self.store.events(id, after).await?;
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
                let line = json!({"version": 1, "at_us": recorded.at_us, "recorded_content": true, "event": event});
                lines += &format!("{line}\n");
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

    fn enter(&self, id: Uuid) -> Result<CancellationToken, Refused> {
        let mut active = self.active();
        if active.contains_key(&id) {
            return Err(Refused::Conflict);
        }
        if active.len() >= MOST_RUNS || self.tasks.is_closed() {
            return Err(Refused::Busy);
        }
        let stop = CancellationToken::new();
        active.insert(id, stop.clone());
        Ok(stop)
    }

    fn leave(&self, id: Uuid) {
        self.active().remove(&id);
        self.news_of(id).send_replace(());
    }

    /// Writes what happens in a run until it is over. It needs no page that watches.
    fn follow(&self, id: Uuid, conversation: Conversation, stream: AgentStream) {
        let runs = self.clone();
        self.tasks.spawn(async move {
            let mut events = stream.ready_chunks(MOST_TOGETHER);
            while let Some(events) = events.next().await {
                let mut entries = Vec::new();
                for event in events {
                    runs.take_in(id, &conversation, event, &mut entries).await;
                }
                runs.record(id, entries).await;
            }
            runs.leave(id);
        });
    }

    /// Makes an entry of an event. Texts in a row are one.
    async fn take_in(
        &self,
        id: Uuid,
        conversation: &Conversation,
        event: Result<AgentEvent, AgentError>,
        entries: &mut Vec<Timed>,
    ) {
        let history = conversation.history();
        let entry = match event {
            Ok(AgentEvent::Text(more)) => {
                if let Some((_, Entry::Event(AgentEvent::Text(text)))) = entries.last_mut() {
                    return text.push_str(&more);
                }
                Entry::Event(AgentEvent::Text(more))
            }
            Ok(AgentEvent::Reply(reply)) => match &reply.outcome {
                Outcome::Suspended(suspended) => {
                    let approval = Uuid::new_v4();
                    let held = Some((approval, &**suspended));
                    self.end(id, "waits for approval", &history, held).await;
                    Entry::Held(approval)
                }
                _ => {
                    self.end(id, "finished", &history, None).await;
                    entries.push((now_us(), Entry::Event(AgentEvent::Reply(reply))));
                    Entry::Finished
                }
            },
            Ok(event) => Entry::Event(event),
            Err(AgentError::Cancelled) => {
                self.end(id, "stopped", &history, None).await;
                Entry::Stopped
            }
            Err(error) => {
                self.end(id, "failed", &history, None).await;
                Entry::Failed(error.to_string())
            }
        };
        entries.push((now_us(), entry));
    }

    async fn end(
        &self,
        id: Uuid,
        status: &str,
        history: &History,
        held: Option<(Uuid, &Suspended)>,
    ) {
        while let Err(error) = self.store.end_run(id, status, history, held).await {
            self.wait_for_database(&error).await;
        }
    }

    /// Writes entries, when the database is there. Until then the run stays where it is: nothing is
    /// lost, and nothing piles up.
    async fn record(&self, id: Uuid, entries: Vec<Timed>) {
        while let Err(error) = self.store.append(id, &entries).await {
            self.wait_for_database(&error).await;
        }
        self.news_of(id).send_replace(());
    }

    async fn wait_for_database(&self, error: &DbError) {
        eprintln!("the database cannot be written, and is tried again: {error}");
        tokio::time::sleep(AWAY).await;
    }
}
