//! Partial failure, bounded turns, approval within a batch, and limits per tool.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tool_core::{
    ApprovalRequest, CallContext, Decision, Dispatcher, ToolCall, ToolError, Waterfall, tool, tools,
};

use crate::run_log::RunLog;
use crate::support::{calls, codes, contents};

/// Search for text.
#[tool(read_only)]
async fn grep(
    #[context] cx: &CallContext,
    #[state] run_log: &RunLog,
    pattern: &str,
) -> Result<String, String> {
    let _inside = run_log.enter(cx.id());
    sleep(Duration::from_millis(10)).await;
    if pattern == "absent" {
        Err("exit code 1".to_owned())
    } else {
        Ok(format!("found {pattern}"))
    }
}

/// Stop the run.
#[tool]
async fn stop() -> Result<(), ToolError> {
    sleep(Duration::from_millis(5)).await;
    Err(ToolError::fatal("the disk is gone"))
}

/// Delete a file.
#[tool(destructive)]
async fn delete(#[context] cx: &CallContext, #[state] run_log: &RunLog) {
    let _inside = run_log.enter(cx.id());
    sleep(Duration::from_millis(10)).await;
}

/// Write a file.
#[tool(exclusive)]
async fn write(#[context] cx: &CallContext, #[state] run_log: &RunLog) {
    let _inside = run_log.enter(cx.id());
    sleep(Duration::from_millis(10)).await;
}

fn dispatcher() -> (Dispatcher, Arc<RunLog>) {
    let run_log = RunLog::begin();
    (
        Dispatcher::new(tools![grep, stop, delete, write].with_shared_state(Arc::clone(&run_log))),
        run_log,
    )
}

