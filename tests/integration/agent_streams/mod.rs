//! The agent while the model still writes: its events, what starts early, and what happens to a
//! message that never ends.

mod ending;
mod events;
mod requests;
mod starting;

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Map, Value, from_value, json, to_value};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tool_core::{CallContext, Dispatcher, ErrorCode, ToolError, tool, tools};
use tool_openai::chat::{self, Completion, Message, Request, TextFormat, ToolCall, ToolChoice};
use tool_openai::{
    Agent, AgentError, AgentEvent, ChatModel, ModelError, ModelEvent, ModelFuture, ModelStream,
    StartPolicy,
};

/// A token that is cancelled after so many milliseconds.
fn cancelled_after(millis: u64) -> CancellationToken {
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        sleep(Duration::from_millis(millis)).await;
        cancel.cancel();
    });
    token
}

/// What a scripted model does next.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "a script is short")]
enum Act {
    Write(ModelEvent),
    Think(u64),
    Break,
    Botch,
    Hang,
}

/// A model that writes what its script says, one script a request.
#[derive(Clone, Default)]
struct Scripted {
    turns: Arc<Mutex<VecDeque<Vec<Act>>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    fn new(turns: impl IntoIterator<Item = Vec<Act>>) -> Self {
        Self {
            turns: Arc::new(Mutex::new(turns.into_iter().collect())),
            ..Self::default()
        }
    }

    fn next(&self, request: &Request) -> VecDeque<Act> {
        self.requests.lock().unwrap().push(request.clone());
        self.turns
            .lock()
            .unwrap()
            .pop_front()
            .expect("the script is over")
            .into()
    }

    /// The messages of the last request.
    fn conversation(&self) -> Value {
        to_value(&self.requests.lock().unwrap().last().unwrap().messages).unwrap()
    }
}

impl ChatModel for Scripted {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        let mut stream = self.stream(request);
        Box::pin(async move {
            while let Some(event) = stream.next().await {
                if let ModelEvent::Finished(completion) = event? {
                    return Ok(completion);
                }
            }
            unreachable!("scripts end")
        })
    }

    fn stream<'a>(&'a self, request: &'a Request) -> ModelStream<'a> {
        Box::pin(stream::unfold(self.next(request), |mut acts| async move {
            loop {
                match acts.pop_front()? {
                    Act::Write(event) => return Some((Ok(event), acts)),
                    Act::Think(millis) => sleep(Duration::from_millis(millis)).await,
                    Act::Break => {
                        return Some((Err(ModelError::Other("the connection broke".into())), acts));
                    }
                    Act::Botch => {
                        let code = Some("tool_use_failed".to_owned());
                        let error = ModelError::StreamError {
                            code,
                            message: "Failed to call a function.".to_owned(),
                            failed_generation: None,
                            request_id: None,
                        };
                        return Some((Err(error), acts));
                    }
                    Act::Hang => pending().await,
                }
            }
        }))
    }
}

fn call(position: usize, name: &str, arguments: &Value) -> ToolCall {
    let text = arguments
        .as_str()
        .map_or_else(|| arguments.to_string(), str::to_owned);
    from_value(json!({"id": format!("call_{position}"), "type": "function", "function": {"name": name, "arguments": text}})).unwrap()
}

/// A call as it is written: begun, thought about for so many milliseconds, complete.
fn writes(position: usize, name: &str, arguments: Value, millis: u64) -> Vec<Act> {
    let call = call(position, name, &arguments);
    let delta = call.function.arguments.clone();
    vec![
        Act::Write(ModelEvent::ToolCallStarted {
            position,
            name: name.to_owned(),
        }),
        Act::Think(millis),
        Act::Write(ModelEvent::ToolCallDelta { position, delta }),
        Act::Write(ModelEvent::ToolCallComplete { position, call }),
    ]
}

fn ends(message: Value, finish_reason: &str) -> Act {
    let choice = json!({"message": message, "finish_reason": finish_reason});
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    let completion = Completion {
        choices: vec![from_value(choice).unwrap()],
        usage: from_value(usage).unwrap(),
        extra: Map::new(),
    };
    Act::Write(ModelEvent::Finished(completion))
}

fn says(text: &str) -> Vec<Act> {
    vec![
        Act::Write(ModelEvent::Text(text.to_owned())),
        ends(json!({"content": text}), "stop"),
    ]
}

/// A message with these calls, each written in so many milliseconds.
fn calls(calls: &[(&str, Value)], millis: u64) -> Vec<Act> {
    let wire: Vec<_> = calls
        .iter()
        .enumerate()
        .map(|(position, (name, arguments))| call(position, name, arguments))
        .collect();
    let written = calls
        .iter()
        .enumerate()
        .flat_map(|(position, (name, arguments))| {
            writes(position, name, arguments.clone(), millis)
        });
    written
        .chain([ends(
            json!({"content": null, "tool_calls": wire}),
            "tool_calls",
        )])
        .collect()
}

/// When what began, from the start of the test.
type RunLog = Arc<Mutex<Vec<(String, u64)>>>;

struct Clinic {
    began: Instant,
    run_log: RunLog,
}

impl Clinic {
    fn note(&self, what: &str) {
        self.run_log.lock().unwrap().push((
            what.to_owned(),
            u64::try_from(self.began.elapsed().as_millis()).unwrap(),
        ));
    }
}

/// Look something up.
#[tool(read_only)]
async fn look_up(#[state] clinic: &Clinic, #[context] cx: &CallContext, what: &str) -> String {
    clinic.note(what);
    cx.progress("half way", 0.5);
    sleep(Duration::from_millis(300)).await;
    format!("found {what}")
}

/// Write something down.
#[tool]
async fn write_down(#[state] clinic: &Clinic, what: &str) -> String {
    clinic.note(what);
    format!("wrote {what}")
}

/// Stop everything.
#[tool(read_only)]
async fn give_up() -> Result<(), ToolError> {
    Err(ToolError::fatal("the ledger is corrupt"))
}

fn clinic() -> (Dispatcher, RunLog) {
    let run_log = RunLog::default();
    let clinic = Clinic {
        began: Instant::now(),
        run_log: Arc::clone(&run_log),
    };
    (
        Dispatcher::new(tools![look_up, write_down, give_up].with_state(clinic)),
        run_log,
    )
}

fn noted(run_log: &RunLog) -> Vec<(String, u64)> {
    run_log.lock().unwrap().clone()
}

fn look(what: &str) -> (&'static str, Value) {
    ("look_up", json!({"what": what}))
}
