//! What a paused clock cannot show: tools that compute, threads, and a runtime that goes away.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tool_core::{CallContext, Dispatcher, Provide, ToolCall, tool, tools};

use crate::support::{code, codes};

/// Long beside everything that is to happen at once, on a busy machine too.
const LONG: Duration = Duration::from_millis(600);

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

/// The same on a thread.
#[tool(timeout = "50ms")]
fn overrun_on_thread(#[state] ended: &AtomicUsize) {
    thread::sleep(LONG);
    ended.fetch_add(1, Ordering::SeqCst);
}

/// Say how many have ended.
#[tool]
async fn count(#[state] ended: &AtomicUsize) -> usize {
    ended.load(Ordering::SeqCst)
}

/// Be polled all the time.
#[tool]
async fn spin(#[state] polls: &AtomicUsize) {
    loop {
        polls.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}

fn dispatcher() -> (Dispatcher, Arc<AtomicUsize>) {
    let counter = Arc::new(AtomicUsize::new(0));
    let tools = tools![compute, overrun, overrun_later, overrun_on_thread, count, spin];
    (Dispatcher::new(tools.with_shared_state(Arc::clone(&counter))), counter)
}

fn call(name: &str) -> ToolCall {
    ToolCall::new(name, name, "{}")
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
            assert!(waited < SHORT, "call {} behind one at {at} waited {waited:?}", result.position());
        }
    }
}

