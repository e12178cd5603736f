//! The dispatcher: n calls in, n results out, in call order, even if calls fail.
//!
//! [`scheduler`] decides which call runs next and knows nothing of tasks; [`engine`] starts it.
//! [`call`] is one call from dispatch to answer, [`batch`] the calls of one message,
//! [`in_place`] the fast path around the scheduler.

mod admission;
mod batch;
mod builder;
mod call;
mod context;
mod critical_path;
mod detached;
mod engine;
mod in_place;
mod key;
mod limits;
mod middleware;
mod nesting;
mod permits;
mod policy;
mod resume;
mod run_id;
mod scheduler;
mod setup;
mod span;
mod stream;
mod streaming_batch;

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;

use crate::model::{ToolCall, ToolDefinition, ToolResult};
use crate::registry::ToolSet;
use engine::Engine;
use middleware::Layers;
use setup::{Parts, Setup};

use call::not_started;
pub(crate) use critical_path::{Lane, critical_path};
pub use limits::Limits;
pub use middleware::{CallFuture, CallService};
pub use policy::{ApprovalRequest, Decision};
pub use resume::{ResumeError, ResumedBatch};
pub use run_id::InvalidRunIdError;
pub use stream::{DispatchEvent, EventStream, Progress, ResultStream};
pub use streaming_batch::StreamingBatch;

/// Dispatcher: runs the tool calls of a message in parallel, within a concurrency limit, and
/// answers each in call order.
///
/// Whatever happens to one call (an unknown tool, arguments that do not parse, an error, a panic, a
/// deadline) is the result in its own slot; its siblings finish.
///
/// Calls run in parallel where there are cores. The calls of a small message are polled for the
/// first time in the caller's task, one after the other; one that is not ready continues in a task
/// of its own, and when a first poll takes long, so do the calls behind it. What computes before
/// its first await is better a plain `fn`, which runs on a thread.
///
/// Clones share the tools and the limit, and so do dispatchers that were [bound](Self::with_state)
/// to the state of a request. Only a `Dispatcher<()>`, which has all the state that its tools ask
/// for, runs calls.
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
pub struct Dispatcher<S = ()> {
    setup: Setup,
    /// What it is still to be bound to.
    state: PhantomData<fn(S)>,
}

/// Calls that run at once, unless set.
const LIMIT: usize = 64;

/// How long a first poll may take, unless set.
const SLOW_POLL: Duration = Duration::from_micros(100);

/// How long a call may run, unless set.
const TIMEOUT: Duration = Duration::from_secs(120);

