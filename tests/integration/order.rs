//! Declared order, and no other: `exclusive`, `serialize_by`, `concurrency`, and turns between
//! batches.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;
use tokio::time::sleep;
use tool_core::{Dispatcher, ToolCall, tool, tools};

use crate::run_log::RunLog;
use crate::support::codes;

async fn work_for(run_log: &RunLog, name: &str, millis: u64) {
    let _inside = run_log.enter(name);
    sleep(Duration::from_millis(millis)).await;
}

/// Work beside anything.
#[tool]
async fn work(#[state] run_log: &RunLog, name: &str, millis: u64) {
    work_for(run_log, name, millis).await;
}

/// Work alone.
#[tool(exclusive)]
async fn alone(#[state] run_log: &RunLog, name: &str, millis: u64) {
    work_for(run_log, name, millis).await;
}

/// Work, two at a time.
#[tool(concurrency = 2)]
async fn in_pairs(#[state] run_log: &RunLog, name: &str, millis: u64) {
    work_for(run_log, name, millis).await;
}

/// Work on a bed, one after the other.
#[tool(serialize_by(bed))]
async fn make(#[state] run_log: &RunLog, name: &str, millis: u64, #[arg(default = 1)] bed: u32) {
    let _ = bed;
    work_for(run_log, name, millis).await;
}

/// Work on a bed as well.
#[tool(serialize_by(bed))]
async fn book(#[state] run_log: &RunLog, name: &str, millis: u64, bed: u32) {
    let _ = bed;
    work_for(run_log, name, millis).await;
}

/// Work on a room, one after the other.
#[tool(serialize_by(room))]
async fn clean(#[state] run_log: &RunLog, name: &str, millis: u64, room: u32) {
    let _ = room;
    work_for(run_log, name, millis).await;
}

/// Take too long.
#[tool(timeout = "20ms")]
async fn linger(#[state] run_log: &RunLog, name: &str) {
    work_for(run_log, name, 3_600_000).await;
}

/// Panic after a while.
#[tool]
async fn panic_after(#[state] run_log: &RunLog, name: &str, millis: u64) {
    work_for(run_log, name, millis).await;
    panic!("on purpose");
}

fn dispatcher() -> (Dispatcher, Arc<RunLog>) {
    let run_log = RunLog::begin();
    let tools = tools![
        work,
        alone,
        in_pairs,
        make,
        book,
        clean,
        linger,
        panic_after
    ]
    .with_shared_state(Arc::clone(&run_log));
    (Dispatcher::new(tools), run_log)
}

fn call(tool: &str, name: &str, millis: u64) -> ToolCall {
    ToolCall::new(
        name,
        tool,
        json!({"name": name, "millis": millis}).to_string(),
    )
}

