//! Side effects of calls: error codes after a failure, and no repeated effects.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};
use tool_core::{CallContext, DispatchEvent, Dispatcher, ToolCall, tool, tools};

use crate::gate::Gate;
use crate::run_log::RunLog;
use crate::support::{calls, codes, contents};

/// Write to a file, slowly.
#[tool(serialize_by(path), timeout = "1s")]
async fn write(
    #[context] cx: &CallContext,
    #[state] run_log: &RunLog,
    path: String,
    millis: u64,
) -> String {
    let _inside = run_log.enter(cx.id());
    sleep(Duration::from_millis(millis)).await;
    path
}

fn write_to(id: &str, path: &str, millis: u64) -> ToolCall {
    ToolCall::new(
        id,
        "write",
        json!({"path": path, "millis": millis}).to_string(),
    )
}

/// OpenHands #2560, ouro #178, letta-code #377, #379, mastra #13302, fabro #787: parallel edits of
/// one file overwrite each other, or everything runs one by one. Here calls with equal keys do, in
/// call order, and the rest at once.
#[tokio::test(start_paused = true)]
async fn two_edits_of_one_file_do_not_overlap_and_others_do() {
    let run_log = RunLog::begin();
    let dispatcher = Dispatcher::new(tools![write].with_shared_state(Arc::clone(&run_log)));
    dispatcher
        .dispatch(vec![
            write_to("a", "x", 20),
            write_to("b", "x", 10),
            write_to("c", "y", 10),
        ])
        .await;
    assert_eq!(run_log.runs(), ["a 0..20", "c 0..10", "b 20..30"]);
}

/// tulipfarm #181, nac #105, mistri #3, EDDI #817: a call that timed out continues and acts. Here
/// an async tool has ended when its timeout is reported.
#[tokio::test(start_paused = true)]
async fn a_time_out_stops_the_work() {
    let run_log = RunLog::begin();
    let dispatcher = Dispatcher::new(tools![write].with_shared_state(Arc::clone(&run_log)));
    let results = dispatcher
        .dispatch(vec![write_to("a", "x", 60_000), write_to("b", "x", 10)])
        .await;
    assert_eq!(codes(&results), ["timeout", "ok"]);
    assert_eq!(run_log.runs(), ["a 0..1000", "b 1000..1010"]);
}

