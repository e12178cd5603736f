//! A call's context with some of it replaced.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::call::ToolCall;
use super::context::{BlockingWork, CallContext, CallHost, NestedFuture};
use super::definition::ToolDefinition;
use super::tool::ToolFuture;

/// A call as its base sees it, but for what was set here.
#[derive(Debug)]
pub(super) struct Derived {
    base: CallContext,
    tool: Option<OtherTool>,
    deadline: Option<Instant>,
    cancellation: Option<CancellationToken>,
    idempotency_key: Option<String>,
}

/// A tool that runs in the place of the one the call is of.
struct OtherTool {
    runnable: Arc<dyn Any + Send + Sync>,
    definition: Arc<ToolDefinition>,
    arguments: String,
}

impl Derived {
    pub(super) fn new(base: CallContext) -> Self {
        Self {
            base,
            tool: None,
            deadline: None,
            cancellation: None,
            idempotency_key: None,
        }
    }

    pub(super) fn set_tool(
        &mut self,
        runnable: Arc<dyn Any + Send + Sync>,
        definition: Arc<ToolDefinition>,
        arguments: &str,
    ) {
        self.tool = Some(OtherTool {
            runnable,
            definition,
            arguments: arguments.to_owned(),
        });
    }

    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    pub(super) fn set_cancellation(&mut self, token: CancellationToken) {
        self.cancellation = Some(token);
    }

    pub(super) fn set_idempotency_key(&mut self, key: String) {
        self.idempotency_key = Some(key);
    }

    fn base_host(&self) -> &dyn CallHost {
        &*self.base.host
    }
}

impl CallHost for Derived {
    fn call(&self) -> &ToolCall {
        self.base_host().call()
    }

    fn arguments(&self) -> &str {
        match &self.tool {
            Some(tool) => &tool.arguments,
            None => self.base_host().arguments(),
        }
    }

    fn position(&self) -> usize {
        self.base_host().position()
    }

    fn definition(&self) -> &ToolDefinition {
        match &self.tool {
            Some(tool) => &tool.definition,
            None => self.base_host().definition(),
        }
    }

    fn runnable(&self) -> &dyn Any {
        match &self.tool {
            Some(tool) => &*tool.runnable,
            None => self.base_host().runnable(),
        }
    }

    fn state(&self) -> &dyn Any {
        self.base_host().state()
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline.or_else(|| self.base_host().deadline())
    }

    fn cancellation(&self) -> &CancellationToken {
        match &self.cancellation {
            Some(token) => token,
            None => self.base_host().cancellation(),
        }
    }

    fn idempotency_key(&self) -> String {
        match &self.idempotency_key {
            Some(key) => key.clone(),
            None => self.base_host().idempotency_key(),
        }
    }

    fn run_id(&self) -> Option<String> {
        self.base_host().run_id()
    }

    fn output_bytes(&self) -> usize {
        self.base_host().output_bytes()
    }

    fn written_bytes(&self) -> usize {
        self.base_host().written_bytes()
    }

    fn progress(&self, message: String, fraction: Option<f64>) {
        self.base_host().progress(message, fraction);
    }

    fn dispatch(self: Arc<Self>, context: CallContext, calls: Vec<ToolCall>) -> NestedFuture {
        Arc::clone(&self.base.host).dispatch(context, calls)
    }

    fn run_blocking(
        self: Arc<Self>,
        context: CallContext,
        work: BlockingWork,
    ) -> ToolFuture<'static> {
        Arc::clone(&self.base.host).run_blocking(context, work)
    }

    fn base(&self) -> Option<&CallContext> {
        Some(&self.base)
    }
}

impl std::fmt::Debug for OtherTool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OtherTool")
            .field(&self.definition.name())
            .finish()
    }
}
