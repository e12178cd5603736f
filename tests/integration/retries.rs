//! A failed call is tried again, where its tool says that this does no harm.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};
use tool_core::{CallContext, Dispatcher, DynamicTool, Retry, ToolCall, ToolError, tool, tools};

use crate::support::{calls, codes, contents};

/// When each attempt began, and under which key.
#[derive(Default)]
struct Attempts(Mutex<Vec<(Instant, String)>>);

impl Attempts {
    fn note(&self, cx: &CallContext) -> u32 {
        self.0
            .lock()
            .unwrap()
            .push((Instant::now(), cx.idempotency_key()));
        cx.attempt()
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn pauses(&self) -> Vec<Duration> {
        self.0
            .lock()
            .unwrap()
            .windows(2)
            .map(|pair| pair[1].0 - pair[0].0)
            .collect()
    }

    fn keys(&self) -> HashSet<String> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .map(|(_, key)| key.clone())
            .collect()
    }
}

/// Fail until an attempt.
#[tool(
    read_only,
    retry(attempts = 4, backoff = "100ms", max_backoff = "200ms")
)]
async fn flaky(
    #[context] cx: &CallContext,
    #[state] attempts: &Attempts,
    until: u32,
) -> Result<u32, String> {
    let attempt = attempts.note(cx);
    if attempt < until {
        Err(format!("attempt {attempt} failed"))
    } else {
        Ok(attempt)
    }
}

/// The same on a thread.
#[tool(idempotent, retry(attempts = 4, backoff = "1ms"))]
fn flaky_thread(
    #[context] cx: &CallContext,
    #[state] attempts: &Attempts,
    until: u32,
) -> Result<u32, String> {
    let attempt = attempts.note(cx);
    if attempt < until {
        Err(format!("attempt {attempt} failed"))
    } else {
        Ok(attempt)
    }
}

