//! Where a batch can run: inside a runtime, without one, and on one made for it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tool_core::{CallContext, Dispatcher, DynamicTool, ToolError, tool, tools};

use crate::support::{calls, codes, contents};

/// Add two numbers, later.
#[tool]
async fn add(a: i64, b: i64) -> i64 {
    tokio::time::sleep(Duration::from_millis(1)).await;
    a + b
}

/// Add two numbers on a thread.
#[tool]
fn add_on_thread(a: i64, b: i64) -> i64 {
    a + b
}

const NUMBERS: &str = r#"{"a": 1, "b": 2}"#;

#[test]
fn without_a_runtime_every_call_is_answered_not_started() {
    let dispatcher = Dispatcher::new(tools![add, add_on_thread]);
    let mut batch = Box::pin(dispatcher.dispatch(calls([
        ("add", NUMBERS),
        ("add_on_thread", NUMBERS),
        ("subtract", NUMBERS),
    ])));
    let Poll::Ready(results) = batch.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("there is nothing to wait for");
    };
    assert_eq!(
        codes(&results),
        ["not_started", "not_started", "unknown_tool"]
    );
    assert!(
        results
            .iter()
            .all(|result| result.started().is_none() && result.elapsed().is_zero())
    );
}

#[test]
fn a_program_without_a_runtime_dispatches_blocking() {
    let dispatcher = Dispatcher::new(tools![add, add_on_thread]);
    let results =
        dispatcher.dispatch_blocking(calls([("add", NUMBERS), ("add_on_thread", NUMBERS)]));
    assert_eq!(contents(&results), ["3", "3"]);
    assert!(dispatcher.dispatch_blocking(Vec::new()).is_empty());
}

