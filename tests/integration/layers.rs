//! Layers of `tower` around a call: their uses, and that none of them can break what the
//! dispatcher promises.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tool_core::{
    CallContext, CallService, Dispatcher, ToolCall, ToolError, ToolOutput, tool, tools,
};
use tower::limit::ConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;
use tower::{Layer, Service, layer::layer_fn};

use crate::run_log::RunLog;
use crate::support::{calls, codes, contents};

type Answer<E> = Pin<Box<dyn Future<Output = Result<ToolOutput, E>> + Send>>;

/// Work for a while.
#[tool(timeout = "1s")]
pub(crate) async fn work(
    #[context] cx: &CallContext,
    #[state] run_log: &RunLog,
    millis: u64,
) -> String {
    let _inside = run_log.enter(cx.id());
    sleep(Duration::from_millis(millis)).await;
    cx.id().to_owned()
}

/// Look around for a while.
#[tool(timeout = "1s", read_only)]
async fn look(#[context] cx: &CallContext, #[state] run_log: &RunLog, millis: u64) -> u32 {
    let _inside = run_log.enter(cx.id());
    sleep(Duration::from_millis(millis)).await;
    cx.attempt()
}

/// Fail.
#[tool]
async fn fail() -> Result<(), String> {
    Err("out of beds".to_owned())
}

fn dispatcher() -> (Dispatcher, Arc<RunLog>) {
    let run_log = RunLog::begin();
    (
        Dispatcher::new(tools![work, look, fail].with_shared_state(Arc::clone(&run_log))),
        run_log,
    )
}