/// serena #1751, #2063, hermes #85784: a thread that is still writing is called a failure, and the
/// model is asked to try again. Here the model reads that it may still be acting, in time, and the
/// next call of its kind is not let in beside it.
#[tokio::test(start_paused = true)]
async fn work_that_cannot_be_stopped_is_reported_as_still_running() {
    /// Write from a thread.
    #[tool(serialize_by(path), timeout = "1s")]
    fn flush(#[state] gate: &Gate, path: String) -> String {
        gate.pass();
        path
    }

    let gate = Gate::new();
    let dispatcher = Dispatcher::new(tools![flush].with_shared_state(Arc::clone(&gate)))
        .with_blocking_executor(gate.threads());
    let begun = Instant::now();
    let results = dispatcher
        .dispatch(calls([("flush", r#"{"path": "x"}"#)]))
        .await;
    assert_eq!(
        (codes(&results)[0], begun.elapsed().as_secs()),
        ("timeout_indeterminate", 1)
    );
    assert!(results[0].content().contains("may still be acting"));
    assert_eq!(
        codes(
            &dispatcher
                .dispatch(calls([("flush", r#"{"path": "x"}"#)]))
                .await
        ),
        ["not_started"]
    );
    gate.open();
    assert_eq!(
        codes(
            &dispatcher
                .dispatch(calls([("flush", r#"{"path": "x"}"#)]))
                .await
        ),
        ["ok"]
    );
}

/// crewAI #5802, composio #3654, sandhi_ai #87, mcp-gateway #56: a repeated call pays twice. Here a
/// tool has a key for services that do a thing once per key: the same in all attempts, and no other
/// call's, not even one of the same id and arguments.
#[tokio::test(start_paused = true)]
async fn an_idempotency_key_is_one_calls_in_all_its_attempts() {
    /// Pay.
    #[tool(idempotent, retry(attempts = 3, backoff = "1ms"))]
    async fn pay(#[context] cx: &CallContext, #[state] run_log: &RunLog) -> Result<(), String> {
        drop(run_log.enter(cx.idempotency_key()));
        Err("connection reset".to_owned())
    }

    let run_log = RunLog::begin();
    let dispatcher = Dispatcher::new(tools![pay].with_shared_state(Arc::clone(&run_log)));
    let call = || ToolCall::new("same", "pay", "{}");
    dispatcher.dispatch(vec![call(), call()]).await;
    let mut keys = run_log.begun();
    assert_eq!(keys.len(), 6);
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 2);
}

/// openai-agents-python #1333, pydantic-ai #1175, #2356, #3334, adk-python #3837, strands #543,
/// ragbits #921: a long call is silent until it ends. Here it reports, and what it reports comes
/// before its result.
#[tokio::test(start_paused = true)]
async fn a_long_call_reports_how_far_it_is() {
    /// Import records.
    #[tool]
    async fn import(#[context] cx: &CallContext) -> u32 {
        for part in 1..=2_u32 {
            sleep(Duration::from_secs(10)).await;
            cx.progress(format!("part {part} of 2"), f64::from(part) / 2.0);
        }
        2
    }

    let mut events = Dispatcher::new(tools![import])
        .stream(calls([("import", "{}")]))
        .events();
    let begun = Instant::now();
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        let wording = match event {
            DispatchEvent::Progress(progress) => progress.message,
            DispatchEvent::Result(result) => result.content().into_owned(),
            _ => continue,
        };
        seen.push((begun.elapsed().as_secs(), wording));
    }
    assert_eq!(
        seen,
        [(10, "part 1 of 2"), (20, "part 2 of 2"), (20, "2")]
            .map(|(at, wording)| (at, wording.to_owned()))
    );
}

/// grasp-agents #141, QwenPaw #5925, zeroclaw #10067, slicc #2010, kern-ai #20, sandbase #242,
/// Clawith #489, lean-ctx #906; FastMCP #3756: a large output fills the model's context, or is cut
/// by bytes and is JSON no more. Here it keeps head and tail, says what was left out, and stays
/// JSON.
#[tokio::test(start_paused = true)]
async fn a_large_output_is_shortened_and_stays_json() {
    /// List rows.
    #[tool]
    async fn rows(count: usize) -> Vec<serde_json::Value> {
        (0..count)
            .map(|row| json!({"row": row, "name": "ünïcödé \"quoted\""}))
            .collect()
    }

    let dispatcher = Dispatcher::new(tools![rows]).with_limits(|limits| limits.output_bytes = 2000);
    let content = contents(
        &dispatcher
            .dispatch(calls([("rows", r#"{"count": 10000}"#)]))
            .await,
    )
    .concat();
    assert!(content.len() <= 2000, "{}", content.len());
    let shortened: serde_json::Value = serde_json::from_str(&content).unwrap();
    let [head, tail] = ["head", "tail"].map(|end| shortened[end].as_str().unwrap());
    assert!(
        head.starts_with(r#"[{"row":0,"#)
            && tail.contains(r#"{"row":9999,"#)
            && tail.ends_with("}]"),
        "{content}"
    );
    // Nothing is lost without being counted.
    let whole: usize = (0..10_000)
        .map(|row: usize| format!(r#"{{"row":{row},"name":"ünïcödé \"quoted\""}},"#).len())
        .sum::<usize>()
        + 1;
    assert_eq!(
        shortened["omitted_bytes"].as_u64().unwrap() as usize,
        whole - head.len() - tail.len()
    );
}