#[tokio::test]
async fn dispatch_blocking_works_inside_a_runtime() {
    let dispatcher = Dispatcher::new(tools![add, add_on_thread]);
    assert_eq!(
        contents(
            &dispatcher.dispatch_blocking(calls([("add", NUMBERS), ("add_on_thread", NUMBERS)]))
        ),
        ["3", "3"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_runs_on_a_runtime_of_many_threads() {
    let dispatcher = Dispatcher::new(tools![add, add_on_thread]);
    assert_eq!(
        contents(
            &dispatcher
                .dispatch(calls([("add", NUMBERS), ("add_on_thread", NUMBERS)]))
                .await
        ),
        ["3", "3"]
    );
    assert_eq!(
        contents(
            &dispatcher.dispatch_blocking(calls([("add", NUMBERS), ("add_on_thread", NUMBERS)]))
        ),
        ["3", "3"]
    );
}

/// Waits for a future without any runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// The timers are those of the runtime that the message runs on, on any thread that dispatches a
/// call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nested_calls_of_a_thread_outside_the_runtime_have_its_timers() {
    /// Add twice, from a thread.
    #[tool]
    fn add_twice(#[context] cx: &CallContext) -> Vec<String> {
        let both = cx.dispatch(calls([("add", NUMBERS), ("add", NUMBERS)]));
        contents(&block_on(both))
    }

    let dispatcher = Dispatcher::new(tools![add, add_twice])
        .with_max_concurrency(1) // the second of the two waits
        .with_blocking_executor(|work| drop(std::thread::spawn(work)));
    let results = dispatcher.dispatch(calls([("add_twice", "{}")])).await;
    assert_eq!(contents(&results), [r#"["3","3"]"#]);
}

fn weather() -> DynamicTool {
    let schema =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    DynamicTool::new(
        "get_weather",
        "Get the weather in a city.",
        schema,
        |arguments| async move {
            match arguments.get("city").and_then(|city| city.as_str()) {
                Some("Atlantis") => panic!("sunk"),
                Some(city) => Ok(json!({"city": city, "sunny": true})),
                None => Err(ToolError::invalid_arguments(
                    "`city`: missing; this string is required",
                )),
            }
        },
    )
    .unwrap()
}

#[tokio::test]
async fn a_tool_known_only_at_run_time_is_a_tool_like_any_other() {
    let dispatcher = Dispatcher::new(tools![add].with_tool(weather()).unwrap());
    let results = dispatcher
        .dispatch(calls([
            ("get_weather", r#"{"city": "Oslo"}"#),
            ("get_weather", "{}"),
            ("get_weather", "[]"),
            ("get_weather", "{"),
            ("get_weather", r#"{"city": "Atlantis"}"#),
            ("add", NUMBERS),
        ]))
        .await;
    assert_eq!(
        codes(&results),
        [
            "ok",
            "invalid_arguments",
            "invalid_arguments",
            "invalid_json",
            "panic",
            "ok"
        ]
    );
    assert_eq!(results[0].content(), r#"{"city":"Oslo","sunny":true}"#);
    assert_eq!(
        results[1].outcome().unwrap_err().message_for_model(),
        "`city`: missing; this string is required"
    );
}

#[test]
fn a_definition_that_no_model_could_use_is_refused() {
    let with = |name: &str, schema| {
        let made = DynamicTool::new(name, "Text.", schema, |_| async { Ok::<_, ToolError>(()) });
        made.map(|_| ()).map_err(|error| error.to_string())
    };
    let object = json!({"type": "object", "properties": {}});
    for name in ["fine-name_1", "files.read", "with space", "größe"] {
        assert_eq!(with(name, object.clone()), Ok(()), "{name}");
    }
    assert_eq!(
        with("", object),
        Err("a tool has an empty name; give it one that the model can call it by".to_owned())
    );
    for schema in [
        json!({}),
        json!({"type": ["object", "null"]}),
        json!({"anyOf": [{"type": "object"}, {"$ref": "#/$defs/A"}], "$defs": {"A": {}}}),
        json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object"}}}),
    ] {
        assert_eq!(with("tool", schema.clone()), Ok(()), "{schema}");
    }
    for schema in [
        json!({"type": "array"}),
        json!({"type": ["string", "null"]}),
    ] {
        let error = with("tool", schema).unwrap_err();
        assert!(error.contains("not an object schema"), "{error}");
    }
    for (schema, at) in [
        (json!([]), "JSON Schema: "),
        (json!(true), "JSON Schema: "),
        (json!({"properties": []}), "at `properties`: "),
        (json!({"type": "strng"}), "at `type`: "),
        (
            json!({"properties": {"limit": {"minimum": null}}}),
            "at `properties.limit.minimum`: ",
        ),
        (
            json!({"properties": {"limit": {"exclusiveMinimum": true}}}),
            "at `properties.limit.exclusiveMinimum`: ",
        ),
        (json!({"required": true}), "at `required`: "),
        (
            json!({"properties": {"size": {"enum": []}}}),
            "at `properties.size.enum`: ",
        ),
        (
            json!({"properties": {"a": {"$ref": "#/$defs/A"}}}),
            "at `properties.a.$ref`: ",
        ),
    ] {
        let error = with("tool", schema.clone()).unwrap_err();
        let lead = "the parameters of tool `tool` are not a JSON Schema";
        assert!(error.starts_with(lead) && error.contains(at), "{error}");
    }
}

#[test]
fn calls_behind_an_abandoned_thread_are_answered_on_any_runtime() {
    /// Wait on a thread until let go.
    #[tool(timeout = "50ms", concurrency = 1)]
    fn hold(#[state] let_go: &AtomicBool) {
        let begun = Instant::now();
        while !let_go.load(Ordering::SeqCst) && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    let let_go = Arc::new(AtomicBool::new(false));
    let tools = tools![hold].with_shared_state(Arc::clone(&let_go));
    let dispatcher = Dispatcher::new(tools)
        .with_limits(|limits| limits.queue_time = Some(Duration::from_millis(100)));
    for expected in ["timeout_indeterminate", "not_started"] {
        assert_eq!(
            codes(&dispatcher.dispatch_blocking(calls([("hold", "{}")]))),
            [expected]
        );
    }
    let_go.store(true, Ordering::SeqCst);
}
