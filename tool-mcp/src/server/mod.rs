//! The MCP server: tools for MCP clients.

mod approval;
mod call;
mod definitions;
mod handler;
mod http_service;
mod request;
mod stdio;

use std::fmt::{self, Display};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rmcp::ServiceExt;
use rmcp::model::Implementation;
use rmcp::service::ServerInitializeError;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tool_core::{Dispatcher, ToolSet};

use approval::Seal;
pub use approval::WeakKeyError;
use definitions::Listed;
use handler::Handler;
pub use http_service::HttpService;
pub use request::RequestParts;

/// MCP server: serves the tools of a [`Dispatcher`] to MCP clients, over [stdio](Self::stdio) to
/// one, over [streamable HTTP](Self::service) to many. Cheap to clone; clones and all their clients
/// share the dispatcher, with its limits, keys and [`idle`](Dispatcher::idle).
///
/// It supports every revision of the protocol from 2024-11-05 to 2026-07-28.
///
/// - A tool's title, its output schema (`structured`) and the hints of its behavior are listed as
///   far as they were declared.
/// - Whatever happens to a call, it is answered: a result with `isError`, the message that a model
///   reads, and the [code](tool_core::ErrorCode) in `_meta` under `tool-core/code`. Only an unknown
///   tool is an error of the protocol, −32602.
/// - [Progress](tool_core::CallContext::progress) goes to clients that ask for it; a call that the
///   client cancels is dropped at its next await.
/// - A call that the policy [holds](tool_core::Decision::Hold) needs the approval of the client's user
///   (elicitation), who has half an hour. Where the client cannot ask, it is denied, with that reason.
///   The client is trusted to ask: forbidden calls have to be denied by the policy.
/// - An idempotency key in `_meta` of the call, under `tool-core/idempotencyKey`, gives it the same
///   [key](tool_core::CallContext::idempotency_key) each time it is sent.
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
/// # async fn main() -> Result<(), tool_mcp::ServeError> {
/// // Waits for a client on stdin.
/// Server::new(Dispatcher::new(tools![add])).with_name("calculator", "1.0.0").stdio().await
/// # }
/// ```
pub struct Server<S = ()> {
    shared: Arc<Shared<S>>,
    settings: Settings,
}

/// What all connections share.
struct Shared<S> {
    listed: RwLock<Arc<Listed<S>>>,
    bind: Box<Bind<S>>,
    /// Changes whenever the tools are replaced.
    replaced: watch::Sender<()>,
    /// Connections that are to be notified of that.
    peers: handler::Peers,
}

/// The dispatcher for one request, or why there is none.
type Bind<S> =
    dyn Fn(&Dispatcher<S>, &RequestParts<'_>) -> Result<Dispatcher, String> + Send + Sync;

#[derive(Clone)]
struct Settings {
    info: Implementation,
    instructions: Option<String>,
    hosts: Option<Vec<String>>,
    origins: Vec<String>,
    cancellation: CancellationToken,
    seal: Seal,
}

/// How long calls that run may take at shutdown.
const GRACE: Duration = Duration::from_secs(2);

/// Pages of this machine: an inspector, for example.
const LOOPBACK: [&str; 3] = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];

impl Server {
    /// Serves tools that have all the state they ask for.
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self::of(dispatcher, |dispatcher, _| Ok(dispatcher.clone()))
    }
}