/// A call whose arguments are written as given, for keys that are equal without looking so.
fn keyed(tool: &str, name: &str, key: &str) -> ToolCall {
    ToolCall::new(
        name,
        tool,
        format!(r#"{{"name": "{name}", "millis": 10{key}}}"#),
    )
}

#[tokio::test(start_paused = true)]
async fn an_exclusive_call_is_a_barrier() {
    let (dispatcher, run_log) = dispatcher();
    let batch = [
        ("work", "a", 10),
        ("work", "b", 20),
        ("alone", "c", 10),
        ("work", "d", 5),
        ("alone", "e", 1),
        ("alone", "f", 1),
    ];
    let results = dispatcher
        .dispatch(
            batch
                .map(|(tool, name, millis)| call(tool, name, millis))
                .into(),
        )
        .await;

    assert_eq!(codes(&results), ["ok"; 6]);
    assert_eq!(
        run_log.runs(),
        [
            "a 0..10", "b 0..20", "c 20..30", "d 30..35", "e 35..36", "f 36..37"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_barrier_waits_for_any_answer_of_an_earlier_call() {
    let (dispatcher, run_log) = dispatcher();
    let late = ToolCall::new("late", "linger", r#"{"name": "late"}"#);
    let results = dispatcher
        .dispatch(vec![
            call("panic_after", "panics", 5),
            late,
            call("gone", "x", 0),
            call("alone", "a", 1),
        ])
        .await;

    assert_eq!(codes(&results), ["panic", "timeout", "unknown_tool", "ok"]);
    assert_eq!(run_log.runs(), ["panics 0..5", "late 0..20", "a 20..21"]);
}

#[tokio::test(start_paused = true)]
async fn a_barrier_is_one_in_its_own_batch_only() {
    let (dispatcher, run_log) = dispatcher();
    let clone = dispatcher.clone();
    let (first, second) = tokio::join!(
        dispatcher.dispatch(vec![call("alone", "a", 20), call("work", "b", 1)]),
        clone.dispatch(vec![call("work", "c", 30), call("alone", "d", 1)]),
    );

    assert_eq!(
        (codes(&first), codes(&second)),
        (vec!["ok"; 2], vec!["ok"; 2])
    );
    assert_eq!(
        run_log.runs(),
        ["a 0..20", "c 0..30", "b 20..21", "d 30..31"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_barrier_releases_later_calls() {
    let (dispatcher, run_log) = dispatcher();
    let broken = ToolCall::new("broken", "alone", r#"{"name": 7}"#);
    let results = dispatcher
        .dispatch(vec![call("work", "a", 10), broken, call("work", "b", 1)])
        .await;
    assert_eq!(codes(&results), ["ok", "invalid_arguments", "ok"]);
    assert_eq!(run_log.begun(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn calls_with_equal_keys_run_one_after_the_other_in_call_order() {
    let (dispatcher, run_log) = dispatcher();
    let batch = vec![
        keyed("make", "a", r#", "bed": 1"#),
        keyed("make", "b", r#", "bed": 2"#),
        keyed("make", "c", r#", "bed": 1"#),
        keyed("make", "d", r#", "bed": 1"#),
        keyed("work", "e", ""),
    ];
    dispatcher.dispatch(batch).await;
    assert_eq!(
        run_log.runs(),
        ["a 0..10", "b 0..10", "e 0..10", "c 10..20", "d 20..30"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_depends_on_names_and_values_only() {
    let (dispatcher, run_log) = dispatcher();
    let batch = vec![
        keyed("make", "default", ""),
        keyed("make", "null", r#", "bed": null"#),
        keyed("make", "float", r#", "bed": 1.0"#),
        keyed("make", "escaped", r#", "\u0062ed": 1"#),
        keyed("book", "other_tool", r#", "bed": 1"#),
        keyed("clean", "other_name", r#", "room": 1"#),
        keyed("book", "other_value", r#", "bed": 2"#),
    ];
    let results = dispatcher.dispatch(batch).await;

    assert_eq!(codes(&results), ["ok"; 7]);
    let expected = [
        "default 0..10",
        "other_name 0..10",
        "other_value 0..10",
        "null 10..20",
        "float 20..30",
        "escaped 30..40",
        "other_tool 40..50",
    ];
    assert_eq!(run_log.runs(), expected);
}

#[tokio::test(start_paused = true)]
async fn objects_are_equal_keys_in_any_order_of_their_properties() {
    #[derive(schemars::JsonSchema, serde::Deserialize)]
    struct Place {
        #[serde(rename = "ward")]
        _ward: String,
        #[serde(rename = "bed")]
        _bed: u32,
    }

    /// Work at a place.
    #[tool(serialize_by(place, note))]
    async fn visit(#[state] run_log: &RunLog, name: &str, place: Place, note: Option<String>) {
        let _ = (place, note);
        work_for(run_log, name, 10).await;
    }

    let run_log = RunLog::begin();
    let dispatcher = Dispatcher::new(tools![visit].with_shared_state(Arc::clone(&run_log)));
    let visit = |name: &str, rest: &str| {
        ToolCall::new(name, "visit", format!(r#"{{"name": "{name}", {rest}}}"#))
    };
    let results = dispatcher
        .dispatch(vec![
            visit("a", r#""place": {"ward": "N", "bed": 1}"#),
            visit(
                "b",
                r#""note": null, "place": {"bed": 1, "ward": "\u004e"}"#,
            ),
            visit("c", r#""place": {"ward": "N", "bed": 1}, "note": "null""#),
        ])
        .await;
    assert_eq!(codes(&results), ["ok"; 3]);
    assert_eq!(run_log.runs(), ["a 0..10", "c 0..10", "b 10..20"]);
}

#[tokio::test(start_paused = true)]
async fn keys_hold_across_batches_and_clones() {
    let (dispatcher, run_log) = dispatcher();
    let clone = dispatcher.clone();
    tokio::join!(
        dispatcher.dispatch(vec![
            keyed("make", "a", ""),
            keyed("make", "b", r#", "bed": 2"#)
        ]),
        clone.dispatch(vec![
            keyed("book", "c", r#", "bed": 2"#),
            keyed("book", "d", r#", "bed": 1"#)
        ]),
    );
    let mut runs = run_log.runs();
    runs.sort_unstable();
    assert_eq!(runs, ["a 0..10", "b 0..10", "c 10..20", "d 10..20"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_free_again_after_any_end() {
    /// Fail at a bed.
    #[tool(serialize_by(bed), timeout = "20ms")]
    async fn spoil(how: &str, bed: u32) -> Result<u32, String> {
        match how {
            "panic" => panic!("on purpose"),
            "linger" => std::future::pending().await,
            _ => Err(how.to_owned()),
        }
        .map(|()| bed)
    }

    let run_log = RunLog::begin();
    let dispatcher = Dispatcher::new(tools![spoil, book].with_shared_state(Arc::clone(&run_log)));
    let spoil = |how: &str| ToolCall::new(how, "spoil", json!({"how": how, "bed": 1}).to_string());
    let invalid = ToolCall::new("x", "spoil", r#"{"bed": 1}"#);
    let results = dispatcher
        .dispatch(vec![
            spoil("panic"),
            spoil("linger"),
            spoil("error"),
            invalid,
            keyed("book", "a", r#", "bed": 1"#),
        ])
        .await;
    assert_eq!(
        codes(&results),
        ["panic", "timeout", "tool_error", "invalid_arguments", "ok"]
    );
    assert_eq!(run_log.runs(), ["a 20..30"]);

    // Dropped with the key held.
    let lingers = dispatcher.dispatch(vec![spoil("linger")]);
    let _ = tokio::time::timeout(Duration::from_millis(1), lingers).await;
    assert_eq!(
        codes(
            &dispatcher
                .dispatch(vec![keyed("book", "b", r#", "bed": 1"#)])
                .await
        ),
        ["ok"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_own_tool_is_passed_over() {
    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_max_concurrency(3);
    let batch = [
        ("in_pairs", "a", 10),
        ("in_pairs", "b", 30),
        ("in_pairs", "c", 10),
        ("work", "d", 20),
        ("work", "e", 10),
    ];
    dispatcher
        .dispatch(
            batch
                .map(|(tool, name, millis)| call(tool, name, millis))
                .into(),
        )
        .await;
    assert_eq!(
        run_log.runs(),
        ["a 0..10", "b 0..30", "d 0..20", "c 10..20", "e 20..30"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_tools_limit_holds_for_all_batches_and_clones_together() {
    let (dispatcher, run_log) = dispatcher();
    let clone = dispatcher.clone();
    tokio::join!(
        dispatcher.dispatch(vec![call("in_pairs", "a", 10), call("in_pairs", "b", 20)]),
        clone.dispatch(vec![call("in_pairs", "c", 10), call("in_pairs", "d", 10)]),
    );
    assert_eq!(
        run_log.runs(),
        ["a 0..10", "b 0..20", "c 10..20", "d 20..30"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_large_batch_does_not_starve_a_small_one() {
    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_max_concurrency(1);
    let clone = dispatcher.clone();
    let many = (0..50)
        .map(|at| call("work", &format!("many {at}"), 10))
        .collect();
    let (_, few) = tokio::join!(
        dispatcher.dispatch(many),
        clone.dispatch(vec![call("work", "x", 10), call("work", "y", 10)])
    );

    assert_eq!(codes(&few), ["ok"; 2]);
    let begun = run_log.begun();
    let place = |name: &str| begun.iter().position(|other| other == name).unwrap();
    assert!(place("x") <= 2 && place("y") <= 4, "{begun:?}");
    // In itself, the large one keeps call order.
    let many: Vec<_> = begun
        .iter()
        .filter_map(|name| name.strip_prefix("many ")?.parse::<u32>().ok())
        .collect();
    assert!(many.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn a_single_call_is_not_overtaken_by_a_later_one() {
    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_max_concurrency(1);
    let mut first =
        Box::pin(dispatcher.dispatch(vec![ToolCall::new("", "linger", r#"{"name": "x"}"#)]));
    assert!(first.as_mut().now_or_never().is_none());
    let mut second = Box::pin(dispatcher.dispatch(vec![call("work", "y", 10)]));
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    tokio::join!(dispatcher.dispatch(vec![call("work", "z", 10)]), second);
    assert_eq!(run_log.begun()[1..], ["y", "z"]);
}

#[tokio::test(start_paused = true)]
async fn limits_keys_and_barriers_hold_together() {
    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_max_concurrency(2);
    let batch = vec![
        keyed("make", "a", ""),
        keyed("make", "b", ""),
        call("work", "c", 30),
        call("alone", "d", 10),
        keyed("make", "e", ""),
        call("in_pairs", "f", 10),
        call("work", "g", 10),
    ];
    dispatcher.dispatch(batch).await;
    let expected = [
        "a 0..10", "c 0..30", "b 10..20", "d 30..40", "e 40..50", "f 40..50", "g 50..60",
    ];
    assert_eq!(run_log.runs(), expected);
}