fn dispatcher() -> (Dispatcher, Arc<Attempts>) {
    let attempts = Arc::new(Attempts::default());
    (
        Dispatcher::new(tools![flaky, flaky_thread].with_shared_state(Arc::clone(&attempts))),
        attempts,
    )
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_is_retried_up_to_its_attempts() {
    for name in ["flaky", "flaky_thread"] {
        for (until, expected, attempts) in [
            (1, "ok", 1),
            (3, "ok", 3),
            (4, "ok", 4),
            (5, "tool_error", 4),
        ] {
            let (dispatcher, seen) = dispatcher();
            let results = dispatcher
                .dispatch(calls([(name, &json!({"until": until}).to_string())]))
                .await;
            assert_eq!(
                (codes(&results)[0], seen.count()),
                (expected, attempts),
                "{name} {until}"
            );
        }
    }
    let (dispatcher, _) = dispatcher();
    let results = dispatcher
        .dispatch(calls([("flaky", r#"{"until": 9}"#)]))
        .await;
    assert_eq!(
        contents(&results),
        [r#"{"error":"attempt 4 failed","tool":"flaky"}"#]
    );
}

#[tokio::test(start_paused = true)]
async fn each_wait_is_at_least_twice_the_last() {
    let (dispatcher, seen) = dispatcher();
    dispatcher
        .dispatch(calls([("flaky", r#"{"until": 9}"#)]))
        .await;
    let least = [100, 200, 200].map(Duration::from_millis);
    assert!(
        seen.pauses()
            .iter()
            .zip(least)
            .all(|(pause, least)| *pause >= least),
        "{:?}",
        seen.pauses()
    );
}

#[tokio::test(start_paused = true)]
async fn no_wait_is_longer_than_the_longest() {
    for _ in 0..20 {
        let (dispatcher, seen) = dispatcher();
        dispatcher
            .dispatch(calls([("flaky", r#"{"until": 9}"#)]))
            .await;
        // The clock ticks in milliseconds.
        assert!(
            seen.pauses()
                .iter()
                .all(|pause| *pause <= Duration::from_millis(201)),
            "{:?}",
            seen.pauses()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_the_same_in_all_attempts_of_a_call_and_no_other_calls() {
    let (dispatcher, seen) = dispatcher();
    let call = || ToolCall::new("same", "flaky", r#"{"until": 9}"#);
    dispatcher.dispatch(vec![call()]).await;
    assert_eq!((seen.count(), seen.keys().len()), (4, 1));
    dispatcher.dispatch(vec![call(), call()]).await;
    dispatcher.clone().dispatch(vec![call()]).await;
    assert_eq!((seen.count(), seen.keys().len()), (16, 4));
    assert!(seen.keys().iter().all(|key| !key.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn only_an_error_of_the_tool_is_tried_again() {
    /// Fail in one of many ways.
    #[tool(idempotent, timeout = "1s", retry(attempts = 5, backoff = "1ms"))]
    async fn fail(
        #[context] cx: &CallContext,
        #[state] attempts: &Attempts,
        how: &str,
    ) -> Result<(), ToolError> {
        attempts.note(cx);
        match how {
            "panic" => panic!("on purpose"),
            "fatal" => Err(ToolError::fatal("stop")),
            "arguments" => Err(ToolError::invalid_arguments("`how`: no such way")),
            "hang" => std::future::pending().await,
            _ => Err(ToolError::from_error("again")),
        }
    }

    let expected = [
        ("panic", "panic", 1),
        ("fatal", "tool_error", 1),
        ("arguments", "invalid_arguments", 1),
        ("hang", "timeout", 1),
        ("error", "tool_error", 5),
    ];
    for (how, code, count) in expected {
        let attempts = Arc::new(Attempts::default());
        let dispatcher = Dispatcher::new(tools![fail].with_shared_state(Arc::clone(&attempts)));
        let results = dispatcher
            .dispatch(calls([("fail", &json!({"how": how}).to_string())]))
            .await;
        assert_eq!(
            (codes(&results)[0], attempts.count()),
            (code, count),
            "{how}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn one_deadline_covers_all_attempts_and_the_waits_between() {
    /// Fail after a while.
    #[tool(
        read_only,
        timeout = "1s",
        retry(attempts = 100, backoff = "100ms", max_backoff = "100ms")
    )]
    async fn slow(#[context] cx: &CallContext, #[state] attempts: &Attempts) -> Result<(), String> {
        attempts.note(cx);
        sleep(Duration::from_millis(300)).await;
        Err("again".to_owned())
    }

    let attempts = Arc::new(Attempts::default());
    let dispatcher = Dispatcher::new(tools![slow].with_shared_state(Arc::clone(&attempts)));
    let results = dispatcher.dispatch(calls([("slow", "{}")])).await;
    assert_eq!(codes(&results), ["timeout"]);
    assert_eq!(results[0].elapsed(), Duration::from_secs(1));
    assert!((2..=3).contains(&attempts.count()));
    sleep(Duration::from_secs(60)).await;
    assert!((2..=3).contains(&attempts.count()));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_dropped_is_not_tried_again() {
    let (dispatcher, seen) = dispatcher();
    let gave_up = tokio::time::timeout(
        Duration::from_millis(50),
        dispatcher.dispatch(calls([("flaky", r#"{"until": 9}"#)])),
    )
    .await;
    assert!(gave_up.is_err());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(seen.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_to_be_tried_again_counts_as_running() {
    let (dispatcher, _) = dispatcher();
    let dispatcher = dispatcher.with_max_concurrency(1);
    let results = dispatcher
        .dispatch(calls([
            ("flaky", r#"{"until": 2}"#),
            ("flaky", r#"{"until": 1}"#),
        ]))
        .await;
    assert_eq!(codes(&results), ["ok", "ok"]);
    assert_eq!(
        results[1]
            .started()
            .map(|started| started >= results[0].finished()),
        Some(true)
    );
    assert!(results[0].elapsed() >= Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_run_time_tool_with_one_attempt_is_not_retried() {
    for attempts in [0, 1, 2] {
        let count = Arc::new(Mutex::new(0));
        let counting = Arc::clone(&count);
        let schema = json!({"type": "object", "properties": {}});
        let fail = DynamicTool::new("fail", "Fail.", schema, move |_| {
            *counting.lock().unwrap() += 1;
            async { Err::<(), _>("again") }
        });
        let retried = fail.unwrap().with_behavior(|behavior| {
            let mut retry = Retry::default();
            retry.attempts = attempts;
            (behavior.idempotent, behavior.retry) = (Some(true), Some(retry));
        });
        let dispatcher = Dispatcher::new(tools![].with_tool(retried.unwrap()).unwrap());
        assert_eq!(
            codes(&dispatcher.dispatch(calls([("fail", "{}")])).await),
            ["tool_error"]
        );
        assert_eq!(*count.lock().unwrap(), attempts.max(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempts_nested_call_ends_before_the_next_attempt() {
    /// Take a while.
    #[tool]
    async fn linger() {
        sleep(Duration::from_millis(500)).await;
    }

    /// Leave a call to a task that begins it later, and fail.
    #[tool(idempotent, retry(attempts = 2, backoff = "100ms"))]
    async fn leave(#[context] cx: &CallContext) -> Result<u32, String> {
        let left = cx.dispatch(calls([("linger", "{}")]));
        tokio::spawn(async move {
            sleep(Duration::from_millis(10)).await;
            left.await
        });
        if cx.attempt() == 1 {
            Err("once more".to_owned())
        } else {
            Ok(cx.attempt())
        }
    }

    let results = Dispatcher::new(tools![linger, leave])
        .dispatch(calls([("leave", "{}")]))
        .await;
    assert_eq!(codes(&results), ["tool_error"]);
}

#[tokio::test(start_paused = true)]
async fn a_finished_attempt_starts_nothing_during_the_next() {
    type Left = Arc<Mutex<Vec<&'static str>>>;

    /// Answer at once.
    #[tool]
    async fn answer() -> bool {
        true
    }

    /// Fail once, and leave a task that asks for a call while the next attempt runs.
    #[tool(idempotent, retry(attempts = 2, backoff = "100ms"))]
    async fn leave(#[context] cx: &CallContext, #[state] left: &Left) -> Result<bool, String> {
        if cx.attempt() == 1 {
            let (cx, left) = (cx.clone(), Arc::clone(left));
            tokio::spawn(async move {
                sleep(Duration::from_millis(300)).await; // the back-off is 200 at most
                let results = cx.dispatch(calls([("answer", "{}")])).await;
                left.lock().unwrap().extend(codes(&results));
            });
            return Err("once more".to_owned());
        }
        let own = cx.dispatch(calls([("answer", "{}")])).await;
        sleep(Duration::from_millis(500)).await;
        Ok(own[0].content() == "true")
    }

    let left = Left::default();
    let results = Dispatcher::new(tools![answer, leave].with_state(Arc::clone(&left)))
        .dispatch(calls([("leave", "{}")]))
        .await;
    assert_eq!(contents(&results), ["true"]);
    assert_eq!(*left.lock().unwrap(), ["not_started"]);
}
