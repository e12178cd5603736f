//! Calls that wait for each other.
//!
//! oh-my-pi #3749, gptme #2892, librefang #3613, agentbridge #273, pydantic-ai #3899, #4663,
//! livekit #4661, Codewhale #2157: a parent holds its permit while its nested tool waits for one,
//! and the run hangs until it is killed. Here a parent that waits does not count against its
//! nested calls, and calls that wait for each other through keys end by their deadlines.

use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};
use tool_core::{CallContext, Dispatcher, ToolCall, tool, tools};

use crate::support::{calls, codes, contents};

/// Calls one tool, and says what came of it.
async fn pass_on(cx: &CallContext, tool: &str, arguments: serde_json::Value) -> String {
    sleep(Duration::from_millis(1)).await;
    contents(
        &cx.dispatch(vec![ToolCall::new("", tool, arguments.to_string())])
            .await,
    )
    .concat()
}

/// Call b, or be done.
#[tool(concurrency = 1)]
async fn a(#[context] cx: &CallContext, depth: u32) -> String {
    if depth == 0 {
        "a".to_owned()
    } else {
        pass_on(cx, "b", json!({"depth": depth - 1})).await
    }
}

/// Call a, or be done.
#[tool(concurrency = 1)]
async fn b(#[context] cx: &CallContext, depth: u32) -> String {
    if depth == 0 {
        "b".to_owned()
    } else {
        pass_on(cx, "a", json!({"depth": depth - 1})).await
    }
}

/// oh-my-pi #3749, gptme #2892, librefang #3613: more parents than permits.
#[tokio::test(start_paused = true)]
async fn parents_may_be_more_than_there_are_permits() {
    /// Answer.
    #[tool]
    async fn leaf() -> u32 {
        sleep(Duration::from_millis(1)).await;
        1
    }

    /// Ask a leaf.
    #[tool]
    async fn parent(#[context] cx: &CallContext) -> String {
        pass_on(cx, "leaf", json!({})).await
    }

    for limit in [1, 2, 10, 64] {
        let dispatcher = Dispatcher::new(tools![leaf, parent]).with_max_concurrency(limit);
        let results = dispatcher.dispatch(calls([("parent", "{}"); 10])).await;
        assert_eq!(contents(&results), ["1"; 10], "limit {limit}");
    }
}

/// agentbridge #273, pydantic-ai #4663: two tools that call each other, each with one permit.
#[tokio::test(start_paused = true)]
async fn parents_that_call_each_others_tools_finish() {
    let dispatcher = Dispatcher::new(tools![a, b]);
    let batch = calls([
        ("a", r#"{"depth": 3}"#),
        ("b", r#"{"depth": 3}"#),
        ("a", r#"{"depth": 6}"#),
    ]);
    let results = timeout(Duration::from_secs(60), dispatcher.dispatch(batch))
        .await
        .unwrap();
    assert_eq!(contents(&results), ["b", "a", "a"]);
}

/// Hold a bed, and then another.
#[tool(serialize_by(bed))]
async fn hold(#[context] cx: &CallContext, bed: u32, then: Option<u32>) -> String {
    sleep(Duration::from_millis(10)).await;
    match then {
        Some(then) => pass_on(cx, "hold", json!({"bed": then})).await,
        None => format!("held {bed}"),
    }
}

/// pydantic-ai #3899, livekit #4661, Codewhale #2157: each holds what the other waits for. Both end
/// by their deadlines, and what they held is free.
#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_each_other_end_by_their_deadlines() {
    let dispatcher = Dispatcher::new(tools![hold]).with_timeout(Duration::from_secs(5));
    let batch = calls([
        ("hold", r#"{"bed": 1, "then": 2}"#),
        ("hold", r#"{"bed": 2, "then": 1}"#),
    ]);
    let results = timeout(Duration::from_secs(6), dispatcher.dispatch(batch))
        .await
        .unwrap();
    assert_eq!(codes(&results), ["timeout", "timeout"]);
    let results = dispatcher
        .dispatch(calls([("hold", r#"{"bed": 1}"#)]))
        .await;
    assert_eq!(contents(&results), ["held 1"]);
    dispatcher.idle().await;
}

/// A call that needs the key its parent holds has it already.
#[tokio::test(start_paused = true)]
async fn a_nested_call_inherits_the_key_of_its_parent() {
    let dispatcher = Dispatcher::new(tools![hold]);
    let results = timeout(
        Duration::from_secs(1),
        dispatcher.dispatch(calls([("hold", r#"{"bed": 1, "then": 1}"#)])),
    )
    .await
    .unwrap();
    assert_eq!(contents(&results), ["held 1"]);
}

/// A child does not wait behind a barrier that waits for its parent.
#[tokio::test(start_paused = true)]
async fn a_nested_call_is_not_behind_a_barrier_of_its_parents_message() {
    /// Work alone.
    #[tool(exclusive)]
    async fn alone() -> u32 {
        7
    }

    let dispatcher = Dispatcher::new(tools![a, b, alone]);
    let batch = calls([
        ("a", r#"{"depth": 2}"#),
        ("alone", "{}"),
        ("b", r#"{"depth": 1}"#),
    ]);
    let results = timeout(Duration::from_secs(1), dispatcher.dispatch(batch))
        .await
        .unwrap();
    assert_eq!(contents(&results), ["a", "7", "a"]);
}
