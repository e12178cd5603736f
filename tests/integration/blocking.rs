//! Sync tools run on threads, which cannot be stopped: how the dispatcher handles that.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout};
use tool_core::{
    ApprovalRequest, CallContext, Decision, Dispatcher, ToolCall, ToolError, ToolResult, tool,
    tools,
};

use crate::gate::Gate;
use crate::support::{calls, codes};

/// Wait at the gate.
#[tool(timeout = "1s", concurrency = 2)]
fn pass(#[state] gate: &Gate) {
    gate.pass();
}

/// Wait at the gate, alone.
#[tool(timeout = "1s", exclusive)]
fn pass_alone(#[state] gate: &Gate) {
    gate.pass();
}

/// Wait at the gate for a bed.
#[tool(timeout = "1s", serialize_by(bed))]
fn pass_with(#[state] gate: &Gate, bed: u32) -> u32 {
    gate.pass();
    bed
}

/// Answer at once.
#[tool]
async fn answer() -> bool {
    true
}

/// Answer at once for a bed.
#[tool(serialize_by(bed))]
async fn answer_for(bed: u32) -> u32 {
    bed
}

fn dispatcher() -> (Dispatcher, Arc<Gate>) {
    let gate = Gate::new();
    let tools = tools![pass, pass_alone, pass_with, answer, answer_for]
        .with_shared_state(Arc::clone(&gate));
    (
        Dispatcher::new(tools).with_blocking_executor(gate.threads()),
        gate,
    )
}

