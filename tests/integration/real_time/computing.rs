//! Tools that compute, and threads past their deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tool_core::{Dispatcher, ToolCall, tool, tools};

use super::{LONG, call, overrun_on_thread, runtime};
use crate::support::codes;

/// What happens at once takes less.
const SHORT: Duration = Duration::from_millis(300);

/// Compute before the first await.
#[tool(timeout = "20s")]
async fn compute() {
    thread::sleep(LONG);
    tokio::task::yield_now().await;
}

/// Compute past the deadline.
#[tool(timeout = "50ms")]
async fn overrun(#[state] ended: &AtomicUsize) {
    thread::sleep(LONG);
    ended.fetch_add(1, Ordering::SeqCst);
    tokio::task::yield_now().await;
    ended.fetch_add(100, Ordering::SeqCst);
}

/// The same after an await.
#[tool(timeout = "50ms")]
async fn overrun_later(#[state] ended: &AtomicUsize) {
    // Not a timer, whose wake would take the runtime's clock along into what computes.
    tokio::task::yield_now().await;
    thread::sleep(LONG);
    ended.fetch_add(1, Ordering::SeqCst);
    tokio::task::yield_now().await;
    ended.fetch_add(100, Ordering::SeqCst);
}

/// Say how many have ended.
#[tool]
async fn count(#[state] ended: &AtomicUsize) -> usize {
    ended.load(Ordering::SeqCst)
}

/// What a call of `spin` counts as it begins.
const BEGUN: usize = 1 << 32;

/// Be polled all the time.
#[tool]
async fn spin(#[state] polls: &AtomicUsize) {
    polls.fetch_add(BEGUN, Ordering::SeqCst);
    loop {
        polls.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}

fn dispatcher() -> (Dispatcher, Arc<AtomicUsize>) {
    let counter = Arc::new(AtomicUsize::new(0));
    let tools = tools![
        compute,
        overrun,
        overrun_later,
        overrun_on_thread,
        count,
        spin
    ];
    (
        Dispatcher::new(tools.with_shared_state(Arc::clone(&counter))),
        counter,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_tool_that_computes_delays_the_start_of_no_sibling_while_a_worker_is_free() {
    let (dispatcher, _) = dispatcher();
    for at in [0, 3, 7] {
        let mut batch = vec![call("count"); 8];
        batch[at] = call("compute");
        let dispatched = dispatcher.dispatch(batch);
        let results = tokio::spawn(dispatched).await.unwrap();
        for result in &results {
            let waited = result.started().unwrap() - result.queued();
            assert!(
                waited < SHORT,
                "call {} behind one at {at} waited {waited:?}",
                result.position()
            );
        }
    }
}

/// Answered in time, and the permit is given back when the poll ends, which is the last.
async fn overruns(name: &str, limit: usize, batch: Vec<ToolCall>) {
    let overrunning = batch.iter().filter(|call| call.name == name).count();
    let (dispatcher, ended) = dispatcher();
    let dispatcher = dispatcher.with_max_concurrency(limit);
    let after = dispatcher.clone().with_timeout(None);
    let begun = Instant::now();
    let mut stream = dispatcher.stream(batch);
    let first = tokio::spawn(async move { (stream.next().await.unwrap(), stream) });
    let (first, _rest) = first.await.unwrap();
    let first = (first.name().to_owned(), codes(&[first])[0]);
    assert_eq!(first, (name.to_owned(), "timeout_indeterminate"));
    assert!(begun.elapsed() < SHORT, "{:?}", begun.elapsed());
    assert_ne!(after.dispatch(vec![call("count")]).await[0].content(), "0");
    timeout(LONG * 10, dispatcher.idle()).await.unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), overrunning);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_thread_past_its_deadline_is_answered_in_time_and_keeps_its_permit() {
    overruns("overrun_on_thread", 1, vec![call("overrun_on_thread")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_later_poll_that_computes_past_its_deadline_is_answered_in_time_and_keeps_its_permit() {
    overruns("overrun_later", 1, vec![call("overrun_later")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_first_poll_that_computes_past_its_deadline_is_answered_in_time_and_keeps_its_permit() {
    overruns("overrun", 2, vec![call("overrun"), call("overrun")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_first_poll_under_the_last_permit_is_answered_in_time_too() {
    overruns("overrun", 1, vec![call("overrun"), call("count")]).await;
}

/// Whoever waits for a call that is alone polls it for the first time, and nobody can answer before
/// that poll ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_first_poll_of_a_call_alone_in_its_message_is_its_last_past_its_deadline() {
    let (dispatcher, ended) = dispatcher();
    assert_eq!(
        codes(&dispatcher.dispatch(vec![call("overrun")]).await),
        ["timeout"]
    );
    dispatcher.idle().await;
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_polled_on_other_threads_as_its_batch_is_dropped_is_polled_no_more() {
    for round in 0..50 {
        let (dispatcher, polls) = dispatcher();
        let batch = dispatcher.dispatch(vec![call("spin"); 6]);
        assert!(
            timeout(Duration::from_micros(100 * (round % 10)), batch)
                .await
                .is_err()
        );
        timeout(LONG * 10, dispatcher.idle()).await.unwrap();
        let seen = polls.load(Ordering::SeqCst);
        thread::sleep(Duration::from_millis(1));
        assert_eq!(polls.load(Ordering::SeqCst), seen, "round {round}");
    }
}

#[test]
fn calls_are_answered_when_their_runtime_goes_away() {
    let (dispatcher, polls) = dispatcher();
    let going = runtime();
    let mut turn = {
        let _entered = going.enter();
        let mut turn = dispatcher.with_max_concurrency(2).streaming_batch();
        for name in ["count", "spin", "spin", "count"] {
            turn.push(call(name));
        }
        turn
    };
    // The second waits until the call before it is answered.
    while polls.load(Ordering::SeqCst) < 2 * BEGUN {
        thread::yield_now();
    }
    drop(going);
    turn.end();
    let results = runtime()
        .block_on(async { timeout(Duration::from_secs(10), turn.finish()).await })
        .unwrap();
    assert_eq!(codes(&results)[..3], ["ok", "cancelled", "cancelled"]);
    assert!(
        ["not_started", "cancelled"].contains(&codes(&results)[3]),
        "{:?}",
        codes(&results)
    );
    let seen = polls.load(Ordering::SeqCst);
    thread::sleep(Duration::from_millis(5));
    assert_eq!(polls.load(Ordering::SeqCst), seen);
}

#[tokio::test]
async fn a_call_starts_when_its_turn_comes_whatever_was_answered_before() {
    /// Be done a moment later.
    #[tool(timeout = "300ms")]
    async fn pause() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    // On one thread, all come behind the first; there is no tool called `nothing`, as is known
    // before.
    let results = Dispatcher::new(tools![compute, pause])
        .dispatch(vec![call("compute"), call("nothing"), call("pause")])
        .await;
    assert_eq!(codes(&results), ["ok", "unknown_tool", "ok"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_goes_on_is_not_held_up_by_the_next_that_computes() {
    /// Take a moment.
    #[tool]
    async fn pause() {
        sleep(Duration::from_millis(10)).await;
    }

    let dispatcher = Dispatcher::new(tools![pause, compute]);
    for run in 0..3 {
        let results =
            tokio::spawn(dispatcher.dispatch(vec![call("pause"), call("compute"), call("pause")]))
                .await
                .unwrap();
        for pause in [&results[0], &results[2]] {
            let took = pause.finished() - pause.queued();
            assert!(
                took < SHORT,
                "run {run}, call {}: {took:?}",
                pause.position()
            );
        }
    }
}
