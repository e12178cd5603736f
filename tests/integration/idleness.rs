//! `idle()` waits until nothing that a dispatcher and its clones started is alive.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tool_core::{Decision, Dispatcher, ToolCall, tool, tools};

use crate::gate::Gate;
use crate::run_log::RunLog;
use crate::support::{calls, codes};

/// Work for a second.
#[tool]
async fn work(#[state] run_log: &RunLog) {
    let _inside = run_log.enter("work");
    sleep(Duration::from_secs(1)).await;
}

fn dispatcher() -> (Dispatcher, Arc<RunLog>) {
    let run_log = RunLog::begin();
    (
        Dispatcher::new(tools![work].with_shared_state(Arc::clone(&run_log))),
        run_log,
    )
}

async fn is_idle(dispatcher: &Dispatcher) -> bool {
    timeout(Duration::ZERO, dispatcher.idle()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_dispatcher_that_started_nothing_is_idle() {
    let (dispatcher, _) = dispatcher();
    assert!(is_idle(&dispatcher).await);
    let planned = (
        dispatcher.dispatch(calls([("work", "{}")])),
        dispatcher.stream(calls([("work", "{}")])),
    );
    assert!(is_idle(&dispatcher).await);
    drop(planned);
    dispatcher.dispatch(Vec::new()).await;
    dispatcher.dispatch(calls([("gone", "{}")])).await;
    assert!(is_idle(&dispatcher).await);
}

#[tokio::test(start_paused = true)]
async fn idle_waits_for_all_clones_and_wakes_every_waiter() {
    let (dispatcher, run_log) = dispatcher();
    let clone = dispatcher.clone();
    let batch = tokio::spawn(clone.dispatch(calls([("work", "{}"), ("work", "{}")])));
    tokio::task::yield_now().await;
    assert!(!is_idle(&dispatcher).await);
    tokio::join!(dispatcher.idle(), clone.idle(), dispatcher.idle());
    assert_eq!(run_log.now(), 1000);
    assert_eq!(batch.await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn idle_waits_until_dropped_work_has_ended() {
    let (dispatcher, run_log) = dispatcher();
    let batch = tokio::spawn(dispatcher.dispatch(calls([("work", "{}")])));
    sleep(Duration::from_millis(10)).await;
    batch.abort();
    dispatcher.idle().await;
    assert_eq!(run_log.runs(), ["work 0..10"]);
}

#[tokio::test(start_paused = true)]
async fn idle_waits_for_a_turn_that_is_not_finished() {
    let (dispatcher, _) = dispatcher();
    let mut turn = dispatcher.streaming_batch();
    turn.push(ToolCall::new("", "work", "{}"));
    sleep(Duration::from_secs(10)).await;
    assert!(!is_idle(&dispatcher).await);
    turn.end();
    assert!(is_idle(&dispatcher).await);

    let mut turn = dispatcher.streaming_batch();
    turn.open("", "work");
    assert!(!is_idle(&dispatcher).await);
    turn.cancel();
    assert!(is_idle(&dispatcher).await);
}

#[tokio::test(start_paused = true)]
async fn unread_results_keep_nothing_alive() {
    let (dispatcher, _) = dispatcher();
    let mut results = dispatcher.stream(calls([("work", "{}"), ("gone", "{}")]));
    results.next().await.unwrap();
    dispatcher.idle().await;
    assert_eq!(results.next().await.unwrap().position(), 0);
}

#[tokio::test(start_paused = true)]
async fn idle_waits_for_a_thread_that_its_batch_abandoned() {
    /// Wait on a thread.
    #[tool(timeout = "1s")]
    fn linger(#[state] gate: &Gate) {
        gate.pass();
    }

    let gate = Gate::new();
    let dispatcher = Dispatcher::new(tools![linger].with_shared_state(Arc::clone(&gate)))
        .with_blocking_executor(gate.threads());
    let results = dispatcher.dispatch(calls([("linger", "{}")])).await;
    assert_eq!(codes(&results), ["timeout_indeterminate"]);
    assert!(
        timeout(Duration::from_secs(3600), dispatcher.idle())
            .await
            .is_err()
    );
    gate.open();
    dispatcher.idle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_waits_for_a_policy_whose_call_is_answered() {
    /// Answer at once.
    #[tool]
    async fn answer() {}

    // The policy waits for an answer, without an await.
    let meeting = Arc::new(Barrier::new(2));
    let met = Arc::clone(&meeting);
    let dispatcher = Dispatcher::new(tools![answer]).with_policy(move |_| {
        let meeting = Arc::clone(&meeting);
        async move {
            meeting.wait();
            meeting.wait();
            Decision::Allow
        }
    });
    let mut turn = dispatcher.streaming_batch();
    turn.push(ToolCall::new("a", "answer", "{}"));
    met.wait();
    assert_eq!(codes(&turn.cancel()), ["not_started"]);
    assert!(!is_idle(&dispatcher).await);
    met.wait();
    timeout(Duration::from_secs(5), dispatcher.idle())
        .await
        .unwrap();
}