#[tokio::test(start_paused = true)]
async fn a_thread_past_its_deadline_is_cancelled_and_its_result_dropped() {
    struct Reported {
        gate: Arc<Gate>,
        reported: AtomicBool,
    }

    /// Wait at the gate, and note whether there was word to end.
    #[tool(timeout = "1s")]
    fn listen(#[context] cx: &CallContext, #[state] state: &Reported) -> &'static str {
        assert!(!cx.cancellation().is_cancelled());
        state.gate.pass();
        state
            .reported
            .store(cx.cancellation().is_cancelled(), Ordering::SeqCst);
        "too late"
    }

    let gate = Gate::new();
    let state = Arc::new(Reported {
        gate: Arc::clone(&gate),
        reported: AtomicBool::new(false),
    });
    let dispatcher = Dispatcher::new(tools![listen].with_shared_state(Arc::clone(&state)))
        .with_blocking_executor(gate.threads());
    let results = dispatcher.dispatch(calls([("listen", "{}")])).await;
    assert_eq!(codes(&results), ["timeout_indeterminate"]);
    assert_eq!(results[0].elapsed(), Duration::from_secs(1));
    gate.open();
    dispatcher.idle().await;
    assert_eq!(codes(&results), ["timeout_indeterminate"]);
    assert!(state.reported.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_exceeds_the_queue_time_is_not_started() {
    let (dispatcher, gate) = dispatcher();
    let queue_time = Duration::from_secs(5);
    let dispatcher = dispatcher.with_limits(|limits| limits.queue_time = Some(queue_time));
    let cases = [
        calls([("pass_alone", "{}"), ("answer", "{}")]),
        calls([
            ("pass_with", r#"{"bed": 1}"#),
            ("answer_for", r#"{"bed": 1}"#),
        ]),
    ];
    for batch in cases {
        let results = dispatcher.dispatch(batch).await;
        assert_eq!(codes(&results), ["timeout_indeterminate", "not_started"]);
        assert_eq!(results[1].finished() - results[1].queued(), queue_time);
        let text = results[1].outcome().unwrap_err().message_for_model();
        assert_eq!(
            text,
            "not started: it waited too long in the queue; try again later"
        );
    }
    let results = dispatcher
        .dispatch(calls([("pass", "{}"), ("pass", "{}"), ("pass", "{}")]))
        .await;
    assert_eq!(
        codes(&results),
        [
            "timeout_indeterminate",
            "timeout_indeterminate",
            "not_started"
        ]
    );
    // Another batch waits for the key as well, and for the dispatcher's own limit.
    assert_eq!(
        codes(
            &dispatcher
                .dispatch(calls([
                    ("answer_for", r#"{"bed": 1}"#),
                    ("answer_for", r#"{"bed": 2}"#)
                ]))
                .await
        ),
        ["not_started", "ok"]
    );
    let narrow = dispatcher.clone().with_max_concurrency(1);
    assert_eq!(
        codes(
            &narrow
                .dispatch(calls([("pass", "{}"), ("answer", "{}")]))
                .await
        ),
        ["timeout_indeterminate", "not_started"]
    );
    gate.open();
    dispatcher.idle().await;
    narrow.idle().await;
    assert_eq!(
        codes(
            &narrow
                .dispatch(calls([("pass", "{}"), ("answer", "{}")]))
                .await
        ),
        ["ok", "ok"]
    );
    assert_eq!(
        codes(
            &dispatcher
                .dispatch(calls([("answer_for", r#"{"bed": 1}"#)]))
                .await
        ),
        ["ok"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_behind_unstoppable_work_starts_when_that_ends() {
    let (dispatcher, gate) = dispatcher();
    let batch = tokio::spawn(dispatcher.dispatch(calls([("pass_alone", "{}"), ("answer", "{}")])));
    sleep(Duration::from_secs(3)).await;
    gate.open();
    assert_eq!(
        codes(&batch.await.unwrap()),
        ["timeout_indeterminate", "ok"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_ten_minutes_unless_set_or_without_a_limit() {
    let (dispatcher, gate) = dispatcher();
    let batch = || calls([("pass_alone", "{}"), ("answer", "{}")]);
    let results = dispatcher.dispatch(batch()).await;
    let waited = results[1].finished() - results[1].queued();
    assert_eq!(waited, Duration::from_secs(600));
    let patient = dispatcher.with_limits(|limits| limits.queue_time = None);
    let waiting = timeout(Duration::from_secs(86_400), patient.dispatch(batch()));
    assert!(waiting.await.is_err());
    gate.open();
}

/// The time in the queue does not advance while a decision is pending that the call waits for.
#[tokio::test(start_paused = true)]
async fn queue_time_pauses_during_a_decision() {
    let (dispatcher, gate) = dispatcher();
    let dispatcher = dispatcher
        .with_limits(|limits| limits.queue_time = Some(Duration::from_secs(5)))
        .with_policy(|request: ApprovalRequest| async move {
            if request.definition().behavior().exclusive {
                sleep(Duration::from_secs(3600)).await;
            }
            Decision::Allow
        });
    // The second waits for the first, which is decided on for an hour.
    gate.open();
    let results = dispatcher
        .dispatch(calls([("pass_alone", "{}"), ("answer", "{}")]))
        .await;
    assert_eq!(codes(&results), ["ok", "ok"]);
    assert!(results[1].started().unwrap() - results[1].queued() >= Duration::from_secs(3600));
}

/// Decisions that are made at once, one after the other, do not give a waiting call more time.
#[tokio::test(start_paused = true)]
async fn immediate_decisions_do_not_restart_the_queue_time() {
    let (dispatcher, gate) = dispatcher();
    let dispatcher = dispatcher
        .with_limits(|limits| limits.queue_time = Some(Duration::from_secs(5)))
        .with_policy(|_: ApprovalRequest| async { Decision::Allow });
    let dispatcher = dispatcher.with_max_concurrency(1);
    let mut batch = dispatcher.streaming_batch();
    batch.push(ToolCall::new("", "pass", "{}")); // keeps the only permit
    for _ in 0..5 {
        batch.push(ToolCall::new("", "answer", "{}"));
        sleep(Duration::from_secs(2)).await;
    }
    let results = batch.cancel();
    assert_eq!(
        codes(&results[..3]),
        ["timeout_indeterminate", "not_started", "not_started"]
    );
    let waited = |result: &ToolResult| result.finished() - result.queued();
    assert_eq!(waited(&results[1]), Duration::from_secs(5));
    assert_eq!(waited(&results[2]), Duration::from_secs(7)); // it came after two
    gate.open();
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_cancelled_says_which_threads_may_still_act() {
    let (dispatcher, gate) = dispatcher();
    let mut turn = dispatcher.clone().streaming_batch();
    for name in ["answer", "pass", "pass", "pass"] {
        turn.push(ToolCall::new("", name, "{}"));
    }
    sleep(Duration::from_millis(10)).await;
    let results = turn.cancel();
    assert_eq!(
        codes(&results),
        [
            "ok",
            "cancelled_indeterminate",
            "cancelled_indeterminate",
            "not_started"
        ]
    );
    let text = results[1].outcome().unwrap_err().message_for_model();
    assert!(text.contains("may still be acting"), "{text}");
    assert!(
        timeout(Duration::from_secs(60), dispatcher.idle())
            .await
            .is_err()
    );
    gate.open();
    dispatcher.idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_panics_after_its_deadline_affects_no_other_call() {
    /// Panic when let go.
    #[tool(timeout = "1s")]
    fn panic_later(#[state] gate: &Gate) {
        gate.pass();
        panic!("on purpose");
    }

    let gate = Gate::new();
    let dispatcher =
        Dispatcher::new(tools![panic_later, answer].with_shared_state(Arc::clone(&gate)))
            .with_max_concurrency(1)
            .with_blocking_executor(gate.threads());
    assert_eq!(
        codes(&dispatcher.dispatch(calls([("panic_later", "{}")])).await),
        ["timeout_indeterminate"]
    );
    gate.open();
    assert_eq!(
        codes(&dispatcher.dispatch(calls([("answer", "{}")])).await),
        ["ok"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_answered_parent_of_a_running_thread_leaves_its_permits() {
    /// Give up on a thread.
    #[tool(concurrency = 1)]
    async fn give_up(#[context] cx: &CallContext) -> bool {
        timeout(
            Duration::from_millis(10),
            cx.dispatch(calls([("pass", "{}")])),
        )
        .await
        .is_err()
    }

    let gate = Gate::new();
    let dispatcher =
        Dispatcher::new(tools![pass, answer, give_up].with_shared_state(Arc::clone(&gate)))
            .with_blocking_executor(gate.threads())
            .with_max_concurrency(3);
    for call in ["give_up", "give_up", "answer"] {
        assert_eq!(
            codes(&dispatcher.dispatch(calls([(call, "{}")])).await),
            ["ok"],
            "{call}"
        );
    }
    // Two threads are left, which have permits of their own.
    let narrow = dispatcher
        .dispatch(calls([("pass", "{}"), ("answer", "{}")]))
        .await;
    assert_eq!(codes(&narrow), ["not_started", "ok"]);
    gate.open();
    dispatcher.idle().await;
}

/// Add one, on a thread.
#[tool(timeout = "1s")]
fn count(#[state] count: &AtomicUsize) -> usize {
    count.fetch_add(1, Ordering::SeqCst) + 1
}

#[tokio::test(start_paused = true)]
async fn one_thread_is_used_for_each_sync_call_only() {
    let jobs = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&jobs);
    let dispatcher = Dispatcher::new(tools![count, answer].with_state(AtomicUsize::default()))
        .with_blocking_executor(move |work| {
            counting.fetch_add(1, Ordering::SeqCst);
            work(); // on this thread
        });
    let results = dispatcher
        .dispatch(calls([
            ("count", "{}"),
            ("answer", "{}"),
            ("gone", "{}"),
            ("count", "{}"),
        ]))
        .await;
    assert_eq!(codes(&results), ["ok", "ok", "unknown_tool", "ok"]);
    assert_eq!(jobs.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn threads_that_lose_their_work_leave_no_call_unanswered() {
    let ran = Arc::new(AtomicUsize::new(0));
    let dispatcher = Dispatcher::new(tools![count, answer].with_shared_state(Arc::clone(&ran)))
        .with_max_concurrency(1);
    let drops = dispatcher.clone().with_blocking_executor(drop);
    let panics = dispatcher
        .clone()
        .with_blocking_executor(|_| panic!("the password is hunter2"));
    let keeps = dispatcher.with_blocking_executor(std::mem::forget);
    for (dispatcher, name) in [(drops, "drops"), (panics, "panics"), (keeps, "keeps")] {
        let results = dispatcher
            .dispatch(calls([("count", "{}"), ("answer", "{}")]))
            .await;
        assert_eq!(codes(&results)[1], "ok", "{name}");
        assert!(results[0].outcome().is_err(), "{name}");
        assert!(!results[0].content().contains("hunter2"), "{name}");
        assert!(
            timeout(Duration::from_secs(60), dispatcher.idle())
                .await
                .is_ok(),
            "{name}"
        );
    }
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn after_a_fatal_error_no_thread_begins() {
    type Work = Box<dyn FnOnce() + Send>;

    /// Stop the run.
    #[tool]
    async fn stop() -> Result<(), ToolError> {
        Err(ToolError::fatal("the disk is gone"))
    }

    let ran = Arc::new(AtomicUsize::new(0));
    let queue: Arc<std::sync::Mutex<Vec<Work>>> = Arc::default();
    let queued = Arc::clone(&queue);
    let dispatcher = Dispatcher::new(tools![count, stop].with_shared_state(Arc::clone(&ran)))
        .with_blocking_executor(move |work| queued.lock().unwrap().push(work));
    let begun = Instant::now();
    let results = dispatcher
        .dispatch(calls([("count", "{}"), ("stop", "{}")]))
        .await;
    assert_eq!(codes(&results), ["not_started", "tool_error"]);
    assert_eq!(
        (results[0].started(), begun.elapsed()),
        (None, Duration::ZERO)
    );
    queue.lock().unwrap().drain(..).for_each(|work| work());
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    dispatcher.idle().await;
}

#[tokio::test(start_paused = true)]
async fn work_that_finds_its_thread_after_the_deadline_never_runs() {
    type Work = Box<dyn FnOnce() + Send>;

    let ran = Arc::new(AtomicUsize::new(0));
    let queue: Arc<std::sync::Mutex<Vec<Work>>> = Arc::default();
    let queued = Arc::clone(&queue);
    let dispatcher = Dispatcher::new(tools![count].with_shared_state(Arc::clone(&ran)))
        .with_blocking_executor(move |work| queued.lock().unwrap().push(work));
    let results = dispatcher.dispatch(calls([("count", "{}")])).await;
    assert_eq!(codes(&results), ["not_started"]);
    assert!(results[0].started().is_none());
    let late: Vec<_> = queue.lock().unwrap().drain(..).collect();
    assert_eq!(late.len(), 1);
    late.into_iter().for_each(|work| work());
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    dispatcher.idle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_without_a_runtime_uses_that_of_its_own_call() {
    /// Make a call, from a thread that knows no runtime.
    #[tool]
    fn pass_on(#[context] cx: &CallContext) -> String {
        let mut made = pin!(cx.dispatch(calls([("answer", "{}")])));
        loop {
            match made.as_mut().now_or_never() {
                Some(results) => return results[0].content().into_owned(),
                None => std::thread::yield_now(),
            }
        }
    }

    let dispatcher = Dispatcher::new(tools![answer, pass_on])
        .with_blocking_executor(|work| _ = std::thread::spawn(work));
    assert_eq!(
        dispatcher.dispatch(calls([("pass_on", "{}")])).await[0].content(),
        "true"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_drop_does_not_hide_a_thread_that_still_runs() {
    struct Rude;

    impl Drop for Rude {
        fn drop(&mut self) {
            panic!("rude");
        }
    }

    /// Wait for a thread.
    #[tool(timeout = "1s")]
    async fn wait(#[context] cx: &CallContext) {
        let _rude = Rude;
        cx.dispatch(calls([("pass", "{}")])).await;
    }

    let gate = Gate::new();
    let tools = tools![pass, wait].with_shared_state(Arc::clone(&gate));
    let results = Dispatcher::new(tools)
        .with_blocking_executor(gate.threads())
        .dispatch(calls([("wait", "{}")]))
        .await;
    assert_eq!(codes(&results), ["timeout_indeterminate"]);
    assert!(
        results[0]
            .outcome()
            .unwrap_err()
            .source()
            .is_some_and(|panic| panic.to_string().contains("rude"))
    );
    gate.open();
}
