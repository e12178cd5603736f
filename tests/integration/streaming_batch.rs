//! Calls handed over one at a time, while their message still arrives.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};
use tool_core::{CallContext, DispatchEvent, Dispatcher, ToolCall, ToolError, tool, tools};

use crate::run_log::RunLog;
use crate::support::{codes, contents};

/// Work for a while.
#[tool]
async fn work(#[context] cx: &CallContext, #[state] run_log: &RunLog, millis: u64) -> String {
    let _inside = run_log.enter(cx.id());
    cx.progress("at it", None);
    sleep(Duration::from_millis(millis)).await;
    cx.id().to_owned()
}

/// Work for a while, alone.
#[tool(exclusive)]
async fn alone(#[context] cx: &CallContext, #[state] run_log: &RunLog, millis: u64) {
    let _inside = run_log.enter(cx.id());
    sleep(Duration::from_millis(millis)).await;
}

/// Stop the run.
#[tool]
async fn stop() -> Result<(), ToolError> {
    Err(ToolError::fatal("stop"))
}

fn dispatcher() -> (Dispatcher, Arc<RunLog>) {
    let run_log = RunLog::begin();
    (
        Dispatcher::new(tools![work, alone, stop].with_shared_state(Arc::clone(&run_log))),
        run_log,
    )
}

fn millis(millis: u64) -> String {
    json!({"millis": millis}).to_string()
}

fn call(tool: &str, id: &str, for_millis: u64) -> ToolCall {
    ToolCall::new(id, tool, millis(for_millis))
}

