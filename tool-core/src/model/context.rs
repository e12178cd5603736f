//! The context of a running call.

use std::any::Any;
use std::fmt;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::call::ToolCall;
use super::definition::ToolDefinition;
use super::derived::Derived;
use super::error::ToolError;
use super::output::{OutputFormat, ToolOutput};
use super::result::ToolResult;
use super::tool::ToolFuture;

/// The context of one running call, as its tool sees it; also the request that layers around a call
/// pass on.
///
/// A dispatcher makes one for each call. [`detached`](Self::detached) makes one without: for unit
/// tests, workers and other engines.
#[derive(Clone)]
pub struct CallContext {
    pub(crate) host: Arc<dyn CallHost>,
    /// Which attempt of the tool it is for. `None` for layers, and for a tool without layers that
    /// is not retried.
    pub(crate) attempt: Option<NonZeroU32>,
}

/// What runs a call, as the call's context sees it.
pub(crate) trait CallHost: Any + Send + Sync + fmt::Debug {
    /// The call as the model made it.
    fn call(&self) -> &ToolCall;

    /// The argument text that the tool reads.
    fn arguments(&self) -> &str;

    fn position(&self) -> usize;

    fn definition(&self) -> &ToolDefinition;

    /// What runs calls of the tool, for itself to borrow from.
    fn runnable(&self) -> &dyn Any;

    /// The state that its dispatcher is bound to.
    fn state(&self) -> &dyn Any;

    fn deadline(&self) -> Option<Instant>;

    fn cancellation(&self) -> &CancellationToken;

    fn idempotency_key(&self) -> String;

    fn run_id(&self) -> Option<String>;

    /// Bytes that the output may have.
    fn output_bytes(&self) -> usize;

    /// Bytes that may be written of the output, before it is cut to those.
    fn written_bytes(&self) -> usize {
        self.output_bytes()
    }

    fn progress(&self, message: String, fraction: Option<f64>);

    /// Runs other calls for `context`, which is this call's.
    fn dispatch(self: Arc<Self>, context: CallContext, calls: Vec<ToolCall>) -> NestedFuture;

    /// Runs `work` with `context`, which is this call's, where blocking does no harm.
    fn run_blocking(
        self: Arc<Self>,
        context: CallContext,
        work: BlockingWork,
    ) -> ToolFuture<'static>;

    /// The context that this one was derived from.
    fn base(&self) -> Option<&CallContext> {
        None
    }
}

/// Results in call order.
pub(crate) type NestedFuture = Pin<Box<dyn Future<Output = Vec<ToolResult>> + Send>>;

/// A synchronous function of the user's, with what it is called with.
pub(crate) type BlockingWork =
    Box<dyn FnOnce(&CallContext) -> Result<ToolOutput, ToolError> + Send>;

impl CallContext {
    /// The call's id, as the model gave it.
    pub fn id(&self) -> &str {
        &self.host.call().id
    }

    /// The name the tool was called by.
    pub fn tool(&self) -> &str {
        &self.host.call().name
    }

    /// What the model reads of the tool, and how its calls behave.
    pub fn definition(&self) -> &ToolDefinition {
        self.host.definition()
    }

    /// The argument text that the tool reads: the model's, or what the program's policy has put in
    /// its place.
    #[inline]
    pub fn arguments(&self) -> &str {
        self.host.arguments()
    }

    /// The call's place in its batch, from 0.
    pub fn position(&self) -> usize {
        self.host.position()
    }

