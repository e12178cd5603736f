//! Calls that wait for a decision of the program: what is held with them, and how a message
//! continues in another process.

mod property;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::{sleep, timeout};
use tool_core::{
    ApprovalRequest, CallContext, Decision, DispatchEvent, Dispatcher, ErrorCode, HeldFor,
    ToolCall, ToolError, ToolResult, serde_json, tool, tools,
};

use crate::support::{calls, codes, contents};

/// What began and ended, by the calls' ids.
#[derive(Default)]
struct Log(Mutex<Vec<(String, bool)>>);

impl Log {
    async fn work(&self, cx: &CallContext) -> String {
        let note = |ends| self.0.lock().unwrap().push((cx.id().to_owned(), ends));
        note(false);
        sleep(Duration::from_millis(10)).await;
        note(true);
        cx.idempotency_key()
    }
}

/// Work.
#[tool]
async fn plain(#[context] cx: &CallContext, #[state] log: &Log) -> String {
    log.work(cx).await
}

/// Work alone.
#[tool(exclusive)]
async fn alone(#[context] cx: &CallContext, #[state] log: &Log) -> String {
    log.work(cx).await
}

/// Work at a bed.
#[tool(serialize_by(bed))]
async fn at_bed(#[context] cx: &CallContext, #[state] log: &Log, bed: u32) -> String {
    let _ = bed;
    log.work(cx).await
}

/// Work by way of another call.
#[tool]
async fn delegate(#[context] cx: &CallContext) -> Vec<String> {
    contents(&cx.dispatch(calls([("plain", "{}")])).await)
}

/// Stop the run.
#[tool]
async fn stop() -> Result<(), ToolError> {
    sleep(Duration::from_millis(5)).await;
    Err(ToolError::fatal("the building is on fire"))
}

fn dispatcher() -> (Dispatcher, Arc<Log>) {
    let log = Arc::<Log>::default();
    let tools = tools![plain, alone, at_bed, delegate, stop];
    let dispatcher = Dispatcher::new(tools).with_shared_state(Arc::clone(&log));
    (dispatcher, log)
}

/// As another process has them.
fn stored(results: &[ToolResult]) -> Vec<ToolResult> {
    serde_json::from_str(&serde_json::to_string(results).unwrap()).unwrap()
}

fn held(results: &[ToolResult]) -> Vec<Option<HeldFor>> {
    results.iter().map(ToolResult::held_for).collect()
}

/// A policy that holds calls of these ids.
fn holds(
    ids: &'static [&'static str],
) -> impl Fn(ApprovalRequest) -> Decision + Send + Sync + 'static {
    move |request| match ids.contains(&&*request.call().id) {
        true => Decision::Hold,
        false => Decision::Allow,
    }
}