impl<S: Send + Sync + 'static> Server<S> {
    /// Serves tools whose state differs from request to request: `state` makes it of the request's
    /// headers, or of what a layer in front has added. An error denies the call, and
    /// is read by the model.
    ///
    /// ```
    /// use tool_core::{Dispatcher, tool, tools};
    /// use tool_mcp::Server;
    ///
    /// struct Session { user: String }
    ///
    /// /// Say who is logged in.
    /// #[tool]
    /// fn whoami(#[state] session: &Session) -> String {
    ///     session.user.clone()
    /// }
    ///
    /// let server = Server::with_state(Dispatcher::new(tools![whoami]), |request| {
    ///     match request.header("x-user") {
    ///         Some(user) => Ok(Session { user: user.to_owned() }),
    ///         None => Err("log in first"),
    ///     }
    /// });
    /// ```
    pub fn with_state<E: Display>(
        dispatcher: Dispatcher<S>,
        state: impl Fn(&RequestParts<'_>) -> Result<S, E> + Send + Sync + 'static,
    ) -> Self {
        Self::of(dispatcher, move |dispatcher, request| {
            let state = state(request).map_err(|error| error.to_string())?;
            Ok(dispatcher.with_state(state))
        })
    }

    fn of(
        dispatcher: Dispatcher<S>,
        bind: impl Fn(&Dispatcher<S>, &RequestParts<'_>) -> Result<Dispatcher, String>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let shared = Shared {
            listed: RwLock::new(Arc::new(Listed::new(dispatcher))),
            bind: Box::new(bind),
            replaced: watch::Sender::new(()),
            peers: handler::Peers::default(),
        };
        let settings = Settings {
            info: Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            instructions: None,
            hosts: None,
            origins: LOOPBACK.map(str::to_owned).to_vec(),
            cancellation: CancellationToken::new(),
            seal: Seal::random(),
        };
        Self {
            shared: Arc::new(shared),
            settings,
        }
    }

    /// Sets the server's name and version, as clients show them.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.with(|settings| settings.info = Implementation::new(name, version))
    }

    /// Sets the instructions that clients may give the model: what the server is for, and how its
    /// tools are used together.
    #[must_use]
    pub fn with_instructions(self, instructions: impl Into<String>) -> Self {
        self.with(|settings| settings.instructions = Some(instructions.into()))
    }

    /// Sets the hosts by which HTTP requests may name the server, with or without a port:
    /// `localhost`, `127.0.0.1` and `::1`, unless set. A page that a browser shows could otherwise
    /// reach a server on the same machine by a name of its own (DNS rebinding).
    #[must_use]
    pub fn with_allowed_hosts(self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let hosts = hosts.into_iter().map(Into::into).collect();
        self.with(|settings| settings.hosts = Some(hosts))
    }

    /// Sets the pages whose scripts may send HTTP requests, each by scheme, host and port:
    /// `https://app.example.com:443`, or `:*` for any port. Those of this machine, unless set.
    /// Programs other than browsers send no origin, and are not affected.
    #[must_use]
    pub fn with_allowed_origins(
        self,
        origins: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let origins = origins.into_iter().map(Into::into).collect();
        self.with(|settings| settings.origins = origins)
    }

    /// Ends all connections when `token` is cancelled, for graceful shutdown: subscriptions at once,
    /// and calls that run have two seconds to be answered.
    #[must_use]
    pub fn with_cancellation(self, token: CancellationToken) -> Self {
        self.with(|settings| settings.cancellation = token)
    }

    /// Sets the key of the seal by which a client of revision 2026-07-28 proves that its user was
    /// asked about the call it repeats: at least 32 bytes, the same for all servers behind one
    /// address. A random one, unless set.
    ///
    /// # Errors
    /// The key is shorter.
    pub fn with_approval_key(self, key: impl Into<Vec<u8>>) -> Result<Self, WeakKeyError> {
        let seal = Seal::new(key.into())?;
        Ok(self.with(|settings| settings.seal = seal))
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self
    }

    /// Replaces the tools, for all clones and their clients, who are notified. Calls that run are
    /// not touched, and limits stay: see [`Dispatcher::with_tools`].
    pub fn replace_tools(&self, tools: ToolSet<S>) {
        {
            let mut listed = self
                .shared
                .listed
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            *listed = Arc::new(Listed::new(listed.dispatcher.clone().with_tools(tools)));
        }
        self.shared.replaced.send_replace(());
        self.shared.peers.notify();
    }

    /// Serves the client that started this process, over stdin and stdout, until it closes stdin.
    ///
    /// From then on these two belong to the protocol alone: on Unix, what tools and libraries write
    /// to stdout goes to stderr, and stdin reads as empty.
    ///
    /// # Errors
    /// The client does not begin as the protocol says, or the process has no stdin or stdout.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; calls that run are stopped.
    pub async fn stdio(&self) -> Result<(), ServeError> {
        let (reader, writer) = stdio::take().map_err(ServeError::new)?;
        self.serve(reader, writer).await
    }

    /// Serves one client over a connection: a socket, or a pipe. Ends when the client closes it.
    ///
    /// # Errors
    /// The client does not begin as the protocol says.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; calls that run are stopped.
    pub async fn serve(
        &self,
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<(), ServeError> {
        let stop = self.settings.cancellation.child_token();
        let handler = self.handler();
        let reader = UntilEnd {
            reader,
            ended: handler.ended.clone(),
        };
        match handler.serve_with_ct((reader, writer), stop).await {
            Ok(running) => running.waiting().await.map(drop).map_err(ServeError::new),
            // It has sent no request.
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
                Ok(())
            }
            Err(error) => Err(ServeError::new(error)),
        }
    }

    /// A `tower` service for the endpoint of the server, streamable HTTP: for
    /// `axum::Router::route_service("/mcp", …)`, with layers for authentication in front.
    ///
    /// A request whose `Host` is not [allowed](Self::with_allowed_hosts), or whose `Origin` is
    /// there and not [allowed](Self::with_allowed_origins), is answered 403, a body of more than
    /// 4 MiB 413.
    pub fn service(&self) -> HttpService<S> {
        HttpService::new(self.handler(), &self.settings)
    }

    fn handler(&self) -> Handler<S> {
        Handler::new(Arc::clone(&self.shared), self.settings.clone())
    }
}

/// Detects that the client has closed its end: subscriptions, which have no other end, end then.
struct UntilEnd<R> {
    reader: R,
    ended: CancellationToken,
}

impl<R: AsyncRead + Unpin> AsyncRead for UntilEnd<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.reader).poll_read(cx, buffer));
        if read.is_err() || buffer.filled().len() == before {
            self.ended.cancel();
        }
        Poll::Ready(read)
    }
}

impl<S> Shared<S> {
    fn listed(&self) -> Arc<Listed<S>> {
        let listed = self.listed.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&listed)
    }
}

// By hand: `S` itself need not be `Clone`.
impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            settings: self.settings.clone(),
        }
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.settings.info.name)
            .field("version", &self.settings.info.version)
            .field("dispatcher", &self.shared.listed().dispatcher)
            .finish_non_exhaustive()
    }
}

/// A client could not be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve the MCP client: {0}")]
pub struct ServeError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl ServeError {
    fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}
