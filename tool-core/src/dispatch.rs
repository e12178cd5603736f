//! The dispatcher: n calls in, n results out, in call order, whatever happens to any of them.

use std::any::Any;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::Semaphore;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::behavior::Timeout;
use crate::call::{CallRecord, ToolCall, ToolResult};
use crate::context::{CallContext, Lease};
use crate::error::{ErrorCode, ToolError, clip, nearest};
use crate::output::ToolOutput;
use crate::toolset::{Registered, ToolSet};

/// Runs the calls of a message at once, within a limit, and answers each in call order.
///
/// Whatever happens to one call (an unknown tool, arguments that do not parse, an error, a panic, a deadline) is the result
/// in its own slot; its siblings finish. Calls run in tasks of their own, in parallel where there are cores.
///
/// Clones share the tools and the limit.
///
/// ```
/// use tool_core::{Dispatcher, ErrorCode, ToolCall, tool, tools};
///
/// /// Divide one number by another.
/// #[tool]
/// async fn divide(a: i64, b: i64) -> Result<i64, String> {
///     a.checked_div(b).ok_or_else(|| "division by zero".to_owned())
/// }
///
/// let dispatcher = Dispatcher::new(tools![divide]);
/// let results = dispatcher.dispatch_blocking(vec![
///     ToolCall::new("call_1", "divide", r#"{"a": 1, "b": 0}"#),
///     ToolCall::new("call_2", "divide", r#"{"a": 6, "b": 2}"#),
///     ToolCall::new("call_3", "devide", r#"{"a": 6, "b": 3}"#),
/// ]);
///
/// assert_eq!(results[0].content(), r#"{"error":"division by zero","tool":"divide"}"#);
/// assert_eq!(results[1].content(), "3");
/// assert_eq!(results[2].outcome().unwrap_err().code(), ErrorCode::UnknownTool);
/// ```
#[derive(Clone, Debug)]
pub struct Dispatcher {
    tools: ToolSet,
    limit: Arc<Semaphore>,
    timeout: Option<Duration>,
}

/// Calls that run at once, unless set.
const LIMIT: usize = 64;

/// How long a call may run, unless set.
const TIMEOUT: Duration = Duration::from_secs(120);

impl Dispatcher {
    /// A dispatcher for these tools: 64 calls at once, each for at most two minutes.
    pub fn new(tools: ToolSet) -> Self {
        let tools = tools.with_state(());
        Self { tools, limit: Arc::new(Semaphore::new(LIMIT)), timeout: Some(TIMEOUT) }
    }

    /// Sets how many calls run at once, in all batches of this dispatcher and of clones made from here on.
    #[must_use]
    pub fn with_limit(self, calls: NonZeroUsize) -> Self {
        Self { limit: Arc::new(Semaphore::new(calls.get().min(Semaphore::MAX_PERMITS))), ..self }
    }

    /// Sets how long a call may run if its tool does not say; `None` for as long as it likes.
    #[must_use]
    pub fn with_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        Self { timeout: timeout.into(), ..self }
    }

    /// The tools it runs.
    pub fn tools(&self) -> &ToolSet {
        &self.tools
    }

    /// Runs all calls at once and returns one result per call, in call order.
    ///
    /// Nothing runs before the first poll; after it, nothing waits for the next. Dropping the future stops what it
    /// started: an async tool at its next await, a call that has not started for good. A function on a thread of the
    /// blocking pool runs to its end and counts towards the limit until then.
    ///
    /// Needs a tokio runtime with timers; without any runtime every call is answered [`ErrorCode::NotStarted`].
    pub fn dispatch(&self, calls: Vec<ToolCall>) -> impl Future<Output = Vec<ToolResult>> + Send + use<> {
        let dispatcher = self.clone();
        async move {
            let batch = Arc::new(Batch::default());
            // All are started before the first is waited for.
            let mut answers: Vec<Answer> = dispatcher.start(calls, &batch).collect();
            // Dropped before the tasks, which are only lent to the loop: the permit of one that is stopped must not start
            // the next.
            let _stop = StopOnDrop(batch);
            for answer in &mut answers {
                if let Answer::Running(record, task) = answer {
                    let outcome = task.await.unwrap_or_else(|error| Err(lost(error)));
                    *answer = Answer::Known(ToolResult::new(Arc::clone(record), outcome));
                }
            }
            answers.into_iter().map(Answer::into_result).collect()
        }
    }

    /// As [`dispatch`](Self::dispatch), for programs without a runtime: runs the calls on one made for them.
    pub fn dispatch_blocking(&self, calls: Vec<ToolCall>) -> Vec<ToolResult> {
        let batch = || -> std::io::Result<Vec<ToolResult>> {
            let runtime = Builder::new_multi_thread().enable_all().build()?;
            // On a thread of its own: the caller may be inside another runtime, which must not be blocked from within.
            let results = std::thread::scope(|scope| {
                let batch = std::thread::Builder::new().spawn_scoped(scope, || runtime.block_on(self.dispatch(calls.clone())))?;
                Ok(batch.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            });
            runtime.shutdown_background();
            results
        };
        batch().unwrap_or_else(|error| {
            let unstarted = |(position, call): (usize, &ToolCall)| {
                let record = CallRecord::new(call.clone(), position, Instant::now());
                ToolResult::new(Arc::new(record), Err(not_started(&format!("the program cannot start a thread ({error})"))))
            };
            calls.iter().enumerate().map(unstarted).collect()
        })
    }

    fn start(&self, calls: Vec<ToolCall>, batch: &Arc<Batch>) -> impl Iterator<Item = Answer> {
        let queued = Instant::now();
        calls.into_iter().enumerate().map(move |(position, call)| {
            let record = Arc::new(CallRecord::new(call, position, queued));
            let refusal = match (self.tools.get(&record.call.name), Handle::try_current()) {
                (Some(tool), Ok(runtime)) => {
                    let run = run(tool, Arc::clone(&record), Arc::clone(batch), Arc::clone(&self.limit), self.timeout);
                    return Answer::Running(record, AbortOnDropHandle::new(runtime.spawn(run)));
                }
                (None, _) => self.unknown_tool(&record.call.name),
                (Some(_), Err(_)) => not_started("the program has no tokio runtime to run it on"),
            };
            Answer::Known(ToolResult::new(record, Err(refusal)))
        })
    }

    fn unknown_tool(&self, name: &str) -> ToolError {
        const LISTED: usize = 20;
        let names = || self.tools.definitions().map(|tool| tool.name());
        let mend = match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.tools.is_empty() => "there are no tools".to_owned(),
            None => {
                let listed: Vec<_> = names().take(LISTED).map(|name| format!("`{name}`")).collect();
                let rest = if self.tools.len() > LISTED { " and others" } else { "" };
                format!("the tools are {}{rest}", listed.join(", "))
            }
        };
        ToolError::with_text(ErrorCode::UnknownTool, format!("there is no tool `{}`; {mend}", clip(name)))
    }
}

