//! One connection, from its start to its end.

use std::io;
use std::pin::pin;
use std::process::Stdio;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rmcp::ClientHandler;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ProgressNotificationParam, ProtocolVersion, Tool,
};
use rmcp::service::{
    ClientCacheConfig, ClientLifecycleMode, ClientServiceExt, NotificationContext, Peer,
    RoleClient, ServiceError,
};
use rmcp::transport::common::client_side_sse::FixedInterval;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{IntoTransport, StreamableHttpClientTransport};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Settings;
use super::http_client::HttpClient;
use super::supervisor::Signals;
use super::transport::{HttpTransport, Kind, Transport};
use crate::wire::STATELESS;

/// How long a server's process may take to end after its stdin was closed.
const GRACE: Duration = Duration::from_secs(3);

/// How long a process that has closed its stdout may take to end, for its status to be known.
const EXIT_WAIT: Duration = Duration::from_millis(200);

/// Calls that are sent at once over HTTP; the dispatcher has limits of its own.
const REQUESTS: usize = 1024;

/// How many retries a broken stream gets.
const RETRIES: usize = 3;

/// A connection that is open.
pub(super) struct Connection {
    pub(super) peer: Peer<RoleClient>,
    stop: DropGuard,
    /// Ends when the connection does.
    ended: JoinHandle<()>,
    /// The server's process. Killed when this is dropped.
    child: Option<Child>,
}

/// A server could not be connected to.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to the MCP server: {why}")]
pub struct ConnectError {
    why: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ConnectError {
    fn because(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            source: None,
        }
    }

    fn from_error(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self {
            why: error.to_string(),
            source: Some(Box::new(error)),
        }
    }
}

impl Connection {
    /// Connects, and lists the tools.
    pub(super) async fn open(
        transport: &mut Transport,
        settings: &Settings,
        signals: &Signals,
    ) -> Result<(Self, Vec<Tool>), ConnectError> {
        let opening = async {
            let connection = Self::open_as(transport, settings, signals).await?;
            // The tools are listed again when the server says so: no other cache is needed.
            let cache = ClientCacheConfig::disabled();
            connection.peer.set_response_cache_config(cache).await;
            let tools = list_tools(&connection.peer).await;
            Ok((connection, tools.map_err(ConnectError::from_error)?))
        };
        let late = |_| {
            let limit = settings.timeout;
            ConnectError::because(format!("it does not answer within {limit:?}"))
        };
        tokio::time::timeout(settings.timeout, opening)
            .await
            .map_err(late)?
    }

    async fn open_as(
        transport: &mut Transport,
        settings: &Settings,
        signals: &Signals,
    ) -> Result<Self, ConnectError> {
        match &mut transport.0 {
            Kind::Command(command) => {
                let mut child = spawn(command)?;
                let (Some(output), Some(input)) = (child.stdout.take(), child.stdin.take()) else {
                    return Err(ConnectError::because("its process has no stdin or stdout"));
                };
                match Self::shake_hands((output, input), settings, signals).await {
                    Ok(connection) => Ok(Self {
                        child: Some(child),
                        ..connection
                    }),
                    // The exit status of an ended process is more useful.
                    Err(error) => Err(match tokio::time::timeout(EXIT_WAIT, child.wait()).await {
                        Ok(Ok(status)) => {
                            ConnectError::because(format!("its process has ended: {status}"))
                        }
                        _ => error,
                    }),
                }
            }
            Kind::Http(http) => {
                let transport = streamable_http(http)?;
                Self::shake_hands(transport, settings, signals).await
            }
            Kind::Io(pair) => {
                let gone = || ConnectError::because("the connection was closed");
                let pair = pair.get_mut().unwrap_or_else(PoisonError::into_inner);
                let pair = pair.take().ok_or_else(gone)?;
                Self::shake_hands(pair, settings, signals).await
            }
        }
    }