async fn pause(for_millis: u64) {
    sleep(Duration::from_millis(for_millis)).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_runs_while_its_message_still_arrives() {
    let (dispatcher, run_log) = dispatcher();
    let mut turn = dispatcher.streaming_batch();
    assert_eq!(turn.push(call("work", "a", 10)), 0);
    pause(20).await;
    assert_eq!(turn.push(call("work", "b", 10)), 1);
    pause(5).await;
    assert_eq!(run_log.runs(), ["a 0..10", "b 20.."]);
    let results = turn.finish().await;
    assert_eq!(contents(&results), ["a", "b"]);
    assert_eq!(run_log.runs(), ["a 0..10", "b 20..30"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_starts_after_every_earlier_one_has_started() {
    let (dispatcher, run_log) = dispatcher();
    let mut turn = dispatcher.streaming_batch();
    let [a, b, c] = ["a", "b", "c"].map(|id| turn.open(id, "work"));
    assert_eq!([a, b, c], [0, 1, 2]);
    turn.complete(c, millis(10));
    pause(10).await;
    turn.complete(b, millis(10));
    pause(10).await;
    assert!(run_log.begun().is_empty());
    turn.complete(a, millis(10));
    let results = turn.finish().await;
    assert_eq!(contents(&results), ["a", "b", "c"]);
    assert_eq!(run_log.runs(), ["a 20..30", "b 20..30", "c 20..30"]);
}

#[tokio::test(start_paused = true)]
async fn calls_keep_their_order_under_a_limit_and_so_do_later_barriers() {
    let (dispatcher, run_log) = dispatcher();
    let mut turn = dispatcher.with_max_concurrency(1).streaming_batch();
    for id in ["a", "b", "c"] {
        turn.push(call("work", id, 10));
    }
    pause(15).await;
    turn.push(call("alone", "d", 10));
    turn.push(call("work", "e", 10));
    assert_eq!(codes(&turn.finish().await), ["ok"; 5]);
    assert_eq!(
        run_log.runs(),
        ["a 0..10", "b 10..20", "c 20..30", "d 30..40", "e 40..50"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_barrier_holds_from_the_moment_it_opens() {
    let (dispatcher, run_log) = dispatcher();
    let mut turn = dispatcher.streaming_batch();
    turn.push(call("work", "a", 30));
    let barrier = turn.open("b", "alone");
    turn.push(call("work", "c", 10));
    pause(10).await;
    turn.complete(barrier, millis(10));
    assert_eq!(codes(&turn.finish().await), ["ok"; 3]);
    assert_eq!(run_log.runs(), ["a 0..30", "b 30..40", "c 40..50"]);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_call_is_answered_and_delays_no_other_call() {
    let (dispatcher, run_log) = dispatcher();
    let mut turn = dispatcher.streaming_batch();
    let cut = turn.open("cut", "alone");
    turn.push(call("work", "a", 10));
    turn.open("unfinished", "work");
    turn.push(call("work", "b", 10));
    pause(10).await;
    turn.truncate(cut);
    pause(5).await;
    assert_eq!(run_log.runs(), ["a 10.."]);
    let results = turn.finish().await;
    assert_eq!(
        codes(&results),
        ["truncated_call", "ok", "truncated_call", "ok"]
    );
    assert_eq!(
        results.iter().map(|result| result.id()).collect::<Vec<_>>(),
        ["cut", "a", "unfinished", "b"]
    );
    assert_eq!(run_log.runs(), ["a 10..20", "b 15..25"]);
}

#[tokio::test(start_paused = true)]
async fn repeats_and_unknown_calls_have_no_effect() {
    let (dispatcher, run_log) = dispatcher();
    let mut turn = dispatcher.streaming_batch();
    turn.complete(0, millis(1));
    turn.truncate(7);
    let a = turn.open("a", "work");
    turn.complete(a, millis(10));
    turn.complete(a, millis(99));
    turn.truncate(a);
    let b = turn.open("b", "work");
    turn.truncate(b);
    turn.complete(b, millis(99));
    let results = turn.finish().await;
    assert_eq!(codes(&results), ["ok", "truncated_call"]);
    assert_eq!(run_log.runs(), ["a 0..10"]);
}

#[tokio::test(start_paused = true)]
async fn calls_that_cannot_run_are_answered_in_their_places() {
    let (dispatcher, _) = dispatcher();
    let mut turn = dispatcher
        .with_limits(|limits| limits.calls = 4)
        .streaming_batch();
    let late = turn.open("late", "work");
    turn.push(ToolCall::new("", "gone", "{}"));
    turn.push(ToolCall::new("", "work", "{"));
    turn.push(call("work", "a", 1));
    turn.push(call("work", "over", 1));
    let open_and_over = turn.open("over", "gone");
    turn.complete(late, "[]");
    turn.complete(open_and_over, "{}");
    let results = turn.finish().await;
    assert_eq!(
        codes(&results),
        [
            "invalid_arguments",
            "unknown_tool",
            "invalid_json",
            "ok",
            "overloaded",
            "overloaded"
        ]
    );
    assert_eq!(
        results
            .iter()
            .map(|result| result.position())
            .collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 5]
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_turn_has_no_results() {
    let (dispatcher, _) = dispatcher();
    assert!(dispatcher.streaming_batch().finish().await.is_empty());
    assert!(dispatcher.streaming_batch().cancel().is_empty());
    let mut turn = dispatcher.streaming_batch();
    turn.end();
    assert!(
        timeout(Duration::from_secs(1), turn.next())
            .await
            .unwrap()
            .is_none()
    );
    dispatcher.idle().await;
}

#[tokio::test(start_paused = true)]
async fn events_come_as_they_happen_until_the_turn_is_over() {
    let (dispatcher, _) = dispatcher();
    let mut turn = dispatcher.streaming_batch();
    turn.push(call("work", "a", 20));
    turn.push(call("work", "b", 10));
    let mut seen = Vec::new();
    let mut note = |event: DispatchEvent| match event {
        DispatchEvent::Progress(progress) => {
            seen.push(format!("{} is {}", progress.id, progress.message));
        }
        DispatchEvent::Result(result) => seen.push(format!("{} answers", result.id())),
        _ => {}
    };
    for _ in 0..4 {
        note(turn.next().await.unwrap());
    }
    // All are answered, and the message may continue.
    assert!(timeout(Duration::from_secs(60), turn.next()).await.is_err());
    turn.push(call("work", "c", 10));
    turn.open("d", "work");
    turn.end();
    while let Some(event) = turn.next().await {
        note(event);
    }
    assert_eq!(
        codes(&turn.finish().await),
        ["ok", "ok", "ok", "truncated_call"]
    );
    assert_eq!(
        seen[..4],
        ["a is at it", "b is at it", "b answers", "a answers"]
    );
    let mut rest = seen[4..].to_vec();
    rest.sort_unstable();
    assert_eq!(rest, ["c answers", "c is at it", "d answers"]);
}

#[tokio::test(start_paused = true)]
async fn cancelling_answers_every_call_at_once() {
    let (dispatcher, run_log) = dispatcher();
    let mut turn = dispatcher.clone().with_max_concurrency(2).streaming_batch();
    turn.push(call("work", "done", 1));
    turn.push(call("work", "runs", 1000));
    turn.push(call("work", "runs too", 1000));
    turn.push(call("work", "waits", 1));
    turn.push(ToolCall::new("gone", "gone", "{}"));
    turn.open("open", "work");
    pause(10).await;
    let before = run_log.now();
    let results = turn.cancel();
    assert_eq!(run_log.now(), before);
    assert_eq!(
        codes(&results),
        [
            "ok",
            "cancelled",
            "cancelled",
            "not_started",
            "unknown_tool",
            "not_started"
        ]
    );
    pause(1).await;
    assert_eq!(
        run_log.runs(),
        ["done 0..1", "runs 0..10", "runs too 1..10"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_dropped_stops_what_it_started() {
    let (dispatcher, run_log) = dispatcher();
    let mut turn = dispatcher.streaming_batch();
    turn.push(call("work", "a", 1000));
    turn.push(call("alone", "b", 1000));
    pause(10).await;
    drop(turn);
    dispatcher.idle().await;
    assert_eq!(run_log.runs(), ["a 0..10"]);

    let mut turn = dispatcher.streaming_batch();
    turn.push(call("work", "c", 1000));
    assert!(
        timeout(Duration::from_millis(10), turn.finish())
            .await
            .is_err()
    );
    dispatcher.idle().await;
    assert_eq!(run_log.runs(), ["a 0..10", "c 10..20"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_after_a_fatal_error() {
    let (dispatcher, run_log) = dispatcher();
    let mut turn = dispatcher.streaming_batch();
    turn.push(call("work", "runs", 20));
    turn.push(ToolCall::new("stop", "stop", "{}"));
    pause(10).await;
    turn.push(call("work", "late", 1));
    let open = turn.open("later", "work");
    turn.complete(open, millis(1));
    assert_eq!(
        codes(&turn.finish().await),
        ["ok", "tool_error", "not_started", "not_started"]
    );
    assert_eq!(run_log.runs(), ["runs 0..20"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_after_the_end_is_answered_too() {
    let (dispatcher, _) = dispatcher();
    let mut turn = dispatcher.streaming_batch();
    turn.push(call("work", "a", 10));
    turn.end();
    turn.end();
    turn.push(call("work", "b", 10));
    let results = timeout(Duration::from_secs(3600), turn.finish())
        .await
        .unwrap();
    assert_eq!(
        results.iter().map(|result| result.id()).collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(codes(&results)[0], "ok");
}

#[tokio::test(start_paused = true)]
async fn two_turns_do_not_wait_for_each_other() {
    let (dispatcher, run_log) = dispatcher();
    let (mut first, mut second) = (dispatcher.streaming_batch(), dispatcher.streaming_batch());
    first.open("open", "alone");
    second.push(call("alone", "a", 10));
    assert_eq!(codes(&second.finish().await), ["ok"]);
    assert_eq!(codes(&first.finish().await), ["truncated_call"]);
    assert_eq!(run_log.runs(), ["a 0..10"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_after_all_others_are_answered_runs_too() {
    /// Answer at once.
    #[tool]
    async fn answer() -> u32 {
        1
    }

    let dispatcher = Dispatcher::new(tools![answer]);
    for before in [0, 1] {
        let mut turn = dispatcher.streaming_batch();
        for _ in 0..before {
            turn.push(ToolCall::new("", "answer", "{}"));
        }
        sleep(Duration::from_millis(1)).await;
        turn.end();
        sleep(Duration::from_millis(1)).await;
        turn.push(ToolCall::new("", "answer", "{}"));
        let results = timeout(Duration::from_secs(1), turn.finish())
            .await
            .unwrap();
        assert_eq!(contents(&results), vec!["1"; before + 1]);
        timeout(Duration::from_secs(1), dispatcher.idle())
            .await
            .unwrap();
    }
}

/// A model that writes for a minute has kept no call waiting.
#[tokio::test(start_paused = true)]
async fn calls_are_queued_when_the_first_is_handed_over() {
    /// Wait for a second.
    #[tool]
    async fn wait() -> &'static str {
        sleep(Duration::from_secs(1)).await;
        "done"
    }

    let mut batch = Dispatcher::new(tools![wait]).streaming_batch();
    sleep(Duration::from_secs(60)).await;
    batch.push(ToolCall::new("1", "wait", "{}"));
    sleep(Duration::from_millis(300)).await;
    batch.push(ToolCall::new("2", "wait", "{}"));
    let results = batch.finish().await;
    let waited = |at: usize| results[at].started().unwrap() - results[at].queued();
    assert_eq!(
        (waited(0), waited(1)),
        (Duration::ZERO, Duration::from_millis(300))
    );
    assert_eq!(results[0].queued(), results[1].queued());
}