fn for_millis(tool: &str, millis: u64) -> Vec<ToolCall> {
    (0..3)
        .map(|id| ToolCall::new(id.to_string(), tool, format!(r#"{{"millis": {millis}}}"#)))
        .collect()
}

/// A service around another, as a function of the inner service and the call.
#[derive(Clone)]
struct Around<F>(F, CallService);

impl<F, E> Service<CallContext> for Around<F>
where
    F: FnMut(CallService, CallContext) -> Answer<E>,
{
    type Response = ToolOutput;
    type Error = E;
    type Future = Answer<E>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, context: CallContext) -> Answer<E> {
        (self.0)(self.1.clone(), context)
    }
}

fn around<F, E>(around: F) -> impl Layer<CallService, Service = Around<F>>
where
    F: Fn(CallService, CallContext) -> Answer<E> + Clone,
{
    layer_fn(move |inner| Around(around.clone(), inner))
}

/// Writes down what goes in and what comes out.
fn audit(
    name: &'static str,
    log: &Arc<Mutex<Vec<String>>>,
) -> impl Layer<
    CallService,
    Service = impl Service<
        CallContext,
        Response = ToolOutput,
        Error = ToolError,
        Future = Answer<ToolError>,
    > + Clone
              + Send
              + Sync
              + use<>,
> + use<> {
    let log = Arc::clone(log);
    around(move |mut inner, context: CallContext| {
        let log = Arc::clone(&log);
        Box::pin(async move {
            log.lock()
                .unwrap()
                .push(format!("{name}: {} {}", context.id(), context.tool()));
            let outcome = inner.call(context).await;
            let wording = outcome
                .as_ref()
                .map_or_else(|error| error.code().as_str().into(), ToolOutput::text);
            log.lock().unwrap().push(format!("{name}: {wording}"));
            outcome
        })
    })
}

#[tokio::test(start_paused = true)]
async fn later_layers_wrap_earlier_ones_and_tool_layers_are_innermost() {
    let (dispatcher, _) = dispatcher();
    let log = Arc::default();
    let dispatcher = dispatcher
        .with_layer(audit("inner", &log))
        .with_tool_layer("fail", audit("own", &log))
        .unwrap()
        .with_layer(audit("outer", &log))
        .with_tool_layer("fail", audit("around own", &log))
        .unwrap();
    let results = dispatcher.dispatch(calls([("fail", "{}")])).await;
    assert_eq!(codes(&results), ["tool_error"]);
    let names = ["outer", "inner", "around own", "own"];
    let expected: Vec<_> = names
        .map(|name| format!("{name}: call_0 fail"))
        .into_iter()
        .chain(["own", "around own", "inner", "outer"].map(|name| format!("{name}: tool_error")))
        .collect();
    assert_eq!(*log.lock().unwrap(), expected);

    log.lock().unwrap().clear();
    dispatcher
        .dispatch(calls([("look", r#"{"millis": 1}"#), ("gone", "{}")]))
        .await;
    assert_eq!(
        *log.lock().unwrap(),
        [
            "outer: call_0 look",
            "inner: call_0 look",
            "inner: 1",
            "outer: 1"
        ]
    );
    assert_eq!(
        dispatcher
            .with_tool_layer("lok", audit("x", &log))
            .unwrap_err()
            .to_string(),
        "there is no tool `lok`; did you mean `look`?"
    );
}

#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_of_tower_limits_all_tools_or_one() {
    let (dispatcher, run_log) = dispatcher();
    let all = dispatcher.clone().with_layer(ConcurrencyLimitLayer::new(2));
    let batch = || [for_millis("work", 10), for_millis("look", 10)].concat();
    assert_eq!(codes(&all.dispatch(batch()).await), ["ok"; 6]);
    assert_eq!(run_log.now(), 30);

    let one = dispatcher
        .with_tool_layer("work", ConcurrencyLimitLayer::new(1))
        .unwrap();
    let (a, b) = tokio::join!(
        one.dispatch(for_millis("work", 10)),
        one.dispatch(for_millis("look", 10))
    );
    assert_eq!((codes(&a), codes(&b)), (vec!["ok"; 3], vec!["ok"; 3]));
    assert_eq!(run_log.now(), 60);
    assert!(b.iter().all(|result| result.elapsed().as_millis() == 10));
}

#[tokio::test(start_paused = true)]
async fn waiting_in_a_layer_counts_as_running() {
    let (dispatcher, run_log) = dispatcher();
    let results = dispatcher
        .with_layer(ConcurrencyLimitLayer::new(1))
        .dispatch(for_millis("work", 700))
        .await;
    assert_eq!(
        codes(&results).iter().filter(|code| **code == "ok").count(),
        1
    );
    assert!(
        results
            .iter()
            .all(|result| result.elapsed() <= Duration::from_secs(1))
    );
    // What was waiting began when the first was done, and nothing runs on past the deadline.
    assert_eq!(run_log.runs()[..2], ["0 0..700", "1 700..1000"]);
    assert!(
        run_log.runs()[2..].iter().all(|run| run == "2 1000..1000"),
        "{:?}",
        run_log.runs()
    );
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_tower_is_an_error_of_the_layer() {
    let (dispatcher, run_log) = dispatcher();
    let dispatcher = dispatcher.with_layer(TimeoutLayer::new(Duration::from_millis(50)));
    let results = dispatcher
        .dispatch(calls([
            ("work", r#"{"millis": 100}"#),
            ("work", r#"{"millis": 10}"#),
        ]))
        .await;
    assert_eq!(codes(&results), ["middleware_error", "ok"]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(run_log.runs(), ["call_0 0..50", "call_1 0..10"]);
    dispatcher.idle().await;
}

#[tokio::test(start_paused = true)]
async fn a_layer_may_answer_change_an_error_or_pass_it_on() {
    let (dispatcher, run_log) = dispatcher();
    let answers = around(|_, _| {
        Box::pin(async { ToolOutput::from_serialize(&"cached") }) as Answer<ToolError>
    });
    assert_eq!(
        contents(
            &dispatcher
                .clone()
                .with_layer(answers)
                .dispatch(for_millis("work", 10))
                .await
        ),
        ["cached"; 3]
    );
    assert!(run_log.begun().is_empty());

    let swallows = around(|mut inner, context| {
        Box::pin(async move {
            Ok(inner
                .call(context)
                .await
                .or_else(|_| ToolOutput::from_serialize(&"never mind"))
                .unwrap())
        }) as Answer<Infallible>
    });
    assert_eq!(
        contents(
            &dispatcher
                .clone()
                .with_layer(swallows)
                .dispatch(calls([("fail", "{}")]))
                .await
        ),
        ["never mind"]
    );

    let wraps = around(|mut inner: CallService, context| {
        Box::pin(async move { inner.call(context).await.map_err(std::io::Error::other) })
            as Answer<std::io::Error>
    });
    assert_eq!(
        codes(
            &dispatcher
                .with_layer(wraps)
                .dispatch(calls([("fail", "{}")]))
                .await
        ),
        ["middleware_error"]
    );
}

#[derive(Clone, Copy, PartialEq)]
enum Where {
    Ready,
    Call,
    Poll,
    Drop,
    NeverReady,
    NeverAnswers,
}

#[derive(Clone)]
struct Misbehaves(Where, CallService);

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the password is hunter2");
    }
}

impl Service<CallContext> for Misbehaves {
    type Response = ToolOutput;
    type Error = ToolError;
    type Future = Answer<ToolError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ToolError>> {
        assert!(self.0 != Where::Ready, "the password is hunter2");
        if self.0 == Where::NeverReady {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn call(&mut self, context: CallContext) -> Answer<ToolError> {
        assert!(self.0 != Where::Call, "the password is hunter2");
        let (at, mut inner) = (self.0, self.1.clone());
        Box::pin(async move {
            let bomb = (at == Where::Drop).then(|| Bomb);
            let outcome = inner.call(context).await;
            assert!(at != Where::Poll, "the password is hunter2");
            if at == Where::NeverAnswers {
                std::future::pending::<()>().await;
            }
            drop(bomb);
            outcome
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_panics_or_hangs_fails_its_own_calls_in_time() {
    let cases = [
        (Where::Ready, "middleware_error"),
        (Where::Call, "middleware_error"),
        (Where::Poll, "middleware_error"),
        (Where::Drop, "middleware_error"),
        (Where::NeverReady, "timeout"),
        (Where::NeverAnswers, "timeout"),
    ];
    for (at, code) in cases {
        let (dispatcher, run_log) = dispatcher();
        let dispatcher = dispatcher
            .with_max_concurrency(2)
            .with_tool_layer("work", layer_fn(move |inner| Misbehaves(at, inner)))
            .unwrap();
        let begun = Instant::now();
        let (bad, good) = tokio::join!(
            dispatcher.dispatch(for_millis("work", 10)),
            dispatcher.dispatch(for_millis("look", 10))
        );
        assert_eq!(codes(&bad), [code; 3]);
        assert_eq!(codes(&good), ["ok"; 3]);
        assert!(begun.elapsed() <= Duration::from_secs(4));
        assert!(
            bad.iter()
                .all(|result| !result.content().contains("hunter2")
                    && result.elapsed() <= Duration::from_secs(1))
        );
        timeout(Duration::from_secs(1), dispatcher.idle())
            .await
            .unwrap();
        let reached = matches!(at, Where::Poll | Where::Drop | Where::NeverAnswers);
        assert_eq!(run_log.runs().len(), if reached { 6 } else { 3 });
    }
}