/// claude-code #64346, #64920, #64246, #64247; openai-agents-python #2580, #2584: of 27 parallel
/// calls one `grep` that found nothing cancelled the other 26. Here a failure is the answer in its
/// own slot.
#[tokio::test(start_paused = true)]
async fn a_failure_cancels_no_other_call() {
    let (dispatcher, _) = dispatcher();
    let pattern = |at| if at == 13 { "absent" } else { "present" };
    let batch = (0..27)
        .map(|at| {
            ToolCall::new(
                at.to_string(),
                "grep",
                format!(r#"{{"pattern": "{}"}}"#, pattern(at)),
            )
        })
        .collect();
    let results = dispatcher.dispatch(batch).await;
    let failed: Vec<_> = results
        .iter()
        .filter(|result| result.outcome().is_err())
        .map(|result| result.position())
        .collect();
    assert_eq!((results.len(), failed), (27, vec![13]));
    assert_eq!(
        Waterfall::new(&results).elapsed(),
        Duration::from_millis(10)
    );
}

/// openai-agents-python #4185, openai-agents-js #1581, pydantic-ai #4423, #4502, crewAI #6712:
/// after a fatal error siblings are orphaned and act when the run has already ended. Here they are
/// waited for, the rest does not start, and all is answered.
#[tokio::test(start_paused = true)]
async fn after_a_fatal_error_nothing_starts_or_keeps_running() {
    let (dispatcher, run_log) = dispatcher();
    let found = r#"{"pattern": "x"}"#;
    let results = dispatcher
        .dispatch(calls([
            ("grep", found),
            ("stop", "{}"),
            ("write", "{}"),
            ("grep", found),
        ]))
        .await;
    assert_eq!(
        codes(&results),
        ["ok", "tool_error", "not_started", "not_started"]
    );
    assert!(results[1].outcome().unwrap_err().is_fatal());
    tokio::time::timeout(Duration::ZERO, dispatcher.idle())
        .await
        .unwrap();
    assert_eq!(run_log.runs(), ["call_0 0..10"]);
}

/// pydantic-ai #167, #2586, #4114; langgraph #6486, #6449: a tool's exception ends the run unless
/// every tool catches its own. Here the model reads every error, and may try something else.
#[tokio::test(start_paused = true)]
async fn errors_go_to_the_model_by_default() {
    let (dispatcher, _) = dispatcher();
    let results = dispatcher
        .dispatch(calls([("grep", r#"{"pattern": "absent"}"#)]))
        .await;
    assert_eq!(
        contents(&results),
        [r#"{"error":"exit code 1","tool":"grep"}"#]
    );
    assert!(!results[0].outcome().unwrap_err().is_fatal());
}

/// pydantic-ai #6884; openai-agents-python #1859, #2599; lmstudio-python #102: a model made 792
/// calls in one turn, and all ran at once. Here 64 do, unless set, all 800 are answered in order,
/// and calls past the limit of a message are answered so.
#[tokio::test(start_paused = true)]
async fn eight_hundred_calls_of_one_message_run_a_few_at_a_time() {
    let (dispatcher, run_log) = dispatcher();
    let batch: Vec<_> = (0..800)
        .map(|at| ToolCall::new(at.to_string(), "grep", r#"{"pattern": "x"}"#))
        .collect();
    let results = dispatcher.dispatch(batch.clone()).await;
    assert_eq!(codes(&results), ["ok"; 800]);
    assert!(
        results
            .iter()
            .enumerate()
            .all(|(at, result)| result.id() == at.to_string())
    );
    assert_eq!(run_log.now(), 130); // 800 by 64, rounded up, times 10 ms

    let results = dispatcher
        .with_limits(|limits| limits.calls = 50)
        .dispatch(batch)
        .await;
    assert_eq!(codes(&results)[..50], ["ok"; 50]);
    assert_eq!(codes(&results)[50..], ["overloaded"; 750]);
}

/// langgraph #6624, #6533, #6626; lobehub #17838; agent-framework #7692; LibreChat agents #531;
/// nerve #317; tidebreak #477; Agenta #5089; openai-agents-python #4245, #4257; vercel #15947;
/// pydantic-ai #6370: one call that waits for a person holds up, repeats or loses its siblings.
/// Here they run meanwhile, each once, and all are answered in order.
#[tokio::test(start_paused = true)]
async fn a_call_awaiting_approval_delays_only_calls_ordered_after_it() {
    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_policy(|proposal: ApprovalRequest| async move {
        if !proposal.definition().behavior().is_destructive() {
            return Decision::Allow;
        }
        sleep(Duration::from_secs(600)).await; // a person reads it
        if proposal.position() == 1 {
            Decision::deny("not this file")
        } else {
            Decision::Allow
        }
    });
    let found = r#"{"pattern": "x"}"#;
    let batch = [
        ("grep", found),
        ("delete", "{}"),
        ("grep", found),
        ("delete", "{}"),
        ("grep", found),
        ("write", "{}"),
    ];
    let results = dispatcher.dispatch(calls(batch)).await;
    assert_eq!(codes(&results), ["ok", "denied", "ok", "ok", "ok", "ok"]);
    let expected = [
        "call_0 0..10",
        "call_2 0..10",
        "call_4 0..10",
        "call_3 600000..600010",
        "call_5 600010..600020",
    ];
    assert_eq!(run_log.runs(), expected);
}

/// pydantic-ai #3352, #2593, #3120, #5179; vercel #19007; kagent #2734: one number limits all tools
/// or none, and none reports how long a call waited. Here a tool has a limit of its own, and a
/// result says when it was queued, begun and done.
#[tokio::test(start_paused = true)]
async fn a_tool_has_a_limit_of_its_own_and_a_result_its_times() {
    /// Ask a service that takes two calls at once.
    #[tool(concurrency = 2)]
    async fn ask() {
        sleep(Duration::from_millis(10)).await;
    }

    let (_, run_log) = dispatcher();
    let dispatcher = Dispatcher::new(tools![ask, grep].with_shared_state(run_log));
    let found = r#"{"pattern": "x"}"#;
    let results = dispatcher
        .dispatch(calls([
            ("ask", "{}"),
            ("ask", "{}"),
            ("ask", "{}"),
            ("grep", found),
        ]))
        .await;
    let waited: Vec<_> = results
        .iter()
        .map(|result| (result.started().unwrap() - result.queued()).as_millis())
        .collect();
    assert_eq!(waited, [0, 0, 10, 0]);
    assert!(
        results
            .iter()
            .all(|result| result.elapsed().as_millis() == 10)
    );
}
