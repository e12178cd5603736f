//! What it saves to start calls while the model still writes: `cargo bench -p tool-openai --bench
//! start_early`.
//!
//! A message with four calls is played at 60 tokens a second, a token a chunk, in the form in which
//! OpenAI streams. The four tools only read, and take 300 ms each: all at once, or one after the
//! other, as where there is one connection to a database.

use std::collections::VecDeque;
use std::env;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::stream;
use serde_json::{Value, json};
use tool_core::{Dispatcher, serde_json, tool, tools};
use tool_openai::chat::{ChatAssembler, Request};
use tool_openai::{
    Agent, AgentEvent, Assembler, ChatModel, ModelError, ModelEvent, ModelFuture, ModelStream,
    StartPolicy,
};

const TOKEN: Duration = Duration::from_nanos(1_000_000_000 / 60);
const WORK: Duration = Duration::from_millis(300);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Get a part of a patient's record.
#[tool(read_only)]
async fn get_record(patient_id: &str, part: &str, limit: u32) -> String {
    tokio::time::sleep(WORK).await;
    format!("the last {limit} of {part} of {patient_id}")
}

/// The data of each event.
fn calls() -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).to_string()
    };
    let mut chunks = vec![chunk(
        json!({"role": "assistant", "content": null}),
        Value::Null,
    )];
    for (index, part) in ["demographics", "medications", "allergies", "lab results"]
        .into_iter()
        .enumerate()
    {
        let call = json!({"index": index, "id": format!("call_{index}"), "type": "function", "function": {"name": "get_record", "arguments": ""}});
        chunks.push(chunk(json!({"tool_calls": [call]}), Value::Null));
        for token in [
            "{\"", "patient", "_id", "\":\"", "P", "-", "001", "23", "\",\"", "part", "\":\"",
            part, "\",\"", "limit", "\":", "5", "}",
        ] {
            chunks.push(chunk(
                json!({"tool_calls": [{"index": index, "function": {"arguments": token}}]}),
                Value::Null,
            ));
        }
    }
    chunks.extend([chunk(json!({}), json!("tool_calls")), "[DONE]".to_owned()]);
    chunks
}

/// Plays the calls, and answers at once when it has the results.
struct Played;

impl ChatModel for Played {
    fn complete<'a>(&'a self, _: &'a Request) -> ModelFuture<'a> {
        Box::pin(async { Err(ModelError::Other("it only streams".into())) })
    }

    fn stream<'a>(&'a self, request: &'a Request) -> ModelStream<'a> {
        let chunks = match request.messages.len() {
            1 => calls(),
            _ => vec![
                json!({"choices": [{"delta": {"content": "Done."}, "finish_reason": "stop"}]})
                    .to_string(),
                "[DONE]".to_owned(),
            ],
        };
        let start = (
            Some(ChatAssembler::new()),
            VecDeque::from(chunks),
            VecDeque::new(),
        );
        Box::pin(stream::unfold(
            start,
            |(mut assembler, mut chunks, mut reported): (
                _,
                VecDeque<String>,
                VecDeque<ModelEvent>,
            )| async move {
                loop {
                    if let Some(event) = reported.pop_front() {
                        return Some((Ok(event), (assembler, chunks, reported)));
                    }
                    let Some(chunk) = chunks.pop_front() else {
                        let end = assembler.take().map(|assembler: ChatAssembler| {
                            assembler.finish().map(ModelEvent::Finished)
                        });
                        return end.map(|end| (end, (assembler, chunks, reported)));
                    };
                    tokio::time::sleep(TOKEN).await;
                    match assembler
                        .as_mut()
                        .map_or(Ok(Vec::new()), |assembler| assembler.push_text(&chunk))
                    {
                        Ok(events) => reported.extend(events),
                        Err(error) => {
                            return Some((Err(error), (None, VecDeque::new(), VecDeque::new())));
                        }
                    }
                }
            },
        ))
    }
}

/// When the first result is there, and when all are.
async fn run(start: StartPolicy, limit: usize) -> Result<(Duration, Duration)> {
    let results: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let (began, seen) = (Instant::now(), Arc::clone(&results));
    let dispatcher = Dispatcher::new(tools![get_record]).with_max_concurrency(limit);
    let agent = Agent::new(Played, "played")
        .with_tools(dispatcher)
        .with_start_policy(start)
        .with_on_event(move |event| {
            if let (AgentEvent::Result(_), Ok(mut seen)) = (event, seen.lock()) {
                seen.push(began.elapsed());
            }
        })
        .conversation();
    let mut events = agent.stream("Summarise patient P-00123.");
    while let Some(event) = events.next().await {
        event?;
    }
    let results = results.lock().map_err(|_| "a reader of results panicked")?;
    match results.as_slice() {
        [first, _, _, last] => Ok((*first, *last)),
        other => Err(format!("{} results instead of 4", other.len()).into()),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    if !env::args().any(|argument| argument == "--bench") {
        return Ok(()); // `cargo test --all-targets` runs it too
    }
    println!(
        "four calls in {} tokens, 60 a second, 300 ms each; milliseconds from the request to the first result and to the last",
        calls().len()
    );
    for (how, limit) in [("all at once", 4), ("one after the other", 1)] {
        for (policy, start) in [
            ("StreamEnd", StartPolicy::StreamEnd),
            ("CallEnd", StartPolicy::CallEnd),
        ] {
            let (first, last) = run(start, limit).await?;
            println!(
                "{how:20} {policy:10} {:6} {:6}",
                first.as_millis(),
                last.as_millis()
            );
        }
    }
    Ok(())
}
