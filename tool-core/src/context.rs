//! What a running call knows of itself, and what it can ask for.

use std::any::Any;
use std::num::NonZeroU32;
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::call::{ToolCall, ToolResult};
use crate::dispatch::{Call, Progress, Setup, nested, quietly};
use crate::error::{ErrorCode, ToolError};
use crate::output::ToolOutput;
use crate::tool::ToolDefinition;

/// One running call, as its tool sees it; also the request that layers around a call pass on.
#[derive(Clone, Debug)]
pub struct CallContext {
    pub(crate) call: Arc<Call>,
    pub(crate) setup: Arc<Setup>,
    /// Which attempt of the tool it is for. None in the hands of layers, and of a tool without any
    /// that is tried once.
    pub(crate) attempt: Option<NonZeroU32>,
    /// Whether it runs on a thread of the blocking pool.
    pub(crate) on_thread: bool,
}

impl CallContext {
    /// The call's id, as the model gave it.
    pub fn id(&self) -> &str {
        &self.call.call.id
    }

    /// The name the tool was called by.
    pub fn tool(&self) -> &str {
        &self.call.call.name
    }

    /// What the model was told of the tool, and how its calls behave.
    pub fn definition(&self) -> &ToolDefinition {
        self.setup.tools.definition_at(self.call.tool)
    }

    /// The argument text that the tool reads: the model's, or what the program's policy has put in
    /// its place.
    #[inline]
    pub fn arguments(&self) -> &str {
        self.call.arguments()
    }

    /// The call's place in its batch, from 0.
    pub fn position(&self) -> usize {
        self.call.position
    }

    /// When the call is stopped if it has no answer; `None` if it may take as long as it likes.
    pub fn deadline(&self) -> Option<Instant> {
        self.call.deadline()
    }

    /// Cancelled when the call is stopped: at its deadline, with its message, or because nobody
    /// waits any more. An async tool is dropped then and need not look; one that runs on a thread
    /// is asked this way to end.
    pub fn cancellation(&self) -> &CancellationToken {
        self.call.token()
    }

    /// Which attempt this is, from 1. Only tools that declare `retry` see a second.
    pub fn attempt(&self) -> u32 {
        self.attempt.map_or(1, NonZeroU32::get)
    }

    /// A key for services that do a thing once per key: the same in all attempts of a call, and no
    /// other call's.
    pub fn idempotency_key(&self) -> String {
        self.call.idempotency_key()
    }

    /// Tells the program how far the call is: a message for people, and how much is done, from 0 to
    /// 1, if that is known. Goes to whoever reads [`EventStream`](crate::EventStream) or
    /// [`StreamingBatch`](crate::StreamingBatch); without effect where nobody does.
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
        let fraction = fraction
            .into()
            .filter(|fraction: &f64| fraction.is_finite())
            .map(|fraction| fraction.clamp(0.0, 1.0));
        self.call.batch.report(&self.call, || Progress {
            id: self.id().to_owned(),
            tool: self.tool().to_owned(),
            position: self.position(),
            message: message.into(),
            fraction,
        });
    }

    /// Runs other calls of the same dispatcher and returns their results in call order.
    ///
    /// While it waits, this call holds no permits, and it goes on when it has them back: calls
    /// within calls cannot use up the dispatcher's limit. They inherit the call's deadline and the
    /// keys it is serialised by, and they are stopped with it. Calls are at most 8 deep within each
    /// other, unless [`Limits::nesting`](crate::Limits::nesting) says otherwise.
    ///
    /// A function on a thread lends its permits while such calls of it are waited for, on whatever
    /// thread that is: what it does beside them meanwhile counts towards no limit. If it gives up
    /// on the calls (by a `timeout` around them, for example), it goes on at once, and without
    /// permits until some are free. In both cases one more may run than the limit says.
    ///
    /// Such a function keeps its thread while it waits. Sync calls within it have threads of their
    /// own; but where functions that wait fill the runtime's pool (512 threads, unless set), other
    /// sync calls have none, and what waits for the keys and permits of those waits on.
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
    pub fn dispatch(
        &self,
        calls: Vec<ToolCall>,
    ) -> impl Future<Output = Vec<ToolResult>> + Send + use<> {
        nested(self.clone(), calls)
    }

    #[inline]
    pub(crate) fn new(call: Arc<Call>, setup: Arc<Setup>) -> Self {
        Self {
            call,
            setup,
            attempt: None,
            on_thread: false,
        }
    }

    /// What runs calls of the tool, for itself to borrow from.
    #[expect(
        clippy::expect_used,
        reason = "only the tool itself asks, and knows its type"
    )]
    #[inline]
    pub(crate) fn runner<T: 'static>(&self) -> &T {
        let runner: &dyn Any = &*self.setup.runners[self.call.tool];
        runner.downcast_ref().expect("a call runs its own tool")
    }

    /// The context of the next attempt.
    pub(crate) fn next_attempt(self) -> Self {
        Self {
            attempt: Some(self.call.begin_attempt()),
            ..self
        }
    }

    /// As [`next_attempt`](Self::next_attempt), unless something of the last one runs.
    pub(crate) fn retry(self) -> Option<Self> {
        Some(Self {
            attempt: Some(self.call.begin_retry()?),
            ..self
        })
    }

    /// Bytes that the output may have.
    #[inline]
    pub(crate) fn most(&self) -> usize {
        self.setup.limits.output_bytes
    }

    /// Runs `work` on the blocking pool. A call that is stopped before its thread is free never
    /// runs; one that runs holds the call's permits until it ends, whoever still waits.
    pub(crate) async fn blocking<F>(&self, work: F) -> Result<ToolOutput, ToolError>
    where
        F: FnOnce(&CallContext) -> Result<ToolOutput, ToolError> + Send + 'static,
    {
        let context = Self {
            on_thread: true,
            ..self.clone()
        };
        context.call.asks_for_thread();
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.setup.on_thread(
            &self.call,
            Box::new(move || {
                if answer.is_closed() || !context.call.begin_on_thread() {
                    return; // nobody waits any more
                }
                let outcome =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&context)));
                // Before it is known: whoever hears of it may run the tool again.
                context.call.end_on_thread();
                quietly(move || drop(answer.send(outcome)));
            }),
        );
        match answered.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => Err(ToolError::with_text(
                ErrorCode::Cancelled,
                "no thread ran it: the program is shutting down, or can have no more threads",
            )),
        }
    }
}
