//! Tools that compute, and threads past their deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tool_core::{Dispatcher, ToolCall, tool, tools};

use super::{LONG, call, overrun_on_thread, runtime};
use crate::support::{code, codes};

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

/// Say in which task the first poll is.
#[tool]
async fn task() -> String {
    format!("{:?}", tokio::task::try_id())
}

/// In which tasks the calls of a batch are begun, as places in a list of them.
async fn tasks_of(slow_poll: Option<Duration>, calls: usize) -> Vec<usize> {
    let dispatcher = Dispatcher::new(tools![task]).with_slow_poll(slow_poll);
    let caller = tokio::spawn(async move {
        let results = dispatcher.dispatch(vec![call("task"); calls]).await;
        (format!("{:?}", tokio::task::try_id()), results)
    });
    let (caller, results) = caller.await.unwrap();
    let mut seen = vec![caller];
    let mut place = |task: String| {
        let known = seen.iter().position(|other| *other == task);
        known.unwrap_or_else(|| {
            seen.push(task);
            seen.len() - 1
        })
    };
    results
        .iter()
        .map(|result| place(result.content().into_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_batch_is_begun_in_the_callers_task() {
    assert_eq!(tasks_of(None, 8).await, [0; 8]);
}

/// What is behind a slow first poll need not wait for the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_behind_a_slow_first_poll_get_tasks_of_their_own() {
    let slow = Some(Duration::ZERO);
    assert_eq!(tasks_of(slow, 5).await, [0, 1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_batch_is_begun_in_a_task_for_each_worker() {
    let tasks = tasks_of(None, 1000).await;
    assert!(tasks[..500].iter().all(|task| *task == tasks[0]));
    assert!(tasks[500..].iter().all(|task| *task == tasks[500]));
    assert!(tasks[0] > 0 && tasks[500] > 0 && tasks[0] != tasks[500]);
    // Each slow one gives half of the rest away.
    let tasks = tasks_of(Some(Duration::ZERO), 1000).await;
    assert!(tasks.iter().all(|task| *task > 0));
    assert!(*tasks.iter().max().unwrap() > 100);
}

/// Be slow in one of several ways.
#[tool]
async fn vary(number: u64) -> Result<u64, String> {
    match number % 5 {
        0 => panic!("on purpose"),
        1 => return Err(number.to_string()),
        2 => tokio::task::yield_now().await,
        3 => sleep(Duration::from_millis(1)).await,
        _ => {}
    }
    Ok(number)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_batch_is_answered_in_order() {
    for (slow_poll, limit) in [(None, 64), (Some(Duration::ZERO), 5000), (None, 1)] {
        let dispatcher = Dispatcher::new(tools![vary])
            .with_limits(|limits| (limits.calls, limits.queue) = (5000, 5000))
            .with_max_concurrency(limit)
            .with_slow_poll(slow_poll);
        let batch =
            (0..3000).map(|number| ToolCall::new("", "vary", format!(r#"{{"number": {number}}}"#)));
        let dispatched = tokio::spawn(dispatcher.dispatch(batch.collect()));
        let results = timeout(LONG * 50, dispatched).await.unwrap().unwrap();
        assert_eq!(results.len(), 3000);
        for (number, result) in results.iter().enumerate() {
            let expected = ["panic", "tool_error", "ok", "ok", "ok"][number % 5];
            assert_eq!((result.position(), code(result)), (number, expected));
        }
        timeout(LONG * 10, dispatcher.idle()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_batch_that_is_dropped_begins_nothing_more() {
    for round in 0..20 {
        let (dispatcher, polls) = dispatcher();
        let dispatcher = dispatcher
            .with_limits(|limits| (limits.calls, limits.queue) = (5000, 5000))
            .with_max_concurrency(5000);
        let batch = dispatcher.dispatch(vec![call("spin"); 3000]);
        let dropped = timeout(Duration::from_micros(100 * round), batch).await;
        assert!(dropped.is_err());
        timeout(LONG * 10, dispatcher.idle()).await.unwrap();
        let seen = polls.load(Ordering::SeqCst);
        thread::sleep(Duration::from_millis(1));
        assert_eq!(polls.load(Ordering::SeqCst), seen, "round {round}");
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
async fn a_thread_past_its_deadline_is_answered_and_keeps_its_permit() {
    overruns("overrun_on_thread", 1, vec![call("overrun_on_thread")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_later_poll_past_its_deadline_is_answered_and_keeps_its_permit() {
    overruns("overrun_later", 1, vec![call("overrun_later")]).await;
}

/// The caller polls calls for the first time, and no answer is possible before such a poll ends.
/// Then a result that is ready is kept, and a pending call past its deadline is stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_first_poll_past_its_deadline_is_the_last() {
    /// Compute past the deadline, and be done.
    #[tool(timeout = "50ms")]
    async fn late() -> u32 {
        thread::sleep(LONG);
        1
    }

    let ended = Arc::new(AtomicUsize::new(0));
    let tools = tools![overrun, late, count].with_shared_state(Arc::clone(&ended));
    let dispatcher = Dispatcher::new(tools);
    let results = dispatcher
        .dispatch(vec![call("overrun"), call("late"), call("count")])
        .await;
    assert_eq!(codes(&results), ["timeout", "ok", "ok"]);
    dispatcher.idle().await;
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}

/// The caller of a single call polls it for the first time, and no answer is possible before
/// that poll ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_single_call_past_its_deadline_is_polled_only_once() {
    let (dispatcher, ended) = dispatcher();
    assert_eq!(
        codes(&dispatcher.dispatch(vec![call("overrun")]).await),
        ["timeout"]
    );
    dispatcher.idle().await;
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_dropped_batch_stops_calls_polled_on_other_threads() {
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
