//! Tools without a dispatcher: in a unit test, a worker, another engine.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use serde_json::json;
use tool_core::{
    CallContext, CancellationToken, Dispatcher, DynamicTool, ErrorCode, Tool, ToolCall,
    ToolDefinition, ToolError, ToolFuture, ToolOutput, ToolResult, ToolSet, tool, tools,
};

use crate::support::{calls, codes, contents};

/// Add two numbers.
#[tool]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// Add two numbers on a thread.
#[tool]
fn add_on_thread(#[context] cx: &CallContext, a: i64, b: i64) -> String {
    format!("{} from attempt {}", a + b, cx.attempt())
}

/// Say what is known of the call.
#[tool(read_only)]
async fn know(#[context] cx: &CallContext, #[state] greeting: &String) -> String {
    format!(
        "{greeting} {} {} {} {} {} {:?} {}",
        cx.id(),
        cx.tool(),
        cx.position(),
        cx.attempt(),
        cx.idempotency_key(),
        cx.deadline().is_some(),
        cx.definition().behavior().is_read_only(),
    )
}

/// Ask for other tools.
#[tool]
async fn delegate(#[context] cx: &CallContext) -> Vec<String> {
    cx.progress("asking", 0.5);
    let results = cx
        .dispatch(calls([("add", "{}"), ("delegate", "{}")]))
        .await;
    let mut answers = contents(&results);
    answers.extend(codes(&results).into_iter().map(str::to_owned));
    answers
}

/// Fail for good.
#[tool]
async fn explode() -> u32 {
    panic!("the password is hunter2")
}

/// Write a lot.
#[tool]
async fn write(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn detached(name: &str) -> CallContext {
    CallContext::detached(ToolCall::new("call_1", name, "{}"))
}

async fn run(tools: &ToolSet, name: &str, arguments: &str) -> Result<ToolOutput, ToolError> {
    let tool = tools.tool(name).unwrap();
    tool.call(&detached(name), arguments).await
}

#[tokio::test]
async fn a_tool_runs_without_a_dispatcher() {
    let tools = tools![add, add_on_thread];
    let numbers = r#"{"a": 1, "b": 2}"#;
    assert_eq!(run(&tools, "add", numbers).await.unwrap().text(), "3");
    let on_thread = run(&tools, "add_on_thread", numbers).await.unwrap();
    assert_eq!(on_thread.text(), "3 from attempt 1");
    assert!(tools.tool("subtract").is_none());
    let error = run(&tools, "add", r#"{"a": 1}"#).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArguments);
    assert_eq!(
        error.message_for_model(),
        "`b`: missing; this integer is required"
    );
}

#[tokio::test]
async fn a_detached_context_has_the_given_values() {
    let tools = tools![know].with_state("hello".to_owned());
    let tool = tools.with_prefix("north_").tool("north_know").unwrap();
    assert_eq!(tool.definition().name(), "north_know");
    let contexts = [detached("know"), detached("know")];
    let keys = contexts.each_ref().map(CallContext::idempotency_key);
    assert!(!keys[0].is_empty() && keys[0] != keys[1]);
    let plain = tool.call(&contexts[0], "{}").await.unwrap();
    let expected = format!("hello call_1 know 0 1 {} false true", keys[0]);
    assert_eq!(plain.text(), expected);

    let token = CancellationToken::new();
    let deadline = Instant::now() + Duration::from_secs(5);
    let context = detached("know")
        .with_deadline(deadline)
        .with_cancellation(token.clone())
        .with_idempotency_key("order-7");
    let set = tool.call(&context, "{}").await.unwrap();
    assert_eq!(set.text(), "hello call_1 know 0 1 order-7 true true");
    assert_eq!(context.deadline(), Some(deadline));
    token.cancel();
    assert!(context.cancellation().is_cancelled());
    assert_eq!(context.definition().name(), "know"); // all that is known of it
}

#[tokio::test]
async fn calls_within_a_detached_call_are_not_started() {
    let output = run(&tools![delegate], "delegate", "{}").await.unwrap();
    let text = output.text();
    assert!(text.contains("not started: the tool runs without a dispatcher"));
    assert!(text.ends_with(r#""not_started","not_started"]"#), "{text}");
}

#[tokio::test]
async fn a_panic_of_a_detached_tool_unwinds() {
    /// Fail on a thread.
    #[tool]
    fn explode_on_thread() -> u32 {
        panic!("the password is hunter2")
    }

    let tools = tools![explode, explode_on_thread];
    for name in ["explode", "explode_on_thread"] {
        let tools = tools.clone();
        let ended = tokio::spawn(async move { run(&tools, name, "{}").await });
        let panic = ended.await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"the password is hunter2"));
    }
}

#[test]
fn a_detached_sync_tool_without_a_runtime_is_not_started() {
    let tools = tools![add_on_thread];
    let running = run(&tools, "add_on_thread", r#"{"a": 1, "b": 2}"#);
    let polled = std::pin::pin!(running).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(error)) = polled else {
        panic!("there is nothing to wait for");
    };
    assert_eq!(error.code(), ErrorCode::NotStarted);
    assert_eq!(
        error.message_for_model(),
        "not started: a sync tool needs a tokio runtime to run on"
    );
}

#[tokio::test]
async fn a_detached_output_is_bounded_whatever_the_tool() {
    struct Loud(ToolDefinition);
    impl Tool for Loud {
        fn definition(&self) -> &ToolDefinition {
            &self.0
        }
        fn call<'a>(&'a self, _: &'a CallContext, _: &'a str) -> ToolFuture<'a> {
            Box::pin(async { Ok(ToolOutput::from_text("x".repeat(1 << 20))) })
        }
    }

    let loud = Loud(ToolDefinition::new("loud", "Be loud.", json!({})).unwrap());
    let dynamic = DynamicTool::new("dynamic", "Be loud.", json!({}), |_| async {
        Err::<(), _>(ToolError::from("x".repeat(1 << 20)))
    });
    let tools = tools![write].with_tool(loud).unwrap();
    let tools = tools.with_tool(dynamic.unwrap()).unwrap();
    for (name, arguments) in [("write", r#"{"bytes": 1048576}"#), ("loud", "{}")] {
        let output = run(&tools, name, arguments).await.unwrap();
        assert!(output.text().len() <= 256 << 10, "{name}");
    }
    let error = run(&tools, "dynamic", "{}").await.unwrap_err();
    assert!(error.message_for_model().len() <= 256 << 10);
}

#[tokio::test]
async fn one_tool_may_run_another_in_its_own_call() {
    /// Pass a call on to a tool of another set, which the dispatcher does not know.
    struct Front(ToolDefinition, Arc<dyn Tool>);
    impl Tool for Front {
        fn definition(&self) -> &ToolDefinition {
            &self.0
        }
        fn call<'a>(&'a self, cx: &'a CallContext, _: &'a str) -> ToolFuture<'a> {
            self.1.call(cx, "{}")
        }
    }

    let behind = tools![know].with_state("hello".to_owned());
    let definition = ToolDefinition::new("front", "Ask inside.", json!({})).unwrap();
    let front = Front(definition, behind.tool("know").unwrap());
    let dispatcher = Dispatcher::new(ToolSet::from_tools([front]).unwrap());
    let results = dispatcher
        .dispatch(calls([("front", "{}"), ("front", "{}")]))
        .await;
    let content = results[1].content();
    // Of the call as it is, with its deadline; but the definition of the tool inside.
    assert!(content.starts_with("hello call_1 front 1 1 "), "{content}");
    assert!(content.ends_with(" true true"), "{content}");
}

