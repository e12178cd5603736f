//! Keeps the connection: makes it again when it is lost, and lists the tools again when they may
//! have changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use rmcp::model::{ProgressNotificationParam, ProgressToken, SubscriptionFilter, Tool};
use rmcp::service::{Peer, RoleClient, ServiceError, Subscription};
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tool_core::{CallContext, ErrorCode, ToolError};

use super::Settings;
use super::catalogue::Catalogue;
use super::connection::{ConnectError, Connection, list_tools};
use super::transport::Transport;

/// How long a call waits for a connection that is being made again.
const RECONNECT_WAIT: Duration = Duration::from_secs(5);

/// How long a subscription that has ended is not asked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest time between two attempts to reach a server.
const LONGEST: Duration = Duration::from_secs(10);

/// What the clones of a client share. Its catalogue holds the tools, which hold the link.
pub(super) struct Inner {
    pub(super) link: Arc<Link>,
    pub(super) catalogue: watch::Sender<Arc<Catalogue>>,
}

/// What calls need of the connection. The connection is closed when the last handle is dropped.
pub(super) struct Link {
    state: watch::Receiver<State>,
    signals: Signals,
    stop: CancellationToken,
    _stop: DropGuard,
    /// Cancelled when the connection has been closed.
    closed: CancellationToken,
}

/// Whether there is a connection.
enum State {
    Up(Peer<RoleClient>),
    /// Why not.
    Down(String),
}

/// Notifications of the server, for the calls that they concern.
#[derive(Clone, Default)]
pub(super) struct Signals {
    pub(super) progress: Arc<ProgressReports>,
    /// The tools are to be listed again.
    pub(super) renew: Arc<Notify>,
}

impl Link {
    /// The connection, as soon as there is one.
    ///
    /// # Errors
    /// No connection in time: no tool code ran.
    pub(super) async fn peer(&self) -> Result<Peer<RoleClient>, ToolError> {
        let mut state = self.state.clone();
        let is_up = |state: &State| matches!(state, State::Up(_));
        _ = tokio::time::timeout(RECONNECT_WAIT, state.wait_for(is_up)).await;
        match &*state.borrow() {
            State::Up(peer) => Ok(peer.clone()),
            State::Down(why) => Err(ToolError::new(
                ErrorCode::NotStarted,
                format!("there is no connection to the tool's server: {why}"),
            )),
        }
    }

    /// The connection, if there is one.
    pub(super) fn peer_now(&self) -> Option<Peer<RoleClient>> {
        match &*self.state.borrow() {
            State::Up(peer) => Some(peer.clone()),
            State::Down(_) => None,
        }
    }

    pub(super) fn progress(&self) -> &ProgressReports {
        &self.signals.progress
    }

    /// The server may be another one by now: its tools are listed again.
    pub(super) fn suspect(&self) {
        self.signals.renew.notify_one();
    }

    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.closed.cancelled().await;
    }
}

/// Connects, and keeps the connection from then on.
pub(super) async fn start(
    mut transport: Transport,
    settings: Settings,
) -> Result<Arc<Inner>, ConnectError> {
    let signals = Signals::default();
    let (connection, tools) = Connection::open(&mut transport, &settings, &signals).await?;
    let (sender, state) = watch::channel(State::Up(connection.peer.clone()));
    let (stop, closed) = (CancellationToken::new(), CancellationToken::new());
    let link = Arc::new(Link {
        state,
        signals: signals.clone(),
        stop: stop.clone(),
        _stop: stop.clone().drop_guard(),
        closed: closed.clone(),
    });
    let catalogue = Arc::new(Catalogue::new(tools, settings.trusted, &link));
    let inner = Arc::new(Inner {
        link,
        catalogue: watch::Sender::new(catalogue),
    });
    let supervisor = Supervisor {
        transport,
        settings,
        signals,
        state: sender,
        inner: Arc::downgrade(&inner),
    };
    tokio::spawn(async move {
        let _closed = closed.drop_guard();
        supervisor.keep(connection, stop).await;
    });
    Ok(inner)
}

struct Supervisor {
    transport: Transport,
    settings: Settings,
    signals: Signals,
    state: watch::Sender<State>,
    inner: Weak<Inner>,
}

impl Supervisor {
    async fn keep(mut self, mut connection: Connection, stop: CancellationToken) {
        loop {
            let peer = connection.peer.clone();
            tokio::select! {
                () = stop.cancelled() => {
                    self.state.send_replace(State::Down("it was closed".to_owned()));
                    return connection.close().await;
                }
                () = connection.ended() => {}
                () = self.keep_listed(&peer) => {}
            }
            self.state
                .send_replace(State::Down("it was lost".to_owned()));
            drop(connection); // and with it the process, if it still runs
            let made = tokio::select! {
                () = stop.cancelled() => return,
                made = self.reconnect() => made,
            };
            let Some((again, tools)) = made else { return };
            connection = again;
            self.publish(tools);
            self.state.send_replace(State::Up(connection.peer.clone()));
        }
    }

