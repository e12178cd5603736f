//! What it costs to wait in a queue of many batches, beside one batch of as many calls: `cargo bench
//! -p tool-core --bench queues`. `-- --quick` takes fewer rounds.
//!
//! All calls wait for one key, or for a limit of one, so that no two run at once.

use std::env;
use std::error::Error;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::runtime::Builder;
use tool_core::{Dispatcher, ToolCall, ToolSet, tool, tools};

/// How many calls wait.
const CALLS: usize = 4_000;

/// How many times as long many batches may take.
const MOST: f64 = 1.5;

/// Wait for a moment, one call of a patient after the other.
#[tool(serialize_by(patient_id))]
async fn update_patient(patient_id: String) -> String {
    tokio::task::yield_now().await;
    patient_id
}

/// Wait for a moment, one call after the other.
#[tool(concurrency = 1)]
async fn use_printer(patient_id: String) -> String {
    tokio::task::yield_now().await;
    patient_id
}

/// How long all calls take, in batches of that size that begin at once.
async fn run(tools: ToolSet, name: &str, batch: usize) -> Duration {
    let dispatcher = Dispatcher::new(tools).with_limits(|limits| limits.calls = CALLS);
    let call = ToolCall::new("call_1", name, r#"{"patient_id": "P-00123"}"#);
    let batches: Vec<_> = (0..CALLS / batch)
        .map(|_| dispatcher.dispatch(vec![call.clone(); batch]))
        .collect();
    let start = Instant::now();
    let answered: usize = join_all(batches).await.iter().map(Vec::len).sum();
    assert_eq!(answered, CALLS);
    start.elapsed()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn main() -> Result<(), Box<dyn Error>> {
    let is_given = |option| env::args().any(|argument| argument == option);
    if !is_given("--bench") {
        return Ok(());
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()?;
    let rounds = if is_given("--quick") { 3 } else { 15 };
    let queues = [
        ("one key", tools![update_patient], "update_patient"),
        ("a limit of one", tools![use_printer], "use_printer"),
    ];
    for (queue, tools, name) in queues {
        let (mut single, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let many = runtime.block_on(runtime.spawn(run(tools.clone(), name, 1)))?;
            let one = runtime.block_on(runtime.spawn(run(tools.clone(), name, CALLS)))?;
            single.push(many.as_secs_f64() * 1e3);
            ratios.push(many.as_secs_f64() / one.as_secs_f64());
        }
        let (took, ratio) = (median(single), median(ratios));
        let verdict = if ratio <= MOST { "reached" } else { "missed" };
        println!(
            "{CALLS} batches of one call that wait for {queue}: {took:.1} ms, {ratio:.2} x one batch of {CALLS}; at most {MOST} x: {verdict}"
        );
    }
    Ok(())
}
