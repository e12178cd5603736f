//! The context of a call, and where it runs.

use std::thread::{self, ThreadId};

use serde_json::json;
use tool_core::{CallContext, Dispatcher, ToolCall, tool, tools};

use crate::support::{calls, codes, contents};

type Seen = (String, String, usize);

fn seen(cx: &CallContext) -> Seen {
    (cx.id().to_owned(), cx.tool().to_owned(), cx.position())
}

/// Describe the call.
#[tool]
async fn later(#[context] cx: &CallContext, name: Option<&str>) -> (Seen, usize) {
    let before = seen(cx);
    tokio::task::yield_now().await;
    assert_eq!(before, seen(cx));
    (before, name.map_or(0, str::len))
}

/// Describe the call, on a thread.
#[tool(name = "on-thread")]
fn threaded(#[context] cx: &CallContext) -> Seen {
    seen(cx)
}

/// Describe the call, here.
#[tool(inline)]
fn here(#[context] cx: &CallContext, #[state] _: &u8, name: Option<String>) -> Seen {
    let _ = name;
    seen(cx)
}

#[tokio::test]
async fn a_call_knows_its_id_its_tool_and_its_place() {
    let dispatcher = Dispatcher::new(tools![later, threaded, here].with_state(0_u8));
    let batch = vec![
        ToolCall::new("a", "on-thread", "{}"),
        ToolCall::new("", "here", "{}"),
        ToolCall::new("a", "later", r#"{"name": "abc"}"#),
        ToolCall::new("b", "unknown", "{}"),
        ToolCall::new("č", "on-thread", "{}"),
    ];
    let results = dispatcher.dispatch(batch).await;
    let expected = [
        r#"["a","on-thread",0]"#,
        r#"["","here",1]"#,
        r#"[["a","later",2],3]"#,
    ];
    assert_eq!(contents(&results)[..3], expected);
    assert_eq!(contents(&results)[4], r#"["č","on-thread",4]"#);
}

#[tokio::test]
async fn the_context_has_the_name_that_the_model_used() {
    let tools = tools![threaded].with_prefix("north_");
    let results = Dispatcher::new(tools)
        .dispatch(calls([("north_on-thread", "{}")]))
        .await;
    assert_eq!(contents(&results), [r#"["call_0","north_on-thread",0]"#]);
}

#[tokio::test]
async fn a_context_cannot_be_forged_and_is_not_shown() {
    let tools = tools![later, here].with_state(0_u8);
    for name in ["later", "here"] {
        let properties = &tools.definition(name).unwrap().parameters()["properties"];
        assert_eq!(
            properties.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["name"]
        );
    }
    let forged = json!({"cx": {"id": "call_9", "position": 9}}).to_string();
    let results = Dispatcher::new(tools)
        .dispatch(calls([("later", &forged), ("here", &forged)]))
        .await;
    assert_eq!(codes(&results), ["invalid_arguments"; 2]);
    for result in &results {
        assert_eq!(
            result.outcome().unwrap_err().message_for_model(),
            "`cx`: unknown argument (the tool takes `name`)"
        );
    }
}

fn running_on() -> String {
    format!("{:?}", thread::current().id())
}

/// Say which thread this is.
#[tool(inline)]
fn which_inline() -> String {
    running_on()
}

/// Say which thread this is, from the blocking pool.
#[tool]
fn which_blocking() -> String {
    running_on()
}

/// Say which thread this is, from a task.
#[tool]
async fn which_async() -> String {
    running_on()
}

#[tokio::test(flavor = "current_thread")]
async fn an_inline_function_stays_off_the_blocking_pool() {
    let ours: ThreadId = thread::current().id();
    let dispatcher = Dispatcher::new(tools![which_inline, which_blocking, which_async]);
    let results = dispatcher
        .dispatch(calls([
            ("which_inline", "{}"),
            ("which_async", "{}"),
            ("which_blocking", "{}"),
        ]))
        .await;
    let ours = format!("{ours:?}");
    assert_eq!(contents(&results)[..2], [ours.as_str(), ours.as_str()]);
    assert_ne!(contents(&results)[2], ours);
}

/// Panic at once.
#[tool(inline)]
fn panics() -> u32 {
    panic!("inside")
}

#[tokio::test]
async fn an_inline_panic_is_the_result_of_its_own_call() {
    let dispatcher = Dispatcher::new(tools![panics, which_inline]);
    let results = dispatcher
        .dispatch(calls([("panics", "{}"), ("which_inline", "{}")]))
        .await;
    assert_eq!(codes(&results), ["panic", "ok"]);
    assert!(!results[0].content().contains("inside"));
}

/// Say under which key it may be done once.
#[tool]
async fn keyed(#[context] cx: &CallContext) -> String {
    cx.idempotency_key()
}

#[tokio::test]
async fn idempotency_keys_are_unique_in_a_message_of_any_length() {
    let dispatcher = Dispatcher::new(tools![keyed]).with_limits(|limits| limits.calls = usize::MAX);
    let mut keys = Vec::new();
    for _ in 0..3 {
        let mut turn = dispatcher.streaming_batch();
        turn.push(ToolCall::new("", "keyed", "{}"));
        turn.push(ToolCall::new("", "keyed", "{}"));
        keys.extend(contents(&turn.finish().await));
        keys.extend(contents(
            &dispatcher.dispatch(calls([("keyed", "{}"); 2])).await,
        ));
    }
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 12);
}
