//! Nested calls that are stopped: by a deadline, in the queue, with their dispatch.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_nested_call_never_outlives_its_parents_deadline() {
    /// Wait for ever.
    #[tool(timeout = "none")]
    async fn wait_for_ever(#[context] cx: &CallContext, #[state] run_log: &RunLog) {
        let left = cx.deadline().unwrap() - Instant::now().into_std();
        let _inside = run_log.enter(format!("{} ms left", left.as_millis()));
        std::future::pending::<()>().await;
    }

    /// Wait for what waits for ever.
    #[tool(timeout = "50ms")]
    async fn wait_for_it(#[context] cx: &CallContext) -> String {
        sleep(Duration::from_millis(20)).await;
        texts(&cx.dispatch(calls([("wait_for_ever", "{}")])).await)
    }

    let run_log = RunLog::begin();
    let dispatcher =
        Dispatcher::new(tools![wait_for_ever, wait_for_it].with_shared_state(Arc::clone(&run_log)));
    let results = dispatcher.dispatch(calls([("wait_for_it", "{}")])).await;
    assert_eq!(codes(&results), ["timeout"]);
    assert_eq!(run_log.runs(), ["30 ms left 20..50"]);
    assert_eq!(results[0].elapsed(), Duration::from_millis(50));
}

#[tokio::test(start_paused = true)]
async fn waiting_in_the_queue_for_nested_calls_counts_for_the_parent() {
    /// Wait for a nested call.
    #[tool(timeout = "50ms")]
    async fn delegate(#[context] cx: &CallContext) -> String {
        texts(&cx.dispatch(calls([("slot", "{}")])).await)
    }

    /// Hold the only slot.
    #[tool(concurrency = 1)]
    async fn slot(#[state] run_log: &RunLog) {
        let _inside = run_log.enter("slot");
        sleep(Duration::from_secs(1)).await;
    }

    let run_log = RunLog::begin();
    let dispatcher =
        Dispatcher::new(tools![delegate, slot].with_shared_state(Arc::clone(&run_log)));
    let results = dispatcher
        .dispatch(calls([("slot", "{}"), ("delegate", "{}")]))
        .await;
    assert_eq!(codes(&results), ["ok", "timeout"]);
    assert_eq!(results[1].elapsed(), Duration::from_millis(50));
    // The nested one never began.
    assert_eq!(run_log.runs(), ["slot 0..1000"]);
}

#[tokio::test(start_paused = true)]
async fn nested_calls_are_stopped_when_their_dispatch_is_dropped() {
    /// Give up on a nested call.
    #[tool]
    async fn give_up(#[context] cx: &CallContext) -> bool {
        timeout(
            Duration::from_millis(10),
            cx.dispatch(vec![ToolCall::new(
                "w",
                "work",
                named("w", 1000).to_string(),
            )]),
        )
        .await
        .is_err()
    }

    let run_log = RunLog::begin();
    let dispatcher = Dispatcher::new(tools![give_up, work].with_shared_state(Arc::clone(&run_log)));
    assert_eq!(
        contents(&dispatcher.dispatch(calls([("give_up", "{}")])).await),
        ["true"]
    );
    dispatcher.idle().await;
    assert_eq!(run_log.runs(), ["w 0..10"]);
}