    /// The state that its [`Dispatcher`](crate::Dispatcher) is bound to, if that is of this type:
    /// for layers, and for tools that do not name it by `#[state]`.
    #[inline]
    pub fn state<S: 'static>(&self) -> Option<&S> {
        self.host.state().downcast_ref()
    }

    /// When the call is stopped if it has no result; `None` if it has no timeout.
    pub fn deadline(&self) -> Option<Instant> {
        self.host.deadline()
    }

    /// Cancelled when the call is stopped: at its deadline, with its message, or because the caller
    /// dropped the future. An async tool is dropped then and need not look; one that runs on a
    /// thread has to check it and end.
    pub fn cancellation(&self) -> &CancellationToken {
        self.host.cancellation()
    }

    /// Which attempt this is, from 1. Only tools that declare `retry` see a second.
    pub fn attempt(&self) -> u32 {
        self.attempt.map_or(1, NonZeroU32::get)
    }

    /// A key for services that do a thing once per key: the same in all attempts of a call, and no
    /// other call's.
    pub fn idempotency_key(&self) -> String {
        self.host.idempotency_key()
    }

    /// The run id that the program gave the message with
    /// [`dispatch_as`](crate::Dispatcher::dispatch_as), if any. That of the outermost message, for
    /// a call within another.
    pub fn run_id(&self) -> Option<String> {
        self.host.run_id()
    }

    /// Reports progress: a message for people, and how much is done, from 0 to 1, if known. The
    /// readers of [`EventStream`](crate::EventStream) or
    /// [`StreamingBatch`](crate::StreamingBatch) receive it; without a reader it has no effect.
    ///
    /// ```
    /// use tool_core::{CallContext, Dispatcher, DispatchEvent, ToolCall, tool, tools};
    ///
    /// /// Count to three.
    /// #[tool]
    /// async fn count(#[context] context: &CallContext) -> u32 {
    ///     for number in 1..=3 {
    ///         context.progress(format!("counted to {number}"), f64::from(number) / 3.0);
    ///     }
    ///     3
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut events = Dispatcher::new(tools![count]).stream(vec![ToolCall::new("call_1", "count", "{}")]).events();
    /// let mut seen = Vec::new();
    /// while let Some(event) = events.next().await {
    ///     match event {
    ///         DispatchEvent::Progress(progress) => seen.push(progress.message),
    ///         DispatchEvent::Result(result) => seen.push(result.content().into_owned()),
    ///         _ => {}
    ///     }
    /// }
    /// assert_eq!(seen, ["counted to 1", "counted to 2", "counted to 3", "3"]);
    /// # }
    /// ```
    pub fn progress(&self, message: impl Into<String>, fraction: impl Into<Option<f64>>) {
        let fraction = fraction.into().filter(|fraction| fraction.is_finite());
        let fraction = fraction.map(|fraction: f64| fraction.clamp(0.0, 1.0));
        self.host.progress(message.into(), fraction);
    }

    /// Runs other calls of the same dispatcher and returns their results in call order.
    ///
    /// Calls within calls cannot use up the dispatcher's limits: from the first poll of this future
    /// until the last of its calls is answered, this call does not count against them. It continues
    /// at once then, so that more calls may be running than the limit says, by the parents that
    /// have continued; other calls of the program start only while fewer than the limit are
    /// unfinished.
    ///
    /// Nested calls inherit the call's deadline and the keys it is serialised by, and they are
    /// stopped with it. They are at most 8 deep within each other, unless
    /// [`Limits::nesting`](crate::Limits::nesting) says otherwise. Calls that wait for each other
    /// through keys end by their deadlines.
    ///
    /// A function on a thread keeps its thread while it waits. Sync calls within it have threads of
    /// their own; but where functions that wait fill the runtime's pool (512 threads, unless set),
    /// other sync calls have none.
    ///
    /// ```
    /// use tool_core::{CallContext, Dispatcher, ToolCall, tool, tools};
    ///
    /// /// Square a number.
    /// #[tool]
    /// async fn square(number: i64) -> i64 {
    ///     number * number
    /// }
    ///
    /// /// Square the numbers up to a bound.
    /// #[tool]
    /// async fn squares(#[context] context: &CallContext, bound: i64) -> Vec<String> {
    ///     let calls = (1..=bound).map(|number| ToolCall::new(number.to_string(), "square", format!(r#"{{"number":{number}}}"#)));
    ///     let results = context.dispatch(calls.collect()).await;
    ///     results.iter().map(|result| result.content().into_owned()).collect()
    /// }
    ///
    /// let dispatcher = Dispatcher::new(tools![square, squares]);
    /// let results = dispatcher.dispatch_blocking(vec![ToolCall::new("call_1", "squares", r#"{"bound": 3}"#)]);
    /// assert_eq!(results[0].content(), r#"["1","4","9"]"#);
    /// ```
    ///
    /// # Cancel safety
    /// Dropping the future starts no further call, and drops async tools at their next await.
    pub fn dispatch(
        &self,
        calls: Vec<ToolCall>,
    ) -> impl Future<Output = Vec<ToolResult>> + Send + use<> {
        Arc::clone(&self.host).dispatch(self.clone(), calls)
    }

    #[inline]
    pub(crate) fn new(host: Arc<dyn CallHost>) -> Self {
        Self {
            host,
            attempt: None,
        }
    }

    /// What runs calls of the tool, for itself to borrow from.
    #[expect(
        clippy::expect_used,
        reason = "only the tool itself asks, and knows its type"
    )]
    #[inline]
    pub(crate) fn runnable<T: 'static>(&self) -> &T {
        let runnable = self.host.runnable().downcast_ref();
        runnable.expect("a call runs its own tool")
    }

    /// Bytes that the output may have.
    pub(crate) fn output_bytes(&self) -> usize {
        self.host.output_bytes()
    }

    /// How the output is written.
    #[inline]
    pub(crate) fn output_format(&self) -> OutputFormat {
        self.output_format_of(self.host.definition())
    }

    /// How the output of that tool is written, which may run in the place of the call's own.
    #[inline]
    pub(crate) fn output_format_of(&self, definition: &ToolDefinition) -> OutputFormat {
        let structured = definition.output_schema().is_some();
        OutputFormat {
            // What is structured is not handed over if it is too long.
            most: match structured {
                true => self.host.output_bytes(),
                false => self.host.written_bytes(),
            },
            structured,
        }
    }

    /// Runs `work` on the blocking pool.
    pub(crate) fn run_blocking<F>(&self, work: F) -> ToolFuture<'static>
    where
        F: FnOnce(&CallContext) -> Result<ToolOutput, ToolError> + Send + 'static,
    {
        Arc::clone(&self.host).run_blocking(self.clone(), Box::new(work))
    }

    /// The same call, for a tool that the dispatcher knows nothing of.
    pub(crate) fn for_tool(
        &self,
        runnable: Arc<dyn Any + Send + Sync>,
        definition: Arc<ToolDefinition>,
        arguments: &str,
    ) -> Self {
        self.derive(|derived| derived.set_tool(runnable, definition, arguments))
    }

    /// The same call with another deadline for the tool to read. It is the tool's to keep: a
    /// dispatcher's own deadline stays as it was.
    #[must_use]
    pub fn with_deadline(self, deadline: Instant) -> Self {
        self.derive(|derived| derived.set_deadline(deadline))
    }

    /// The same call with another [`cancellation`](Self::cancellation) token for the tool to read.
    /// For one that is cancelled with the call too, take a child of the call's own:
    /// `context.cancellation().child_token()`.
    #[must_use]
    pub fn with_cancellation(self, token: CancellationToken) -> Self {
        self.derive(|derived| derived.set_cancellation(token))
    }

    /// The same call with another [`idempotency_key`](Self::idempotency_key).
    #[must_use]
    pub fn with_idempotency_key(self, key: impl Into<String>) -> Self {
        let key = key.into();
        self.derive(|derived| derived.set_idempotency_key(key))
    }

    fn derive(&self, change: impl FnOnce(&mut Derived)) -> Self {
        let mut derived = Derived::new(self.clone());
        change(&mut derived);
        Self {
            host: Arc::new(derived),
            ..self.clone()
        }
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext")
            .field("id", &self.id())
            .field("tool", &self.tool())
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}
