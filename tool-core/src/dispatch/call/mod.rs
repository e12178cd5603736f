//! One call from handed over to answered.
//!
//! [`task`] polls it, [`stop`] stops it, [`seat`] is what it runs on, [`lending`] what becomes of that meanwhile, [`pieces`] what it
//! runs beside its body and [`attempt`] a run that a layer has in its hands.

mod attempt;
mod guard;
mod lending;
mod pieces;
mod seat;
mod stop;
mod task;
mod times;

use std::any::Any;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::Setup;
use super::batch::Batch;
use crate::call::ToolCall;
use crate::context::CallContext;
use crate::error::ToolError;
use crate::output::ToolOutput;
use crate::tool::ToolFuture;

pub(crate) use attempt::Attempt;
pub(crate) use guard::{drop_quietly, lock, panic_text, try_lock};
pub(crate) use lending::WaitsForCalls;
use pieces::Extra;
pub(crate) use stop::{Stop, not_started};
pub(crate) use task::CallTask;
use times::Times;
pub(super) use times::{QUEUED, offset};

pub(crate) type Outcome = Result<ToolOutput, ToolError>;

/// One call; shared by its batch, its task, its context and its result.
pub(crate) struct Call {
    pub(crate) call: ToolCall,
    pub(crate) position: usize,
    /// The tool's place in the set, if there is one of its name.
    pub(crate) tool: usize,
    is_read_only: bool,
    /// Whether layers stand around its tool.
    is_layered: bool,
    pub(crate) batch: Arc<Batch>,
    times: Times,
    answer: OnceLock<Answer>,
    /// What it runs on: [`NOTHING`], [`HELPED`], [`BORROWED`], or its id in the scheduler.
    seat: AtomicU64,
    flags: AtomicU8,
    /// Whoever polls or drops the body holds the lock meanwhile.
    work: Mutex<Work>,
    /// Wakes the call's task.
    waker: Mutex<Option<Waker>>,
    /// What few calls need.
    extra: OnceLock<Box<Extra>>,
}

const NOTHING: u64 = 0;
/// A permit of whoever polls it for the first time.
const HELPED: u64 = 1;
/// A permit of its own.
const BORROWED: u64 = 2;
/// Ids in the scheduler come behind.
pub(super) const FIRST_ID: u64 = 3;

/// Not to be polled any more.
const STOPPED: u8 = 1;
/// Past its deadline: to be polled once more and then dropped.
const DUE: u8 = 2;
/// The body is dropped, or never was.
const GONE: u8 = 4;

/// The tool that a call is of.
#[derive(Clone, Copy, Default)]
pub(super) struct Called {
    /// Its place in the set.
    pub(super) tool: usize,
    /// Whether calls of it wait for nothing but permits of the dispatcher.
    pub(super) is_plain: bool,
    /// Whether it changes nothing.
    pub(super) is_read_only: bool,
    /// Whether layers stand around it.
    pub(super) is_layered: bool,
}

/// What a call begins with.
pub(super) struct First {
    pub(super) setup: Arc<Setup>,
    /// When: an [`offset`].
    pub(super) at: u64,
    /// Whether whoever polls the call tells its batch that it is answered.
    pub(super) untold: bool,
}

struct Answer {
    outcome: Outcome,
    /// When it was known: a [`times::offset`].
    finished: u64,
}

struct Work {
    body: Body,
    span: Option<Box<Span>>,
}

enum Body {
    /// No code of the tool has run.
    Waiting,
    Running(ToolFuture<'static>),
    Gone,
}

impl Call {
    /// A call of that tool; without one it can only be refused.
    #[inline]
    pub(super) fn new(call: ToolCall, position: usize, batch: Arc<Batch>, called: Option<Called>) -> Self {
        let (body, flags) = if called.is_some() { (Body::Waiting, 0) } else { (Body::Gone, GONE) };
        let (work, flags) = (Mutex::new(Work { body, span: None }), AtomicU8::new(flags));
        let Called { tool, is_read_only, is_layered, .. } = called.unwrap_or(Called { tool: usize::MAX, ..Called::default() });
        let (times, waker) = (Times::default(), Mutex::new(None));
        let (answer, seat, extra) = (OnceLock::new(), AtomicU64::new(NOTHING), OnceLock::new());
        Self { call, position, tool, is_read_only, is_layered, batch, times, answer, seat, flags, work, waker, extra }
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.answer.get().map(|answer| &answer.outcome)
    }

    /// As [`outcome`](Self::outcome), of a call that is handed out as answered.
    pub(crate) fn answered(&self) -> &Outcome {
        &self.answer.get_or_init(never_answered).outcome
    }

    pub(crate) fn into_outcome(self) -> Outcome {
        self.answer.into_inner().unwrap_or_else(never_answered).outcome
    }

