//! Any batch has one result per call, in call order, under the call's id, each as its
//! call deserves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::sleep;
use tool_core::{Dispatcher, ToolCall, tool, tools};

use crate::support::code;

#[derive(Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn enter(&self) -> Inside<'_> {
        self.most.fetch_max(
            self.now.fetch_add(1, Ordering::SeqCst) + 1,
            Ordering::SeqCst,
        );
        Inside(self)
    }
}

struct Inside<'a>(&'a Gauge);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Answer after a while.
#[tool]
async fn succeed(#[state] gauge: &Gauge, value: u32, millis: u64) -> u32 {
    let _inside = gauge.enter();
    sleep(Duration::from_millis(millis)).await;
    value
}

/// Fail after a while.
#[tool]
async fn fail(#[state] gauge: &Gauge, value: u32, millis: u64) -> Result<u32, String> {
    let _inside = gauge.enter();
    sleep(Duration::from_millis(millis)).await;
    Err(format!("failed {value}"))
}

/// Panic after a while.
#[tool]
async fn panic_later(#[state] gauge: &Gauge, millis: u64) {
    let _inside = gauge.enter();
    sleep(Duration::from_millis(millis)).await;
    panic!("secret");
}

/// Take too long.
#[tool(timeout = "10ms")]
async fn linger(#[state] gauge: &Gauge) {
    let _inside = gauge.enter();
    sleep(Duration::from_secs(3600)).await;
}

/// Answer from a thread.
#[tool]
fn compute(#[state] gauge: &Gauge, value: u32) -> u32 {
    let _inside = gauge.enter();
    value
}

/// What a call does, and how it must be answered.
#[derive(Clone, Debug)]
enum Kind {
    Succeed(u64),
    Fail(u64),
    Panic(u64),
    Linger,
    Compute,
    Unknown,
    Malformed,
    Invalid,
}

impl Kind {
    fn call(&self, id: &str, value: usize) -> ToolCall {
        let timed = |millis: &u64| format!("{{\"value\": {value}, \"millis\": {millis}}}");
        let (name, arguments) = match self {
            Self::Succeed(millis) => ("succeed", timed(millis)),
            Self::Fail(millis) => ("fail", timed(millis)),
            Self::Panic(millis) => ("panic_later", format!("{{\"millis\": {millis}}}")),
            Self::Linger => ("linger", "{}".to_owned()),
            Self::Compute => ("compute", format!("{{\"value\": {value}}}")),
            Self::Unknown => ("no_such_tool", "{}".to_owned()),
            Self::Malformed => ("succeed", "{\"value\": 1, ".to_owned()),
            Self::Invalid => ("succeed", "{\"value\": \"one\"}".to_owned()),
        };
        ToolCall::new(id, name, arguments)
    }

    fn answer(&self, value: usize) -> (&'static str, Option<String>) {
        match self {
            Self::Succeed(_) | Self::Compute => ("ok", Some(value.to_string())),
            Self::Fail(_) => (
                "tool_error",
                Some(format!(
                    "{{\"error\":\"failed {value}\",\"tool\":\"fail\"}}"
                )),
            ),
            Self::Panic(_) => ("panic", None),
            Self::Linger => ("timeout", None),
            Self::Unknown => ("unknown_tool", None),
            Self::Malformed => ("invalid_json", None),
            Self::Invalid => ("invalid_arguments", None),
        }
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        (0..50_u64).prop_map(Kind::Succeed),
        (0..50_u64).prop_map(Kind::Fail),
        (0..50_u64).prop_map(Kind::Panic),
        Just(Kind::Linger),
        Just(Kind::Compute),
        Just(Kind::Unknown),
        Just(Kind::Malformed),
        Just(Kind::Invalid),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_call_is_answered_once_in_order(kinds in prop::collection::vec((kind(), 0..8_u8), 0..60), limit in 1..=8_usize) {
        let gauge = Arc::new(Gauge::default());
        let tools = tools![succeed, fail, panic_later, linger, compute].with_shared_state(Arc::clone(&gauge));
        let dispatcher = Dispatcher::new(tools).with_max_concurrency(limit);
        // Few ids for many calls: some are given twice.
        let calls: Vec<_> = kinds.iter().enumerate().map(|(value, (kind, id))| kind.call(&format!("id {id}"), value)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let results = runtime.block_on(dispatcher.dispatch(calls.clone()));

        prop_assert_eq!(results.len(), calls.len());
        for (position, (result, call)) in results.iter().zip(&calls).enumerate() {
            prop_assert_eq!((result.position(), result.call()), (position, call));
            let (expected, content) = kinds[position].0.answer(position);
            prop_assert_eq!(code(result), expected);
            if let Some(content) = content {
                prop_assert_eq!(result.content(), content);
            }
            prop_assert!(!result.content().contains("secret"));
            prop_assert!(result.queued() <= result.finished());
        }
        prop_assert!(gauge.most.load(Ordering::SeqCst) <= limit);
        prop_assert_eq!(gauge.now.load(Ordering::SeqCst), 0);
    }
}
