//! A dispatcher for other tools shares what the first one has: limits, keys, layers, `idle`.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::poll;
use tokio::sync::Semaphore;
use tool_core::{Dispatcher, DynamicTool, ToolOutput, ToolSet, tool, tools};
use tower::util::MapResponseLayer;

use crate::support::{calls, contents};

/// A set of one tool, which runs one call at a time and fails if it does not.
fn alone(place: &Arc<Semaphore>) -> ToolSet {
    let place = Arc::clone(place);
    let run = move |_| {
        let place = Arc::clone(&place);
        async move {
            let taken = place.try_acquire().map_err(|_| "two calls at once")?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(taken);
            Ok::<_, &str>("done")
        }
    };
    let schema = serde_json::json!({"type": "object", "properties": {}});
    let tool = DynamicTool::new("alone", "Run alone.", schema, run).unwrap();
    let limited = tool.with_behavior(|behavior| behavior.concurrency = Some(1));
    ToolSet::from_tools([limited.unwrap()]).unwrap()
}

/// Say hello.
#[tool]
fn greet() -> &'static str {
    "hello"
}

#[tokio::test(start_paused = true)]
async fn a_readded_tool_keeps_its_limit_and_running_count() {
    let place = Arc::new(Semaphore::new(1));
    let first = Dispatcher::new(alone(&place));
    let without = first.clone().with_tools(tools![greet]);
    let second = without.clone().with_tools(alone(&place));

    let call = || calls([("alone", "{}")]);
    let mut running = pin!(first.dispatch(call()));
    assert!(poll!(&mut running).is_pending());
    assert!(poll!(pin!(without.idle())).is_pending());
    let (first, second) = tokio::join!(running, second.dispatch(call()));
    assert_eq!(contents(&first), ["done"]);
    assert_eq!(contents(&second), ["done"]);
    without.idle().await;
}

#[tokio::test]
async fn a_layer_around_a_tool_follows_its_name() {
    let loud = MapResponseLayer::new(|_| ToolOutput::from_text("HELLO"));
    let layered = Dispatcher::new(tools![greet])
        .with_tool_layer("greet", loud)
        .unwrap();
    let two = alone(&Arc::new(Semaphore::new(0)))
        .merge(tools![greet])
        .unwrap();
    let results = layered
        .clone()
        .with_tools(two)
        .dispatch(calls([("greet", "{}")]))
        .await;
    assert_eq!(contents(&results), ["HELLO"]);

    let again = layered.with_tools(tools![]).with_tools(tools![greet]);
    let results = again.dispatch(calls([("greet", "{}")])).await;
    assert_eq!(
        contents(&results),
        ["HELLO"],
        "it may be what keeps others out"
    );
}
