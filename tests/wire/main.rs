//! Replays recorded traffic of other people's programs. It is not part of this repository:
//! `RECORDED_TRAFFIC` names the folder that has it, as JSON lines. Without it there is nothing to
//! replay, and each test says so.

#![cfg(test)] // for clippy, which allows `unwrap` in tests

mod bodies;
mod responses;
mod streams;

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

/// One exchange.
#[derive(Debug, Deserialize)]
struct Exchange {
    source: String,
    file: String,
    /// The names of the tools that the model was offered; those of the service itself have none.
    request_tools: Vec<Option<String>>,
    /// Who answered.
    provider: String,
    /// Why the recorder says it ended.
    finish: Vec<String>,
    /// The answer, if it came whole.
    body: Option<Value>,
    /// The answer, if it came as a stream.
    sse: Option<String>,
    /// What other programs made of it.
    expected: Option<Vec<Call>>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Call {
    id: String,
    name: String,
    arguments: Value,
}

/// The exchanges in a file of that name, or nothing, with a word about it.
fn exchanges(file: &str) -> Vec<Exchange> {
    let Some(folder) = std::env::var_os("RECORDED_TRAFFIC") else {
        // Not `eprintln!`, which the test harness keeps to itself.
        let _ = writeln!(
            io::stderr(),
            "skipped: RECORDED_TRAFFIC is not set, so nothing of `{file}` was replayed"
        );
        return Vec::new();
    };
    let path = PathBuf::from(folder).join(file);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
