//! Threads that wait for calls within theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::timeout;
use tool_core::{CallContext, Dispatcher, ToolCall, tool, tools};

use super::{Door, LONG, call, overrun_on_thread, runtime};
use crate::support::{code, codes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_was_given_up_on_goes_on_with_a_permit() {
    /// Wait for a nested call on a thread, and say how many have ended then.
    #[tool(timeout = "50ms")]
    fn parent(#[context] cx: &CallContext, #[state] ended: &AtomicUsize) {
        runtime().block_on(cx.dispatch(vec![call("overrun_on_thread")]));
        let before = ended.fetch_add(10, Ordering::SeqCst);
        assert_eq!(before, 1, "it went on while the nested call had the permit");
        ended.fetch_add(10, Ordering::SeqCst);
    }

    let ended = Arc::new(AtomicUsize::new(0));
    let tools = tools![parent, overrun_on_thread].with_shared_state(Arc::clone(&ended));
    let dispatcher = Dispatcher::new(tools).with_max_concurrency(1);
    assert_eq!(
        codes(&dispatcher.dispatch(vec![call("parent")]).await),
        ["timeout_indeterminate"]
    );
    timeout(LONG * 10, dispatcher.idle()).await.unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_waits_for_nested_calls_goes_on() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_thread_that_gives_up_on_a_call_and_waits_for_another_lends_its_permit_again() {
    /// Answer at once.
    #[tool]
    async fn answer() {}

    /// Take long, and nobody else with that key.
    #[tool(serialize_by(bed))]
    async fn make(bed: u32) {
        let _ = bed;
        tokio::time::sleep(LONG * 10).await;
    }

    /// Take a while.
    #[tool]
    async fn pause() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    /// Wait a moment for one call, and then for another.
    #[tool(timeout = "3s")]
    fn give_up(#[context] cx: &CallContext) -> String {
        runtime().block_on(async {
            let given_up = timeout(Duration::from_millis(10), cx.dispatch(vec![made()])).await;
            assert!(given_up.is_err());
            cx.dispatch(vec![call("answer")]).await[0]
                .content()
                .into_owned()
        })
    }

    fn made() -> ToolCall {
        ToolCall::new("", "make", r#"{"bed": 1}"#)
    }

    // The call's first poll is held up: its thread is far ahead of it.
    let threads = |work| {
        thread::spawn(work);
        thread::sleep(Duration::from_millis(60));
    };
    let dispatcher = Dispatcher::new(tools![answer, make, pause, give_up])
        .with_max_concurrency(2)
        .with_blocking_executor(threads);
    let mut results = dispatcher.stream(vec![made(), call("give_up"), call("pause")]);
    let mut codes = Vec::new();
    while codes.len() < 2 {
        codes.extend(
            results
                .next()
                .await
                .map(|result| (result.position(), code(&result))),
        );
    }
    codes.sort_unstable();
    assert_eq!(codes, [(1, "ok"), (2, "ok")]);
}

#[test]
fn what_waits_behind_a_thread_is_answered_when_the_runtime_of_that_has_gone() {
    /// Stay until told to end.
    #[tool(timeout = "500ms", concurrency = 1)]
    fn stay(#[state] door: &Door) {
        door.pass();
    }

    let state = Arc::new(Door::default());
    let is_held = state.held.lock().unwrap();
    let tools = tools![stay].with_shared_state(Arc::clone(&state));
    let dispatcher =
        Dispatcher::new(tools).with_limits(|limits| limits.grace = Duration::from_millis(200));
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
