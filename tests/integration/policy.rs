//! The approval policy, asked about each call before it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, timeout};
use tool_core::{
    ApprovalRequest, CallContext, Decision, Dispatcher, ToolCall, ToolError, tool, tools,
};

use crate::run_log::RunLog;
use crate::support::{calls, codes, contents};

/// Work for a while.
#[tool(timeout = "1s")]
async fn work(#[state] run_log: &RunLog, name: &str, #[arg(default = 10)] millis: u64) -> String {
    let _inside = run_log.enter(name);
    sleep(Duration::from_millis(millis)).await;
    name.to_owned()
}

/// Work alone.
#[tool(exclusive)]
async fn alone(#[state] run_log: &RunLog, name: &str) {
    let _inside = run_log.enter(name);
    sleep(Duration::from_millis(10)).await;
}

/// Work on a bed.
#[tool(serialize_by(bed))]
async fn make(
    #[context] cx: &CallContext,
    #[state] run_log: &RunLog,
    name: &str,
    bed: u32,
) -> String {
    let _ = bed;
    let _inside = run_log.enter(name);
    sleep(Duration::from_millis(10)).await;
    cx.arguments().to_owned()
}

fn dispatcher() -> (Dispatcher, Arc<RunLog>) {
    let run_log = RunLog::begin();
    (
        Dispatcher::new(tools![work, alone, make].with_shared_state(Arc::clone(&run_log))),
        run_log,
    )
}

