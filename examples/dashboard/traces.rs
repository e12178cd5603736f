//! Spans of runs, requests and calls, sent to an OpenTelemetry collector.

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sends all spans from now on to the collector at this address (OTLP over HTTP, protobuf);
/// `http://127.0.0.1:4318` is the usual one. Shut it down when the program ends: it sends the last.
pub(crate) fn export(address: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", address.trim_end_matches('/')))
        .build()?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name("dashboard").build())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("dashboard"));
    tracing_subscriber::registry().with(layer).init();
    Ok(provider)
}
