//! Traces across the connection: W3C trace context in `_meta` (SEP-414).

#[cfg(feature = "opentelemetry")]
pub(crate) use with::*;
#[cfg(not(feature = "opentelemetry"))]
pub(crate) use without::*;

#[cfg(feature = "opentelemetry")]
mod with {
    use opentelemetry::propagation::{Extractor, Injector};
    use rmcp::model::{JsonObject, RequestMetaObject};
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    /// Makes the span a child of the one that the client names in `_meta`, or else in the headers
    /// of the request.
    #[cfg(feature = "server")]
    pub(crate) fn continue_trace(
        span: &tracing::Span,
        meta: &RequestMetaObject,
        headers: Option<&http::HeaderMap>,
    ) {
        let fields = Fields(&meta.0.0, headers);
        let parent = opentelemetry::global::get_text_map_propagator(|text| text.extract(&fields));
        _ = span.set_parent(parent); // refused where no layer exports spans
    }

    #[cfg(feature = "server")]
    struct Fields<'a>(&'a JsonObject, Option<&'a http::HeaderMap>);

    #[cfg(feature = "server")]
    impl Extractor for Fields<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            let of_meta = self.0.get(key).and_then(|value| value.as_str());
            of_meta.or_else(|| self.1?.get(key)?.to_str().ok())
        }

        fn keys(&self) -> Vec<&str> {
            self.0.keys().map(String::as_str).collect()
        }
    }

    /// Names the current span to the server.
    #[cfg(feature = "client")]
    pub(crate) fn pass_on(meta: &mut RequestMetaObject) {
        let context = tracing::Span::current().context();
        opentelemetry::global::get_text_map_propagator(|text| {
            text.inject_context(&context, &mut Meta(&mut meta.0.0));
        });
    }

    #[cfg(feature = "client")]
    struct Meta<'a>(&'a mut JsonObject);

    #[cfg(feature = "client")]
    impl Injector for Meta<'_> {
        fn set(&mut self, key: &str, value: String) {
            self.0.insert(key.to_owned(), value.into());
        }
    }
}

#[cfg(not(feature = "opentelemetry"))]
mod without {
    use rmcp::model::RequestMetaObject;

    #[cfg(feature = "server")]
    pub(crate) fn continue_trace(
        _: &tracing::Span,
        _: &RequestMetaObject,
        _: Option<&http::HeaderMap>,
    ) {
    }

    #[cfg(feature = "client")]
    pub(crate) fn pass_on(_: &mut RequestMetaObject) {}
}
