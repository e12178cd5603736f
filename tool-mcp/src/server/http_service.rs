//! Streamable HTTP as a `tower` service.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::Body;
use http_body_util::combinators::BoxBody;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::approval::APPROVAL_TIME;
use super::handler::Handler;
use super::{GRACE, Settings};

type Inner<S> = StreamableHttpService<Handler<S>, LocalSessionManager>;

/// The endpoint of a server for streamable HTTP; made by [`Server::service`](crate::Server::service).
///
/// ```no_run
/// use tool_core::{Dispatcher, tool, tools};
/// use tool_mcp::Server;
///
/// /// Add two numbers.
/// #[tool(read_only)]
/// fn add(a: i64, b: i64) -> i64 {
///     a.wrapping_add(b)
/// }
///
/// # #[tokio::main]
/// # async fn main() -> std::io::Result<()> {
/// let server = Server::new(Dispatcher::new(tools![add]));
/// let app = axum::Router::new().route_service("/mcp", server.service());
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// axum::serve(listener, app).await
/// # }
/// ```
pub struct HttpService<S = ()>(Inner<S>);

impl<S: Send + Sync + 'static> HttpService<S> {
    pub(super) fn new(handler: Handler<S>, settings: &Settings) -> Self {
        let mut config = StreamableHttpServerConfig::default()
            .with_cancellation_token(after_grace(&settings.cancellation))
            .with_allowed_origins(&settings.origins)
            .enforce_origin_validation();
        if let Some(hosts) = &settings.hosts {
            config = config.with_allowed_hosts(hosts);
        }
        let mut sessions = LocalSessionManager::default();
        // The idle timeout of a session, which also ends while its user is asked.
        sessions.session_config.keep_alive = Some(2 * APPROVAL_TIME);
        let sessions = Arc::new(sessions);
        let handler = move || Ok(handler.clone());
        Self(StreamableHttpService::new(handler, sessions, config))
    }
}

/// Cancelled when the grace period of running calls after the other token is over.
fn after_grace(cancellation: &CancellationToken) -> CancellationToken {
    let (first, second) = (cancellation.clone(), CancellationToken::new());
    let Ok(runtime) = Handle::try_current() else {
        return first;
    };
    let then = second.clone();
    runtime.spawn(async move {
        first.cancelled().await;
        tokio::time::sleep(GRACE).await;
        then.cancel();
    });
    second
}

impl<S, B> Service<Request<B>> for HttpService<S>
where
    S: Send + Sync + 'static,
    B: Body<Data: Send, Error: fmt::Display> + Send + 'static,
{
    type Response = Response<BoxBody<Bytes, Infallible>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        <Inner<S> as Service<Request<B>>>::poll_ready(&mut self.0, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.call(request)
    }
}

impl<S> Clone for HttpService<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for HttpService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpService").finish_non_exhaustive()
    }
}
