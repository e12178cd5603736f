//! Dropping a batch stops what it started and never starts the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;
use tool_core::{Dispatcher, tool, tools};

use crate::support::{calls, codes};

#[derive(Default)]
struct Ward {
    entered: Notify,
    starts: AtomicUsize,
    drops: AtomicUsize,
    open: AtomicBool,
}

struct CountDrop<'a>(&'a Ward);

impl Drop for CountDrop<'_> {
    fn drop(&mut self) {
        self.0.drops.fetch_add(1, Ordering::SeqCst);
    }
}

/// Wait for ever.
#[tool]
async fn wait_for_ever(#[state] ward: &Ward) {
    let _guard = CountDrop(ward);
    ward.starts.fetch_add(1, Ordering::SeqCst);
    ward.entered.notify_one();
    std::future::pending::<()>().await;
}

/// Wait on a thread until the ward is open.
#[tool]
fn wait_on_thread(#[state] ward: &Ward) {
    let _guard = CountDrop(ward);
    ward.starts.fetch_add(1, Ordering::SeqCst);
    ward.entered.notify_one();
    while !ward.open.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
}

/// Answer at once.
#[tool]
async fn answer(#[state] ward: &Ward) -> usize {
    ward.starts.fetch_add(1, Ordering::SeqCst);
    ward.drops.load(Ordering::SeqCst)
}

fn dispatcher(ward: &Arc<Ward>, limit: usize) -> Dispatcher {
    let tools = tools![wait_for_ever, wait_on_thread, answer].with_shared_state(Arc::clone(ward));
    Dispatcher::new(tools).with_max_concurrency(limit)
}

#[tokio::test(start_paused = true)]
async fn dropping_the_batch_stops_running_and_queued_calls() {
    let ward = Arc::new(Ward::default());
    let dispatcher = dispatcher(&ward, 1);
    let batch = dispatcher.dispatch(calls([
        ("wait_for_ever", "{}"),
        ("answer", "{}"),
        ("answer", "{}"),
    ]));
    tokio::select! {
        _ = batch => unreachable!("the first call never ends"),
        () = ward.entered.notified() => {}
    }
    sleep(Duration::from_millis(1)).await;

    assert_eq!(
        (
            ward.starts.load(Ordering::SeqCst),
            ward.drops.load(Ordering::SeqCst)
        ),
        (1, 1)
    );
    // The permits are back.
    assert_eq!(
        codes(&dispatcher.dispatch(calls([("answer", "{}")])).await),
        ["ok"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_freed_as_the_batch_is_dropped_starts_nothing() {
    for _ in 0..200 {
        let ward = Arc::new(Ward::default());
        let dispatcher = dispatcher(&ward, 1);
        let batch = dispatcher.dispatch(calls([("wait_for_ever", "{}"); 20]));
        tokio::select! {
            _ = batch => unreachable!("the first call never ends"),
            () = ward.entered.notified() => {}
        }
        assert_eq!(
            codes(&dispatcher.dispatch(calls([("answer", "{}")])).await),
            ["ok"]
        );
        assert_eq!(ward.starts.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn a_thread_of_a_dropped_batch_counts_until_it_ends() {
    let ward = Arc::new(Ward::default());
    let dispatcher = dispatcher(&ward, 1);
    let batch =
        tokio::spawn(dispatcher.dispatch(calls([("wait_on_thread", "{}"), ("answer", "{}")])));
    ward.entered.notified().await;
    batch.abort();
    assert!(batch.await.is_err_and(|error| error.is_cancelled()));

    let mut next = Box::pin(dispatcher.dispatch(calls([("answer", "{}")])));
    tokio::select! {
        biased;
        _ = &mut next => unreachable!("the thread still runs"),
        () = async { for _ in 0..100 { tokio::task::yield_now().await } } => {}
    }
    assert_eq!(ward.starts.load(Ordering::SeqCst), 1);
    ward.open.store(true, Ordering::SeqCst);
    // By the time it is answered, the thread had ended.
    assert_eq!(next.await[0].content(), "1");
}
