//! Traces at a collector.

use super::*;

/// A collector that keeps the names of spans, and of those above them.
#[tokio::test]
async fn spans_reach_a_collector() {
    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::post;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use prost::Message;
    use std::sync::{Arc, Mutex};

    let bodies = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&bodies);
    let sink = post(async move |body: Bytes| received.lock().unwrap().push(body));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(
        async move { axum::serve(listener, Router::new().route("/v1/traces", sink)).await },
    );

    let data = data();
    let dashboard = Dashboard::start_with(data.path(), &["--latency", "0", "--otlp", &address]);
    let run = dashboard.run("P-00123", SUMMARY).await;
    assert!(dashboard.over(&run).await.contains("Finished in"));
    tokio::task::spawn_blocking(|| dashboard.stop())
        .await
        .unwrap(); // sends what is left
    let mut spans = Vec::new();
    for body in bodies.lock().unwrap().iter() {
        let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
        let scopes = request
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans);
        spans.extend(scopes.flat_map(|scope| scope.spans));
    }
    let named = |name: &str| {
        spans
            .iter()
            .filter(|span| span.name == name)
            .collect::<Vec<_>>()
    };
    let above = |id: &[u8]| {
        spans
            .iter()
            .find(|span| span.span_id == id)
            .map(|span| span.name.as_str())
    };
    assert_eq!(named("invoke_agent clinician's assistant").len(), 1);
    assert_eq!(named("chat gpt-4o").len(), 2);
    let call = named("execute_tool get_recent_lab_results");
    assert_eq!(above(&call[0].parent_span_id), Some("execute_tools"));
}