    /// The arguments as the tool reads them.
    pub(crate) fn arguments(&self) -> &str {
        self.extra.get().and_then(|extra| extra.edited.get()).unwrap_or(&self.call.arguments)
    }

    /// What few calls need, made when first asked for.
    pub(super) fn extra(&self) -> &Extra {
        self.extra.get_or_init(Box::default)
    }

    fn is(&self, flag: u8) -> bool {
        self.flags.load(Ordering::SeqCst) & flag != 0
    }

    fn flag(&self, flag: u8) {
        self.flags.fetch_or(flag, Ordering::SeqCst);
    }

    /// When it has to be answered, if it has begun.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.times.deadline(self.batch.queued)
    }

    pub(crate) fn started(&self) -> Option<Instant> {
        self.times.started(self.batch.queued)
    }

    pub(crate) fn finished(&self) -> Option<Instant> {
        times::at(self.batch.queued, self.answer.get()?.finished)
    }

    /// When it was answered, in [`Batch::now`].
    pub(super) fn finished_offset(&self) -> Option<u64> {
        self.answer.get().map(|answer| answer.finished)
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.deadline()?.saturating_duration_since(self.started()?))
    }

    /// Cancelled when the call is stopped.
    pub(crate) fn token(&self) -> &CancellationToken {
        let extra = self.extra();
        let token = extra.token.get_or_init(CancellationToken::new);
        if self.is(STOPPED) {
            token.cancel(); // it was stopped before it was asked
        }
        token
    }

    pub(crate) fn idempotency_key(&self) -> String {
        format!("{:032x}-{:x}-{:x}", process_nonce(), self.batch.serial(), self.position)
    }

    /// The tool's place in the set, until the call begins.
    pub(crate) fn tool(&self) -> Option<usize> {
        match &lock(&self.work).body {
            Body::Waiting => Some(self.tool),
            Body::Running(_) | Body::Gone => None,
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is(STOPPED)
    }

    pub(crate) fn is_due(&self) -> bool {
        self.is(DUE)
    }

    /// Whether it can still begin.
    pub(crate) fn is_untouched(&self) -> bool {
        self.outcome().is_none() && self.started().is_none()
    }

    pub(crate) fn set_waker(&self, waker: &Waker) {
        let mut stored = lock(&self.waker);
        if stored.as_ref().is_none_or(|stored| !stored.will_wake(waker)) {
            *stored = Some(waker.clone());
        }
    }

    // ---- polling

    /// Polls the call once, from wherever its turn has come. Ready when there is nothing more to poll: with whether the batch is still to
    /// be told of its answer.
    ///
    /// The first poll begins it: with what it is given, or else now, and then its deadline is watched.
    pub(super) fn poll(self: &Arc<Self>, cx: &mut Context<'_>, first: Option<First>) -> Poll<bool> {
        let mut untold = false;
        let mut work = lock(&self.work);
        if self.is(STOPPED) {
            self.discard(work);
            return Poll::Ready(false);
        }
        if let Body::Waiting = work.body {
            let watched = first.is_none();
            let later = || Some(First { setup: self.batch.setup.upgrade()?, at: self.batch.now(), untold: false });
            let (Some(first), None) = (first.or_else(later), self.batch.halted()) else {
                self.discard_unstarted(work);
                return Poll::Ready(false);
            };
            untold = first.untold;
            self.times.start(self.batch.queued, first.at, first.setup.timeout(self.tool), self.batch.deadline);
            // Whoever stops it looks whether it has started: one of the two sees the other.
            if self.is(STOPPED) {
                self.discard_unstarted(work);
                return Poll::Ready(false);
            }
            self.begin(&mut work, first.setup);
            if watched {
                self.batch.watch(self);
            }
        }
        let Work { body: Body::Running(future), span, .. } = &mut *work else { return Poll::Ready(false) };
        let Some(entered) = self.enter(cx) else {
            self.set_waker(cx.waker());
            drop(work);
            return self.pending();
        };
        let polled = {
            let _entered = span.as_deref().map(Span::enter);
            catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
        };
        let outcome = match polled {
            Ok(Poll::Pending) => {
                self.set_waker(cx.waker());
                drop(work);
                self.leave(entered);
                return self.pending();
            }
            Ok(Poll::Ready(outcome)) => outcome.map_err(ToolError::of_running),
            Err(panic) => Err(self.panicked(panic)),
        };
        self.end_body(&mut work);
        drop(work);
        let answered = self.conclude(outcome);
        if answered && !untold {
            self.batch.answered(self);
        }
        Poll::Ready(answered && untold)
    }

    /// Whoever stopped the call or found it due while it was polled has left the rest to the poller.
    fn pending(self: &Arc<Self>) -> Poll<bool> {
        if self.is(STOPPED) {
            self.discard(lock(&self.work));
            return Poll::Ready(false);
        }
        // Also where nobody could tell it: a poll that computes may hold up the runtime's clock.
        if self.is(DUE) || self.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            self.stop(Stop::Deadline);
            return Poll::Ready(false);
        }
        Poll::Pending
    }

    #[inline]
    fn begin(self: &Arc<Self>, work: &mut Work, setup: Arc<Setup>) {
        work.span = self.batch.call_span(self, Some(setup.tools.definition_at(self.tool)));
        let context = CallContext::new(Arc::clone(self), setup);
        let _entered = work.span.as_deref().map(Span::enter);
        let begun = catch_unwind(AssertUnwindSafe(|| context.run()));
        work.body = Body::Running(begun.unwrap_or_else(|panic| {
            let error = self.panicked(panic);
            Box::pin(async move { Err(error) })
        }));
    }

    /// The tool's panics do not get past the layers around it: one that gets here is a layer's, if there are any.
    fn panicked(&self, panic: Box<dyn Any + Send>) -> ToolError {
        let text = panic_text(panic);
        if self.is_layered { ToolError::layer_panic(text) } else { ToolError::panic(text) }
    }

    /// Drops the body. Some text if that panicked.
    #[inline]
    fn end_body(&self, work: &mut Work) -> Option<String> {
        let mut panic = None;
        if let Body::Running(future) = std::mem::replace(&mut work.body, Body::Gone) {
            let _entered = work.span.as_deref().map(Span::enter);
            panic = drop_quietly(future);
        }
        self.flag(GONE);
        panic
    }

    fn discard(self: &Arc<Self>, mut work: MutexGuard<'_, Work>) {
        self.end_body(&mut work);
        self.close_span(&mut work);
        drop(work);
        self.release();
    }

    /// Drops what no code of has run, and answers it unless whoever stopped it has done so.
    fn discard_unstarted(self: &Arc<Self>, work: MutexGuard<'_, Work>) {
        self.times.never_started();
        self.discard(work);
        let why = self.batch.halted().unwrap_or(Stop::Drop);
        self.answer_and_tell(Err(why.error(self, false, false)), false);
    }

    fn is_over(&self) -> bool {
        self.is(STOPPED) || self.outcome().is_some()
    }

    // ---- answering

    /// Answers a call that never ran.
    pub(super) fn refuse(self: &Arc<Self>, error: ToolError) {
        if let Some(mut work) = try_lock(&self.work) {
            work.body = Body::Gone;
        }
        self.flag(GONE);
        if self.conclude(Err(error)) {
            self.batch.answered(self);
        }
    }

    /// Ends what it runs beside its body, and answers it.
    #[inline]
    fn conclude(self: &Arc<Self>, outcome: Outcome) -> bool {
        let alive = self.end_pieces();
        if alive {
            self.tell_to_end();
        }
        self.answer(outcome, alive)
    }

    fn answer_and_tell(self: &Arc<Self>, outcome: Outcome, alive: bool) {
        if self.answer(outcome, alive) {
            self.batch.answered(self);
        }
    }

    /// Gives the call its one answer, and lets go of what it held. False if it has one: otherwise the batch is to be told.
    #[inline]
    fn answer(self: &Arc<Self>, outcome: Outcome, alive: bool) -> bool {
        let outcome = self.batch.within_limits(outcome).map_err(|error| error.of_tool(&crate::error::clip(&self.call.name)));
        let fatal = outcome.as_ref().is_err_and(ToolError::is_fatal);
        if self.outcome().is_none() && outcome.as_ref().is_err_and(ToolError::is_undecoded) {
            self.times.never_started();
        }
        let answer = Answer { outcome, finished: self.batch.now() };
        if let Err(late) = self.answer.set(answer) {
            drop_quietly(late); // answered already
            self.release();
            return false;
        }
        if !self.batch.span.is_disabled()
            && let Some(mut work) = try_lock(&self.work)
        {
            if self.started().is_none() && work.span.is_none() {
                work.span = self.batch.call_span(self, None);
            }
            self.close_span(&mut work);
        }
        if fatal {
            self.batch.halt(Stop::Fatal);
        }
        if alive {
            self.batch.engine.abandon(self);
        }
        self.release();
        true
    }

    fn close_span(&self, work: &mut Work) {
        if let Some(span) = work.span.take() {
            self.batch.close_call_span(&span, self);
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("call", &self.call).field("position", &self.position).finish_non_exhaustive()
    }
}

fn never_answered() -> Answer {
    Answer { outcome: Err(not_started("it was never answered")), finished: 0 }
}

/// A number no other process has.
fn process_nonce() -> u128 {
    static NONCE: OnceLock<u128> = OnceLock::new();
    // Hash keys are the standard library's source of randomness.
    let random = || RandomState::new().hash_one(std::process::id());
    *NONCE.get_or_init(|| u128::from(random()) << 64 | u128::from(random()))
}
