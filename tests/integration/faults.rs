//! Regression tests for faults that were found by attack, each as small as possible.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::time::timeout;
use tool_core::{
    CallContext, Decision, Dispatcher, DynamicTool, ErrorCode, Tool, ToolCall, ToolDefinition,
    ToolError, ToolFuture, ToolOutput, ToolResult, ToolSet, tool, tools,
};

use crate::support::{calls, code, codes, contents};

/// Hold a bed for a moment.
#[tool(serialize_by(bed))]
async fn hold(bed: u32) -> u32 {
    tokio::task::yield_now().await;
    bed
}

/// Answer at once, one at a time.
#[tool(concurrency = 1)]
async fn single() {
    tokio::task::yield_now().await;
}

/// Answer at once.
#[tool]
async fn answer() -> u32 {
    1
}

fn call(name: &str, arguments: &str) -> ToolCall {
    ToolCall::new("", name, arguments)
}

/// Many batches of one call each take minutes where each visits all others that wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_batches_that_wait_for_one_key_or_one_limit_finish() {
    let dispatcher = Dispatcher::new(tools![hold, single]);
    for one in [call("hold", r#"{"bed": 1}"#), call("single", "{}")] {
        let batches: Vec<_> = (0..4000)
            .map(|_| tokio::spawn(dispatcher.dispatch(vec![one.clone()])))
            .collect();
        for batch in batches {
            let results = timeout(Duration::from_secs(60), batch).await.unwrap();
            assert_eq!(codes(&results.unwrap()), ["ok"]);
        }
    }
}

#[test]
fn many_unknown_names_are_not_all_compared_with_all_tools() {
    let named = |number: usize| {
        let name = format!("get_patient_record_number_{number}");
        DynamicTool::new(name, "Get it.", json!({}), |_| async {
            Ok::<_, ToolError>(())
        })
        .unwrap()
    };
    let tools = ToolSet::from_tools((0..128).map(named)).unwrap();
    let batch = (0..1024).map(|number| call(&format!("get_patient_recrd_{number}"), "{}"));
    let results = Dispatcher::new(tools).dispatch_blocking(batch.collect());
    let guessed = |result: &&ToolResult| result.content().contains("did you mean");
    let count = results.iter().filter(guessed).count();
    assert!((1..=16).contains(&count), "{count}");
    assert!(results.iter().all(|result| code(result) == "unknown_tool"));
    assert!(results[1023].content().contains("the tools are"));
}

/// The program would abort: a panic in a destructor of a thread's own data.
#[test]
fn a_dispatch_may_be_dropped_by_a_destructor_of_its_thread() {
    type Batch = Pin<Box<dyn Future<Output = Vec<ToolResult>>>>;
    thread_local! {
        static KEPT: RefCell<Option<Batch>> = const { RefCell::new(None) };
    }

    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    /// Never answer.
    #[tool]
    async fn never() {
        std::future::pending::<()>().await;
    }

    let dispatcher = Dispatcher::new(tools![never]).with_max_concurrency(1);
    let handle = runtime.handle().clone();
    let of_thread = dispatcher.clone();
    let thread = std::thread::spawn(move || {
        let _entered = handle.enter();
        let batch = of_thread.dispatch(calls([("never", "{}"); 3]));
        let mut batch: Batch = Box::pin(batch);
        KEPT.with(|kept| {
            let polled = batch.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            *kept.borrow_mut() = Some(batch);
        });
    });
    thread.join().unwrap();
    let idle = async { timeout(Duration::from_secs(10), dispatcher.idle()).await };
    runtime.block_on(idle).unwrap();
}

/// A `Value` so deep that to write it would overflow the stack.
#[tokio::test]
async fn an_output_is_nested_so_deep_and_no_deeper() {
    let nested = DynamicTool::new("nest", "Nest.", json!({}), |arguments| async move {
        let depth = arguments["depth"].as_u64().unwrap_or_default();
        Ok::<_, ToolError>(
            (0..depth).fold(Value::from("[{\"["), |inner, _| Value::Array(vec![inner])),
        )
    });
    let dispatcher = Dispatcher::new(ToolSet::from_tools([nested.unwrap()]).unwrap());
    let results = dispatcher
        .dispatch(calls([
            ("nest", r#"{"depth": 128}"#),
            ("nest", r#"{"depth": 129}"#),
            ("nest", r#"{"depth": 3000}"#),
        ]))
        .await;
    let unserializable = "unserializable_output";
    assert_eq!(codes(&results), ["ok", unserializable, unserializable]);
    let text = results[1].outcome().unwrap_err().message_for_model();
    assert!(text.contains("nested more than 128 deep"), "{text}");
}

/// Writes a line over and over, and counts the lines; fails in the end if it is to.
struct Talks {
    lines: usize,
    fails: bool,
}

impl fmt::Display for Talks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.lines).try_for_each(|_| f.write_str("the same line over and over "))?;
        if self.fails { Err(fmt::Error) } else { Ok(()) }
    }
}

