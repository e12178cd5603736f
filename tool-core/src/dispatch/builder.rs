//! The builder steps of a dispatcher: limits, deadlines, policy, layers.

use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;
use tower_service::Service;

use super::engine::Engine;
use super::policy::Policy;
use super::{ApprovalRequest, CallService, Decision, Dispatcher, Limits};
use crate::model::{BoxError, CallContext, ToolOutput};
use crate::registry::{ToolSet, UnknownToolError};

impl<S: Send + Sync + 'static> Dispatcher<S> {
    /// Sets how many calls run at once, in all batches of this dispatcher and of clones made from
    /// here on. 0 is taken as 1.
    #[must_use]
    pub fn with_max_concurrency(self, calls: usize) -> Self {
        self.with(|setup| {
            setup.engine = Arc::new(Engine::new(calls.max(1)));
            setup.gates = setup.engine.gates_of(&setup.tools);
        })
    }

    /// The same dispatcher for other tools: a catalogue that changes while the program runs. It
    /// shares limits, keys and [`idle`](Dispatcher::idle) with this one, which keeps its own tools;
    /// calls that run are not touched. A [layer around one tool](Self::with_tool_layer) stays around
    /// the tool of that name, also when it comes back after a set without it.
    ///
    /// ```
    /// use tool_core::{Dispatcher, tool, tools};
    ///
    /// /// Add two numbers.
    /// #[tool]
    /// fn add(a: i64, b: i64) -> i64 {
    ///     a + b
    /// }
    ///
    /// /// Multiply two numbers.
    /// #[tool]
    /// fn multiply(a: i64, b: i64) -> i64 {
    ///     a * b
    /// }
    ///
    /// let dispatcher = Dispatcher::new(tools![add]).with_max_concurrency(8);
    /// let dispatcher = dispatcher.with_tools(tools![add, multiply]);
    /// assert_eq!(dispatcher.tools().len(), 2);
    /// ```
    #[must_use]
    pub fn with_tools(self, tools: ToolSet<S>) -> Self {
        self.with(|setup| {
            let tools = tools.unbound();
            setup.layers.set_places(|tool| tools.position(tool));
            setup.gates = setup.engine.gates_of(&tools);
            setup.runnables = tools.runnables();
            setup.tools = tools;
        })
    }

    /// Sets how long a call may run if its tool does not say; `None` for no limit.
    #[must_use]
    pub fn with_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        self.with(|setup| setup.timeout = timeout.into())
    }

    /// Sets how much it takes and keeps.
    #[must_use]
    pub fn with_limits(self, set: impl FnOnce(&mut Limits)) -> Self {
        self.with(|setup| set(&mut setup.limits))
    }

    /// Asks `policy` about each call before it runs: it may allow it, deny it, or put other
    /// arguments in place of the model's (approval, human-in-the-loop). It returns a [`Decision`],
    /// or a future of one.
    ///
    /// All calls of a message are asked about at once, each once, if they could run: the tool
    /// exists and takes the arguments. A call keeps its place in the order while the policy
    /// decides, but holds up only the calls that are ordered behind it, and its time has not begun.
    /// A policy that panics has denied. It replaces the policy set before.
    ///
    /// ```
    /// use tool_core::{Decision, Dispatcher, ErrorCode, ToolCall, tool, tools};
    ///
    /// /// Delete a file.
    /// #[tool(destructive)]
    /// async fn delete(path: &str) -> String {
    ///     format!("deleted {path}")
    /// }
    ///
    /// let dispatcher = Dispatcher::new(tools![delete]).with_policy(|call| {
    ///     match call.definition().behavior().is_destructive() && !call.call().arguments.contains("/tmp/") {
    ///         true => Decision::deny("only files below /tmp may be deleted"),
    ///         false => Decision::Allow,
    ///     }
    /// });
    /// let results = dispatcher.dispatch_blocking(vec![
    ///     ToolCall::new("call_1", "delete", r#"{"path": "/etc/passwd"}"#),
    ///     ToolCall::new("call_2", "delete", r#"{"path": "/tmp/draft"}"#),
    /// ]);
    /// assert_eq!(results[0].outcome().unwrap_err().code(), ErrorCode::Denied);
    /// assert_eq!(results[1].content(), "deleted /tmp/draft");
    /// ```
    #[must_use]
    pub fn with_policy<P, D>(self, policy: P) -> Self
    where
        P: Fn(ApprovalRequest) -> D + Send + Sync + 'static,
        D: IntoFuture<Output = Decision, IntoFuture: Send + 'static>,
    {
        self.with(|setup| setup.policy = Some(Policy::new(policy)))
    }

    /// Hands outputs that are too long for the model to `keep`, and shows the model what that
    /// returns behind the part it reads: how to get at the rest. Up to
    /// [`Limits::overflow_bytes`] are written then instead of [`Limits::output_bytes`]. An
    /// [`OutputStore`](crate::OutputStore) is made for this, and has a tool to read them back.
    ///
    /// `keep` runs where the call is answered, so it must not block. If it panics, the output is cut
    /// as without it. The output of a `structured` tool is not cut, and so never handed over.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use tool_core::{Dispatcher, ToolCall, tool, tools};
    ///
    /// /// Count far.
    /// #[tool]
    /// fn count() -> Vec<u32> {
    ///     (0..100_000).collect()
    /// }
    ///
    /// let (sender, whole_outputs) = mpsc::channel();
    /// let dispatcher = Dispatcher::new(tools![count]).with_overflow(move |call, whole| {
    ///     let name = format!("{}.json", call.id());
    ///     let note = format!("[all of it is in the file {name}]");
    ///     sender.send((name, whole.text().into_owned())).ok();
    ///     note
    /// });
    ///
    /// let results = dispatcher.dispatch_blocking(vec![ToolCall::new("call_1", "count", "{}")]);
    /// assert!(results[0].content().ends_with("\n[all of it is in the file call_1.json]"));
    /// let (name, whole) = whole_outputs.recv()?;
    /// assert!(name == "call_1.json" && whole.ends_with(",99998,99999]"));
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    #[must_use]
    pub fn with_overflow(
        self,
        keep: impl Fn(&CallContext, &ToolOutput) -> String + Send + Sync + 'static,
    ) -> Self {
        self.with(|setup| setup.overflow = Some(Arc::new(keep)))
    }

    /// Wraps a `tower` layer around every call, outside of the layers added before.
    ///
    /// The service it wraps is a [`CallService`]: the request is the call's [`CallContext`], the
    /// response its output. What the layer does counts as part of the call: its future is dropped
    /// at the deadline. What a layer moves to a task of its own is outside of deadlines, limits and
    /// [`idle`](Self::idle). A second run of the tool is refused, unless the tool is `read_only` or
    /// `idempotent`, and so are two runs at once. A layer's own error, and its panic, is answered
    /// [`MiddlewareError`](crate::ErrorCode::MiddlewareError).
    ///
    /// Each call readies and calls a clone of the layered service. One that is not `Clone` (a rate
    /// limit, for example) goes into a `tower::buffer::Buffer`.
    #[must_use]
    pub fn with_layer<L>(self, layer: L) -> Self
    where
        L: Layer<CallService>,
        L::Service: Service<CallContext, Response = ToolOutput> + Clone + Send + Sync + 'static,
        <L::Service as Service<CallContext>>::Error: Into<BoxError>,
        <L::Service as Service<CallContext>>::Future: Send + 'static,
    {
        self.with(|setup| setup.layers.add(layer))
    }

    /// As [`with_layer`](Self::with_layer), around the calls of one tool, inside of the layers
    /// around every call.
    ///
    /// # Errors
    /// No tool has that name.
    pub fn with_tool_layer<L>(self, tool: &str, layer: L) -> Result<Self, UnknownToolError>
    where
        L: Layer<CallService>,
        L::Service: Service<CallContext, Response = ToolOutput> + Clone + Send + Sync + 'static,
        <L::Service as Service<CallContext>>::Error: Into<BoxError>,
        <L::Service as Service<CallContext>>::Future: Send + 'static,
    {
        match self.setup.tools.position(tool) {
            Some(place) => Ok(self.with(|setup| setup.layers.add_to(tool, place, layer))),
            None => Err(UnknownToolError::new(tool, &self.setup.tools)),
        }
    }

    /// Puts arguments and results on the spans of calls. They may hold what must not be in a trace;
    /// without this they stay out.
    #[must_use]
    pub fn with_recorded_content(self) -> Self {
        self.with(|setup| setup.records_content = true)
    }

    /// Runs sync tools by `threads` instead of on tokio's blocking pool.
    ///
    /// A function on a thread that waits for calls within its own keeps the thread meanwhile:
    /// `threads` has to have another for those of them that are sync, or all wait until their
    /// deadlines.
    #[must_use]
    pub fn with_blocking_executor(
        self,
        threads: impl Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static,
    ) -> Self {
        self.with(|setup| setup.threads = Some(Arc::new(threads)))
    }

    /// Sets how long a first poll may take before the calls behind it get tasks of their own, `None`
    /// for any time: for tests, which must not depend on a machine's speed.
    #[doc(hidden)]
    #[must_use]
    pub fn with_slow_poll(self, slow_poll: Option<Duration>) -> Self {
        self.with(|setup| setup.slow_poll = slow_poll)
    }
}