/// What is known of a call once its batch has started.
enum Answer {
    Known(ToolResult),
    Running(Arc<CallRecord>, AbortOnDropHandle<Result<ToolOutput, ToolError>>),
}

impl Answer {
    fn into_result(self) -> ToolResult {
        match self {
            Self::Known(result) => result,
            Self::Running(record, _) => ToolResult::new(record, Err(not_started("nobody waited for it"))),
        }
    }
}

/// What the calls of one batch share.
#[derive(Debug, Default)]
struct Batch {
    /// What has not started will not: a tool asked for the run to stop, or nobody waits any more.
    stopped: AtomicBool,
}

struct StopOnDrop(Arc<Batch>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::SeqCst);
    }
}

/// One call from its place in the queue to its answer. Panics end the task; [`lost`] tells of them.
async fn run(
    tool: Registered,
    record: Arc<CallRecord>,
    batch: Arc<Batch>,
    limit: Arc<Semaphore>,
    timeout: Option<Duration>,
) -> Result<ToolOutput, ToolError> {
    let _finish = FinishOnDrop(Arc::clone(&record)); // also when the tool panics
    let Ok(permit) = limit.acquire_owned().await else {
        return Err(not_started("the program is shutting down"));
    };
    if batch.stopped.load(Ordering::SeqCst) {
        return Err(not_started("another call of this message failed in a way that stops the run"));
    }
    record.start();
    let context = CallContext { record, lease: Arc::new(Lease::new(permit)) };
    let Registered { definition, tool } = tool;
    let timeout = match definition.behavior().timeout {
        Timeout::Inherit => timeout,
        Timeout::After(timeout) => Some(timeout),
        Timeout::Never => None,
    };
    let call = tool.call(&context, &context.record.call.arguments);
    let outcome = match timeout {
        None => call.await,
        // The call is polled before the clock: an answer that is ready at the deadline is kept.
        Some(timeout) => match tokio::time::timeout(timeout, call).await {
            Ok(outcome) => outcome,
            Err(_) => Err(expired(context.lease, timeout, definition.behavior().read_only)),
        },
    };
    if outcome.as_ref().is_err_and(ToolError::is_fatal) {
        batch.stopped.store(true, Ordering::SeqCst);
    }
    outcome
}

struct FinishOnDrop(Arc<CallRecord>);

impl Drop for FinishOnDrop {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// A deadline has passed and the call's future is dropped. What may still be running holds the lease.
fn expired(lease: Arc<Lease>, timeout: Duration, read_only: bool) -> ToolError {
    match Arc::into_inner(lease) {
        None => ToolError::with_text(
            ErrorCode::TimeoutIndeterminate,
            format!("no answer within {timeout:?}; it cannot be stopped and may still be acting"),
        ),
        Some(lease) if lease.waits_for_a_thread() => not_started(&format!("no thread was free for it within {timeout:?}")),
        Some(_) if read_only => ToolError::with_text(ErrorCode::Timeout, format!("stopped after {timeout:?} without an answer")),
        Some(_) => {
            let text = format!("stopped after {timeout:?} without an answer; it may have acted in part");
            ToolError::with_text(ErrorCode::Timeout, text)
        }
    }
}

fn not_started(why: &str) -> ToolError {
    ToolError::with_text(ErrorCode::NotStarted, format!("not started: {why}"))
}

/// The task of a call ended without an answer.
fn lost(error: JoinError) -> ToolError {
    match error.try_into_panic() {
        Ok(panic) => ToolError::panic(panic_text(panic)),
        Err(_) => ToolError::with_text(ErrorCode::Cancelled, "cancelled: the program is shutting down"),
    }
}

fn panic_text(panic: Box<dyn Any + Send>) -> String {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a value that is not text".to_owned(),
    };
    // The payload is the tool's: its destructor may panic too, with a payload of its own.
    if let Err(worse) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(worse);
    }
    text
}
