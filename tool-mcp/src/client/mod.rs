//! The tools of MCP servers.

mod catalogue;
mod connection;
mod failure;
mod http_client;
mod supervisor;
mod tool;
mod transport;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rmcp::model::Implementation;
use tokio::sync::watch;
use tool_core::{LeftOutTool, ToolSet};

use catalogue::Catalogue;
pub use connection::ConnectError;
use supervisor::Inner;
pub use transport::{HttpTransport, Transport};

/// Connects to an MCP server: a [`Command`](std::process::Command) with the protocol on its stdin
/// and stdout, an [`HttpTransport`], or a [`Transport::io`].
///
/// ```no_run
/// # async fn run() -> Result<(), tool_mcp::ConnectError> {
/// use std::process::Command;
/// use tool_core::Dispatcher;
/// use tool_mcp::connect;
///
/// let mut command = Command::new("npx");
/// command.args(["-y", "@modelcontextprotocol/server-everything"]);
/// let client = connect(command).await?;
///
/// // Like any other tools: to be filtered, merged, limited, approved and called at once.
/// let tools = client.tools().with_prefix("everything_");
/// let dispatcher = Dispatcher::new(tools).with_max_concurrency(8);
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
/// Dropping the future closes the connection, and kills a server that it has started.
pub fn connect(transport: impl Into<Transport>) -> Connect {
    Connect {
        transport: transport.into(),
        settings: Settings {
            info: Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            timeout: Duration::from_secs(30),
            trusted: false,
        },
    }
}

/// A connection that is about to be made; made by [`connect`]. `.await` makes it.
#[derive(Debug)]
#[must_use = "nothing is connected before it is awaited"]
pub struct Connect {
    transport: Transport,
    settings: Settings,
}

#[derive(Clone, Debug)]
struct Settings {
    info: Implementation,
    timeout: Duration,
    trusted: bool,
}

impl Connect {
    /// Sets the name and version that the server reads of this program.
    pub fn with_name(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.settings.info = Implementation::new(name, version);
        self
    }

    /// Sets how long it may take to connect, each time: 30 s, unless set.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Trusts the server's annotations on [behavior](tool_core::Behavior): that a tool is
    /// read-only, say, and may be called again. Otherwise only hints that make a tool look worse
    /// count, such as destructive.
    pub fn with_trusted_annotations(mut self) -> Self {
        self.settings.trusted = true;
        self
    }
}

impl IntoFuture for Connect {
    type Output = Result<Client, ConnectError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            transport,
            settings,
        } = self;
        Box::pin(async move {
            let inner = supervisor::start(transport, settings).await?;
            let seen = inner.catalogue.subscribe();
            Ok(Client { inner, seen })
        })
    }
}

/// MCP client: a connection to an MCP server, whose tools are [`Tool`](tool_core::Tool)s here.
/// Cheap to clone.
///
/// It stays while it or one of its tools is there. When it is lost it is made again, and the tools
/// are listed again; a process is started again. Calls wait up to five seconds for that.
///
/// - Arguments are checked against the tool's schema before they are sent.
/// - Every tool is [`remote`](tool_core::Behavior::remote): a call that is stopped after it was sent
///   is answered `…_indeterminate`. The server is asked to cancel it.
/// - A connection that is lost while a call runs answers it
///   [`LostIndeterminate`](tool_core::ErrorCode::LostIndeterminate). A call that cannot have reached
///   the server is [`NotStarted`](tool_core::ErrorCode::NotStarted).
/// - The call's idempotency key is sent in `_meta`, under `tool-core/idempotencyKey`.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    seen: watch::Receiver<Arc<Catalogue>>,
}

impl Client {
    /// The tools that the server listed last. A set that is taken from here stays as it is, and its
    /// calls use the current connection.
    pub fn tools(&self) -> ToolSet {
        self.catalogue().tools.clone()
    }

    /// The tools that the server lists and [`tools`](Self::tools) lacks, each with what is wrong with
    /// its definition.
    pub fn left_out(&self) -> Vec<LeftOutTool> {
        self.catalogue().left_out.clone()
    }

    /// Waits until the server has listed other tools than when this clone was made, or this was
    /// awaited last. Never returns after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Cancel-safe: nothing is missed if the future is dropped.
    pub async fn changed(&mut self) {
        if self.seen.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The server's name and version.
    pub fn server(&self) -> Option<(String, String)> {
        let server = self.inner.link.peer_now()?.peer_info()?;
        let Implementation { name, version, .. } = server.server_info.clone()?;
        Some((name, version))
    }

    /// The server's instructions for the model on itself and its tools, for the instructions of an
    /// agent. It is the server's text: give it to a model only if the server is trusted.
    pub fn instructions(&self) -> Option<String> {
        self.inner
            .link
            .peer_now()?
            .peer_info()?
            .instructions
            .clone()
    }

    /// Closes the connection, for all clones and tools, and waits until the server's process has
    /// ended, if it was started from here.
    ///
    /// # Cancel safety
    /// Cancel-safe: the connection is closed in any case.
    pub async fn close(&self) {
        self.inner.link.close().await;
    }

    fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.inner.catalogue.borrow())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.server())
            .field("tools", &self.catalogue().tools)
            .finish_non_exhaustive()
    }
}
