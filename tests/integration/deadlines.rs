//! A call ends at its deadline, and its code says what may still be running.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::time::{Instant, advance, sleep};
use tool_core::{Dispatcher, Timeout, tool, tools};

use crate::support::{calls, codes};

/// Sleep for some seconds.
#[tool]
async fn sleep_for(seconds: u64) -> u64 {
    sleep(Duration::from_secs(seconds)).await;
    seconds
}

#[tokio::test(start_paused = true)]
async fn an_async_tool_is_dropped_at_its_deadline() {
    struct Raise(Arc<AtomicBool>);

    impl Drop for Raise {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// Act for too long.
    #[tool(timeout = "5s")]
    async fn act(#[state] dropped: &Arc<AtomicBool>) {
        let _guard = Raise(Arc::clone(dropped));
        sleep(Duration::from_secs(3600)).await;
    }

    /// Look for too long.
    #[tool(timeout = "250ms", read_only)]
    async fn look() {
        sleep(Duration::from_secs(3600)).await;
    }

    let dropped = Arc::new(AtomicBool::new(false));
    let dispatcher = Dispatcher::new(tools![act, look, sleep_for].with_state(Arc::clone(&dropped)));
    let begun = Instant::now();
    let results = dispatcher
        .dispatch(calls([
            ("act", "{}"),
            ("look", "{}"),
            ("sleep_for", r#"{"seconds": 1}"#),
        ]))
        .await;

    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert_eq!(codes(&results), ["timeout", "timeout", "ok"]);
    assert!(dropped.load(Ordering::SeqCst));
    assert_eq!(results[1].elapsed(), Duration::from_millis(250));
    let text = |position: usize| {
        results[position]
            .outcome()
            .unwrap_err()
            .message_for_model()
            .to_owned()
    };
    assert_eq!(
        text(0),
        "stopped after 5s without an answer; it may have acted in part"
    );
    assert_eq!(text(1), "stopped after 250ms without an answer");
}

#[tokio::test(start_paused = true)]
async fn a_call_has_two_minutes_unless_set() {
    let dispatcher = Dispatcher::new(tools![sleep_for]);
    let results = dispatcher
        .dispatch(calls([
            ("sleep_for", r#"{"seconds": 119}"#),
            ("sleep_for", r#"{"seconds": 121}"#),
        ]))
        .await;
    assert_eq!(codes(&results), ["ok", "timeout"]);
    assert_eq!(results[1].elapsed(), Duration::from_secs(120));

    let results = dispatcher
        .clone()
        .with_timeout(Duration::from_secs(1))
        .dispatch(calls([("sleep_for", r#"{"seconds": 2}"#)]))
        .await;
    assert_eq!(codes(&results), ["timeout"]);
    let results = dispatcher
        .with_timeout(None)
        .dispatch(calls([("sleep_for", r#"{"seconds": 100000}"#)]))
        .await;
    assert_eq!(codes(&results), ["ok"]);
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_declares_no_timeout_has_none() {
    /// Sleep for a day.
    #[tool(timeout = "none")]
    async fn sleep_for_a_day() {
        sleep(Duration::from_secs(86_400)).await;
    }

    let tools = tools![sleep_for_a_day];
    assert_eq!(
        tools
            .definition("sleep_for_a_day")
            .unwrap()
            .behavior()
            .timeout,
        Timeout::Never
    );
    let results = Dispatcher::new(tools)
        .with_timeout(Duration::from_secs(1))
        .dispatch(calls([("sleep_for_a_day", "{}")]))
        .await;
    assert_eq!(codes(&results), ["ok"]);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_permit_does_not_count() {
    let dispatcher = Dispatcher::new(tools![sleep_for])
        .with_timeout(Duration::from_secs(10))
        .with_max_concurrency(1);
    let results = dispatcher
        .dispatch(calls([("sleep_for", r#"{"seconds": 9}"#); 3]))
        .await;
    assert_eq!(codes(&results), ["ok", "ok", "ok"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_ready_at_the_deadline_is_kept() {
    let dispatcher = Dispatcher::new(tools![sleep_for]).with_timeout(Duration::from_secs(3));
    let results = dispatcher
        .dispatch(calls([("sleep_for", r#"{"seconds": 3}"#)]))
        .await;
    assert_eq!(codes(&results), ["ok"]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_the_tool_itself_is_its_error() {
    /// Give up.
    #[tool]
    async fn give_up() -> Result<(), tokio::time::error::Elapsed> {
        tokio::time::timeout(Duration::from_secs(1), std::future::pending()).await
    }

    let results = Dispatcher::new(tools![give_up])
        .dispatch(calls([("give_up", "{}")]))
        .await;
    assert_eq!(codes(&results), ["tool_error"]);
}

/// Holds threads until it is opened.
#[derive(Default)]
struct Gate {
    entered: Notify,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self) {
        self.entered.notify_one();
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

/// Pass the gate.
#[tool(timeout = "5s")]
fn pass(#[state] gate: &Gate) {
    gate.pass();
}

/// Answer at once.
#[tool]
async fn answer(#[state] gate: &Gate) -> bool {
    *gate.open.lock().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_thread_past_its_deadline_keeps_its_permit_until_it_ends() {
    let gate = Arc::new(Gate::default());
    let tools = tools![pass, answer].with_shared_state(Arc::clone(&gate));
    let dispatcher = Dispatcher::new(tools).with_max_concurrency(1);
    let batch = tokio::spawn(dispatcher.dispatch(calls([("pass", "{}"), ("answer", "{}")])));
    gate.entered.notified().await;
    // The clock does not advance while a thread of the pool is busy.
    advance(Duration::from_secs(60)).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!batch.is_finished());
    gate.open();
    let results = batch.await.unwrap();

    assert_eq!(codes(&results), ["timeout_indeterminate", "ok"]);
    // It waited for the thread.
    assert_eq!(results[1].content(), "true");
    let text = results[0].outcome().unwrap_err().message_for_model();
    assert_eq!(
        text,
        "no answer within 5s; it cannot be stopped and may still be acting"
    );
}

#[test]
fn a_call_that_found_no_thread_before_its_deadline_is_not_started() {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let gate = Arc::new(Gate::default());
    let dispatcher = Dispatcher::new(tools![pass].with_shared_state(Arc::clone(&gate)));
    let results = runtime.block_on(async {
        let batch = tokio::spawn(dispatcher.dispatch(calls([("pass", "{}"), ("pass", "{}")])));
        gate.entered.notified().await;
        advance(Duration::from_secs(6)).await;
        batch.await.unwrap()
    });
    gate.open();

    let mut codes = codes(&results);
    codes.sort_unstable();
    assert_eq!(codes, ["not_started", "timeout_indeterminate"]);
}

#[tokio::test(start_paused = true)]
async fn a_remote_tool_that_is_stopped_may_still_be_acting() {
    /// Work elsewhere.
    #[tool(timeout = "5s", remote, concurrency = 1)]
    async fn work() {
        sleep(Duration::from_secs(3600)).await;
    }

    let dispatcher = Dispatcher::new(tools![work]);
    let begun = Instant::now();
    let results = dispatcher
        .dispatch(calls([("work", "{}"), ("work", "{}")]))
        .await;
    assert_eq!(codes(&results), ["timeout_indeterminate"; 2]);
    // Its permit is free when it is stopped: nothing of it runs here.
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    dispatcher.idle().await;

    let mut batch = dispatcher.streaming_batch();
    for call in calls([("work", "{}"), ("work", "{}")]) {
        batch.push(call);
    }
    sleep(Duration::from_secs(1)).await;
    let results = batch.cancel();
    assert_eq!(codes(&results), ["cancelled_indeterminate", "not_started"]);
}
