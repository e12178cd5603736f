//! The tools of the workers: each logs what it does to a file, which survives it.

/// The code of the guide, tested.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/engines.md")]
mod guide {}

pub mod engine;
pub mod scenario;

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use tool_core::{CallContext, ToolSet, tool, tools};

/// Writes a line to the file `LOG`.
pub fn log(what: &str, tag: &str) {
    let Some(file) = std::env::var_os("LOG") else {
        return;
    };
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(file) {
        _ = file.write_all(format!("{what} {tag}\n").as_bytes());
    }
}

struct OnDrop<'a>(&'a str);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        log("dropped", self.0);
    }
}

async fn work(tag: &str, milliseconds: u64) -> String {
    log("began", tag);
    let dropped = OnDrop(tag);
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    std::mem::forget(dropped);
    log("ended", tag);
    tag.to_owned()
}

/// Work for a while; may be repeated.
#[tool(idempotent, title = "Work")]
pub async fn work_again(#[context] context: &CallContext, tag: &str, milliseconds: u64) -> String {
    log(&format!("key {}", context.idempotency_key()), tag);
    work(tag, milliseconds).await
}

/// Work for a while; must not be repeated.
#[tool]
pub async fn work_once(tag: &str, milliseconds: u64) -> String {
    work(tag, milliseconds).await
}

/// Fail.
#[tool(read_only)]
pub async fn fails(tag: &str) -> Result<String, String> {
    log("began", tag);
    Err("no such patient".to_owned())
}

/// Panic.
#[tool(read_only)]
pub async fn panics() -> String {
    panic!("a secret of the worker")
}

/// Return the key.
#[tool(read_only)]
pub async fn key(#[context] context: &CallContext) -> String {
    context.idempotency_key()
}

/// Return text as long as it is asked for.
#[tool(read_only)]
pub async fn length(text: String) -> usize {
    text.len()
}

/// Return much text.
#[tool(read_only)]
pub async fn long(mebibytes: usize) -> String {
    "x".repeat(mebibytes << 20)
}

/// All of them.
pub fn all() -> ToolSet {
    tools![work_again, work_once, fails, panics, key, length, long]
}
