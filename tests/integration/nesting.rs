//! Calls within calls: they cannot use up a limit, outlive their parent or wait for themselves.

mod stopped;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use tool_core::{CallContext, Dispatcher, ToolCall, ToolError, ToolResult, tool, tools};

use crate::run_log::RunLog;
use crate::support::{calls, codes, contents};

/// `ok` or the codes of nested calls, and their texts.
fn texts(results: &[ToolResult]) -> String {
    results
        .iter()
        .map(|result| {
            result
                .outcome()
                .map_or_else(|error| error.code().as_str().into(), |output| output.text())
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Work for a while.
#[tool]
async fn work(#[state] run_log: &RunLog, name: &str, millis: u64) -> String {
    let _inside = run_log.enter(name);
    sleep(Duration::from_millis(millis)).await;
    name.to_owned()
}

/// Work for a while, alone in its message.
#[tool(exclusive)]
async fn alone(#[state] run_log: &RunLog, name: &str, millis: u64) -> String {
    let _inside = run_log.enter(name);
    sleep(Duration::from_millis(millis)).await;
    name.to_owned()
}

/// Pass on a message of other calls: a list of names and arguments. Notes when it continues.
#[tool]
async fn pass_on(
    #[context] cx: &CallContext,
    #[state] run_log: &RunLog,
    name: &str,
    batch: Vec<(String, serde_json::Value)>,
) -> String {
    let to_call = |(at, (tool, arguments)): (usize, (String, serde_json::Value))| {
        ToolCall::new(format!("{name}.{at}"), tool, arguments.to_string())
    };
    let results = cx
        .dispatch(batch.into_iter().enumerate().map(to_call).collect())
        .await;
    let _on = run_log.enter(format!("{name} continues"));
    sleep(Duration::from_millis(1)).await;
    texts(&results)
}

fn named(name: &str, millis: u64) -> serde_json::Value {
    json!({"name": name, "millis": millis})
}

fn passing(name: &str, batch: serde_json::Value) -> ToolCall {
    ToolCall::new(
        name,
        "pass_on",
        json!({"name": name, "batch": batch}).to_string(),
    )
}

fn dispatcher() -> (Dispatcher, Arc<RunLog>) {
    let run_log = RunLog::begin();
    (
        Dispatcher::new(tools![work, alone, pass_on].with_shared_state(Arc::clone(&run_log))),
        run_log,
    )
}

#[tokio::test(start_paused = true)]
async fn nested_calls_run_at_once_and_are_answered_in_their_order() {
    let (dispatcher, run_log) = dispatcher();
    let batch = json!([["work", named("a", 20)], ["gone", {}], ["work", named("b", 10)], ["work", {"name": 1}]]);
    let results = dispatcher.dispatch(vec![passing("p", batch)]).await;
    assert_eq!(contents(&results), ["a unknown_tool b invalid_arguments"]);
    assert_eq!(run_log.runs(), ["a 0..20", "b 0..10", "p continues 20..21"]);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_parent_does_not_block_its_own_nested_calls() {
    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_max_concurrency(1);
    let nested = || json!([["work", named("a", 10)], ["work", named("b", 10)]]);
    let work = ToolCall::new("w", "work", named("w", 10).to_string());
    let results = dispatcher
        .dispatch(vec![passing("p", nested()), passing("q", nested()), work])
        .await;

    assert_eq!(contents(&results), ["a b", "a b", "w"]);
    // Nested calls one at a time; the next call of the program when all before it are finished.
    assert_eq!(
        run_log.runs(),
        [
            "a 0..10",
            "b 10..20",
            "p continues 20..21",
            "a 21..31",
            "b 31..41",
            "q continues 41..42",
            "w 42..52"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_parent_continues_at_once_whatever_else_runs() {
    /// Wait for one nested call, and leave another to a task.
    #[tool]
    async fn leave(#[context] cx: &CallContext, #[state] run_log: &RunLog) {
        let cx_of_task = cx.clone();
        let long = ToolCall::new("l", "work", named("long", 50).to_string());
        tokio::spawn(async move { cx_of_task.dispatch(vec![long]).await });
        let short = ToolCall::new("s", "work", named("short", 10).to_string());
        cx.dispatch(vec![short]).await;
        let _inside = run_log.enter("continues");
        sleep(Duration::from_millis(60)).await;
    }

    let run_log = RunLog::begin();
    let dispatcher = Dispatcher::new(tools![leave, work].with_shared_state(Arc::clone(&run_log)));
    let dispatcher = dispatcher.with_max_concurrency(2);
    dispatcher.dispatch(calls([("leave", "{}")])).await;
    assert_eq!(
        run_log.runs(),
        ["short 0..10", "long 0..50", "continues 10..70"]
    );
}

#[tokio::test(start_paused = true)]
async fn free_permits_go_to_nested_work_first() {
    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_max_concurrency(1);
    let mut batch = vec![passing("p", json!([["work", named("nested", 10)]]))];
    batch.extend(
        (0..3).map(|at| ToolCall::new("w", "work", named(&format!("w{at}"), 10).to_string())),
    );
    dispatcher.dispatch(batch).await;
    assert_eq!(run_log.begun(), ["nested", "p continues", "w0", "w1", "w2"]);
}

#[tokio::test(start_paused = true)]
async fn nesting_is_limited_to_eight_levels() {
    /// Call itself until it is deep enough.
    #[tool(concurrency = 1)]
    async fn dig(#[context] cx: &CallContext, depth: u32) -> String {
        match depth {
            0 => "bottom".to_owned(),
            _ => texts(
                &cx.dispatch(vec![ToolCall::new(
                    "d",
                    "dig",
                    json!({"depth": depth - 1}).to_string(),
                )])
                .await,
            ),
        }
    }

    let dispatcher = Dispatcher::new(tools![dig]).with_max_concurrency(1);
    let results = dispatcher
        .dispatch(calls([
            ("dig", r#"{"depth": 8}"#),
            ("dig", r#"{"depth": 9}"#),
        ]))
        .await;
    assert_eq!(contents(&results), ["bottom", "overloaded"]);
    for (nesting, expected) in [(0, ["bottom", "overloaded"]), (1, ["bottom", "bottom"])] {
        let dispatcher =
            Dispatcher::new(tools![dig]).with_limits(|limits| limits.nesting = nesting);
        let results = dispatcher
            .dispatch(calls([
                ("dig", r#"{"depth": 0}"#),
                ("dig", r#"{"depth": 1}"#),
            ]))
            .await;
        assert_eq!(contents(&results), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_nested_batchs_barriers_are_its_own() {
    let (dispatcher, run_log) = dispatcher();
    let batch = json!([
        ["work", named("a", 10)],
        ["alone", named("b", 10)],
        ["work", named("c", 10)]
    ]);
    let barrier = ToolCall::new("d", "alone", named("d", 10).to_string());
    let work = ToolCall::new("w", "work", named("w", 25).to_string());
    let results = timeout(
        Duration::from_secs(60),
        dispatcher.dispatch(vec![passing("p", batch), work, barrier]),
    )
    .await
    .unwrap();

    assert_eq!(contents(&results), ["a b c", "w", "d"]);
    assert_eq!(
        run_log.runs(),
        [
            "w 0..25",
            "a 0..10",
            "b 10..20",
            "c 20..30",
            "p continues 30..31",
            "d 31..41"
        ]
    );
}

/// Dispatch twice at once.
#[tool]
async fn both(#[context] cx: &CallContext) -> String {
    let work = |name| {
        cx.dispatch(vec![ToolCall::new(
            name,
            "work",
            named(name, 10).to_string(),
        )])
    };
    let (a, b) = tokio::join!(work("a"), work("b"));
    format!("{} {}", texts(&a), texts(&b))
}

#[tokio::test(start_paused = true)]
async fn two_dispatches_of_one_parent_may_wait_at_once() {
    let run_log = RunLog::begin();
    let tools = tools![both, work].with_shared_state(Arc::clone(&run_log));
    assert_eq!(
        contents(
            &Dispatcher::new(tools)
                .dispatch(calls([("both", "{}")]))
                .await
        ),
        ["a b"]
    );
    assert_eq!(run_log.runs(), ["a 0..10", "b 0..10"]);
}

#[tokio::test(start_paused = true)]
async fn two_dispatches_of_one_parent_share_the_one_permit() {
    let run_log = RunLog::begin();
    let dispatcher = Dispatcher::new(tools![both, work].with_shared_state(Arc::clone(&run_log)))
        .with_max_concurrency(1);
    assert_eq!(
        contents(
            &dispatcher
                .dispatch(calls([("both", "{}"), ("both", "{}")]))
                .await
        ),
        ["a b", "a b"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_marks_its_own_batch() {
    /// Stop the run.
    #[tool]
    async fn stop() -> Result<(), ToolError> {
        sleep(Duration::from_millis(5)).await;
        Err(ToolError::fatal("stop"))
    }

    let run_log = RunLog::begin();
    let dispatcher =
        Dispatcher::new(tools![stop, work, alone, pass_on].with_shared_state(Arc::clone(&run_log)));
    let batch = json!([
        ["stop", {}],
        ["work", named("a", 10)],
        ["alone", named("b", 1)]
    ]);
    let barrier = ToolCall::new("c", "alone", named("c", 1).to_string());
    let results = dispatcher
        .dispatch(vec![passing("p", batch), barrier])
        .await;
    assert_eq!(contents(&results), ["tool_error a not_started", "c"]);
    assert_eq!(
        run_log.runs(),
        ["a 0..10", "p continues 10..11", "c 11..12"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_context_kept_beyond_its_call_starts_nothing() {
    type Kept = std::sync::Mutex<Option<CallContext>>;

    /// Keep the context.
    #[tool]
    async fn keep(#[context] cx: &CallContext, #[state] kept: &Arc<Kept>) {
        *kept.lock().unwrap() = Some(cx.clone());
    }

    /// Answer at once.
    #[tool]
    async fn answer() -> bool {
        true
    }

    let kept = Arc::new(Kept::default());
    let dispatcher = Dispatcher::new(tools![keep, answer].with_state(Arc::clone(&kept)));
    dispatcher.dispatch(calls([("keep", "{}")])).await;
    let context = kept.lock().unwrap().take().unwrap();
    let results = context
        .dispatch(calls([("answer", "{}"), ("gone", "{}")]))
        .await;
    assert_eq!(results.len(), 2);
    assert_eq!(codes(&results)[0], "not_started");
    assert!(results.iter().all(|result| result.started().is_none()));
}

#[tokio::test(start_paused = true)]
async fn nested_calls_moved_to_a_task_end_with_their_parent() {
    /// Leave work behind.
    #[tool]
    async fn leave(#[context] cx: &CallContext) {
        let nested = cx.dispatch(vec![ToolCall::new(
            "w",
            "work",
            named("w", 1000).to_string(),
        )]);
        tokio::spawn(nested);
        sleep(Duration::from_millis(10)).await;
        panic!("leaves its work behind");
    }

    let run_log = RunLog::begin();
    let dispatcher = Dispatcher::new(tools![leave, work].with_shared_state(Arc::clone(&run_log)));
    assert_eq!(
        codes(&dispatcher.dispatch(calls([("leave", "{}")])).await),
        ["panic"]
    );
    sleep(Duration::from_millis(1)).await;
    assert_eq!(run_log.runs(), ["w 0..10"]);
}

#[tokio::test(start_paused = true)]
async fn a_nested_error_that_is_passed_on_is_the_parents_own() {
    /// Pass on what a nested call failed with.
    #[tool]
    async fn relay(
        #[context] cx: &CallContext,
        #[state] run_log: &RunLog,
        tool: String,
    ) -> Result<String, ToolError> {
        let _inside = run_log.enter("relay");
        let mut results = cx
            .dispatch(vec![ToolCall::new("n", tool, r#"{"name": 1}"#)])
            .await;
        Ok(results.remove(0).into_outcome()?.into_text())
    }

    /// The same by way of `anyhow`.
    #[tool]
    async fn wrap(
        #[context] cx: &CallContext,
        #[state] run_log: &RunLog,
        tool: String,
    ) -> anyhow::Result<String> {
        use anyhow::Context as _;
        let _inside = run_log.enter("wrap");
        let mut results = cx
            .dispatch(vec![ToolCall::new("n", tool, r#"{"name": 1}"#)])
            .await;
        Ok(results
            .remove(0)
            .into_outcome()
            .context("nested")?
            .into_text())
    }

    let run_log = RunLog::begin();
    let dispatcher = Dispatcher::new(tools![relay, wrap, work].with_shared_state(run_log));
    for parent in ["relay", "wrap"] {
        for nested in ["work", "nothing"] {
            let results = dispatcher
                .dispatch(vec![ToolCall::new(
                    "p",
                    parent,
                    json!({"tool": nested}).to_string(),
                )])
                .await;
            assert_eq!(codes(&results), ["tool_error"], "{parent} {nested}");
            assert!(results[0].started().is_some(), "{parent} {nested}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_nested_calls_may_wait_for_each_other() {
    /// Write, one after the other.
    #[tool(serialize_by(id))]
    async fn write(id: u32) -> u32 {
        tokio::task::yield_now().await;
        id
    }

    /// Write alone.
    #[tool(exclusive)]
    async fn write_alone(id: u32) -> u32 {
        tokio::task::yield_now().await;
        id
    }

    /// Make many calls of one tool.
    #[tool]
    async fn make(#[context] cx: &CallContext, tool: &str) -> usize {
        let results = cx.dispatch(calls([(tool, r#"{"id": 1}"#); 1_000])).await;
        results
            .iter()
            .filter(|result| result.outcome().is_ok())
            .count()
    }

    let dispatcher = Dispatcher::new(tools![write, write_alone, make]);
    let results = dispatcher
        .dispatch(calls([
            ("make", r#"{"tool": "write"}"#),
            ("make", r#"{"tool": "write_alone"}"#),
        ]))
        .await;
    assert_eq!(contents(&results), ["1000"; 2]);
}
