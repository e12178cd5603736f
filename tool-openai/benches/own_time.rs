//! What an agent adds to a long run of its own: `cargo bench -p tool-openai --bench own_time`.
//!
//! 20 turns over a history of 1 000 messages, with 50 tools, against a model in the process that
//! writes each request as JSON and answers at once. Beside it, the same requests are written as JSON
//! and nothing else is done. And what it takes to write the 50 definitions as JSON, once and again.
//!
//! Medians of rounds that take both in turn. To reach: the run at most 1.5 times as long as the
//! writing; the definitions again in at most 1 us.

use std::error::Error;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tool_core::serde_json::{self, Map, Value, json};
use tool_core::{DynamicTool, ToolSet};
use tool_openai::chat::{self, Completion, Message, Request};
use tool_openai::{Agent, ChatModel, History, ModelError, ModelFuture};

const TURNS: usize = 20;
const MESSAGES: usize = 1_000;
const TOOLS: usize = 50;
const ROUNDS: usize = 15;

/// Writes each request, and asks for another call until the last turn.
#[derive(Clone, Default)]
struct Writer {
    /// The requests, where they are kept.
    kept: Option<Arc<Mutex<Vec<Request>>>>,
    bytes: Arc<Mutex<Vec<usize>>>,
}

impl ChatModel for Writer {
    fn complete<'a>(&'a self, request: &'a Request) -> ModelFuture<'a> {
        Box::pin(async move {
            let text =
                serde_json::to_vec(request).map_err(|error| ModelError::Other(error.into()))?;
            if let Some(kept) = &self.kept {
                lock(kept).push(request.clone());
            }
            let turn = {
                let mut bytes = lock(&self.bytes);
                bytes.push(text.len());
                bytes.len()
            };
            black_box(text);
            answer(turn).map_err(|error| ModelError::Other(error.into()))
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn answer(turn: usize) -> serde_json::Result<Completion> {
    let message = match turn % TURNS {
        0 => json!({"content": "Done."}),
        _ => json!({"content": null, "tool_calls": [
            {"id": format!("call_{turn}"), "type": "function", "function": {"name": "tool_7", "arguments": "{\"patient_id\": \"P-00123\"}"}}
        ]}),
    };
    serde_json::from_value(json!({"choices": [{"message": message}]}))
}

fn tools() -> Result<ToolSet, Box<dyn Error>> {
    let schema = json!({"type": "object", "required": ["patient_id"], "properties": {
        "patient_id": {"type": "string", "description": "Patient ID (format: P-NNNNN)"},
        "limit": {"type": "integer", "description": "Number of results.", "minimum": 1, "maximum": 50},
    }});
    let mut tools = ToolSet::default();
    for number in 0..TOOLS {
        let name = format!("tool_{number}");
        let done = |_: Map<String, Value>| async { Ok::<_, String>("done") };
        tools = tools.with_tool(DynamicTool::new(
            name,
            "Get a part of a record.",
            schema.clone(),
            done,
        )?)?;
    }
    Ok(tools)
}

fn history() -> History {
    let messages = (0..MESSAGES).map(|number| {
        let text = format!("Message {number}: the patient was seen, and all was as it was before.");
        match number % 2 {
            0 => Message::user(text),
            _ => Message::assistant(text),
        }
    });
    messages.collect::<Vec<_>>().into()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let history = history();
    let agent = |model: Writer| {
        Ok::<_, Box<dyn Error>>(
            Agent::new(model, "m")
                .with_tools(tools()?)
                .with_max_turns(TURNS),
        )
    };

    let kept = Arc::default();
    let model = Writer {
        kept: Some(Arc::clone(&kept)),
        ..Writer::default()
    };
    runtime.block_on(agent(model)?.conversation_from(history.clone()).run("Go."))?;
    let requests = std::mem::take(&mut *lock(&kept));
    assert_eq!(requests.len(), TURNS);

    let measured = agent(Writer::default())?;
    let (mut runs, mut writing) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let conversation = measured.conversation_from(history.clone());
        let start = Instant::now();
        runtime.block_on(conversation.run("Go."))?;
        runs.push(start.elapsed());
        let start = Instant::now();
        for request in &requests {
            black_box(serde_json::to_vec(request)?);
        }
        writing.push(start.elapsed());
    }
    let (run, writing) = (median(runs), median(writing));
    println!(
        "{TURNS} turns over {MESSAGES} messages and {TOOLS} tools: {:.2} ms; the requests alone: {:.2} ms; {:.2} times as long",
        run.as_secs_f64() * 1e3,
        writing.as_secs_f64() * 1e3,
        run.as_secs_f64() / writing.as_secs_f64()
    );

    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let tools = tools()?;
        let start = Instant::now();
        black_box(serde_json::to_string(&chat::tools(&tools)?)?);
        first.push(start.elapsed());
        let start = Instant::now();
        for _ in 0..100 {
            black_box(serde_json::to_string(&chat::tools(&tools)?)?);
        }
        again.push(start.elapsed() / 100);
    }
    println!(
        "{TOOLS} definitions as JSON: {:.1} us first, {:.2} us again",
        median(first).as_secs_f64() * 1e6,
        median(again).as_secs_f64() * 1e6
    );
    Ok(())
}