#[tokio::test(start_paused = true)]
async fn only_calls_ordered_after_a_held_one_are_held_too() {
    let (dispatcher, log) = dispatcher();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let asking = Arc::clone(&asked);
    let held_first = holds(&["call_0"]);
    let dispatcher = dispatcher.with_policy(move |request| {
        asking.lock().unwrap().push(request.position());
        held_first(request)
    });
    let message = || {
        calls([
            ("at_bed", r#"{"bed": 1}"#),
            ("at_bed", r#"{"bed": 2}"#),
            ("at_bed", r#"{"bed": 1}"#),
            ("plain", "{}"),
            ("alone", "{}"),
            ("plain", "{}"),
        ])
    };
    let results = timeout(Duration::from_secs(1), dispatcher.dispatch(message()))
        .await
        .unwrap();
    let expected = ["held", "ok", "held", "ok", "held", "held"];
    assert_eq!(codes(&results), expected);
    let waits = held(&results);
    assert_eq!(waits[0], Some(HeldFor::Decision));
    assert_eq!(waits[2], Some(HeldFor::Earlier(0)));
    assert_eq!(waits[4], Some(HeldFor::Earlier(0)));
    assert!(matches!(waits[5], Some(HeldFor::Earlier(0 | 4))));
    assert!(
        results
            .iter()
            .all(|result| result.held_for().is_none() || result.started().is_none())
    );
    timeout(Duration::from_secs(1), dispatcher.idle())
        .await
        .unwrap();
    assert_eq!(log.0.lock().unwrap().len(), 4);
    // Others do not wait for it.
    let other = dispatcher.dispatch(calls([("plain", "{}"), ("at_bed", r#"{"bed": 1}"#)]));
    let other = timeout(Duration::from_secs(1), other).await.unwrap();
    assert_eq!(codes(&other), ["held", "ok"]); // `call_0` of its own
    let mut asked = asked.lock().unwrap().clone();
    asked.truncate(6);
    asked.sort_unstable();
    assert_eq!(asked, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_message_continues_in_another_process() {
    let (first, _) = dispatcher();
    let first = first.with_policy(holds(&["call_0", "call_2"]));
    let message = calls([
        ("alone", "{}"),
        ("plain", "{}"),
        ("plain", "{}"),
        ("alone", "{}"),
    ]);
    let results = first.dispatch(message).await;
    assert_eq!(codes(&results), ["held"; 4]);

    let (second, log) = dispatcher();
    let second = second.with_policy(|_| -> Decision { panic!("it is not asked again") });
    let decide = vec![(0, Decision::Allow)];
    let results = second.resume(stored(&results), decide).unwrap().await;
    assert_eq!(codes(&results), ["ok", "ok", "held", "held"]);
    assert_eq!(
        held(&results)[2..],
        [Some(HeldFor::Decision), Some(HeldFor::Earlier(2))]
    );
    let keys = contents(&results);
    assert_eq!(keys[0].strip_suffix("-0"), keys[1].strip_suffix("-1"));

    let deny = vec![(2, Decision::deny("not today"))];
    let results = second.resume(stored(&results), deny).unwrap().await;
    assert_eq!(codes(&results), ["ok", "ok", "denied", "ok"]);
    assert_eq!(contents(&results)[..2], keys[..2]);
    let ran: Vec<String> = log
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|(id, _)| id.clone())
        .collect();
    assert_eq!(
        ran,
        ["call_0", "call_0", "call_1", "call_1", "call_3", "call_3"]
    );
}

#[tokio::test(start_paused = true)]
async fn decisions_that_do_not_match_lose_nothing() {
    let (dispatcher, log) = dispatcher();
    let dispatcher = dispatcher.with_policy(holds(&["call_1", "call_2"]));
    let message = calls([
        ("plain", "{}"),
        ("at_bed", r#"{"bed": 1}"#),
        ("plain", "{}"),
        ("alone", "{}"),
    ]);
    let results = dispatcher.dispatch(message).await;
    let other = dispatcher
        .dispatch(calls([("plain", "{}"), ("plain", "{}")]))
        .await;
    let ran = log.0.lock().unwrap().len();
    let wrong = [
        (vec![(4, Decision::Allow)], "there is no call at position 4"),
        (
            vec![(1, Decision::Allow), (0, Decision::Allow)],
            "call 0 does not wait for a decision: it is answered",
        ),
        (
            vec![(3, Decision::Allow)],
            "call 3 does not wait for a decision, but for call 1: decide on that",
        ),
        (
            vec![
                (1, Decision::Allow),
                (2, Decision::Hold),
                (1, Decision::deny("no")),
            ],
            "there are two decisions on call 1; give one",
        ),
    ];
    for (decisions, why) in wrong {
        let error = dispatcher.resume(results.clone(), decisions).err().unwrap();
        assert_eq!(error.to_string(), why);
        assert_eq!(codes(&error.into_results()), codes(&results));
    }
    let twice = [results.clone(), results.clone()].concat();
    let error = dispatcher
        .resume(twice, vec![(1, Decision::Allow)])
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "two results have position 0; give those of one message"
    );
    let part = results[2..].to_vec();
    let error = dispatcher
        .resume(part, vec![(2, Decision::Allow)])
        .err()
        .unwrap();
    let why = "call 3 waits for call 1, whose result is missing; give all results of the message";
    assert_eq!(error.to_string(), why);
    let mixed = vec![results[2].clone(), other[1].clone()];
    let error = dispatcher
        .resume(mixed, vec![(1, Decision::Allow)])
        .err()
        .unwrap();
    let why = "the held calls are of different messages; resume each by itself";
    assert_eq!(error.to_string(), why);
    assert_eq!(log.0.lock().unwrap().len(), ran);

    let same = dispatcher
        .resume(results.clone(), Vec::new())
        .unwrap()
        .await;
    assert_eq!(codes(&same), codes(&results));
    let edited = vec![(1, Decision::Edit(r#"{"bed": "north"}"#.to_owned()))];
    let edited = dispatcher.resume(results, edited).unwrap().await;
    assert_eq!(codes(&edited), ["ok", "invalid_arguments", "held", "held"]);
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_changed_or_is_gone_is_refused_by_name() {
    /// Work in another way.
    #[tool(name = "plain")]
    async fn other(now: Option<bool>) -> bool {
        now.unwrap_or_default()
    }

    let (first, _) = dispatcher();
    let first = first.with_policy(|_| Decision::Hold);
    let results = first
        .dispatch(calls([("plain", "{}"), ("alone", "{}"), ("plain", "{}")]))
        .await;
    let second = Dispatcher::new(tools![other]);
    let decide = vec![(0, Decision::Allow), (1, Decision::Allow)];
    let results = second.resume(stored(&results), decide).unwrap().await;
    assert_eq!(codes(&results), ["not_started", "unknown_tool", "held"]);
    let text = results[0].outcome().unwrap_err().message_for_model();
    let expected =
        "not started: `plain` is not defined as it was when the call was held; make the call again";
    assert_eq!(text, expected);
    // One that was not decided on keeps what it was held with.
    let decide = vec![(2, Decision::Allow)];
    let (third, _) = dispatcher();
    let results = third.resume(stored(&results), decide).unwrap().await;
    assert_eq!(codes(&results)[2], "ok");
    // A call can be denied, whatever happened to its tool.
    let results = first.dispatch(calls([("alone", "{}")])).await;
    let results = second
        .resume(results, vec![(0, Decision::deny("no"))])
        .unwrap()
        .await;
    assert_eq!(codes(&results), ["denied"]);
}

#[tokio::test(start_paused = true)]
async fn a_nested_call_is_not_held_and_a_fatal_error_ends_held_calls() {
    let (dispatcher, _) = dispatcher();
    let dispatcher =
        dispatcher.with_policy(
            |request: ApprovalRequest| match request.call().name.as_str() {
                "plain" => Decision::Hold,
                _ => Decision::Allow,
            },
        );
    let results = dispatcher.dispatch(calls([("delegate", "{}")])).await;
    assert!(
        contents(&results)[0].contains("cannot wait for a decision"),
        "{results:?}"
    );
    let results = dispatcher
        .dispatch(calls([("plain", "{}"), ("stop", "{}")]))
        .await;
    assert_eq!(codes(&results), ["not_started", "tool_error"]);
    let results = dispatcher
        .dispatch(calls([("plain", "{}"), ("plain", "{}")]))
        .await;
    assert_eq!(codes(&results), ["held"; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_streaming_batch_continues_past_a_held_call() {
    let (dispatcher, _) = dispatcher();
    let dispatcher = dispatcher.with_policy(holds(&["held"]));
    let mut batch = dispatcher.streaming_batch();
    batch.push(ToolCall::new("held", "at_bed", r#"{"bed": 1}"#));
    batch.push(ToolCall::new("free", "plain", "{}"));
    let mut seen = Vec::new();
    for _ in 0..2 {
        match timeout(Duration::from_secs(1), batch.next()).await.unwrap() {
            Some(DispatchEvent::Result(result)) => seen.push(result.id().to_owned()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, ["held", "free"]);
    batch.push(ToolCall::new("behind", "at_bed", r#"{"bed": 1}"#));
    let results = timeout(Duration::from_secs(1), batch.finish())
        .await
        .unwrap();
    assert_eq!(codes(&results), ["held", "ok", "held"]);
    let results = dispatcher
        .resume(stored(&results), vec![(0, Decision::Allow)])
        .unwrap();
    assert_eq!(codes(&results.await), ["ok"; 3]);
}

/// What is not decided on stays as it is, whatever the dispatcher takes, and holds what it held.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_decided_on_stays_held_whatever_changed() {
    /// Work alone, no more.
    #[tool(name = "alone")]
    async fn not_alone() -> bool {
        true
    }

    let (first, _) = dispatcher();
    let first = first.with_policy(holds(&["call_0", "call_2"]));
    let message = calls([
        ("alone", "{}"),
        ("plain", "{}"),
        ("plain", "{}"),
        ("at_bed", r#"{"bed": 1}"#),
    ]);
    let results = first.dispatch(message).await;
    assert_eq!(codes(&results), ["held"; 4]);
    let decide = || vec![(2, Decision::Allow)];

    // The tool of the first is another one, or gone, and the queue is full.
    let log = Arc::<Log>::default();
    let changed = tools![not_alone, plain, at_bed].with_shared_state(Arc::clone(&log));
    let gone = tools![plain, at_bed].with_shared_state(Arc::clone(&log));
    for tools in [changed, gone] {
        let second = Dispatcher::new(tools)
            .with_limits(|limits| (limits.queue, limits.argument_bytes) = (0, 16));
        let after = second.resume(stored(&results), decide()).unwrap().await;
        assert_eq!(codes(&after)[..2], ["held"; 2], "{after:?}");
        let waits = [Some(HeldFor::Decision), Some(HeldFor::Earlier(0))];
        assert_eq!(held(&after)[..2], waits);
        let (third, _) = dispatcher();
        let after = third
            .resume(stored(&after), vec![(0, Decision::Allow)])
            .unwrap()
            .await;
        assert_eq!(codes(&after)[..2], ["ok"; 2]);
    }
    // A fatal result among them ends the run.
    let fatal = ToolError::fatal("the building is on fire");
    let fatal = ToolResult::new(ToolCall::new("x", "stop", "{}"), 9, Err(fatal));
    let ended = [stored(&results), vec![fatal]].concat();
    let (second, log) = dispatcher();
    let ended = second
        .resume(stored(&ended), vec![(0, Decision::Allow)])
        .unwrap()
        .await;
    let expected = [
        "not_started",
        "not_started",
        "not_started",
        "not_started",
        "tool_error",
    ];
    assert_eq!(codes(&ended), expected);
    assert!(log.0.lock().unwrap().is_empty());
}

/// Stored results are read whatever they say: positions need not be near each other.
#[tokio::test(start_paused = true)]
async fn positions_are_those_of_the_results() {
    let (dispatcher, _) = dispatcher();
    let held = dispatcher.clone().with_policy(|_| Decision::Hold);
    let results = held
        .dispatch(calls([("alone", "{}"), ("plain", "{}")]))
        .await;
    let mut json = serde_json::to_value(&results).unwrap();
    json[0]["position"] = usize::MAX.into();
    json[1]["position"] = (usize::MAX - 1).into();
    let results: Vec<ToolResult> = serde_json::from_value(json).unwrap();
    let decide =
        |decision: Decision| vec![(usize::MAX, Decision::Allow), (usize::MAX - 1, decision)];
    let some = dispatcher
        .resume(results.clone(), decide(Decision::Hold))
        .unwrap()
        .await;
    assert_eq!(codes(&some), ["held"; 2]); // the exclusive one is behind the other now
    let all = dispatcher
        .resume(some, vec![(usize::MAX - 1, Decision::Allow)])
        .unwrap()
        .await;
    assert_eq!(codes(&all), ["ok"; 2]);
}

/// A message that has ended may still grow; what comes then is ordered behind what is held.
#[tokio::test(start_paused = true)]
async fn a_call_that_comes_after_the_end_does_not_pass_a_held_one() {
    let (dispatcher, _) = dispatcher();
    let mut batch = dispatcher.with_policy(holds(&["held"])).streaming_batch();
    batch.push(ToolCall::new("held", "at_bed", r#"{"bed": 1}"#));
    sleep(Duration::from_millis(5)).await;
    batch.end();
    batch.push(ToolCall::new("late", "at_bed", r#"{"bed": 1}"#));
    let results = timeout(Duration::from_secs(1), batch.finish())
        .await
        .unwrap();
    assert_eq!(codes(&results), ["held"; 2]);
}

/// The code is an adapter's to give, too: what such a call did is not hidden, and nothing resumes it.
#[tokio::test(start_paused = true)]
async fn a_tool_that_claims_to_be_held_is_not_resumed() {
    /// Ask somewhere else.
    #[tool]
    async fn elsewhere() -> Result<(), ToolError> {
        Err(ToolError::new(ErrorCode::Held, "a decision is missing"))
    }

    let dispatcher = Dispatcher::new(tools![elsewhere, stop]);
    let results = dispatcher
        .dispatch(calls([("elsewhere", "{}"), ("stop", "{}")]))
        .await;
    assert_eq!(codes(&results), ["held", "tool_error"]);
    assert_eq!(results[0].held_for(), None);
    assert!(results[0].started().is_some());
    let decide = vec![(0, Decision::Allow)];
    let error = dispatcher.resume(stored(&results), decide).err().unwrap();
    assert!(error.to_string().contains("does not wait"), "{error}");
}