impl<S: Send + Sync + 'static> Dispatcher<S> {
    /// A dispatcher for these tools: 64 calls at once, each for at most two minutes.
    pub fn new(tools: ToolSet<S>) -> Self {
        let tools = tools.unbound();
        let engine = Arc::new(Engine::new(LIMIT));
        Self::of(Setup::new(Parts {
            runnables: tools.runnables(),
            gates: engine.gates_of(&tools),
            tools,
            engine,
            timeout: Some(TIMEOUT),
            limits: Limits::default(),
            policy: None,
            overflow: None,
            layers: Layers::default(),
            records_content: false,
            slow_poll: Some(SLOW_POLL),
            threads: None,
        }))
    }

    fn of(setup: Setup) -> Self {
        Self {
            setup,
            state: PhantomData,
        }
    }

    fn with(self, change: impl FnOnce(&mut Parts)) -> Self {
        Self::of(self.setup.with(change))
    }

    /// The same dispatcher with the state that the `#[state]` parameters of its tools borrow from:
    /// who makes a request, for example. It shares limits, keys and [`idle`](Dispatcher::idle) with
    /// this one, and with all others that were made from it. One allocation.
    ///
    /// ```
    /// use tool_core::{Decision, Dispatcher, ToolCall, tool, tools};
    ///
    /// struct Session { user: String }
    ///
    /// /// Say who is logged in.
    /// #[tool]
    /// async fn whoami(#[state] session: &Session) -> String {
    ///     session.user.clone()
    /// }
    ///
    /// // One for the program, which sets limits for all requests together …
    /// let shared = Dispatcher::new(tools![whoami]).with_max_concurrency(16).with_policy(|call| {
    ///     match call.state::<Session>() {
    ///         Some(session) if session.user != "guest" => Decision::Allow,
    ///         _ => Decision::deny("log in first"),
    ///     }
    /// });
    /// // … and one for each request.
    /// let mine = shared.with_state(Session { user: "Ada".to_owned() });
    /// let results = mine.dispatch_blocking(vec![ToolCall::new("call_1", "whoami", "{}")]);
    /// assert_eq!(results[0].content(), "Ada");
    /// ```
    ///
    /// Without a state that its tools ask for, a dispatcher does not run:
    ///
    /// ```compile_fail,E0599
    /// # use tool_core::{Dispatcher, tool, tools};
    /// # struct Session { user: String }
    /// # /// Say who is logged in.
    /// # #[tool]
    /// # async fn whoami(#[state] session: &Session) -> String { session.user.clone() }
    /// let shared: Dispatcher<Session> = Dispatcher::new(tools![whoami]);
    /// let results = shared.dispatch(vec![]);
    /// ```
    #[must_use]
    pub fn with_state(&self, state: S) -> Dispatcher {
        Dispatcher::of(self.setup.bind(Arc::new(state)))
    }

    /// As [`with_state`](Self::with_state), for state that the program shares.
    #[must_use]
    pub fn with_shared_state(&self, state: Arc<S>) -> Dispatcher {
        Dispatcher::of(self.setup.bind(state))
    }

    /// The definitions of the tools it runs, in declaration order.
    pub fn definitions(&self) -> impl ExactSizeIterator<Item = &ToolDefinition> {
        self.setup.tools.definitions()
    }

    /// How long a call of the tool may run, as the tool declares or this dispatcher sets; `None`
    /// for no limit, and for a tool that is not there.
    pub fn timeout_of(&self, tool: &str) -> Option<Duration> {
        self.setup.timeout(self.setup.tools.position(tool)?)
    }

    /// Waits until nothing that this dispatcher and its copies, bound to state or not, started is
    /// alive (graceful shutdown): no batch is in progress, no abandoned call runs, and no policy
    /// still decides on one.
    ///
    /// # Cancel safety
    /// Cancel-safe: it only waits.
    pub async fn idle(&self) {
        self.setup.engine.idle().await;
    }
}

// Methods that run calls are on `Dispatcher<()>` alone, so that `Dispatcher::new(tools![add])`
// needs no type annotation.
impl Dispatcher {
    /// The tools it runs.
    pub fn tools(&self) -> &ToolSet {
        &self.setup.tools
    }

    /// How much it takes and keeps.
    pub fn limits(&self) -> &Limits {
        &self.setup.limits
    }

    /// Runs all calls at once and returns one result per call, in call order.
    ///
    /// Nothing runs before the first poll; after it, nothing waits for the next. Dropping the
    /// future stops what it started: an async tool at its next await, a call that has not started
    /// for good. A function on a thread of the blocking pool runs to its end and counts towards the
    /// limit until then.
    ///
    /// Needs a tokio runtime with timers; without any runtime every call is answered
    /// [`NotStarted`](crate::ErrorCode::NotStarted).
    ///
    /// # Cancel safety
    /// Dropping the future starts no further call. Async tools are dropped at their next await; a function on
    /// a thread continues to its end. The results are lost.
    pub fn dispatch(
        &self,
        calls: Vec<ToolCall>,
    ) -> impl Future<Output = Vec<ToolResult>> + Send + use<> {
        self.setup.clone().answer(calls, None)
    }