fn call(tool: &str, name: &str) -> ToolCall {
    ToolCall::new(name, tool, json!({"name": name}).to_string())
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_asked_once_about_each_call_that_could_run() {
    let (dispatcher, run_log) = dispatcher();
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let asking = Arc::clone(&asked);
    let dispatcher = dispatcher
        .with_limits(|limits| (limits.calls, limits.argument_bytes) = (7, 40))
        .with_policy(move |proposal| {
            let about = (
                proposal.position(),
                proposal.call().id.clone(),
                proposal.definition().name().to_owned(),
            );
            asking.lock().unwrap().push(about);
            async { Decision::Allow }
        });
    let mut batch = vec![
        call("work", "a"),
        call("gone", "b"),
        ToolCall::new("c", "work", "{"),
        ToolCall::new("d", "work", r#"{"name": 1}"#),
    ];
    batch.extend([
        call("alone", "e"),
        ToolCall::new("f", "work", format!("{{{:40}}}", "")),
    ]);
    batch.extend([call("work", "a"), call("work", "h")]);
    let results = dispatcher.dispatch(batch).await;

    assert_eq!(
        codes(&results),
        [
            "ok",
            "unknown_tool",
            "invalid_json",
            "invalid_arguments",
            "ok",
            "too_large",
            "ok",
            "overloaded"
        ]
    );
    assert_eq!(run_log.begun(), ["a", "e", "a"]);
    let asked = asked.lock().unwrap().clone();
    let about = |position: usize, id: &str, tool: &str| (position, id.to_owned(), tool.to_owned());
    assert_eq!(
        asked,
        [
            about(0, "a", "work"),
            about(4, "e", "alone"),
            about(6, "a", "work")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_asked_about_all_calls_at_once() {
    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_max_concurrency(1).with_policy(|_| async {
        sleep(Duration::from_millis(100)).await;
        Decision::Allow
    });
    dispatcher
        .dispatch(vec![
            call("work", "a"),
            call("work", "b"),
            call("alone", "c"),
        ])
        .await;
    assert_eq!(run_log.runs(), ["a 100..110", "b 110..120", "c 120..130"]);
}

/// Decides by the call's id: how long to think, and what to say.
async fn by_id(proposal: ApprovalRequest) -> Decision {
    match proposal.call().id.as_str() {
        "slow" => sleep(Duration::from_millis(50)).await,
        "never" => std::future::pending().await,
        "panics" => panic!("the password is hunter2"),
        "no" => return Decision::deny("not today"),
        _ => {}
    }
    Decision::Allow
}

#[tokio::test(start_paused = true)]
async fn a_denied_call_does_not_run_and_the_model_reads_why() {
    let (dispatcher, run_log) = dispatcher();
    let results = dispatcher
        .with_policy(by_id)
        .dispatch(vec![
            call("work", "a"),
            call("work", "no"),
            call("alone", "no"),
        ])
        .await;
    assert_eq!(codes(&results), ["ok", "denied", "denied"]);
    assert_eq!(
        results[1].content(),
        r#"{"error":"not allowed: not today","tool":"work"}"#
    );
    assert!(results[1].started().is_none());
    assert_eq!(run_log.begun(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn an_undecided_call_keeps_its_place_without_a_permit() {
    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_max_concurrency(1).with_policy(by_id);
    let results = dispatcher
        .dispatch(vec![
            call("work", "slow"),
            call("work", "a"),
            call("alone", "b"),
            call("work", "c"),
        ])
        .await;
    assert_eq!(codes(&results), ["ok"; 4]);
    assert_eq!(
        run_log.runs(),
        ["a 0..10", "slow 50..60", "b 60..70", "c 70..80"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_ordered_by_key_waits_for_an_undecided_one_before_it() {
    let (dispatcher, run_log) = dispatcher();
    let make =
        |id: &str, bed: u32| ToolCall::new(id, "make", json!({"name": id, "bed": bed}).to_string());
    dispatcher
        .with_policy(by_id)
        .dispatch(vec![make("slow", 1), make("a", 2), make("b", 1)])
        .await;
    let begun = run_log.begun();
    let place = |name: &str| begun.iter().position(|other| other == name);
    assert!(place("slow") < place("b"), "{:?}", run_log.runs());
    assert!(place("a") < place("slow"), "{:?}", run_log.runs());
}

#[tokio::test(start_paused = true)]
async fn a_calls_time_begins_when_it_is_decided() {
    let (dispatcher, _) = dispatcher();
    let dispatcher = dispatcher.with_policy(|_| async {
        sleep(Duration::from_secs(3600)).await;
        Decision::Allow
    });
    let begun = Instant::now();
    let results = dispatcher.dispatch(vec![call("work", "a")]).await;
    assert_eq!(codes(&results), ["ok"]);
    assert_eq!(
        (begun.elapsed().as_secs(), results[0].elapsed().as_millis()),
        (3600, 10)
    );
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_panics_denies_the_call() {
    let (dispatcher, run_log) = dispatcher();
    let at_once = dispatcher.clone().with_policy(|proposal: ApprovalRequest| {
        assert!(proposal.call().id != "panics", "the password is hunter2");
        async { Decision::Allow }
    });
    for dispatcher in [dispatcher.with_policy(by_id), at_once] {
        let results = dispatcher
            .dispatch(vec![call("work", "panics"), call("alone", "a")])
            .await;
        assert_eq!(codes(&results), ["denied", "ok"]);
        assert!(!results[0].content().contains("hunter2"));
    }
    assert_eq!(run_log.begun(), ["a", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_policy_future_that_panics_in_drop_affects_no_call() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the password is hunter2");
        }
    }

    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_policy(|proposal: ApprovalRequest| {
        let bomb = (proposal.call().id == "bomb").then(|| Bomb);
        async move {
            let _bomb = bomb;
            std::future::pending::<Decision>().await
        }
    });
    let gave_up = timeout(
        Duration::from_millis(5),
        dispatcher.dispatch(vec![call("work", "bomb"), call("work", "a")]),
    )
    .await;
    assert!(gave_up.is_err());
    dispatcher.idle().await;
    assert!(run_log.begun().is_empty());
}

#[tokio::test(start_paused = true)]
async fn edited_arguments_are_run_and_shown_in_the_result() {
    let (dispatcher, _) = dispatcher();
    let dispatcher = dispatcher
        .with_policy(|_| async { Decision::Edit(r#"{"name": "edited", "bed": 9}"#.to_owned()) });
    let (original, edited) = (
        r#"{"name": "original", "bed": 1}"#,
        r#"{"name": "edited", "bed": 9}"#,
    );
    let results = dispatcher.dispatch(calls([("make", original)])).await;
    assert_eq!(contents(&results), [edited]);
    assert_eq!(results[0].call().arguments, edited);
}

#[tokio::test(start_paused = true)]
async fn edited_arguments_are_checked_as_the_models_are() {
    let (dispatcher, run_log) = dispatcher();
    let deep = format!(r#"{{"name": {}{}}}"#, "[".repeat(64), "]".repeat(64));
    let long = format!(r#"{{"name": "{}"}}"#, "x".repeat(1 << 20));
    let cases = [
        ("{", "invalid_json"),
        ("", "invalid_json"),
        (r#"{"name": 7}"#, "invalid_arguments"),
        (r#"{"name": "a", "force": true}"#, "invalid_arguments"),
        (&deep, "too_large"),
        (&long, "too_large"),
    ];
    for (edited, code) in cases {
        let to = edited.to_owned();
        let dispatcher = dispatcher
            .clone()
            .with_policy(move |_| std::future::ready(Decision::Edit(to.clone())));
        let results = dispatcher.dispatch(vec![call("work", "a")]).await;
        assert_eq!(codes(&results), [code], "{edited:.60}");
    }
    assert!(run_log.begun().is_empty());
}

#[tokio::test(start_paused = true)]
async fn edited_arguments_are_keyed_anew() {
    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_policy(|proposal: ApprovalRequest| async move {
        let name = proposal.call().id.clone();
        // `a` and `b` ask for one bed and get two; `a` and `c` the other way around.
        let bed = if name == "b" { 2 } else { 1 };
        Decision::Edit(json!({"name": name, "bed": bed}).to_string())
    });
    let make =
        |id: &str, bed: u32| ToolCall::new(id, "make", json!({"name": id, "bed": bed}).to_string());
    dispatcher
        .dispatch(vec![make("a", 7), make("b", 7), make("c", 8)])
        .await;
    assert_eq!(run_log.runs(), ["a 0..10", "b 0..10", "c 10..20"]);
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_asked_about_nested_calls_not_attempts() {
    /// Fail twice, then call a tool.
    #[tool(read_only, retry(attempts = 3, backoff = "1ms"))]
    async fn third_time(#[context] cx: &CallContext) -> Result<String, String> {
        if cx.attempt() < 3 {
            return Err("not yet".to_owned());
        }
        let results = cx
            .dispatch(vec![call("work", "no"), call("work", "a")])
            .await;
        Ok(format!("{:?}", codes(&results)))
    }

    let asked = Arc::new(AtomicUsize::new(0));
    let asking = Arc::clone(&asked);
    let run_log = RunLog::begin();
    let dispatcher = Dispatcher::new(tools![work, third_time].with_shared_state(run_log))
        .with_policy(move |proposal| {
            asking.fetch_add(1, Ordering::SeqCst);
            by_id(proposal)
        });
    let results = dispatcher.dispatch(calls([("third_time", "{}")])).await;
    assert_eq!(contents(&results), [r#"["denied", "ok"]"#]);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn an_undecided_call_is_answered_when_its_batch_is_over() {
    /// Stop the run.
    #[tool]
    async fn stop() -> Result<(), ToolError> {
        Err(ToolError::fatal("stop"))
    }

    let run_log = RunLog::begin();
    let dispatcher = Dispatcher::new(tools![work, stop].with_shared_state(Arc::clone(&run_log)))
        .with_policy(by_id);
    let batch = dispatcher.dispatch(vec![
        call("work", "never"),
        ToolCall::new("s", "stop", "{}"),
        call("work", "slow"),
    ]);
    let results = timeout(Duration::from_secs(3600), batch).await.unwrap();
    assert_eq!(
        codes(&results),
        ["not_started", "tool_error", "not_started"]
    );

    let mut turn = dispatcher.streaming_batch();
    turn.push(call("work", "never"));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(codes(&turn.cancel()), ["not_started"]);
    assert!(run_log.begun().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_decision_after_its_batch_is_dropped_starts_nothing() {
    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_policy(by_id);
    let gave_up = timeout(
        Duration::from_millis(10),
        dispatcher.dispatch(vec![call("work", "slow")]),
    )
    .await;
    assert!(gave_up.is_err());
    sleep(Duration::from_secs(1)).await;
    assert!(run_log.begun().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_policy_set_last_is_the_policy() {
    let (dispatcher, _) = dispatcher();
    let strict = dispatcher.with_policy(|_| async { Decision::deny("never") });
    let lenient = strict.clone().with_policy(|_| async { Decision::Allow });
    assert_eq!(
        codes(&lenient.dispatch(vec![call("work", "a")]).await),
        ["ok"]
    );
    assert_eq!(
        codes(&strict.dispatch(vec![call("work", "a")]).await),
        ["denied"]
    );
}

#[test]
fn an_undecided_call_is_answered_when_its_runtime_shuts_down() {
    /// Answer at once.
    #[tool]
    async fn answer() -> u32 {
        1
    }

    let asked = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    // nor is the policy asked
    let never_run = Builder::new_current_thread().enable_time().build().unwrap();
    for first in [asked, never_run] {
        let second = Builder::new_current_thread().enable_time().build().unwrap();
        let dispatcher = Dispatcher::new(tools![answer]).with_policy(|_| std::future::pending());
        let mut turn = {
            let _inside = first.enter();
            dispatcher.streaming_batch()
        };
        turn.push(ToolCall::new("", "answer", "{}"));
        drop(first);
        let results = second.block_on(async {
            timeout(Duration::from_secs(10), turn.finish())
                .await
                .unwrap()
        });
        assert_eq!(codes(&results), ["not_started"]);
    }
}
