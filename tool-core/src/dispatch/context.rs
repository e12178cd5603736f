//! A call as its context sees it.

use std::any::Any;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::admission::nested;
use super::call::{Call, catch_panic, not_started};
use super::engine::Alive;
use super::span;
use super::stream::Progress;
use crate::model::{
    BlockingWork, CallContext, CallHost, NestedFuture, ToolCall, ToolDefinition, ToolError,
    ToolFuture, ToolOutput, Version,
};

impl CallHost for Call {
    fn call(&self) -> &ToolCall {
        &self.call
    }

    #[inline]
    fn arguments(&self) -> &str {
        self.arguments()
    }

    fn position(&self) -> usize {
        self.position
    }

    fn definition(&self) -> &ToolDefinition {
        self.definition()
    }

    #[inline]
    fn runnable(&self) -> &dyn Any {
        &*self.batch.setup.runnables[self.tool]
    }

    #[inline]
    fn state(&self) -> &dyn Any {
        &*self.batch.setup.state
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline().map(tokio::time::Instant::into_std)
    }

    fn cancellation(&self) -> &CancellationToken {
        self.token()
    }

    fn idempotency_key(&self) -> String {
        self.idempotency_key()
    }

    fn run_id(&self) -> Option<String> {
        self.run_id()
    }

    #[inline]
    fn output_bytes(&self) -> usize {
        self.batch.setup.limits.output_bytes
    }

    #[inline]
    fn written_bytes(&self) -> usize {
        let setup = &self.batch.setup;
        // With an overflow store more is written than the model reads: the store gets all of it.
        match setup.overflow {
            None => setup.limits.output_bytes,
            Some(_) => setup.limits.overflow_bytes.max(setup.limits.output_bytes),
        }
    }

    fn progress(&self, message: String, fraction: Option<f64>) {
        self.batch.report(
            self,
            Progress {
                version: Version,
                id: self.call.id.clone(),
                tool: self.call.name.clone(),
                position: self.position,
                message,
                fraction,
            },
        );
    }

    fn dispatch(self: Arc<Self>, context: CallContext, calls: Vec<ToolCall>) -> NestedFuture {
        Box::pin(nested(self, context, calls))
    }

    fn run_blocking(
        self: Arc<Self>,
        context: CallContext,
        work: BlockingWork,
    ) -> ToolFuture<'static> {
        Box::pin(run_blocking(self, context, work))
    }
}

impl Call {
    /// The tool as the dispatcher of this message has it: the set may be another by now.
    pub(super) fn definition(&self) -> &ToolDefinition {
        self.batch.setup.tools.definition_at(self.tool)
    }

    /// The call that a context is of, unless a dispatcher did not make it.
    pub(super) fn of(context: &CallContext) -> Option<Arc<Self>> {
        let host: Arc<dyn CallHost> = Arc::clone(&context.host);
        let host: Arc<dyn Any + Send + Sync> = host;
        match host.downcast() {
            // A derived context wraps the one that it was made from.
            Ok(call) => Some(call),
            Err(_) => Self::of(context.host.base()?),
        }
    }
}

/// Runs `work` on the blocking pool. A call that is stopped before its thread is free never runs;
/// one that runs holds the call's permits until it ends, whether or not anyone waits for it.
async fn run_blocking(
    call: Arc<Call>,
    context: CallContext,
    work: BlockingWork,
) -> Result<ToolOutput, ToolError> {
    // First: a call that is stopped before its thread begins has run no tool code.
    call.ask_for_thread();
    let (answer, answered) = tokio::sync::oneshot::channel();
    let (on_thread, span) = (Arc::clone(&call), Span::current()); // the call's, while it is polled
    let work = Box::new(move || {
        if answer.is_closed() || !on_thread.begin_on_thread() {
            return; // the caller has gone
        }
        // `idle` waits for the thread even when the call is answered already.
        let _alive = Alive::new(Arc::clone(&on_thread.batch.setup.engine));
        let (on_thread, context) = (on_thread, context); // dropped before `_alive`
        let outcome = span::within(Some(&span), || work(&context));
        catch_panic(|| drop(span));
        // Before the answer is sent: its receiver may run the tool again.
        on_thread.end_on_thread();
        catch_panic(move || drop(answer.send(outcome)));
    });
    // Where no thread can be started, the runtime panics; the work is dropped then.
    catch_panic(|| call.batch.setup.on_thread(&call, work));
    match answered.await {
        Ok(Ok(outcome)) => outcome,
        // Continued in the task, where it is caught like a panic of an async tool.
        Ok(Err(panic)) => resume_unwind(panic),
        // The work was dropped before it ran, so the code `not_started` is accurate.
        Err(_) => Err(not_started(
            "no thread ran it: the program is shutting down, or can have no more threads",
        )
        .undecoded()),
    }
}
