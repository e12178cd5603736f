//! Traces, read from an OpenTelemetry exporter: the conventions for generative AI, one
//! span a call.

mod panics;

use std::num::NonZeroU64;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tokio::time::{sleep, timeout};
use tool_core::{CallContext, Decision, Dispatcher, ToolCall, tool, tools};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Instrument, Metadata, Subscriber, span};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::support::{calls, codes, contents};

/// Everything that ends on this thread is exported here.
pub(crate) struct Trace {
    exporter: InMemorySpanExporter,
    provider: SdkTracerProvider,
    _guard: DefaultGuard,
}

impl Trace {
    pub(crate) fn begin() -> Self {
        // Another test's thread without a subscriber could turn a span off while this one begins. So
        // every thread has one.
        static EVERY_THREAD: Once = Once::new();
        EVERY_THREAD.call_once(|| {
            let subscriber = tracing_subscriber::registry();
            tracing::subscriber::set_global_default(subscriber).unwrap();
        });
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("tests"));
        Self {
            exporter,
            provider,
            _guard: tracing_subscriber::registry().with(layer).set_default(),
        }
    }

    pub(crate) fn spans(&self) -> Vec<SpanData> {
        self.provider.force_flush().unwrap();
        self.exporter.get_finished_spans().unwrap()
    }

    /// The spans of calls, by the place of the call.
    fn of_calls(&self) -> Vec<SpanData> {
        let mut calls: Vec<_> = self
            .spans()
            .into_iter()
            .filter(|span| span.name.starts_with("execute_tool "))
            .collect();
        calls.sort_by_key(|span| {
            attribute(span, "tool_call.position").and_then(|at| at.parse::<usize>().ok())
        });
        calls
    }

    fn named(&self, name: &str) -> SpanData {
        let mut spans = self.spans().into_iter().filter(|span| span.name == name);
        let span = spans.next().unwrap_or_else(|| panic!("no span {name}"));
        assert!(spans.next().is_none(), "two spans {name}");
        span
    }
}

pub(crate) fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes
        .iter()
        .find(|attribute| attribute.key.as_str() == key)
        .map(|attribute| attribute.value.to_string())
}

/// Look up a patient.
#[tool]
async fn look_up(patient: String) -> String {
    tracing::info!("before");
    sleep(Duration::from_millis(10)).await;
    tracing::info!("after");
    format!("the record of {patient}")
}

/// Fail.
#[tool]
async fn fail() -> Result<(), String> {
    Err("out of beds".to_owned())
}

/// Panic.
#[tool]
async fn explode() {
    panic!("the password is hunter2")
}

/// Wait for ever.
#[tool(timeout = "50ms")]
async fn hang() {
    std::future::pending::<()>().await;
}

/// Take a while, one call at a time.
#[tool(concurrency = 1)]
async fn queue(millis: u64) {
    sleep(Duration::from_millis(millis)).await;
}

fn dispatcher() -> Dispatcher {
    Dispatcher::new(tools![look_up, fail, explode, hang, queue])
}

