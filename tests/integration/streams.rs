//! Results as a stream, and progress of tools.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};
use tool_core::{CallContext, DispatchEvent, Dispatcher, EventStream, ToolCall, tool, tools};

use crate::run_log::RunLog;
use crate::support::{calls, code, codes};

/// Work for a while.
#[tool]
async fn work(#[context] cx: &CallContext, #[state] run_log: &RunLog, millis: u64) {
    let _inside = run_log.enter(cx.id());
    cx.progress("begun", 0.0);
    sleep(Duration::from_millis(millis)).await;
    cx.progress("done", 1.0);
}

fn dispatcher() -> (Dispatcher, Arc<RunLog>) {
    let run_log = RunLog::begin();
    (
        Dispatcher::new(tools![work].with_shared_state(Arc::clone(&run_log))),
        run_log,
    )
}

fn call(id: &str, millis: u64) -> ToolCall {
    ToolCall::new(id, "work", json!({"millis": millis}).to_string())
}

async fn all(mut events: EventStream) -> Vec<DispatchEvent> {
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(event);
    }
    assert!(events.next().await.is_none());
    seen
}

#[tokio::test(start_paused = true)]
async fn results_come_as_calls_finish_each_with_its_place() {
    let (dispatcher, run_log) = dispatcher();
    let mut results = dispatcher.stream(vec![
        call("a", 30),
        call("b", 10),
        ToolCall::new("c", "gone", "{}"),
        call("b", 20),
    ]);
    let mut seen = Vec::new();
    while let Some(result) = results.next().await {
        seen.push((
            run_log.now(),
            result.position(),
            result.id().to_owned(),
            code(&result),
        ));
    }
    let expected = [
        (0, 2, "c", "unknown_tool"),
        (10, 1, "b", "ok"),
        (20, 3, "b", "ok"),
        (30, 0, "a", "ok"),
    ];
    assert_eq!(
        seen,
        expected.map(|(at, position, id, code)| (at, position, id.to_owned(), code))
    );
    assert!(results.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_empty_stream_is_over_at_once() {
    let (dispatcher, _) = dispatcher();
    assert!(
        timeout(Duration::from_secs(1), dispatcher.stream(Vec::new()).next())
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        timeout(
            Duration::from_secs(1),
            dispatcher.stream(Vec::new()).events().next()
        )
        .await
        .unwrap()
        .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_before_the_stream_is_polled() {
    let (dispatcher, run_log) = dispatcher();
    let mut results = dispatcher.stream(vec![call("a", 10)]);
    sleep(Duration::from_secs(1)).await;
    assert!(run_log.begun().is_empty());
    drop(dispatcher.stream(vec![call("never", 10)]));
    results.next().await.unwrap();
    assert_eq!(run_log.runs(), ["a 1000..1010"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_stops_what_still_runs() {
    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_max_concurrency(2);
    let mut results = dispatcher.stream(vec![
        call("a", 10),
        call("b", 1000),
        call("c", 1000),
        call("d", 1),
    ]);
    results.next().await.unwrap();
    drop(results);
    dispatcher.idle().await;
    sleep(Duration::from_secs(1)).await;
    let runs = run_log.runs();
    // `c` may have begun in the instant in which `a` ended; `d` has not.
    assert_eq!(runs[..2], ["a 0..10", "b 0..10"]);
    assert!(runs[2..].iter().all(|run| run == "c 10..10"), "{runs:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_delays_no_call() {
    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_max_concurrency(1);
    let mut slow = dispatcher.stream(vec![call("a", 10), call("b", 10), call("c", 10)]);
    slow.next().await.unwrap();
    // It is not read from here on, and still continues, and so does another batch.
    assert_eq!(
        codes(&dispatcher.dispatch(vec![call("d", 10)]).await),
        ["ok"]
    );
    sleep(Duration::from_secs(1)).await;
    assert_eq!(run_log.runs().len(), 4);
    assert!(
        run_log.runs().iter().all(|run| !run.ends_with("..")),
        "{:?}",
        run_log.runs()
    );
    let mut rest = Vec::new();
    while let Some(result) = slow.next().await {
        rest.push(result.position());
    }
    assert_eq!(rest, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn progress_comes_before_the_result_of_its_call() {
    let (dispatcher, _) = dispatcher();
    let seen = all(dispatcher
        .stream(vec![call("a", 20), call("b", 10)])
        .events())
    .await;
    let reported: Vec<_> = seen
        .iter()
        .map(|event| match event {
            DispatchEvent::Progress(at) => format!(
                "{} {} {} {} {:?}",
                at.position, at.id, at.tool, at.message, at.fraction
            ),
            DispatchEvent::Result(result) => format!("{} {}", result.position(), code(result)),
            _ => String::new(),
        })
        .collect();
    let expected = [
        "0 a work begun Some(0.0)",
        "1 b work begun Some(0.0)",
        "1 b work done Some(1.0)",
        "1 ok",
        "0 a work done Some(1.0)",
        "0 ok",
    ];
    assert_eq!(reported, expected);
}

#[tokio::test(start_paused = true)]
async fn a_result_stream_can_become_an_event_stream() {
    let (dispatcher, _) = dispatcher();
    let mut results = dispatcher.stream(vec![call("a", 20), call("b", 10)]);
    assert_eq!(results.next().await.unwrap().position(), 1);
    let rest = all(results.events()).await;
    assert!(
        matches!(&rest[..], [DispatchEvent::Progress(_), DispatchEvent::Result(result)] if result.position() == 0),
        "{rest:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_progress_fraction_is_0_to_1_or_unknown() {
    /// Report odd fractions.
    #[tool]
    fn odd(#[context] cx: &CallContext) {
        for fraction in [-1.0, 0.5, 2.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            cx.progress("", fraction);
        }
        cx.progress("", None);
    }

    let seen = all(Dispatcher::new(tools![odd])
        .stream(calls([("odd", "{}")]))
        .events())
    .await;
    let fractions: Vec<_> = seen
        .iter()
        .filter_map(|event| match event {
            DispatchEvent::Progress(progress) => Some(progress.fraction),
            _ => None,
        })
        .collect();
    assert_eq!(
        fractions,
        [Some(0.0), Some(0.5), Some(1.0), None, None, None, None]
    );
}

#[tokio::test(start_paused = true)]
async fn no_event_of_a_call_follows_its_result() {
    type Kept = Mutex<Option<CallContext>>;

    /// Leave the context behind.
    #[tool(timeout = "10ms")]
    async fn leave(#[context] cx: &CallContext, #[state] kept: &Arc<Kept>, wait: bool) {
        *kept.lock().unwrap() = Some(cx.clone());
        if wait {
            std::future::pending::<()>().await;
        }
    }

    /// Report in the name of the call that is over.
    #[tool]
    async fn speak_up(#[state] kept: &Arc<Kept>) {
        sleep(Duration::from_millis(20)).await;
        kept.lock()
            .unwrap()
            .take()
            .unwrap()
            .progress("I am still here", None);
    }

    let kept = Arc::new(Kept::default());
    let dispatcher = Dispatcher::new(tools![leave, speak_up].with_state(kept));
    for wait in ["true", "false"] {
        let batch = calls([
            ("leave", &format!(r#"{{"wait": {wait}}}"#)),
            ("speak_up", "{}"),
        ]);
        let seen = all(dispatcher.stream(batch).events()).await;
        assert!(
            matches!(
                seen[..],
                [DispatchEvent::Result(_), DispatchEvent::Result(_)]
            ),
            "{seen:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_progress_message_fails_only_its_call() {
    struct Bomb;
    impl From<Bomb> for String {
        fn from(_: Bomb) -> Self {
            panic!("on purpose")
        }
    }

    /// Report a message that panics.
    #[tool]
    async fn explode(#[context] cx: &CallContext) {
        cx.progress(Bomb, None);
    }

    let run_log = RunLog::begin();
    let dispatcher = Dispatcher::new(tools![explode, work].with_shared_state(run_log));
    let batch = || vec![ToolCall::new("", "explode", "{}"), call("a", 10)];
    let seen = all(dispatcher.stream(batch()).events()).await;
    let codes: Vec<_> = seen
        .iter()
        .filter_map(|event| {
            if let DispatchEvent::Result(result) = event {
                Some(code(result))
            } else {
                None
            }
        })
        .collect();
    assert_eq!(codes, ["panic", "ok"]);
}