impl fmt::Debug for Talks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Talks")
    }
}

impl Error for Talks {}

/// Fail with so many lines.
#[tool]
async fn talk(lines: usize, fails: bool) -> Result<(), Talks> {
    Err(Talks { lines, fails })
}

#[tokio::test]
async fn a_failing_or_endless_display_is_an_error_of_the_tool() {
    let results = Dispatcher::new(tools![talk])
        .dispatch(calls([
            ("talk", r#"{"lines": 1, "fails": true}"#),
            ("talk", r#"{"lines": 0, "fails": true}"#),
            ("talk", r#"{"lines": 200000, "fails": false}"#),
        ]))
        .await;
    assert_eq!(codes(&results), ["tool_error"; 3]);
    let text = |at: usize| results[at].outcome().unwrap_err().message_for_model();
    assert_eq!(text(0), "the same line over and over");
    assert_eq!(text(1), "the tool failed, and its error has no text");
    assert!(text(2).len() <= 256 << 10 && text(2).contains("bytes left out"));
}

/// A policy would read the first, and the tool the last.
#[tokio::test]
async fn repeated_properties_are_refused_for_every_kind_of_tool() {
    struct ByHand(ToolDefinition);
    impl Tool for ByHand {
        fn definition(&self) -> &ToolDefinition {
            &self.0
        }
        fn call<'a>(&'a self, _: &'a tool_core::CallContext, _: &'a str) -> ToolFuture<'a> {
            Box::pin(async { Ok(ToolOutput::from_text("read")) })
        }
    }

    let by_hand = ByHand(ToolDefinition::new("by_hand", "Read.", json!({})).unwrap());
    let dynamic = DynamicTool::new("dynamic", "Read.", json!({}), |_| async {
        Ok::<_, ToolError>("read")
    });
    let tools = tools![].with_tool(by_hand).unwrap();
    let tools = tools.with_tool(dynamic.unwrap()).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let guarded = Dispatcher::new(tools.clone()).with_policy(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Decision::Allow }
    });
    for dispatcher in [Dispatcher::new(tools), guarded] {
        for name in ["by_hand", "dynamic"] {
            let results = dispatcher
                .dispatch(calls([
                    (name, r#"{"path": "/tmp/x", "path": "/etc/passwd"}"#),
                    (name, r#"{"file": [{"path": 1, "p\u0061th": 2}]}"#),
                    (name, r#"{"path": "/tmp/x", "Path": "/tmp/y"}"#),
                ]))
                .await;
            assert_eq!(
                codes(&results),
                ["invalid_arguments", "invalid_arguments", "ok"]
            );
            let text = results[0].outcome().unwrap_err().message_for_model();
            assert_eq!(text, "`path`: given twice; give it once");
            assert!(results[0].started().is_none());
        }
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2); // about the third of each
}

/// Answer from a thread.
#[tool]
fn on_thread() -> u32 {
    1
}

#[tokio::test]
async fn a_sync_tool_that_no_thread_can_run_is_not_started() {
    let dropping = Dispatcher::new(tools![on_thread]).with_blocking_executor(drop);
    let panicking = Dispatcher::new(tools![on_thread])
        .with_blocking_executor(|_| panic!("cannot start a thread"));
    for dispatcher in [dropping, panicking] {
        let results = dispatcher.dispatch(calls([("on_thread", "{}"); 2])).await;
        assert_eq!(codes(&results), ["not_started"; 2]);
        assert!(results.iter().all(|result| result.started().is_none()));
        dispatcher.idle().await;
    }
}

#[tokio::test]
async fn batches_and_arguments_of_any_size_are_answered() {
    let dispatcher = Dispatcher::new(tools![answer]);
    let results = dispatcher
        .dispatch(vec![call("answer", "{}"); 1_000_000])
        .await;
    assert_eq!(results.len(), 1_000_000);
    assert!(results[..1024].iter().all(|result| code(result) == "ok"));
    assert!(
        results[1024..]
            .iter()
            .all(|result| code(result) == "overloaded")
    );
    let long = format!(r#"{{"text": "{}"}}"#, "x".repeat(200 << 20));
    let results = dispatcher.dispatch(vec![call("answer", &long)]).await;
    assert_eq!(codes(&results), ["too_large"]);
}

#[tokio::test]
async fn zero_and_unlimited_deadlines_are_kept() {
    /// Wait a moment, with a large future.
    #[tool]
    async fn pause() -> u8 {
        let large = [1_u8; 64 << 10];
        tokio::task::yield_now().await;
        large[0]
    }

    let none = Dispatcher::new(tools![pause, answer]).with_timeout(Duration::ZERO);
    let results = none
        .dispatch(calls([("pause", "{}"), ("answer", "{}")]))
        .await;
    assert_eq!(codes(&results), ["timeout", "ok"]);
    let ever = Dispatcher::new(tools![pause, answer]).with_timeout(Duration::MAX);
    let results = ever
        .dispatch(calls([("pause", "{}"), ("answer", "{}")]))
        .await;
    assert_eq!(contents(&results), ["1", "1"]);
}

/// An output that was made by hand or by another tool is what the model reads, not how it is stored.
#[tokio::test]
async fn an_output_that_is_returned_is_shown_as_it_is() {
    /// Return text.
    #[tool]
    async fn text() -> ToolOutput {
        ToolOutput::from_text("plain \"text\"")
    }

    /// Return JSON.
    #[tool]
    async fn value() -> Result<ToolOutput, ToolError> {
        ToolOutput::from_serialize(&["a", "b"])
    }

    let dynamic = DynamicTool::new("dynamic", "Return text.", json!({}), |_| async {
        Ok::<_, ToolError>(Some(ToolOutput::from_text("text")))
    });
    let tools = tools![text, value].with_tool(dynamic.unwrap()).unwrap();
    let results = Dispatcher::new(tools)
        .dispatch(calls([("text", "{}"), ("value", "{}"), ("dynamic", "{}")]))
        .await;
    assert_eq!(
        contents(&results),
        ["plain \"text\"", r#"["a","b"]"#, "text"]
    );
    let stored = serde_json::to_value(results[1].outcome().unwrap()).unwrap();
    assert_eq!(
        stored,
        json!([{"type": "text", "text": r#"["a","b"]"#, "json": true}])
    );
}

/// The model would read that its own arguments were wrong, and that nothing ran.
#[tokio::test]
async fn a_tool_that_runs_another_by_hand_fails_in_its_own_name() {
    let inner = tools![hold].tool("hold").unwrap();
    let outer = DynamicTool::new_with_context("outer", "Run it.", json!({}), move |context, _| {
        let inner = Arc::clone(&inner);
        async move { inner.call(&context, r#"{"bed": "first"}"#).await }
    });
    let results = Dispatcher::new(ToolSet::from_tools([outer.unwrap()]).unwrap())
        .dispatch(calls([("outer", "{}")]))
        .await;
    assert_eq!(codes(&results), ["tool_error"]);
    assert!(results[0].started().is_some());
}

/// A remote call may still act, whichever call dispatched it.
#[tokio::test(start_paused = true)]
async fn the_parent_of_an_abandoned_remote_call_may_still_be_acting() {
    /// Never answer, elsewhere.
    #[tool(remote)]
    async fn elsewhere() {
        std::future::pending::<()>().await;
    }

    /// Ask for it.
    #[tool]
    async fn parent(#[context] cx: &CallContext, name: &str) -> usize {
        let arguments = if name == "parent" {
            r#"{"name": "elsewhere"}"#
        } else {
            "{}"
        };
        cx.dispatch(vec![call(name, arguments)]).await.len()
    }

    let mut batch = Dispatcher::new(tools![elsewhere, parent]).streaming_batch();
    for name in ["elsewhere", "parent"] {
        batch.push(call("parent", &format!(r#"{{"name": "{name}"}}"#)));
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    let results = batch.cancel();
    assert_eq!(codes(&results), ["cancelled_indeterminate"; 2]);
}

#[test]
fn a_stored_error_of_many_sources_is_read() {
    let sources = vec!["disk"; 200_000];
    let stored = json!({"code": "tool_error", "message": "no", "sources": sources});
    let error: ToolError = serde_json::from_value(stored).unwrap();
    let (mut count, mut source) = (0, error.source());
    while let Some(error) = source {
        (count, source) = (count + 1, error.source());
    }
    assert_eq!(count, 64);
}

#[test]
fn a_custom_tool_error_keeps_its_text_source_and_code() {
    let error = ToolError::new(ErrorCode::LostIndeterminate, " ")
        .with_source(std::io::Error::other("reset"));
    assert_eq!(
        error.message_for_model(),
        "the tool failed, and its error has no text"
    );
    assert!(error.source().unwrap().is::<std::io::Error>());
    let fatal = ToolError::fatal(error);
    assert!(fatal.is_fatal() && fatal.source().unwrap().is::<std::io::Error>());
    assert_eq!(fatal.code(), ErrorCode::LostIndeterminate);
}
