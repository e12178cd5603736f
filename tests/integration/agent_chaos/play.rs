//! Plays a case.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, to_value};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tool_core::{Decision, Dispatcher};
use tool_openai::chat;
use tool_openai::testing::{ScriptedReply, ScriptedServer};
use tool_openai::{
    Agent, AgentError, AgentEvent, Conversation, History, Reply, StartPolicy, Suspended,
};

use super::plan::{Case, End, Form, How, Run};
use super::script::{Script, chunks};
use super::tools::{Log, Note, dispatcher};

/// Longer than anything that ends.
const FOREVER: Duration = Duration::from_secs(3600);

/// What happened to a run.
#[derive(Debug)]
pub(super) enum Outcome {
    Ended(Result<Reply, AgentError>),
    Dropped,
    /// It was waited for in vain.
    Hung,
}

/// A run, as it was seen.
pub(super) struct Seen {
    pub(super) outcome: Outcome,
    pub(super) events: Vec<AgentEvent>,
    /// The history before it, and after.
    pub(super) before: Vec<Value>,
    pub(super) after: Vec<Value>,
    /// What is wrong in itself.
    pub(super) faults: Vec<String>,
    /// What it cost.
    pub(super) tokens: u64,
}

/// All that was noted.
pub(super) struct Played {
    pub(super) runs: Vec<Seen>,
    pub(super) notes: Vec<Note>,
    pub(super) requests: Vec<Value>,
}

enum Model {
    Script(Arc<Script>),
    Server(ScriptedServer, Arc<Mutex<bool>>),
}

impl Model {
    async fn new(case: &Case, log: &Log) -> Self {
        if case.form != Form::Http {
            return Self::Script(Arc::new(Script::new(case.form, &case.turns, log)));
        }
        let mut answers = case.turns.clone().into_iter().enumerate();
        let over = Arc::new(Mutex::new(false));
        let (is_over, log) = (Arc::clone(&over), Arc::clone(log));
        let script = move |_: &chat::Request| {
            let next = answers.next().filter(|_| !*is_over.lock().unwrap());
            let Some((at, turn)) = next else {
                return ScriptedReply::text("Over.");
            };
            log.lock().unwrap().push(Note::Begun(at));
            let chunks = chunks(&turn, at);
            let after = turn.at % chunks.len();
            let body: String = chunks.into_iter().map(|(chunk, _)| chunk).collect();
            let answer = ScriptedReply::sse(body).with_pace(Duration::from_millis(turn.pace / 8));
            match turn.end {
                End::Finish => answer,
                End::Error => answer.with_error_after(after, "busy", "overloaded"),
                End::Break | End::Hang | End::Nothing | End::NoChoice => {
                    answer.with_cut_after(after)
                }
            }
        };
        Self::Server(ScriptedServer::start_with(script).await.unwrap(), over)
    }

    fn agent(&self, case: &Case, dispatcher: &Dispatcher, reported: Reported) -> Agent {
        let agent = match self {
            Self::Script(script) => Agent::new(Arc::clone(script), "scripted"),
            Self::Server(server, _) => Agent::new(server.client().unwrap(), "scripted"),
        };
        let policy = if case.early {
            StartPolicy::CallEnd
        } else {
            StartPolicy::StreamEnd
        };
        let agent = match case.budget {
            Some(budget) => agent.with_token_budget(budget),
            None => agent,
        };
        agent
            .with_on_event(move |event| reported.lock().unwrap().push(stored(event)))
            .with_tools(dispatcher.clone())
            .with_start_policy(policy)
            .with_max_turns(case.max_turns)
    }

    fn end(&self) {
        match self {
            Self::Script(script) => script.end(),
            Self::Server(_, over) => *over.lock().unwrap() = true,
        }
    }
}

/// The events that `on_event` receives.
type Reported = Arc<Mutex<Vec<AgentEvent>>>;

/// An event after serialisation.
fn stored(event: &AgentEvent) -> AgentEvent {
    serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap()
}

fn history(agent: &Conversation) -> Vec<Value> {
    agent
        .messages()
        .iter()
        .map(|message| to_value(message).unwrap())
        .collect()
}

/// Plays all runs, then lets the model behave well and continues to its last answer.
pub(super) async fn play(case: &Case) -> Played {
    let log = Log::default();
    let dispatcher = dispatcher(case, &log);
    let model = Model::new(case, &log).await;
    let reported = Reported::default();
    let agent = || model.agent(case, &dispatcher, Arc::clone(&reported));
    let mut conversation = agent().conversation();
    if let Some(millis) = case.cancelled_after {
        let token = CancellationToken::new();
        conversation = conversation.with_cancellation(token.clone());
        tokio::spawn(async move {
            sleep(Duration::from_millis(millis)).await;
            token.cancel();
        });
    }
    let mut runs = Vec::new();
    let (resume, last) = (
        Run {
            how: How::Whole,
            says: false,
            stored: false,
        },
        case.runs.len(),
    );
    for (at, run) in case.runs.iter().copied().chain([resume; 2]).enumerate() {
        if at == last {
            model.end();
        }
        if run.stored {
            let stored = serde_json::to_string(&conversation).unwrap();
            let history: History = serde_json::from_str(&stored).unwrap();
            conversation = agent().conversation_from(history);
        }
        log.lock().unwrap().push(Note::Run(at));
        let seen = one_run(&conversation, run, at == 0 || run.says, &reported, &log).await;
        if let Outcome::Ended(Err(AgentError::Cancelled)) = seen.outcome {
            conversation = conversation.with_cancellation(CancellationToken::new());
        }
        runs.push(seen);
        dispatcher.idle().await;
    }
    let requests = match &model {
        Model::Script(script) => script.requests.lock().unwrap().clone(),
        Model::Server(server, _) => server.requests(),
    };
    Played {
        runs,
        notes: log.lock().unwrap().clone(),
        requests,
    }
}

