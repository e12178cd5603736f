//! The timeline (waterfall chart) of a batch.

use std::time::Duration;

use tool_core::{Dispatcher, ToolCall, Waterfall, tool, tools};

/// Wait.
#[tool]
async fn wait(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Fail late.
#[tool]
async fn fail() -> Result<(), &'static str> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    Err("too late")
}

#[tokio::test(start_paused = true)]
async fn a_bar_spans_the_time_its_call_ran() {
    let dispatcher = Dispatcher::new(tools![wait, fail]).with_max_concurrency(2);
    let call = |name: &str, arguments: &str| ToolCall::new("", name, arguments);
    let calls = vec![
        call("wait", r#"{"millis": 20}"#),
        call("wait", r#"{"millis": 10}"#),
        call("fail", "{}"),
        call("nope", "{}"),
    ];
    let waterfall = Waterfall::new(&dispatcher.dispatch(calls).await);
    assert_eq!(
        waterfall.to_string(),
        "wait  ████████████████████████████████████████  20 ms\n\
         wait  ████████████████████                      10 ms\n\
         fail                      ██████████            5.0 ms  tool_error\n\
         nope  █                                         0.0 ms  unknown_tool\n\
         20 ms together, 35 ms added up: 1.8 times as fast"
    );
    assert_eq!(
        (waterfall.elapsed(), waterfall.sequential()),
        (Duration::from_millis(20), Duration::from_millis(35))
    );
}

#[test]
fn an_empty_batch_has_a_timeline() {
    assert_eq!(
        Waterfall::new(&[]).to_string(),
        "0.0 ms together, 0.0 ms added up: 1.0 times as fast"
    );
}
