//! Races between events.

use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tool_core::{CallContext, Dispatcher, Provide, ToolOutput, tool, tools};
use tower::Service;

use super::{LONG, call, runtime};
use crate::rogue_layers::around;
use crate::support::codes;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_cancelled_as_it_starts_leaves_nothing() {
    /// Answer at once.
    #[tool]
    async fn answer(#[state] begun: &AtomicUsize) {
        begun.fetch_add(1, Ordering::SeqCst);
    }

    let begun = Arc::new(AtomicUsize::new(0));
    let dispatcher = Dispatcher::new(tools![answer].with_shared_state(Arc::clone(&begun)));
    for round in 0..20_000_u32 {
        let before = begun.load(Ordering::SeqCst);
        let mut turn = dispatcher.streaming_batch();
        turn.push(call("answer"));
        (0..round % 300).for_each(|_| std::hint::spin_loop());
        let code = codes(&turn.cancel())[0];
        timeout(LONG * 10, dispatcher.idle())
            .await
            .unwrap_or_else(|_| panic!("round {round} leaves something behind"));
        assert!(
            code != "not_started" || begun.load(Ordering::SeqCst) == before,
            "round {round} began after all"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_threads_of_a_layer_that_run_a_tool_at_once_one_does() {
    /// Look around.
    #[tool(read_only)]
    async fn look(#[state] inside: &AtomicUsize) -> usize {
        let others = inside.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(1)).await;
        inside.fetch_sub(1, Ordering::SeqCst);
        others
    }

    let twice = around(|inner, context| {
        let both = Arc::new(Barrier::new(2));
        let run = || {
            let (mut inner, context, both) = (inner.clone(), context.clone(), Arc::clone(&both));
            let begun = tokio::task::spawn_blocking(move || {
                both.wait();
                inner.call(context)
            });
            async move { begun.await.unwrap().await }
        };
        let (first, second) = (run(), run());
        Box::pin(async move {
            let (first, second) = tokio::join!(first, second);
            first.or(second)
        })
    });
    let dispatcher =
        Dispatcher::new(tools![look].with_state(AtomicUsize::new(0))).with_layer(twice);
    for round in 0..500 {
        let results = dispatcher.dispatch(vec![call("look")]).await;
        assert_eq!(results[0].content(), "0", "round {round}");
    }
}

#[test]
fn a_call_answered_before_it_is_awaited_is_released() {
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
    let dispatcher =
        Dispatcher::new(tools![fail].with_state(Arc::clone(&there))).with_timeout(None);
    let runtime = runtime();
    // More threads than cores: they are held up anywhere.
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                (0..5_000)
                    .for_each(|_| drop(runtime.block_on(dispatcher.dispatch(vec![call("fail")]))));
            });
        }
    });
    drop((dispatcher, runtime));
    assert_eq!(Arc::strong_count(&there), 1);
}

#[test]
fn a_context_used_as_its_call_ends_keeps_no_permit() {
    /// Share the context, and end.
    #[tool]
    async fn share_context(
        #[context] cx: &CallContext,
        #[state] shared: &Mutex<Option<CallContext>>,
    ) {
        *shared.lock().unwrap() = Some(cx.clone());
        (0..cx.idempotency_key().len() * 7 % 400).for_each(|_| std::hint::spin_loop());
    }

    let shared = Arc::new(Mutex::new(None::<CallContext>));
    let dispatcher = Dispatcher::new(tools![share_context].with_shared_state(Arc::clone(&shared)));
    let (runtime, over) = (runtime(), AtomicUsize::new(0));
    let _entered = runtime.enter();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _entered = runtime.enter();
            while over.load(Ordering::SeqCst) == 0 {
                let context = shared.lock().unwrap().take();
                context.map(|context| context.dispatch(Vec::new()).now_or_never());
            }
        });
        let answered = (0..100_000).all(|_| {
            dispatcher
                .dispatch(vec![call("share_context")])
                .now_or_never()
                .is_some()
        });
        over.store(1, Ordering::SeqCst);
        assert!(answered, "no permit is left");
    });
    runtime
        .block_on(async { timeout(LONG * 10, dispatcher.idle()).await })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn work_of_a_layer_in_a_task_ends_with_its_call() {
    struct Signal(mpsc::Sender<()>);

    impl Drop for Signal {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Never end, and take long to be dropped.
    #[tool]
    async fn stay(#[state] dropped: &mpsc::Sender<()>, #[state] begun: &Notify) {
        let _signal = Signal(dropped.clone());
        begun.notify_one();
        pending::<()>().await;
    }

    #[derive(Provide)]
    struct State {
        dropped: mpsc::Sender<()>,
        begun: Arc<Notify>,
    }

    let (dropped, is_dropped) = mpsc::channel();
    let is_dropped = Arc::new(Mutex::new(is_dropped));
    let begun = Arc::new(Notify::new());
    let state = State {
        dropped,
        begun: Arc::clone(&begun),
    };
    let answers = Arc::new(Notify::new());
    let inner = around({
        let answers = Arc::clone(&answers);
        move |mut inner, context| {
            let (answers, begun, is_dropped) = (
                Arc::clone(&answers),
                Arc::clone(&begun),
                Arc::clone(&is_dropped),
            );
            let tool = inner.call(context);
            Box::pin(async move {
                tokio::spawn(tool);
                begun.notified().await;
                // The layer around this one answers now, on another thread, while this one is
                // polled until the tool is being dropped.
                thread::spawn(move || answers.notify_one());
                is_dropped.lock().unwrap().recv_timeout(LONG * 10).unwrap();
                pending().await
            })
        }
    });
    let outer = around(move |mut inner, context| {
        let (answers, inner) = (Arc::clone(&answers), inner.call(context));
        Box::pin(async move {
            tokio::spawn(inner);
            answers.notified().await;
            ToolOutput::from_serialize(&"cached")
        })
    });
    let dispatcher = Dispatcher::new(tools![stay].with_state(state))
        .with_tool_layer("stay", inner)
        .unwrap()
        .with_layer(outer);
    assert_eq!(
        codes(&dispatcher.dispatch(vec![call("stay")]).await),
        ["ok"]
    );
    timeout(LONG * 10, dispatcher.idle()).await.unwrap();
}
