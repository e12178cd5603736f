//! Recorded streams, put together again: `RECORDED_TRAFFIC` names the folder that has `chat.jsonl`.
//!
//! One exchange a line: `sse` is the text of a stream, `expected` the calls that other people's code made of it.

use std::path::PathBuf;
use std::{env, fs};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;
use serde_json::{Value, from_str};
use tool_openai::ModelEvent;
use tool_openai::chat::{Assembler, Completion, ToolCall};

/// Streams whose `expected` is none, or is not what the service meant, by a part of the name of their file, and why.
const NO_ORACLE: &[(&str, &str)] = &[];

#[derive(Deserialize)]
struct Exchange {
    file: String,
    provider: String,
    #[serde(default)]
    finish: Vec<Option<String>>,
    body: Option<Value>,
    sse: Option<String>,
    expected: Option<Vec<Expected>>,
    expected_by: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Expected {
    id: Option<String>,
    name: String,
    arguments: Value,
}

#[derive(Debug, PartialEq)]
struct Read {
    id: String,
    name: String,
    arguments: Value,
}

/// Arguments are compared as JSON, or as text where they are none, because they were cut.
fn arguments(text: &str) -> Value {
    from_str(text).unwrap_or_else(|_| Value::from(text))
}

fn expected(calls: &[Expected]) -> Vec<Read> {
    let read = |call: &Expected| Read {
        id: call.id.clone().unwrap_or_default(),
        name: call.name.clone(),
        arguments: call.arguments.as_str().map_or_else(|| call.arguments.clone(), arguments),
    };
    calls.iter().map(read).collect()
}

fn read(completion: &Completion) -> Vec<Read> {
    let read =
        |call: &ToolCall| Read { id: call.id.clone(), name: call.function.name.clone(), arguments: arguments(&call.function.arguments) };
    completion.choices.iter().flat_map(|choice| &choice.message.tool_calls).map(read).collect()
}

fn recorded() -> Option<Vec<Exchange>> {
    let Some(folder) = env::var_os("RECORDED_TRAFFIC") else {
        println!("skipped: RECORDED_TRAFFIC is not set");
        return None;
    };
    let lines = fs::read_to_string(PathBuf::from(folder).join("chat.jsonl")).unwrap();
    Some(lines.lines().map(|line| from_str(line).unwrap()).collect())
}

fn streams() -> Option<Vec<Exchange>> {
    let mut exchanges = recorded()?;
    exchanges.retain(|exchange| exchange.sse.is_some());
    Some(exchanges)
}

#[test]
fn survey() {
    for exchange in streams().unwrap_or_default() {
        let mut assembler = Assembler::new();
        assembler.push_bytes(exchange.sse.as_ref().unwrap().as_bytes()).unwrap();
        let completion = assembler.finish().unwrap();
        let ours = read(&completion);
        match &exchange.expected {
            Some(calls) if expected(calls) == ours => {}
            calls => println!(
                "{} {} {:?} {:?}\n  ours {ours:?}\n  exp {calls:?}",
                exchange.file, exchange.provider, exchange.expected_by, exchange.finish
            ),
        }
    }
}