#[tokio::test(start_paused = true)]
async fn a_call_span_follows_the_otel_conventions() {
    let trace = Trace::begin();
    dispatcher()
        .dispatch(vec![ToolCall::new(
            "call_7",
            "look_up",
            r#"{"patient": "P-1"}"#,
        )])
        .await;

    let span = trace.named("execute_tool look_up");
    assert_eq!(
        (span.span_kind.clone(), span.status.clone()),
        (SpanKind::Internal, Status::Unset)
    );
    let expected = [
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.name", "look_up"),
        ("gen_ai.tool.description", "Look up a patient."),
        ("gen_ai.tool.type", "function"),
        ("gen_ai.tool.call.id", "call_7"),
    ];
    for (key, value) in expected {
        assert_eq!(attribute(&span, key).as_deref(), Some(value), "{key}");
    }
    for key in [
        "error.type",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
    ] {
        assert_eq!(attribute(&span, key), None, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_records_its_code_and_no_text() {
    let trace = Trace::begin();
    let results = dispatcher()
        .dispatch(calls([
            ("look_up", "{}"),
            ("fail", "{}"),
            ("explode", "{}"),
            ("hang", "{}"),
        ]))
        .await;

    let spans = trace.of_calls();
    assert_eq!(spans.len(), 4);
    for (span, code) in spans.iter().zip(codes(&results)) {
        assert_eq!(attribute(span, "error.type").as_deref(), Some(code));
        assert!(
            matches!(span.status, Status::Error { .. }),
            "{code}: {:?}",
            span.status
        );
    }
    assert!(!format!("{:?}", trace.spans()).contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_run_has_a_span_too() {
    let trace = Trace::begin();
    let dispatcher = dispatcher()
        .with_limits(|limits| limits.calls = 4)
        .with_policy(|_| async { Decision::deny("not today") });
    let results = dispatcher
        .dispatch(calls([
            ("look_up", "{"),
            ("gone", "{}"),
            ("fail", "{}"),
            ("look_up", "{}"),
            ("fail", "{}"),
        ]))
        .await;
    assert_eq!(
        codes(&results),
        [
            "invalid_json",
            "unknown_tool",
            "denied",
            "invalid_arguments",
            "overloaded"
        ]
    );

    let types: Vec<_> = trace
        .of_calls()
        .iter()
        .map(|span| attribute(span, "error.type"))
        .collect();
    assert_eq!(
        types,
        codes(&results)
            .iter()
            .map(|code| Some((*code).to_owned()))
            .collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn content_stays_out_unless_asked_for() {
    let trace = Trace::begin();
    let patient = r#"{"patient": "P-SECRET"}"#;
    dispatcher().dispatch(calls([("look_up", patient)])).await;
    assert!(!format!("{:?}", trace.spans()).contains("SECRET"));

    trace.exporter.reset();
    dispatcher()
        .with_recorded_content()
        .dispatch(calls([
            ("look_up", patient),
            ("explode", "{}"),
            ("fail", "{}"),
        ]))
        .await;
    let span = trace.named("execute_tool look_up");
    assert_eq!(
        attribute(&span, "gen_ai.tool.call.arguments").as_deref(),
        Some(patient)
    );
    assert_eq!(
        attribute(&span, "gen_ai.tool.call.result").as_deref(),
        Some("the record of P-SECRET")
    );
    assert!(!format!("{:?}", trace.spans()).contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn what_a_tool_logs_is_in_its_own_span_before_and_after_an_await() {
    let trace = Trace::begin();
    dispatcher()
        .dispatch(calls([("look_up", r#"{"patient": "a"}"#); 3]))
        .await;
    let spans = trace.of_calls();
    assert_eq!(spans.len(), 3);
    for span in spans {
        let logged: Vec<_> = span
            .events
            .iter()
            .map(|event| event.name.to_string())
            .collect();
        assert_eq!(logged, ["before", "after"]);
    }
}

#[tokio::test(start_paused = true)]
async fn spans_nest_caller_batch_call() {
    let trace = Trace::begin();
    let request = tracing::info_span!("request");
    dispatcher()
        .dispatch(calls([("look_up", r#"{"patient": "a"}"#), ("fail", "{}")]))
        .instrument(request)
        .await;

    let (request, batch) = (trace.named("request"), trace.named("execute_tools"));
    assert_eq!(batch.parent_span_id, request.span_context.span_id());
    assert_eq!(batch.span_kind, SpanKind::Internal);
    for call in trace.of_calls() {
        assert_eq!(call.parent_span_id, batch.span_context.span_id());
        assert_eq!(
            call.span_context.trace_id(),
            request.span_context.trace_id()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_span_has_queue_time_and_critical_path() {
    let trace = Trace::begin();
    let queue = |millis: u64| ToolCall::new("", "queue", format!(r#"{{"millis": {millis}}}"#));
    let fail = || ToolCall::new("", "fail", "{}");
    dispatcher()
        .dispatch(vec![queue(250), fail(), queue(500), fail()])
        .await;

    let batch = trace.named("execute_tools");
    let number = |key: &str| attribute(&batch, key).and_then(|value| value.parse::<f64>().ok());
    assert_eq!(
        (number("tool_batch.calls"), number("tool_batch.failed")),
        (Some(4.0), Some(2.0))
    );
    assert_eq!(
        (
            number("tool_batch.queue_time"),
            number("tool_batch.critical_path.duration")
        ),
        (Some(0.25), Some(0.75))
    );
    assert_eq!(
        attribute(&batch, "tool_batch.critical_path").as_deref(),
        Some("0,2")
    );
    let waited: Vec<_> = trace
        .of_calls()
        .iter()
        .map(|span| {
            attribute(span, "tool_call.queue_time")
                .unwrap()
                .parse::<f64>()
                .unwrap()
        })
        .collect();
    assert_eq!(waited, [0.0, 0.0, 0.25, 0.0]);
}

#[tokio::test(start_paused = true)]
async fn nested_calls_are_below_the_call_that_made_them() {
    /// Look up by way of a call.
    #[tool]
    async fn delegate(#[context] cx: &CallContext) -> String {
        sleep(Duration::from_millis(1)).await;
        contents(
            &cx.dispatch(calls([("look_up", r#"{"patient": "a"}"#)]))
                .await,
        )
        .concat()
    }

    let trace = Trace::begin();
    Dispatcher::new(tools![delegate, look_up])
        .dispatch(calls([("delegate", "{}")]))
        .await;
    let (parent, child) = (
        trace.named("execute_tool delegate"),
        trace.named("execute_tool look_up"),
    );
    let batches: Vec<_> = trace
        .spans()
        .into_iter()
        .filter(|span| span.name == "execute_tools")
        .collect();
    let batch = batches
        .iter()
        .find(|batch| batch.span_context.span_id() == child.parent_span_id)
        .unwrap();
    assert_eq!(batch.parent_span_id, parent.span_context.span_id());
}

#[tokio::test(start_paused = true)]
async fn a_turn_and_its_early_calls_are_below_the_span_it_is_opened_in() {
    let trace = Trace::begin();
    let request = tracing::info_span!("request");
    let mut turn = request.in_scope(|| dispatcher().streaming_batch());
    turn.push(ToolCall::new("", "look_up", r#"{"patient": "a"}"#));
    sleep(Duration::from_millis(20)).await;
    turn.finish().await;
    drop(request);
    sleep(Duration::from_millis(1)).await; // the call's task ends
    let (request, call) = (trace.named("request"), trace.named("execute_tool look_up"));
    assert_eq!(
        trace.named("execute_tools").parent_span_id,
        request.span_context.span_id()
    );
    assert_eq!(
        call.span_context.trace_id(),
        request.span_context.trace_id()
    );
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_turn_says_how_many_calls_it_had() {
    let trace = Trace::begin();
    let mut turn = dispatcher().streaming_batch();
    turn.push(ToolCall::new("", "fail", "{}"));
    turn.open("", "fail");
    turn.finish().await;
    sleep(Duration::from_millis(1)).await;
    let batch = trace.named("execute_tools");
    assert_eq!(attribute(&batch, "tool_batch.failed").as_deref(), Some("2"));
    assert_eq!(attribute(&batch, "tool_batch.calls").as_deref(), Some("2"));
}