/// Answered in time, and the permit is given back when the poll ends, which is the last.
async fn overruns(name: &str, limit: usize, batch: Vec<ToolCall>) {
    let overrunning = batch.iter().filter(|call| call.name == name).count();
    let (dispatcher, ended) = dispatcher();
    let dispatcher = dispatcher.with_limit(limit.try_into().unwrap());
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

/// Whoever waits for a call that is alone polls it for the first time, and nobody can answer before that poll ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_first_poll_of_a_call_alone_in_its_message_is_its_last_past_its_deadline() {
    let (dispatcher, ended) = dispatcher();
    assert_eq!(codes(&dispatcher.dispatch(vec![call("overrun")]).await), ["timeout"]);
    dispatcher.idle().await;
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_polled_on_other_threads_as_its_batch_is_dropped_is_polled_no_more() {
    for round in 0..50 {
        let (dispatcher, polls) = dispatcher();
        let batch = dispatcher.dispatch(vec![call("spin"); 6]);
        assert!(timeout(Duration::from_micros(100 * (round % 10)), batch).await.is_err());
        timeout(LONG * 10, dispatcher.idle()).await.unwrap();
        let seen = polls.load(Ordering::SeqCst);
        thread::sleep(Duration::from_millis(1));
        assert_eq!(polls.load(Ordering::SeqCst), seen, "round {round}");
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

#[test]
fn calls_are_answered_when_their_runtime_goes_away() {
    let (dispatcher, polls) = dispatcher();
    let going = runtime();
    let mut turn = {
        let _entered = going.enter();
        let mut turn = dispatcher.with_limit(2.try_into().unwrap()).turn();
        for name in ["count", "spin", "spin", "count"] {
            turn.push(call(name));
        }
        turn
    };
    while polls.load(Ordering::SeqCst) < 100 {
        thread::yield_now();
    }
    drop(going);
    turn.end();
    let results = runtime().block_on(async { timeout(Duration::from_secs(10), turn.finish()).await }).unwrap();
    assert_eq!(codes(&results)[..3], ["ok", "cancelled", "cancelled"]);
    assert!(["not_started", "cancelled"].contains(&codes(&results)[3]), "{:?}", codes(&results));
    let seen = polls.load(Ordering::SeqCst);
    thread::sleep(Duration::from_millis(5));
    assert_eq!(polls.load(Ordering::SeqCst), seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_was_given_up_on_goes_on_with_a_permit() {
    /// Wait for a nested call on a thread, and say how many have ended then.
    #[tool(timeout = "50ms")]
    fn parent(#[context] cx: &CallContext, #[state] ended: &AtomicUsize) {
        runtime().block_on(cx.dispatch(vec![call("overrun_on_thread")]));
        let before = ended.fetch_add(10, Ordering::SeqCst);
        assert_eq!(before, 1, "it went on while the nested call had the permit");
        ended.fetch_add(10, Ordering::SeqCst);
    }

    let ended = Arc::new(AtomicUsize::new(0));
    let tools = tools![parent, overrun_on_thread].with_shared_state(Arc::clone(&ended));
    let dispatcher = Dispatcher::new(tools).with_limit(1.try_into().unwrap());
    assert_eq!(codes(&dispatcher.dispatch(vec![call("parent")]).await), ["timeout_indeterminate"]);
    timeout(LONG * 10, dispatcher.idle()).await.unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_waits_for_nested_calls_goes_on() {
    /// Answer at once.
    #[tool]
    async fn answer() -> u32 {
        1
    }

    /// Pass that on, from a thread.
    #[tool(timeout = "5s")]
    fn pass_on(#[context] cx: &CallContext) -> String {
        let nested = cx.dispatch(vec![call("answer")]);
        tokio::runtime::Handle::current().block_on(nested)[0].content().into_owned()
    }

    for limit in [1, 2, 64] {
        for layered in [false, true] {
            let dispatcher = Dispatcher::new(tools![answer, pass_on]).with_limit(limit.try_into().unwrap());
            let dispatcher = if layered { dispatcher.with_layer(tower::layer::util::Identity::new()) } else { dispatcher };
            for run in 0..100 {
                let results = timeout(LONG * 10, dispatcher.dispatch(vec![call("pass_on"); 2])).await.unwrap();
                assert_eq!([results[0].content(), results[1].content()], ["1", "1"], "limit {limit}, run {run}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cancelled_as_it_begins_leaves_nothing_behind() {
    /// Answer at once.
    #[tool]
    async fn answer(#[state] begun: &AtomicUsize) {
        begun.fetch_add(1, Ordering::SeqCst);
    }

    let begun = Arc::new(AtomicUsize::new(0));
    let dispatcher = Dispatcher::new(tools![answer].with_shared_state(Arc::clone(&begun)));
    for round in 0..20_000_u32 {
        let before = begun.load(Ordering::SeqCst);
        let mut turn = dispatcher.turn();
        turn.push(call("answer"));
        (0..round % 300).for_each(|_| std::hint::spin_loop());
        let code = codes(&turn.cancel())[0];
        timeout(LONG * 10, dispatcher.idle()).await.unwrap_or_else(|_| panic!("round {round} leaves something behind"));
        assert!(code != "not_started" || begun.load(Ordering::SeqCst) == before, "round {round} began after all");
    }
}

#[tokio::test]
async fn a_call_starts_when_its_turn_comes_whatever_was_answered_before() {
    /// Be done a moment later.
    #[tool(timeout = "300ms")]
    async fn pause() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    // On one thread, all come behind the first; there is no tool called `nothing`, as is known before.
    let results = Dispatcher::new(tools![compute, pause]).dispatch(vec![call("compute"), call("nothing"), call("pause")]).await;
    assert_eq!(codes(&results), ["ok", "unknown_tool", "ok"]);
}

#[test]
fn what_is_answered_counts_when_the_runtime_of_a_dropped_batch_goes() {
    /// Answer at once.
    #[tool]
    async fn answer() {}

    /// Compute until told to end.
    #[tool]
    async fn hold(#[state] held: &Mutex<()>, #[state] begun: &AtomicUsize) {
        begun.fetch_add(1, Ordering::SeqCst);
        drop(held.lock());
    }

    #[derive(Default, Provide)]
    struct State {
        held: Mutex<()>,
        begun: AtomicUsize,
    }

    let state = Arc::new(State::default());
    let dispatcher = Dispatcher::new(tools![answer, hold].with_shared_state(Arc::clone(&state)));
    let going = Builder::new_multi_thread().worker_threads(2).event_interval(1).enable_time().build().unwrap();
    // One of the two threads is busy: a helper of the batch is never polled, and what the other has answered is told by nobody.
    let busy = Arc::new(Mutex::new(()));
    let (is_busy, is_held) = (busy.lock().unwrap(), state.held.lock().unwrap());
    let started = Arc::new(AtomicUsize::new(0));
    going.spawn({
        let (busy, started) = (Arc::clone(&busy), Arc::clone(&started));
        async move {
            started.fetch_add(1, Ordering::SeqCst);
            drop(busy.lock());
        }
    });
    wait_for(&started);
    let mut batch = vec![call("answer"), call("answer"), call("hold")];
    batch.resize(40, call("answer"));
    going.block_on(async {
        let mut batch = Box::pin(dispatcher.dispatch(batch));
        assert!(batch.as_mut().now_or_never().is_none());
        wait_for(&state.begun);
    });
    going.shutdown_background();
    drop(is_busy);
    thread::sleep(Duration::from_millis(20));
    drop(is_held);
    runtime().block_on(async { timeout(LONG * 10, dispatcher.idle()).await }).unwrap();
}

fn wait_for(count: &AtomicUsize) {
    while count.load(Ordering::SeqCst) == 0 {
        thread::yield_now();
    }
}

#[test]
fn a_call_that_is_answered_before_anybody_waits_for_it_is_let_go_of() {
    /// Fail at the second poll, with something that is counted as long as it is there.
    #[tool]
    async fn fail(#[state] there: &Arc<()>) -> Result<(), Counted> {
        tokio::task::yield_now().await;
        Err(Counted(Arc::clone(there)))
    }

    #[derive(Debug)]
    struct Counted(#[expect(dead_code, reason = "it counts")] Arc<()>);

    impl fmt::Display for Counted {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("failed")
        }
    }

    impl std::error::Error for Counted {}

    let there = Arc::new(());
    let dispatcher = Dispatcher::new(tools![fail].with_state(Arc::clone(&there))).with_timeout(None);
    let runtime = runtime();
    // More threads than cores: they are held up anywhere.
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| (0..5_000).for_each(|_| drop(runtime.block_on(dispatcher.dispatch(vec![call("fail")])))));
        }
    });
    drop((dispatcher, runtime));
    assert_eq!(Arc::strong_count(&there), 1);
}

#[test]
fn a_context_that_is_used_as_its_call_ends_takes_no_permit_along() {
    /// Lend the context to somebody else, and end.
    #[tool]
    async fn lend(#[context] cx: &CallContext, #[state] lent: &Mutex<Option<CallContext>>) {
        *lent.lock().unwrap() = Some(cx.clone());
        (0..cx.idempotency_key().len() * 7 % 400).for_each(|_| std::hint::spin_loop());
    }

    let lent = Arc::new(Mutex::new(None::<CallContext>));
    let dispatcher = Dispatcher::new(tools![lend].with_shared_state(Arc::clone(&lent)));
    let (runtime, over) = (runtime(), AtomicUsize::new(0));
    let _entered = runtime.enter();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _entered = runtime.enter();
            while over.load(Ordering::SeqCst) == 0 {
                let context = lent.lock().unwrap().take();
                context.map(|context| context.dispatch(Vec::new()).now_or_never());
            }
        });
        let answered = (0..100_000).all(|_| dispatcher.dispatch(vec![call("lend")]).now_or_never().is_some());
        over.store(1, Ordering::SeqCst);
        assert!(answered, "no permit is left");
    });
    runtime.block_on(async { timeout(LONG * 10, dispatcher.idle()).await }).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_thread_that_gives_up_on_a_call_and_waits_for_another_lends_its_permit_again() {
    /// Answer at once.
    #[tool]
    async fn answer() {}

    /// Take long, and nobody else with that key.
    #[tool(serialize_by(bed))]
    async fn make(bed: u32) {
        let _ = bed;
        tokio::time::sleep(LONG * 10).await;
    }

    /// Take a while.
    #[tool]
    async fn pause() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    /// Wait a moment for one call, and then for another.
    #[tool(timeout = "3s")]
    fn give_up(#[context] cx: &CallContext) -> String {
        runtime().block_on(async {
            let given_up = timeout(Duration::from_millis(10), cx.dispatch(vec![made()])).await;
            assert!(given_up.is_err());
            cx.dispatch(vec![call("answer")]).await[0].content().into_owned()
        })
    }

    fn made() -> ToolCall {
        ToolCall::new("", "make", r#"{"bed": 1}"#)
    }

    // The call's first poll is held up: its thread is far ahead of it.
    let threads = |work| {
        thread::spawn(work);
        thread::sleep(Duration::from_millis(60));
    };
    let dispatcher = Dispatcher::new(tools![answer, make, pause, give_up]).with_limit(2.try_into().unwrap()).with_threads(threads);
    let mut results = dispatcher.stream(vec![made(), call("give_up"), call("pause")]);
    let mut codes = Vec::new();
    while codes.len() < 2 {
        codes.extend(results.next().await.map(|result| (result.position(), code(&result))));
    }
    codes.sort_unstable();
    assert_eq!(codes, [(1, "ok"), (2, "ok")]);
}
