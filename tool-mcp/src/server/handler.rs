//! What the server answers to each request.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ErrorData, GetPromptRequestParams, GetPromptResponse,
    ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
    ServerCapabilities, ServerConfig, SubscriptionFilter, Tool,
};
use rmcp::service::{NotificationContext, Peer, RequestContext, RoleServer, SubscriptionContext};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{RequestParts, Settings, Shared};
use crate::trace;

/// Serves one connection, or one request where there are none.
pub(super) struct Handler<S> {
    pub(super) shared: Arc<Shared<S>>,
    pub(super) settings: Arc<Settings>,
    /// Cancelled when the client has closed the connection.
    pub(super) ended: CancellationToken,
}

impl<S> Handler<S> {
    pub(super) fn new(shared: Arc<Shared<S>>, settings: Settings) -> Self {
        Self {
            shared,
            settings: Arc::new(settings),
            ended: CancellationToken::new(),
        }
    }
}

impl<S> Clone for Handler<S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            settings: Arc::clone(&self.settings),
            ended: self.ended.clone(),
        }
    }
}

impl<S: Send + Sync + 'static> ServerHandler for Handler<S> {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            // Both are empty: many clients ask for them whatever a server declares.
            .enable_prompts()
            .enable_resources()
            .build();
        let mut info = ServerConfig::new(capabilities).with_server_info(self.settings.info.clone());
        info.instructions.clone_from(&self.settings.instructions);
        info
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        match request.and_then(|request| request.cursor) {
            None => {
                let tools = self.shared.listed().tools.clone();
                Ok(ListToolsResult::with_all_items(tools))
            }
            Some(_) => Err(ErrorData::invalid_params(
                "unknown cursor: all tools are on the first page",
                None,
            )),
        }
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.listed().tool(name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let span = tracing::info_span!(
            "mcp_call",
            otel.name = %format_args!("tools/call {}", request.name),
            otel.kind = "server",
            mcp.method.name = "tools/call",
            gen_ai.tool.name = %request.name,
            jsonrpc.request.id = %context.id,
        );
        trace::continue_trace(&span, &context.meta, RequestParts::new(&context).headers());
        let call = AssertUnwindSafe(self.call(request, context).instrument(span));
        // rmcp does not answer a request whose handler panics.
        call.catch_unwind().await.unwrap_or_else(|_| {
            Err(ErrorData::internal_error(
                "the server failed unexpectedly",
                None,
            ))
        })
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let data = serde_json::json!({"uri": request.uri});
        let message = "this server has no resources";
        Err(ErrorData::resource_not_found(message, Some(data)))
    }

    async fn get_prompt(
        &self,
        _: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        Err(ErrorData::invalid_params(
            "this server has no prompts",
            None,
        ))
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.shared.peers.add(context.peer);
    }

    fn accepted_subscription_filter(&self, _: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(SubscriptionFilter::builder().tools_list_changed().build())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let mut replaced = self.shared.replaced.subscribe();
        let notify = async {
            while replaced.changed().await.is_ok() {
                if subscription
                    .sink()
                    .notify_tool_list_changed()
                    .await
                    .is_err()
                {
                    return;
                }
            }
        };
        tokio::select! {
            () = notify => {}
            () = subscription.cancelled() => {}
            () = self.ended.cancelled() => {}
            () = self.settings.cancellation.cancelled() => {}
        }
        Ok(())
    }
}

/// Connections of revisions before 2026-07-28, which are notified without a subscription.
#[derive(Default)]
pub(super) struct Peers(Mutex<Vec<(Peer<RoleServer>, Handle)>>);

impl Peers {
    fn add(&self, peer: Peer<RoleServer>) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|(peer, _)| !peer.is_transport_closed());
        peers.push((peer, Handle::current()));
    }

    /// Notifies them that the tools have been replaced.
    pub(super) fn notify(&self) {
        let peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (peer, runtime) in &*peers {
            let peer = peer.clone();
            runtime.spawn(async move { peer.notify_tool_list_changed().await });
        }
    }
}
