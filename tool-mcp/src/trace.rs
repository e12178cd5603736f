//! Traces across the connection: W3C trace context in `_meta` (SEP-414). Without the feature
//! `opentelemetry`, nothing.

use rmcp::model::RequestMetaObject;

/// Makes the span a child of the one that the client names in `_meta`, or else in the headers of
/// the request.
#[cfg(feature = "server")]
pub(crate) fn continue_trace(
    span: &tracing::Span,
    meta: &RequestMetaObject,
    headers: Option<&http::HeaderMap>,
) {
    #[cfg(feature = "opentelemetry")]
    {
        let fields = propagation::Received(&meta.0.0, headers);
        let parent = opentelemetry::global::get_text_map_propagator(|text| text.extract(&fields));
        let continued = tracing_opentelemetry::OpenTelemetrySpanExt::set_parent(span, parent);
        _ = continued; // refused where no layer exports spans
    }
    #[cfg(not(feature = "opentelemetry"))]
    let _ = (span, meta, headers);
}

/// Sends the current span to the server.
#[cfg(feature = "client")]
pub(crate) fn pass_on(meta: &mut RequestMetaObject) {
    #[cfg(feature = "opentelemetry")]
    {
        let span = tracing::Span::current();
        let context = tracing_opentelemetry::OpenTelemetrySpanExt::context(&span);
        opentelemetry::global::get_text_map_propagator(|text| {
            text.inject_context(&context, &mut propagation::Sent(&mut meta.0.0));
        });
    }
    #[cfg(not(feature = "opentelemetry"))]
    let _ = meta;
}

#[cfg(feature = "opentelemetry")]
mod propagation {
    use rmcp::model::JsonObject;

    #[cfg(feature = "server")]
    pub(super) struct Received<'a>(
        pub(super) &'a JsonObject,
        pub(super) Option<&'a http::HeaderMap>,
    );

    #[cfg(feature = "server")]
    impl opentelemetry::propagation::Extractor for Received<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            let of_meta = self.0.get(key).and_then(|value| value.as_str());
            of_meta.or_else(|| self.1?.get(key)?.to_str().ok())
        }

        fn keys(&self) -> Vec<&str> {
            self.0.keys().map(String::as_str).collect()
        }
    }

    #[cfg(feature = "client")]
    pub(super) struct Sent<'a>(pub(super) &'a mut JsonObject);

    #[cfg(feature = "client")]
    impl opentelemetry::propagation::Injector for Sent<'_> {
        fn set(&mut self, key: &str, value: String) {
            self.0.insert(key.to_owned(), value.into());
        }
    }
}
