//! Layers that keep or repeat what they wrap: a call starts its tool once, and none once it is
//! answered. Layers are trusted: what they move to a task of their own is not watched.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tool_core::{
    CallContext, CallService, Dispatcher, ToolCall, ToolError, ToolOutput, tool, tools,
};
use tower::layer::layer_fn;
use tower::{Layer, Service};

use crate::gate::Gate;
use crate::layers::work;
use crate::run_log::RunLog;
use crate::support::{calls, codes, contents};

pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<ToolOutput, ToolError>> + Send>>;

/// Look around for a while.
#[tool(timeout = "1s", read_only)]
async fn look(
    #[context] cx: &CallContext,
    #[state] run_log: &RunLog,
    millis: u64,
) -> (u32, String) {
    let _inside = run_log.enter(cx.id());
    sleep(Duration::from_millis(millis)).await;
    (cx.attempt(), cx.idempotency_key())
}

#[derive(Clone)]
pub(crate) struct Around<F>(F, CallService);

impl<F: FnMut(CallService, CallContext) -> Answer> Service<CallContext> for Around<F> {
    type Response = ToolOutput;
    type Error = ToolError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ToolError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, context: CallContext) -> Answer {
        (self.0)(self.1.clone(), context)
    }
}

/// A layer as a function of the inner service and the call.
pub(crate) fn around<F: Fn(CallService, CallContext) -> Answer + Clone>(
    around: F,
) -> impl Layer<CallService, Service = Around<F>> {
    layer_fn(move |inner| Around(around.clone(), inner))
}

pub(crate) fn dispatcher() -> (Dispatcher, Arc<RunLog>) {
    let run_log = RunLog::begin();
    (
        Dispatcher::new(tools![work, look].with_shared_state(Arc::clone(&run_log))),
        run_log,
    )
}