#[tokio::test]
async fn a_layer_that_passes_on_a_detached_context_is_refused() {
    use tower::util::MapRequestLayer;
    let dispatcher = Dispatcher::new(tools![add])
        .with_layer(MapRequestLayer::new(|_: CallContext| detached("add")));
    let results = dispatcher
        .dispatch(calls([("add", r#"{"a": 1, "b": 2}"#)]))
        .await;
    assert_eq!(codes(&results), ["middleware_error"]);
}

#[tokio::test]
async fn a_layer_may_set_what_the_tool_reads() {
    use tower::util::MapRequestLayer;
    let tools = tools![know].with_state("hello".to_owned());
    let dispatcher = Dispatcher::new(tools).with_layer(MapRequestLayer::new(|cx: CallContext| {
        cx.with_idempotency_key("order-7")
    }));
    let results = dispatcher.dispatch(calls([("know", "{}")])).await;
    assert_eq!(
        contents(&results),
        ["hello call_0 know 0 1 order-7 true true"]
    );
}

#[test]
fn a_result_can_be_made_by_hand() {
    let call = ToolCall::new("call_1", "add", "{}");
    let result = ToolResult::new(call.clone(), 3, Ok(ToolOutput::from_text("5")));
    assert_eq!(
        (result.id(), result.position(), &*result.content()),
        ("call_1", 3, "5")
    );
    let failed = ToolResult::new(call, 0, Err(ToolError::from("no such number")));
    assert_eq!(
        failed.content(),
        r#"{"error":"no such number","tool":"add"}"#
    );
    let error = failed.into_outcome().unwrap_err();
    assert_eq!(error.to_string(), "tool `add`: no such number");
}

#[test]
fn the_result_of_a_call_that_never_ran_has_not_started() {
    let result = |outcome| ToolResult::new(ToolCall::new("", "add", "{}"), 0, outcome);
    let failed = |code| result(Err(ToolError::new(code, "no")));
    assert!(failed(ErrorCode::NotStarted).started().is_none());
    assert!(failed(ErrorCode::Denied).started().is_none());
    assert!(failed(ErrorCode::LostIndeterminate).started().is_some());
    assert!(result(Ok(ToolOutput::from_text("3"))).started().is_some());
}
