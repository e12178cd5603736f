//! An extension trait for every type, with the names of methods that generated code might call.

#![allow(dead_code)]

use tool_core::{CallContext, Dispatcher, ToolCall, tool, tools};

trait Extension: Sized {
    fn kind(self) -> u8 {
        0
    }
    fn finish(self) -> u8 {
        0
    }
    fn schema(self) -> u8 {
        0
    }
    fn take(self) -> u8 {
        0
    }
    fn is_ok(self) -> u8 {
        0
    }
    fn state(self) -> u8 {
        0
    }
    fn context(self) -> u8 {
        0
    }
    fn arguments(self) -> u8 {
        0
    }
    fn whole(self) -> u8 {
        0
    }
}

impl<T> Extension for T {}

/// Add.
#[tool(structured)]
async fn add(
    a: u8,
    #[arg(default = 1, range(..=9))] b: u8,
    #[state] more: &u8,
    #[context] cx: &CallContext,
) -> Result<u8, String> {
    Ok(a + b + more + cx.attempt() as u8)
}

/// Count.
#[tool]
fn count(#[args] all: std::collections::BTreeMap<String, u8>) -> Option<usize> {
    Some(all.len())
}

#[test]
fn is_accepted() {
    let dispatcher = Dispatcher::new(tools![add, count].with_state(1_u8));
    let calls = vec![
        ToolCall::new("1", "add", r#"{"a": 1}"#),
        ToolCall::new("2", "count", "{}"),
    ];
    let results = dispatcher.dispatch_blocking(calls);
    assert_eq!((&*results[0].content(), &*results[1].content()), ("4", "0"));
    assert_eq!((1_u8.kind(), 1_u8.take()), (0, 0));
}