    /// Connects until it succeeds; `None` if no other connection is possible.
    async fn reconnect(&mut self) -> Option<(Connection, Vec<Tool>)> {
        let mut waits = forever().build();
        loop {
            let opened = Connection::open(&mut self.transport, &self.settings, &self.signals).await;
            match opened {
                Ok(made) => return Some(made),
                Err(error) => {
                    tracing::warn!(%error, "an MCP server cannot be reached");
                    let why = "it was lost, and the server cannot be reached again";
                    self.state.send_replace(State::Down(why.to_owned()));
                }
            }
            if !self.transport.is_reusable() {
                return None;
            }
            wait(&mut waits).await;
        }
    }

    /// Lists the tools each time they may have changed, until the server cannot be reached.
    async fn keep_listed(&self, peer: &Peer<RoleClient>) {
        let mut subscription = Subscribed::No;
        loop {
            if matches!(subscription, Subscribed::No) && Connection::needs_subscription(peer) {
                subscription = match self.in_time(subscribe(peer)).await {
                    Some(Ok(subscription)) => Subscribed::To(Box::new(subscription)),
                    Some(Err(ServiceError::McpError(_))) => Subscribed::Refused,
                    _ => return,
                };
                // They may have changed before it.
                self.signals.renew.notify_one();
            }
            tokio::select! {
                () = self.signals.renew.notified() => {}
                is_open = subscription.changed() => if !is_open {
                    // Some close a stream that is silent for long: not at once again.
                    tokio::time::sleep(PAUSE).await;
                    subscription = Subscribed::No;
                    continue;
                }
            }
            match self.in_time(list_tools(peer)).await {
                Some(Ok(tools)) => self.publish(tools),
                // The server answers, and keeps the tools that it had.
                Some(Err(ServiceError::McpError(error))) => {
                    tracing::warn!(%error, "an MCP server does not list its tools");
                }
                _ => return,
            }
        }
    }

    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(self.settings.timeout, answer)
            .await
            .ok()
    }

    fn publish(&self, tools: Vec<Tool>) {
        if let Some(inner) = self.inner.upgrade()
            && inner.catalogue.borrow().listed != tools
        {
            let catalogue = Catalogue::new(tools, self.settings.trusted, &inner.link);
            inner.catalogue.send_replace(Arc::new(catalogue));
        }
    }
}

async fn subscribe(peer: &Peer<RoleClient>) -> Result<Subscription, ServiceError> {
    let filter = SubscriptionFilter::builder().tools_list_changed().build();
    peer.listen(filter).await
}

/// How the server notifies of other tools.
enum Subscribed {
    No,
    To(Box<Subscription>),
    /// It does not take subscriptions.
    Refused,
}

impl Subscribed {
    /// Waits for other tools; whether it can notify again. Without a subscription, forever.
    async fn changed(&mut self) -> bool {
        match self {
            Self::To(subscription) => matches!(subscription.next().await, Ok(Some(_))),
            Self::No | Self::Refused => std::future::pending().await,
        }
    }
}

async fn wait(waits: &mut impl Iterator<Item = Duration>) {
    tokio::time::sleep(waits.next().unwrap_or(LONGEST)).await;
}

/// From 100 ms to 10 s, without an end.
fn forever() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(LONGEST)
        .with_jitter()
        .without_max_times()
}

/// Calls that progress is reported to.
#[derive(Default)]
pub(super) struct ProgressReports(Mutex<HashMap<ProgressToken, CallContext>>);

impl ProgressReports {
    /// Reports to the call until the guard is dropped.
    pub(super) fn to(&self, token: ProgressToken, context: &CallContext) -> Reporting<'_> {
        self.lock().insert(token.clone(), context.clone());
        Reporting {
            reports: self,
            token,
        }
    }

    pub(super) fn report(&self, progress: ProgressNotificationParam) {
        let context = self.lock().get(&progress.progress_token).cloned();
        if let Some(context) = context {
            let fraction = progress.total.map(|total| progress.progress / total);
            context.progress(progress.message.unwrap_or_default(), fraction);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ProgressToken, CallContext>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Reporting<'a> {
    reports: &'a ProgressReports,
    token: ProgressToken,
}

impl Drop for Reporting<'_> {
    fn drop(&mut self) {
        self.reports.lock().remove(&self.token);
    }
}
