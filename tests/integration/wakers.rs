//! Wakers that panic: all other calls still get their answers.

use std::future::pending;
use std::panic::panic_any;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::time::{sleep, timeout};
use tool_core::{CallContext, Dispatcher, tool, tools};
use tower::Service;

use crate::gate::Gate;
use crate::rogue_layers::{around, call, dispatcher};
use crate::support::{calls, codes};

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_loses_no_answer() {
    let (dispatcher, run_log) = dispatcher();
    let wakes = around(|mut inner, context| {
        Box::pin(async move {
            let mut run = inner.call(context);
            assert!(
                run.poll_unpin(&mut Context::from_waker(&rude()))
                    .is_pending()
            );
            pending().await
        })
    });
    let dispatcher = dispatcher.with_layer(wakes);
    let results = dispatcher
        .dispatch(vec![call("a", "work", 5000), call("b", "work", 5000)])
        .await;
    assert_eq!(codes(&results), ["timeout"; 2]);
    timeout(Duration::from_secs(1), dispatcher.idle())
        .await
        .unwrap();
    assert_eq!(run_log.runs(), ["a 0..1000", "b 0..1000"]);
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_at_the_end_loses_no_answer() {
    /// Wait for the end of the call.
    #[tool(timeout = "1s")]
    async fn ask(#[context] cx: &CallContext) {
        let mut reported = pin!(cx.cancellation().cancelled());
        assert!(
            reported
                .poll_unpin(&mut Context::from_waker(&rude()))
                .is_pending()
        );
        pending::<()>().await;
    }

    let dispatcher = Dispatcher::new(tools![ask]);
    assert_eq!(
        codes(&dispatcher.dispatch(calls([("ask", "{}"); 2])).await),
        ["timeout"; 2]
    );
    timeout(Duration::from_secs(1), dispatcher.idle())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_waker_panics_leaves_nothing() {
    let (dispatcher, _run_log) = dispatcher();
    let message = || vec![call("a", "work", 10), call("b", "work", 20)];
    let mut batch = Box::pin(dispatcher.dispatch(message()));
    let mut stream = dispatcher.stream(message());
    assert!(
        batch
            .poll_unpin(&mut Context::from_waker(&rude()))
            .is_pending()
    );
    assert!(
        stream
            .poll_next_unpin(&mut Context::from_waker(&rude()))
            .is_pending()
    );
    timeout(Duration::from_secs(60), dispatcher.idle())
        .await
        .unwrap();
    assert_eq!(codes(&batch.await), ["ok"; 2]);
    assert_eq!(codes(&stream.collect::<Vec<_>>().await), ["ok"; 2]);
}

/// Panics when it is woken.
fn rude() -> Waker {
    struct Rude;

    impl Wake for Rude {
        fn wake(self: Arc<Self>) {
            panic!("do not wake me");
        }
    }

    Arc::new(Rude).into()
}

#[tokio::test(start_paused = true)]
async fn the_payload_of_a_waker_panic_may_panic_in_drop() {
    struct Rude;

    impl Wake for Rude {
        fn wake(self: Arc<Self>) {
            panic_any(Self);
        }
    }

    impl Drop for Rude {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "and again");
        }
    }

    /// Wait at the gate.
    #[tool(timeout = "50ms", concurrency = 1)]
    fn stay(#[state] gate: &Gate) {
        gate.pass();
    }

    /// Answer at once, one at a time.
    #[tool(concurrency = 1)]
    async fn answer() {}

    let gate = Gate::new();
    let tools = tools![stay, answer].with_shared_state(Arc::clone(&gate));
    let dispatcher = Dispatcher::new(tools)
        .with_limits(|limits| limits.queue_time = Some(Duration::from_millis(100)))
        .with_blocking_executor(gate.threads());
    assert_eq!(
        codes(&dispatcher.dispatch(calls([("stay", "{}")])).await),
        ["timeout_indeterminate"]
    );
    let mut stream = dispatcher.stream(calls([("stay", "{}")]));
    let rude = Waker::from(Arc::new(Rude));
    assert!(
        stream
            .poll_next_unpin(&mut Context::from_waker(&rude))
            .is_pending()
    );
    std::mem::forget(rude);
    sleep(Duration::from_millis(500)).await; // it is given up, and its reader woken
    let answered = timeout(
        Duration::from_secs(5),
        dispatcher.dispatch(calls([("answer", "{}")])),
    )
    .await;
    assert_eq!(codes(&answered.unwrap()), ["ok"]);
    gate.open();
}