async fn one_run(
    agent: &Conversation,
    run: Run,
    says: bool,
    reported: &Reported,
    log: &Log,
) -> Seen {
    let (before, cost) = (history(agent), agent.usage().total_tokens);
    reported.lock().unwrap().clear();
    let mut faults = Vec::new();
    let outcome = match run.how {
        How::Whole => ended(timeout(FOREVER, whole(agent, says)).await, log).into(),
        How::Abandoned(millis) => timeout(Duration::from_millis(millis), whole(agent, says))
            .await
            .map_or(Outcome::Dropped, Outcome::Ended),
        How::Streamed => ended(
            timeout(
                FOREVER,
                streamed(agent, says, usize::MAX, reported, &mut faults),
            )
            .await,
            log,
        )
        .into(),
        How::Left(events) => ended(
            timeout(
                FOREVER,
                streamed(agent, says, events, reported, &mut faults),
            )
            .await,
            log,
        )
        .into(),
    };
    let events = std::mem::take(&mut *reported.lock().unwrap());
    Seen {
        outcome,
        events,
        before,
        after: history(agent),
        faults,
        tokens: agent.usage().total_tokens - cost,
    }
}

async fn whole(agent: &Conversation, says: bool) -> Result<Reply, AgentError> {
    let mut reply = match says {
        true => agent.run("Continue.").await?,
        false => agent.resume().await?,
    };
    while let Some((waiting, decisions)) = approved(&reply) {
        reply = agent.resume_with(waiting, decisions).await?;
    }
    Ok(reply)
}

/// A suspended run as another process reads it, and a yes to all its calls.
fn approved(reply: &Reply) -> Option<(Suspended, Vec<(usize, Decision)>)> {
    let tool_openai::Outcome::Suspended(waiting) = &reply.outcome else {
        return None;
    };
    let waiting: Suspended = serde_json::from_value(to_value(waiting).unwrap()).unwrap();
    let yes = waiting
        .held()
        .map(|call| (call.position(), Decision::Allow));
    let yes = yes.collect();
    Some((waiting, yes))
}

/// The last item of a stream, or nothing if it was dropped before. Its events are those that
/// `on_event` receives.
async fn streamed(
    agent: &Conversation,
    says: bool,
    most: usize,
    reported: &Reported,
    faults: &mut Vec<String>,
) -> Option<Result<Reply, AgentError>> {
    let mut stream = if says {
        agent.stream("Continue.")
    } else {
        agent.resume_stream()
    };
    let mut at = 0;
    for _ in 0..most {
        match stream.next().await {
            Some(Ok(AgentEvent::Reply(reply))) => {
                if let Some((waiting, decisions)) = approved(&reply) {
                    stream = agent.resume_stream_with(waiting, decisions);
                    continue;
                }
                let rest = stream.next().await;
                faults.extend(rest.map(|event| format!("after the reply: {event:?}")));
                return Some(Ok(reply));
            }
            Some(Ok(event)) => {
                let same = reported
                    .lock()
                    .unwrap()
                    .get(at)
                    .map(|event| to_value(event).unwrap());
                if same != Some(to_value(&event).unwrap()) {
                    faults.push(format!("the stream reports {event:?}, `on_event` {same:?}"));
                }
                at += 1;
            }
            Some(Err(error)) => {
                let rest = stream.next().await;
                faults.extend(rest.map(|event| format!("after the error: {event:?}")));
                return Some(Err(error));
            }
            None => {
                faults.push("the stream has no last item".to_owned());
                return None;
            }
        }
    }
    None
}

/// What only a model that hangs may end like.
fn ended<T>(result: Result<T, tokio::time::error::Elapsed>, log: &Log) -> Ended<T> {
    match result {
        Ok(result) => Ended::Yes(result),
        Err(_) if log.lock().unwrap().contains(&Note::Hangs) => Ended::Dropped,
        Err(_) => Ended::Hung,
    }
}

enum Ended<T> {
    Yes(T),
    Dropped,
    Hung,
}

impl From<Ended<Result<Reply, AgentError>>> for Outcome {
    fn from(ended: Ended<Result<Reply, AgentError>>) -> Self {
        match ended {
            Ended::Yes(result) => Self::Ended(result),
            Ended::Dropped => Self::Dropped,
            Ended::Hung => Self::Hung,
        }
    }
}

impl From<Ended<Option<Result<Reply, AgentError>>>> for Outcome {
    fn from(ended: Ended<Option<Result<Reply, AgentError>>>) -> Self {
        match ended {
            Ended::Yes(result) => result.map_or(Self::Dropped, Self::Ended),
            Ended::Dropped => Self::Dropped,
            Ended::Hung => Self::Hung,
        }
    }
}
