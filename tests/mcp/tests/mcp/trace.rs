//! A trace continues in the server.

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tool_core::{Dispatcher, tools};
use tool_mcp::Server;
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{ByHand, calls, connected};

#[tokio::test]
async fn a_call_s_spans_are_of_one_trace_on_both_sides() {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer);
    let _default = tracing::subscriber::set_default(subscriber);

    let server = Server::new(Dispatcher::new(tools![mcp_tests::add]));
    let client = connected(&server).await;
    let dispatcher = Dispatcher::new(client.tools());
    let call = || calls([("add", r#"{"a": 1, "b": 2}"#)]);
    dispatcher
        .dispatch(call())
        .instrument(tracing::info_span!("request"))
        .await;

    let spans = exporter.get_finished_spans().unwrap();
    let named = |name: &str| {
        let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        assert!(!found.is_empty(), "no span {name}");
        found
    };
    let trace = named("request")[0].span_context.trace_id();
    let (tools, on_server) = (named("execute_tool add"), named("tools/call add")[0]);
    assert_eq!(tools.len(), 2, "one on each side");
    assert!(
        tools
            .iter()
            .all(|span| span.span_context.trace_id() == trace)
    );
    assert_eq!(on_server.span_context.trace_id(), trace);
    let is_parent = |span: &&&opentelemetry_sdk::trace::SpanData| {
        span.span_context.span_id() == on_server.parent_span_id
    };
    assert!(tools.iter().any(|span| is_parent(&span)), "the call's span");

    // A client of others names its span by hand.
    exporter.reset();
    let mut by_hand = ByHand::new(&server, serde_json::json!({})).await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let params = serde_json::json!({
        "name": "add",
        "arguments": {"a": 1, "b": 2},
        "_meta": {"traceparent": traceparent},
    });
    by_hand.request(1, "tools/call", params).await;
    let spans = exporter.get_finished_spans().unwrap();
    let on_server = spans
        .iter()
        .find(|span| span.name == "tools/call add")
        .unwrap();
    let trace = on_server.span_context.trace_id().to_string();
    assert_eq!(trace, "0af7651916cd43dd8448eb211c80319c");
}