    async fn shake_hands<T, E, A>(
        transport: T,
        settings: &Settings,
        signals: &Signals,
    ) -> Result<Self, ConnectError>
    where
        T: IntoTransport<RoleClient, E, A>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let events = Events {
            config: ClientConfig::new(ClientCapabilities::default(), settings.info.clone()),
            signals: signals.clone(),
        };
        let lifecycle = ClientLifecycleMode::Auto {
            preferred_versions: vec![STATELESS],
            legacy_version: Some(ProtocolVersion::V_2025_11_25),
        };
        let running = events
            .serve_with_lifecycle(transport, lifecycle)
            .await
            .map_err(ConnectError::from_error)?;
        let peer = running.peer().clone();
        let (stop, stopping) = (CancellationToken::new(), running.cancellation_token());
        let stopped = stop.clone();
        let ended = tokio::spawn(async move {
            let mut ended = pin!(running.waiting());
            tokio::select! {
                _ = &mut ended => {}
                () = stopped.cancelled() => {
                    stopping.cancel();
                    _ = ended.await;
                }
            }
        });
        Ok(Self {
            peer,
            stop: stop.drop_guard(),
            ended,
            child: None,
        })
    }

    /// Whether the server notifies of other tools only after a subscription.
    pub(super) fn needs_subscription(peer: &Peer<RoleClient>) -> bool {
        peer.peer_info().is_some_and(|server| {
            let tools = server.capabilities.tools.as_ref();
            server.protocol_version.as_str() >= STATELESS.as_str()
                && tools.is_some_and(|tools| tools.list_changed == Some(true))
        })
    }

    /// Waits until it has ended: the other end was closed, or the process has ended.
    pub(super) async fn ended(&mut self) {
        let exited = async {
            match &mut self.child {
                Some(child) => _ = child.wait().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = &mut self.ended => {}
            // What it wrote last may still be read; a process of its own may keep the pipe open.
            () = exited => {
                _ = tokio::time::timeout(EXIT_WAIT, &mut self.ended).await;
            }
        }
    }

    /// Closes it, and waits for the process.
    pub(super) async fn close(mut self) {
        drop(self.stop);
        if !self.ended.is_finished() {
            _ = self.ended.await;
        }
        if let Some(child) = &mut self.child
            && tokio::time::timeout(GRACE, child.wait()).await.is_err()
        {
            _ = child.kill().await;
        }
    }
}

/// All pages of the server's tools. Boxed, since the compiler does not see that the future of
/// `list_all_tools` is `Send` inside of others.
pub(super) fn list_tools(
    peer: &Peer<RoleClient>,
) -> BoxFuture<'_, Result<Vec<Tool>, ServiceError>> {
    Box::pin(peer.list_all_tools())
}

fn spawn(command: &mut Command) -> Result<Child, ConnectError> {
    let spawned = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    spawned.map_err(|error: io::Error| ConnectError {
        why: format!("cannot start {:?}: {error}", command.as_std().get_program()),
        source: Some(Box::new(error)),
    })
}

fn streamable_http(
    http: &HttpTransport,
) -> Result<StreamableHttpClientTransport<HttpClient>, ConnectError> {
    if let Some(mistake) = &http.mistake {
        return Err(ConnectError::because(mistake));
    }
    let client = match &http.client {
        Some(client) => client.clone(),
        None => reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .build()
            .map_err(ConnectError::from_error)?,
    };
    let mut config = StreamableHttpClientTransportConfig::with_uri(http.url.as_str())
        .custom_headers(http.headers.clone())
        .max_concurrent_requests(REQUESTS)
        // A session that has expired is a connection that was lost: its tools are listed again.
        .reinit_on_expired_session(false);
    config.auth_header.clone_from(&http.token);
    // A broken stream gets a few retries, not endless ones: a call waits for it.
    let mut retry = FixedInterval::default();
    (retry.max_times, retry.duration) = (Some(RETRIES), Duration::from_millis(500));
    config.retry_config = Arc::new(retry);
    let client = HttpClient(client);
    Ok(StreamableHttpClientTransport::with_client(client, config))
}

/// Notifications of the server.
struct Events {
    config: ClientConfig,
    signals: Signals,
}

impl ClientHandler for Events {
    fn get_info(&self) -> ClientConfig {
        self.config.clone()
    }

    async fn on_progress(
        &self,
        progress: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.signals.progress.report(progress);
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.signals.renew.notify_one();
    }
}