pub(crate) fn call(id: &str, tool: &str, millis: u64) -> ToolCall {
    ToolCall::new(id, tool, format!(r#"{{"millis": {millis}}}"#))
}

fn cached() -> Result<ToolOutput, ToolError> {
    ToolOutput::from_serialize(&"cached")
}

#[tokio::test(start_paused = true)]
async fn a_second_run_is_refused_unless_the_tool_may_be_repeated() {
    let (dispatcher, run_log) = dispatcher();
    let again = around(|mut inner, context| {
        Box::pin(async move {
            inner.call(context.clone()).await?;
            inner.call(context).await
        })
    });
    let results = dispatcher
        .with_layer(again)
        .dispatch(vec![call("a", "work", 10), call("b", "look", 10)])
        .await;
    assert_eq!(codes(&results), ["middleware_error", "ok"]);
    assert!(contents(&results)[1].starts_with("[2,"));
    assert_eq!(run_log.runs(), ["a 0..10", "b 0..10", "b 10..20"]);
}

/// A layer sees the panic of the tool as an error, and the answer says that it was the tool's.
#[tokio::test(start_paused = true)]
async fn a_panic_of_the_tool_is_not_the_layers() {
    /// Fail in an unexpected way.
    #[tool]
    async fn fail(now: bool) -> bool {
        assert!(!now, "the password is hunter2");
        tokio::task::yield_now().await;
        panic!("the password is hunter2");
    }

    let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
    let seeing = Arc::clone(&seen);
    let sees = around(move |mut inner, context| {
        let seen = Arc::clone(&seeing);
        Box::pin(async move {
            let outcome = inner.call(context).await;
            seen.lock().unwrap().push(outcome.is_err());
            outcome
        })
    });
    let results = Dispatcher::new(tools![fail])
        .with_layer(sees)
        .dispatch(calls([
            ("fail", r#"{"now": true}"#),
            ("fail", r#"{"now": false}"#),
        ]))
        .await;
    assert_eq!(codes(&results), ["panic"; 2]);
    assert_eq!(*seen.lock().unwrap(), [true; 2]);
}

#[tokio::test(start_paused = true)]
async fn two_runs_at_once_are_refused_whatever_the_tool() {
    let (dispatcher, run_log) = dispatcher();
    let twice = around(|mut inner, context| {
        let (first, second) = (inner.call(context.clone()), inner.call(context));
        Box::pin(async move {
            let (first, second) = tokio::join!(first, second);
            assert!(first.is_ok() != second.is_ok());
            first.and(second)
        })
    });
    let results = dispatcher
        .with_layer(twice)
        .dispatch(vec![call("a", "work", 10), call("b", "look", 10)])
        .await;
    assert_eq!(codes(&results), ["middleware_error"; 2]);
    assert_eq!(run_log.runs(), ["a 0..10", "b 0..10"]);
}

type Kept = Arc<Mutex<Vec<(CallService, CallContext)>>>;

#[tokio::test(start_paused = true)]
async fn a_call_that_is_kept_starts_nothing_once_it_is_answered() {
    let (dispatcher, run_log) = dispatcher();
    let kept = Kept::default();
    let keeping = Arc::clone(&kept);
    let keeps = around(move |inner, context| {
        keeping.lock().unwrap().push((inner, context));
        Box::pin(async { cached() })
    });
    let dispatcher = dispatcher.with_layer(keeps);
    assert_eq!(
        contents(
            &dispatcher
                .dispatch(vec![call("a", "work", 10), call("b", "look", 10)])
                .await
        ),
        ["cached"; 2]
    );
    let kept: Vec<_> = kept.lock().unwrap().drain(..).collect();
    for (mut inner, context) in kept {
        assert!(inner.call(context).await.is_err());
    }
    assert!(run_log.begun().is_empty());
    timeout(Duration::from_secs(1), dispatcher.idle())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_call_cannot_be_run_in_the_place_of_another() {
    let (dispatcher, run_log) = dispatcher();
    let kept = Kept::default();
    // The second call runs the first's context, which still waits.
    let swaps = around(move |mut inner, context| {
        let first = kept.lock().unwrap().pop();
        match first {
            None => {
                kept.lock().unwrap().push((inner, context));
                Box::pin(std::future::pending())
            }
            Some((_, first)) => Box::pin(async move { inner.call(first).await }),
        }
    });
    let results = dispatcher
        .with_layer(swaps)
        .dispatch(vec![call("a", "work", 10), call("b", "work", 10)])
        .await;
    // Two answers, in order; no tool ran twice.
    assert_eq!(
        results.iter().map(|result| result.id()).collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert!(run_log.begun().len() <= 1, "{:?}", run_log.runs());
    assert_eq!(codes(&results)[0], "timeout");
}

#[tokio::test(start_paused = true)]
async fn layers_see_nested_calls_too() {
    /// Look, by way of a call.
    #[tool]
    async fn delegate(#[context] cx: &CallContext) -> String {
        contents(&cx.dispatch(vec![call("n", "look", 10)]).await).concat()
    }

    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let seeing = Arc::clone(&seen);
    let sees = around(move |mut inner, context| {
        seeing.lock().unwrap().push(context.tool().to_owned());
        Box::pin(inner.call(context))
    });
    let run_log = RunLog::begin();
    let dispatcher =
        Dispatcher::new(tools![delegate, look].with_shared_state(run_log)).with_layer(sees);
    assert_eq!(
        codes(&dispatcher.dispatch(calls([("delegate", "{}")])).await),
        ["ok"]
    );
    assert_eq!(*seen.lock().unwrap(), ["delegate", "look"]);
}

/// A layer that has the tool polled in a task of its own.
fn detaching() -> impl Layer<
    CallService,
    Service: Service<CallContext, Response = ToolOutput, Error = ToolError, Future = Answer>
                 + Clone
                 + Send
                 + Sync,
> {
    around(|mut inner, context| {
        Box::pin(async move {
            let moved = tokio::spawn(inner.call(context));
            moved.await.unwrap_or_else(|_| cached())
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_parent_polled_elsewhere_continues_while_nested_calls_run() {
    /// Work while a nested call does.
    #[tool(timeout = "1s")]
    async fn both(#[context] cx: &CallContext, #[state] run_log: &RunLog) {
        let later = async {
            sleep(Duration::from_millis(10)).await;
            drop(run_log.enter("later"));
        };
        tokio::join!(cx.dispatch(vec![call("nested", "work", 30)]), later);
    }

    for layered in [false, true] {
        let run_log = RunLog::begin();
        let dispatcher =
            Dispatcher::new(tools![both, work].with_shared_state(Arc::clone(&run_log)))
                .with_max_concurrency(1);
        let dispatcher = if layered {
            dispatcher.with_layer(detaching())
        } else {
            dispatcher
        };
        let batch = calls([("both", "{}"), ("work", r#"{"millis": 5}"#)]);
        assert_eq!(codes(&dispatcher.dispatch(batch).await), ["ok", "ok"]);
        assert_eq!(
            run_log.runs(),
            ["nested 0..30", "later 10..10", "call_1 30..35"],
            "{layered}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_a_layer_leaves_behind_is_cancelled() {
    struct Left {
        gate: Arc<Gate>,
        reported: AtomicBool,
    }

    /// Wait at the gate, and note whether there was word to end.
    #[tool]
    fn listen(#[context] cx: &CallContext, #[state] left: &Left) {
        left.gate.pass();
        left.reported
            .store(cx.cancellation().is_cancelled(), Ordering::SeqCst);
    }

    let leaves = |mut inner: CallService, context| -> Answer {
        Box::pin(async move {
            let _ = timeout(Duration::from_millis(10), inner.call(context)).await;
            cached()
        })
    };
    let moves = |mut inner: CallService, context| -> Answer {
        Box::pin(async move {
            drop(tokio::spawn(inner.call(context)));
            sleep(Duration::from_millis(10)).await;
            cached()
        })
    };
    let layers: [fn(CallService, CallContext) -> Answer; 2] = [leaves, moves];
    for layer in layers {
        let gate = Gate::new();
        let left = Arc::new(Left {
            gate: Arc::clone(&gate),
            reported: AtomicBool::new(false),
        });
        let dispatcher = Dispatcher::new(tools![listen].with_shared_state(Arc::clone(&left)));
        let dispatcher = dispatcher
            .with_blocking_executor(gate.threads())
            .with_layer(around(layer));
        assert_eq!(
            contents(&dispatcher.dispatch(calls([("listen", "{}")])).await),
            ["cached"]
        );
        gate.open();
        dispatcher.idle().await;
        assert!(left.reported.load(Ordering::SeqCst));
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_may_run_other_calls_beside_a_second_run() {
    let again = |mut inner: CallService, context: CallContext| -> Answer {
        Box::pin(async move {
            if context.tool() == "work" {
                return inner.call(context).await;
            }
            inner.call(context.clone()).await?;
            let again = inner.call(context.clone());
            let (audit, again) =
                tokio::join!(context.dispatch(vec![call("audit", "work", 30)]), again);
            assert_eq!(contents(&audit), ["audit"]);
            again
        })
    };
    let (dispatcher, run_log) = dispatcher();
    let results = dispatcher
        .with_layer(around(again))
        .dispatch(vec![call("a", "look", 10)])
        .await;
    assert_eq!(codes(&results), ["ok"]);
    assert_eq!(run_log.runs(), ["a 0..10", "a 10..20", "audit 10..40"]);
}
