//! A call that no dispatcher runs.

use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::json;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::call::{not_started, process_nonce};
use super::limits::Limits;
use crate::model::{
    BlockingWork, CallContext, CallHost, ErrorCode, NestedFuture, ToolCall, ToolDefinition,
    ToolError, ToolFuture, ToolResult,
};

impl CallContext {
    /// The context of a call that no dispatcher runs: for unit tests, workers and other engines.
    ///
    /// It is at position 0 and attempt 1, and has no deadline, unless
    /// [`with_deadline`](Self::with_deadline) sets one for the tool to read. Its idempotency key is
    /// of this context alone, unless [`with_idempotency_key`](Self::with_idempotency_key) sets one:
    /// set one if the same call may run again.
    /// Progress is dropped, [`dispatch`](Self::dispatch) answers each call `not_started`, and an
    /// output is at most as long as [`Limits`] has it by default. A sync tool that is not `inline`
    /// needs a tokio runtime, whose blocking pool it runs on.
    ///
    /// Nothing is isolated: a panic of the tool unwinds, and it is the caller who drops the future
    /// when the time is up.
    ///
    /// ```
    /// use tool_core::{CallContext, ToolCall, tool, tools};
    ///
    /// /// Book a bed.
    /// #[tool]
    /// async fn book(#[context] context: &CallContext, ward: &str) -> String {
    ///     format!("{ward} booked, {}", context.idempotency_key())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tool_core::ToolError> {
    /// let tool = tools![book].tool("book").expect("it is in the set");
    /// let call = ToolCall::new("call_1", "book", r#"{"ward": "North"}"#);
    /// let context = CallContext::detached(call).with_idempotency_key("order-7");
    ///
    /// let output = tool.call(&context, context.arguments()).await?;
    /// assert_eq!(output.text(), "North booked, order-7");
    /// # Ok(())
    /// # }
    /// ```
    pub fn detached(call: ToolCall) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let parameters = json!({ "type": "object" });
        Self::new(Arc::new(Detached {
            definition: ToolDefinition::declared(&call.name, "", parameters),
            call,
            cancellation: CancellationToken::new(),
            idempotency_key: format!("{:032x}-{number:x}", process_nonce()),
        }))
    }
}

struct Detached {
    call: ToolCall,
    /// What is known of a tool by its name alone. One that is [of a set](crate::ToolSet::tool) sees
    /// its own.
    definition: ToolDefinition,
    cancellation: CancellationToken,
    idempotency_key: String,
}

impl CallHost for Detached {
    fn call(&self) -> &ToolCall {
        &self.call
    }

    fn arguments(&self) -> &str {
        &self.call.arguments
    }

    fn position(&self) -> usize {
        0
    }

    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn runnable(&self) -> &dyn Any {
        &()
    }

    fn state(&self) -> &dyn Any {
        &()
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    fn idempotency_key(&self) -> String {
        self.idempotency_key.clone()
    }

    fn run_id(&self) -> Option<String> {
        None
    }

    fn output_bytes(&self) -> usize {
        Limits::default().output_bytes
    }

    fn progress(&self, _: String, _: Option<f64>) {}

    fn dispatch(self: Arc<Self>, _: CallContext, calls: Vec<ToolCall>) -> NestedFuture {
        let refuse = |(position, call)| {
            let error = not_started("the tool runs without a dispatcher");
            ToolResult::not_run(call, position, error)
        };
        Box::pin(async move { calls.into_iter().enumerate().map(refuse).collect() })
    }

    fn run_blocking(
        self: Arc<Self>,
        context: CallContext,
        work: BlockingWork,
    ) -> ToolFuture<'static> {
        Box::pin(async move {
            let Ok(runtime) = Handle::try_current() else {
                return Err(not_started("a sync tool needs a tokio runtime to run on"));
            };
            match runtime.spawn_blocking(move || work(&context)).await {
                Ok(outcome) => outcome,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    Err(_) => Err(ToolError::new(
                        ErrorCode::Cancelled,
                        "cancelled: the program is shutting down",
                    )),
                },
            }
        })
    }
}

impl fmt::Debug for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Detached").field(&self.call).finish()
    }
}
