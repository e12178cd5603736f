//! Threads that wait for calls within theirs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::timeout;
use tool_core::{CallContext, Dispatcher, ToolCall, tool, tools};

use super::{Door, LONG, call, runtime};
use crate::support::codes;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_waits_for_nested_calls_continues() {
    /// Answer at once.
    #[tool]
    async fn answer() -> u32 {
        1
    }

    /// Pass that on, from a thread.
    #[tool(timeout = "5s")]
    fn pass_on(#[context] cx: &CallContext) -> String {
        let nested = cx.dispatch(vec![call("answer")]);
        tokio::runtime::Handle::current().block_on(nested)[0]
            .content()
            .into_owned()
    }

    for limit in [1, 2, 64] {
        for layered in [false, true] {
            let dispatcher = Dispatcher::new(tools![answer, pass_on]).with_max_concurrency(limit);
            let dispatcher = if layered {
                dispatcher.with_layer(tower::layer::util::Identity::new())
            } else {
                dispatcher
            };
            for run in 0..100 {
                let results = timeout(LONG * 10, dispatcher.dispatch(vec![call("pass_on"); 2]))
                    .await
                    .unwrap();
                assert_eq!(
                    [results[0].content(), results[1].content()],
                    ["1", "1"],
                    "limit {limit}, run {run}"
                );
            }
        }
    }
}

/// A lone call's first poll blocks its task: the nested call runs all the same, and the deadline is
/// watched meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_may_wait_for_nested_ones_inside_a_poll() {
    /// Answer at once.
    #[tool]
    async fn answer() -> u32 {
        1
    }

    /// Never answer.
    #[tool]
    async fn never() {
        std::future::pending::<()>().await;
    }

    /// Pass on what a nested call answers, from within a poll.
    #[tool(timeout = "500ms")]
    async fn pass_on(#[context] cx: &CallContext, tool: &str) -> String {
        tokio::task::block_in_place(|| {
            let nested = cx.dispatch(vec![call(tool)]);
            let results = tokio::runtime::Handle::current().block_on(nested);
            results[0].content().into_owned()
        })
    }

    let passing = |tool: &str| ToolCall::new("", "pass_on", format!(r#"{{"tool": "{tool}"}}"#));
    for limit in [1, 2] {
        let dispatcher = Dispatcher::new(tools![answer, never, pass_on]);
        let dispatcher = dispatcher.with_max_concurrency(limit);
        for calls in [1, 3] {
            let batch = vec![passing("answer"); calls];
            let results = timeout(LONG * 10, dispatcher.dispatch(batch))
                .await
                .unwrap();
            assert!(results.iter().all(|result| result.content() == "1"));
        }
        // Its nested call is stopped with it, which it may still pass on in time.
        let results = timeout(LONG * 10, dispatcher.dispatch(vec![passing("never")]));
        let results = results.await.unwrap();
        let is_stopped = results[0].content().contains("stopped after");
        assert!(is_stopped || codes(&results) == ["timeout_indeterminate"]);
        timeout(LONG * 10, dispatcher.idle()).await.unwrap();
    }
}

#[test]
fn calls_behind_a_thread_are_answered_when_its_runtime_is_gone() {
    /// Run until cancelled.
    #[tool(timeout = "500ms", concurrency = 1)]
    fn stay(#[state] door: &Door) {
        door.pass();
    }

    let state = Arc::new(Door::default());
    let is_held = state.held.lock().unwrap();
    let tools = tools![stay].with_shared_state(Arc::clone(&state));
    let dispatcher = Dispatcher::new(tools)
        .with_limits(|limits| limits.queue_time = Some(Duration::from_millis(200)));
    let runtime = runtime();
    runtime.block_on(async {
        // The first is begun by a runtime that goes when it is answered.
        let first = thread::spawn({
            let dispatcher = dispatcher.clone();
            move || dispatcher.dispatch_blocking(vec![call("stay")])
        });
        while state.begun.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let behind = tokio::spawn(dispatcher.dispatch(vec![call("stay")]));
        assert_eq!(
            codes(
                &tokio::task::spawn_blocking(|| first.join().unwrap())
                    .await
                    .unwrap()
            ),
            ["timeout_indeterminate"]
        );
        assert_eq!(
            codes(&timeout(LONG * 10, behind).await.unwrap().unwrap()),
            ["not_started"]
        );
    });
    drop(is_held);
}

#[test]
fn threads_that_wait_for_threads_do_not_use_up_the_pool() {
    /// Answer at once.
    #[tool]
    fn answer() -> u32 {
        1
    }

    /// Pass on what a call within this one answers.
    #[tool(timeout = "20s")]
    fn pass_on(#[context] cx: &CallContext, depth: u32) -> String {
        let nested = match depth {
            0 => call("answer"),
            depth => ToolCall::new("", "pass_on", format!(r#"{{"depth": {}}}"#, depth - 1)),
        };
        tokio::runtime::Handle::current().block_on(cx.dispatch(vec![nested]))[0]
            .content()
            .into_owned()
    }

    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let calls = vec![ToolCall::new("", "pass_on", r#"{"depth": 3}"#); 10];
    let batch = Dispatcher::new(tools![answer, pass_on]).dispatch(calls);
    let results = runtime
        .block_on(async { timeout(LONG * 10, batch).await })
        .unwrap();
    assert!(
        results.iter().all(|result| result.content() == "1"),
        "{results:?}"
    );
}
