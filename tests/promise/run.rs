//! Runs a case, on a clock that does not advance while anything can run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};
use tool_core::{Dispatcher, ToolCall};

use crate::callers;
use crate::layers::Mischievous;
use crate::plan::{FIRST_DRAWN, Plan};
use crate::policy::decide;
use crate::stage::Stage;
use crate::threads::Threads;
use crate::tools::tools;
use crate::trace::{Trace, What};
use crate::world::{ARGUMENT_BYTES, ARGUMENT_DEPTH, Layered};

/// What happened in a case, and what is wrong with how it ended.
pub(crate) struct Outcome {
    pub(crate) stage: Arc<Stage>,
    pub(crate) faults: Vec<String>,
}

/// Virtual time in which every case is over.
const LONG: Duration = Duration::from_secs(3600);

pub(crate) fn run(plan: Plan) -> Outcome {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let outcome = runtime.block_on(happen(plan));
    outcome.stage.threads.release();
    outcome
}

async fn happen(plan: Plan) -> Outcome {
    let threads = Threads::new(plan.world.threads);
    let stage = Arc::new(Stage {
        plan,
        trace: Arc::new(Trace::begin()),
        threads,
        held: Mutex::default(),
    });
    let dispatcher = dispatcher(&stage);
    let mut faults = Vec::new();
    let roots =
        (0..stage.plan.batches.len()).filter(|&batch| stage.plan.batches[batch].parent.is_none());
    let callers: Vec<_> = roots
        .map(|batch| tokio::spawn(callers::call(Arc::clone(&stage), dispatcher.clone(), batch)))
        .collect();
    if let Some(millis) = stage.plan.world.idle {
        tokio::spawn(wait_until_idle(
            Arc::clone(&stage),
            dispatcher.clone(),
            millis,
        ));
    }
    for caller in callers {
        match timeout(LONG, caller).await {
            Ok(Ok(())) => {}
            Ok(Err(panic)) => faults.push(format!("a caller failed: {panic}")),
            Err(_) => {
                faults.push("nothing happens any more, and calls are not answered".to_owned());
            }
        }
    }
    if faults.is_empty() {
        faults = after_the_end(&stage, &dispatcher).await;
    }
    Outcome { stage, faults }
}

async fn wait_until_idle(stage: Arc<Stage>, dispatcher: Dispatcher, millis: u64) {
    sleep(Duration::from_millis(millis)).await;
    dispatcher.idle().await;
    stage.note(What::Idle);
}

fn dispatcher(stage: &Arc<Stage>) -> Dispatcher {
    let world = &stage.plan.world;
    let (pool, trace) = (Arc::clone(&stage.threads), Arc::clone(&stage.trace));
    let mut dispatcher = Dispatcher::new(tools(stage))
        .with_max_concurrency(world.limit)
        .with_timeout(world.timeout.map(Duration::from_millis))
        .with_slow_poll(world.bounds.all_slow.then_some(Duration::ZERO))
        .with_blocking_executor(move |work| trace.note(What::Queued(pool.run(work))))
        .with_limits(|limits| {
            limits.argument_bytes = ARGUMENT_BYTES;
            limits.argument_depth = ARGUMENT_DEPTH;
            limits.calls = world.bounds.calls;
            limits.queue = world.bounds.queue;
            limits.nesting = world.bounds.nesting;
            limits.batch_output_bytes = world.bounds.batch_output_bytes;
            limits.output_bytes = world.bounds.output_bytes;
            limits.queue_time = Some(Duration::from_millis(world.bounds.queue_time));
        });
    if world.has_policy {
        let stage = Arc::clone(stage);
        dispatcher = dispatcher.with_policy(move |proposal| decide(Arc::clone(&stage), proposal));
    }
    let layer = Mischievous(Arc::clone(stage));
    match world.layered {
        Layered::None => dispatcher,
        Layered::All => dispatcher.with_layer(layer),
        Layered::OneTool => dispatcher.with_tool_layer(FIRST_DRAWN, layer).unwrap(),
    }
}

/// All is given back: permits and keys are there for the next message.
async fn after_the_end(stage: &Stage, dispatcher: &Dispatcher) -> Vec<String> {
    let mut faults = Vec::new();
    if timeout(LONG, dispatcher.idle()).await.is_err() {
        faults.push("`idle` does not return".to_owned());
    }
    if !stage.threads.are_idle() {
        faults.push("`idle` returns while threads run".to_owned());
    }
    let probe = dispatcher
        .clone()
        .with_limits(|limits| (limits.calls, limits.queue) = (1000, 1000));
    let calls: Vec<_> = (0..stage.plan.world.limit)
        .map(|at| ToolCall::new(at.to_string(), "probe", "{}"))
        .collect();
    let beds: Vec<_> = (0..3)
        .map(|bed| ToolCall::new("", "probe_bed", format!(r#"{{"bed": {bed}}}"#)))
        .collect();
    for calls in [calls, beds] {
        let begun = tokio::time::Instant::now();
        let most = calls.len().div_ceil(stage.plan.world.limit) as u128;
        match timeout(LONG, probe.dispatch(calls)).await {
            Err(_) => faults.push("nothing runs after the end".to_owned()),
            Ok(results) => {
                let failed = results.iter().find(|result| result.outcome().is_err());
                faults.extend(failed.map(|result| {
                    format!("after the end, a call is answered {}", result.content())
                }));
                if begun.elapsed().as_millis() > most {
                    faults.push("permits or keys are missing after the end".to_owned());
                }
            }
        }
    }
    sleep(Duration::from_millis(1)).await;
    faults
}