    /// As [`dispatch`](Self::dispatch), for a message that the program can name: a run that is
    /// started again, after a crash or on another machine, gives the same calls the same
    /// [idempotency keys](crate::CallContext::idempotency_key), so that services do each thing once.
    ///
    /// A key is made of `run_id`, the call's position, those of the calls that it is nested in, and
    /// a hash of its tool's name and its arguments: a model that answers differently the second
    /// time never uses a key again. Batches that a tool dispatches are counted in the order in which
    /// they begin: where several run side by side, that order is to be the same each time. Nothing
    /// is looked up or kept here.
    ///
    /// # Errors
    /// `run_id` is empty, or longer than 512 bytes. It is to name one message, not a conversation.
    ///
    /// ```
    /// use tool_core::{CallContext, Dispatcher, ToolCall, tool, tools};
    ///
    /// /// Transfer money.
    /// #[tool]
    /// async fn transfer(#[context] context: &CallContext, cents: u64) -> String {
    ///     format!("{cents} under {}", context.idempotency_key()) // as a header of the request
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tool_core::InvalidRunIdError> {
    /// let calls = vec![ToolCall::new("call_1", "transfer", r#"{"cents": 500}"#)];
    /// let first = Dispatcher::new(tools![transfer]).dispatch_as("order 7, turn 2", calls.clone())?.await;
    /// let again = Dispatcher::new(tools![transfer]).dispatch_as("order 7, turn 2", calls)?.await;
    /// assert_eq!(first[0].content(), again[0].content());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// As for [`dispatch`](Self::dispatch). The same calls under the same run id have the same idempotency keys
    /// again.
    pub fn dispatch_as(
        &self,
        run_id: &str,
        calls: Vec<ToolCall>,
    ) -> Result<impl Future<Output = Vec<ToolResult>> + Send + use<>, InvalidRunIdError> {
        let run_id = run_id::checked(run_id)?;
        Ok(self.setup.clone().answer(calls, Some(run_id)))
    }

    /// Resumes a message that has [held](Decision::Hold) calls, after their approval: takes its
    /// results and the decisions, each with the position of its call, and returns one result per
    /// call again.
    ///
    /// What is approved runs, in order and under the same idempotency keys, and the policy is not
    /// asked again. A call that is denied lets those behind it run. A call without a decision stays
    /// held, as do those behind it; so does all, where there is no tokio runtime. A call whose tool
    /// has another definition than when it was held is answered
    /// [`NotStarted`](crate::ErrorCode::NotStarted).
    ///
    /// The results may come from another process, as JSON; keep them where no one
    /// else can change them, since they state what is approved. The dispatcher has the same tools.
    /// Dropping the future stops what it started: keep the results until there are new ones. A call
    /// that was answered `…_indeterminate` counts as over for those behind it: it may have run in
    /// another process, which cannot be waited for.
    ///
    /// # Errors
    /// A decision is not on a call that [waits for one](crate::HeldFor::Decision), two are on one
    /// call, or the results are not of one message. The error holds the results.
    ///
    /// ```
    /// use tool_core::{Decision, Dispatcher, ErrorCode, ToolCall, ToolResult, serde_json, tool, tools};
    ///
    /// /// Transfer money.
    /// #[tool(destructive)]
    /// async fn transfer(cents: u64) -> String {
    ///     format!("sent {cents}")
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let dispatcher = Dispatcher::new(tools![transfer]).with_policy(|_| Decision::Hold);
    /// let call = ToolCall::new("call_1", "transfer", r#"{"cents": 500}"#);
    /// let results = dispatcher.dispatch(vec![call]).await;
    /// assert_eq!(results[0].outcome().unwrap_err().code(), ErrorCode::Held);
    ///
    /// let stored = serde_json::to_string(&results)?;
    /// // … and when a person has approved it, perhaps in another process:
    /// let results: Vec<ToolResult> = serde_json::from_str(&stored)?;
    /// let results = dispatcher.resume(results, vec![(0, Decision::Allow)])?.await;
    /// assert_eq!(results[0].content(), "sent 500");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// As for [`dispatch`](Self::dispatch): keep the results that were given until the new ones are stored.
    pub fn resume(
        &self,
        results: Vec<ToolResult>,
        decisions: Vec<(usize, Decision)>,
    ) -> Result<impl Future<Output = Vec<ToolResult>> + Send + use<>, ResumeError> {
        let resume = self.setup.clone().resume(results, decisions, false)?;
        Ok(async move { resume().finish().await })
    }

    /// As [`resume`](Self::resume), but the calls run at once, and what happens to them can be
    /// followed and cancelled.
    ///
    /// # Errors
    /// As for [`resume`](Self::resume).
    pub fn resume_stream(
        &self,
        results: Vec<ToolResult>,
        decisions: Vec<(usize, Decision)>,
    ) -> Result<ResumedBatch, ResumeError> {
        let resume = self.setup.clone().resume(results, decisions, true)?;
        Ok(resume())
    }

    /// As [`dispatch`](Self::dispatch), but yields each result when it is there;
    /// [`ToolResult::position`] is the position of its call.
    ///
    /// ```
    /// use tool_core::{Dispatcher, ToolCall, tool, tools};
    ///
    /// /// Double a number.
    /// #[tool]
    /// async fn double(number: i64) -> i64 {
    ///     number * 2
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut results = Dispatcher::new(tools![double]).stream(vec![
    ///     ToolCall::new("call_1", "double", r#"{"number": 1}"#),
    ///     ToolCall::new("call_2", "double", r#"{"number": 2}"#),
    /// ]);
    /// while let Some(result) = results.next().await {
    ///     println!("call {} answers {}", result.position(), result.content());
    /// }
    /// # }
    /// ```
    pub fn stream(&self, calls: Vec<ToolCall>) -> ResultStream {
        ResultStream::new(self.clone(), calls, None)
    }

    /// As [`stream`](Self::stream), for a message that the program can name: see
    /// [`dispatch_as`](Self::dispatch_as).
    ///
    /// # Errors
    /// As for [`dispatch_as`](Self::dispatch_as).
    pub fn stream_as(
        &self,
        run_id: &str,
        calls: Vec<ToolCall>,
    ) -> Result<ResultStream, InvalidRunIdError> {
        let run = run_id::checked(run_id)?;
        Ok(ResultStream::new(self.clone(), calls, Some(run)))
    }

    /// Takes the calls of a message one at a time, while the message still arrives.
    pub fn streaming_batch(&self) -> StreamingBatch {
        StreamingBatch::new(self.setup.clone())
    }

    /// As [`dispatch`](Self::dispatch), for programs without a runtime: runs the calls on one made
    /// for them.
    pub fn dispatch_blocking(&self, calls: Vec<ToolCall>) -> Vec<ToolResult> {
        let batch = || -> io::Result<Vec<ToolResult>> {
            // The runtime panics where it cannot start its threads.
            let build = || Builder::new_multi_thread().enable_all().build();
            let no_threads = |_| Err(io::Error::other("there are none left"));
            let runtime = catch_unwind(build).unwrap_or_else(no_threads)?;
            // On a thread of its own: the caller may be inside another runtime, which must not be
            // blocked from within.
            let results = std::thread::scope(|scope| {
                let batch = std::thread::Builder::new()
                    .spawn_scoped(scope, || runtime.block_on(self.dispatch(calls.clone())))?;
                Ok(batch
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            });
            runtime.shutdown_background();
            results
        };
        batch().unwrap_or_else(|error| {
            let why = format!("the program cannot start a thread ({error})");
            self.setup.refuse_all(calls, || not_started(&why))
        })
    }
}

// By hand: `S` itself need not be `Clone`.
impl<S> Clone for Dispatcher<S> {
    fn clone(&self) -> Self {
        Self {
            setup: self.setup.clone(),
            state: PhantomData,
        }
    }
}

/// A dispatcher for these tools, with nothing set.
impl From<ToolSet> for Dispatcher {
    fn from(tools: ToolSet) -> Self {
        Self::new(tools)
    }
}

impl<S> fmt::Debug for Dispatcher<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("tools", &self.setup.tools)
            .field("limits", &self.setup.limits)
            .finish_non_exhaustive()
    }
}
