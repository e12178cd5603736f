//! One call from handed over to answered: who polls it, who stops it, and what it holds on to.

use std::any::Any;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::Setup;
use super::batch::Batch;
use super::scheduler::CallId;
use crate::call::ToolCall;
use crate::context::CallContext;
use crate::error::{ErrorCode, ToolError};
use crate::output::ToolOutput;
use crate::tool::ToolFuture;

pub(crate) type Outcome = Result<ToolOutput, ToolError>;

/// One call; shared by its batch, its task, its context and its result.
pub(crate) struct Call {
    pub(crate) call: ToolCall,
    pub(crate) position: usize,
    /// The tool's place in the set, if there is one of its name.
    pub(crate) tool: usize,
    pub(crate) batch: Arc<Batch>,
    times: Times,
    outcome: OnceLock<Outcome>,
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
/// A permit of the helper that polls it for the first time.
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
/// The tool changes nothing.
const READ_ONLY: u8 = 8;
/// There are layers around the tool.
const LAYERED: u8 = 16;

struct Work {
    body: Body,
    span: Option<Box<Span>>,
}

enum Body {
    /// No code of the tool has run.
    Waiting(Arc<Setup>),
    Running(ToolFuture<'static>),
    Gone,
}

/// What a call needs to begin.
pub(super) struct Plan {
    pub(super) setup: Arc<Setup>,
    /// The tool's place in the set.
    pub(super) tool: usize,
}

#[derive(Default)]
pub(super) struct Extra {
    /// Arguments that the policy has put in place of the model's.
    pub(super) edited: OnceLock<String>,
    pub(super) token: OnceLock<CancellationToken>,
    hold: Mutex<Hold>,
    /// Tells a thread that the call's permits are back.
    regained: Notify,
    /// How often a layer has run the tool.
    runs: AtomicU32,
}

/// What of the call may run beside its body.
#[derive(Default)]
struct Hold {
    /// Threads, nested calls, and attempts in the hands of a layer.
    pieces: usize,
    /// Nothing more may begin.
    closed: bool,
    /// A thread was asked for, and has not begun.
    waits_for_thread: bool,
    /// Nested batches that are waited for.
    waits_for_calls: usize,
    /// Permits are back after a wait for nested calls.
    resumed: bool,
    abandoned: bool,
    children: Vec<Weak<Batch>>,
    attempts: Vec<Arc<Attempt>>,
}

/// Why a call is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Deadline,
    /// `Turn::cancel`, or the end of the call it was nested in.
    Cancel,
    /// Nobody waits any more.
    Drop,
    /// Another call of the message was fatal.
    Fatal,
    /// The runtime is gone.
    Shutdown,
    /// The runtime cannot tell the time.
    NoTimers,
}

/// Locks what no panic leaves half-done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As `lock`, or `None` while somebody else holds it.
fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl Call {
    pub(super) fn new(call: ToolCall, position: usize, batch: Arc<Batch>, plan: Option<Plan>) -> Self {
        let read_only = plan.as_ref().is_some_and(|plan| plan.setup.tools.definition_at(plan.tool).behavior().read_only);
        let flags = AtomicU8::new(if plan.is_some() { 0 } else { GONE } | if read_only { READ_ONLY } else { 0 });
        let tool = plan.as_ref().map_or(usize::MAX, |plan| plan.tool);
        let work = Mutex::new(Work { body: plan.map_or(Body::Gone, |plan| Body::Waiting(plan.setup)), span: None });
        let (times, waker) = (Times::default(), Mutex::new(None));
        let (outcome, seat, extra) = (OnceLock::new(), AtomicU64::new(NOTHING), OnceLock::new());
        Self { call, position, tool, batch, times, outcome, seat, flags, work, waker, extra }
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get()
    }

    /// As [`outcome`](Self::outcome), of a call that is handed out as answered.
    pub(crate) fn answered(&self) -> &Outcome {
        self.outcome.get_or_init(|| Err(never_answered()))
    }

    pub(crate) fn into_outcome(self) -> Outcome {
        self.outcome.into_inner().unwrap_or_else(|| Err(never_answered()))
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
        self.times.at(self.batch.queued, &self.times.deadline)
    }

    pub(crate) fn started(&self) -> Option<Instant> {
        self.times.at(self.batch.queued, &self.times.started)
    }

    pub(crate) fn finished(&self) -> Option<Instant> {
        self.times.at(self.batch.queued, &self.times.finished)
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

    // ---- polling

    /// Polls the call once, from wherever its turn has come. Ready when there is nothing more to poll.
    ///
    /// The first poll begins it: at `start`, or now, and then its deadline is watched.
    pub(super) fn poll(self: &Arc<Self>, cx: &mut Context<'_>, start: Option<Instant>) -> Poll<()> {
        let mut work = lock(&self.work);
        if self.is(STOPPED) {
            self.discard(work);
            return Poll::Ready(());
        }
        if let Body::Waiting(_) = work.body {
            if let Some(why) = self.batch.halted() {
                drop(work);
                self.stop_unstarted(why);
                return Poll::Ready(());
            }
            self.begin(&mut work, start.unwrap_or_else(Instant::now));
            if start.is_none() {
                self.batch.watch(self);
            }
        }
        let Work { body: Body::Running(future), span, .. } = &mut *work else { return Poll::Ready(()) };
        let polled = {
            let _entered = span.as_deref().map(Span::enter);
            catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
        };
        let outcome = match polled {
            Ok(Poll::Pending) => {
                self.set_waker(cx.waker());
                drop(work);
                return self.pending();
            }
            Ok(Poll::Ready(outcome)) => outcome,
            Err(panic) => Err(self.panicked(panic)),
        };
        self.end_body(&mut work);
        drop(work);
        self.conclude(outcome);
        Poll::Ready(())
    }

    /// Whoever stopped the call or found it due while it was polled has left the rest to the poller.
    fn pending(self: &Arc<Self>) -> Poll<()> {
        if self.is(STOPPED) {
            self.discard(lock(&self.work));
            return Poll::Ready(());
        }
        if self.is(DUE) {
            self.stop(Stop::Deadline);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn begin(self: &Arc<Self>, work: &mut Work, now: Instant) {
        let Body::Waiting(setup) = std::mem::replace(&mut work.body, Body::Gone) else { return };
        let deadline = setup.deadline(self.tool, now, self.batch.deadline);
        self.times.start(self.batch.queued, now, deadline);
        work.span = setup.call_span(self);
        let context = CallContext::new(Arc::clone(self), Arc::clone(&setup));
        if setup.layers.around(self.tool).is_some() {
            self.flag(LAYERED);
        }
        let _entered = work.span.as_deref().map(Span::enter);
        let begun = catch_unwind(AssertUnwindSafe(|| setup.body(context)));
        work.body = Body::Running(begun.unwrap_or_else(|panic| {
            let error = self.panicked(panic);
            Box::pin(async move { Err(error) })
        }));
    }

    /// The tool's panics do not get past the layers around it: one that gets here is a layer's, if there are any.
    fn panicked(&self, panic: Box<dyn Any + Send>) -> ToolError {
        let text = panic_text(panic);
        if self.is(LAYERED) {
            ToolError::failed(ErrorCode::MiddlewareError, "a layer around the tool failed", text)
        } else {
            ToolError::panic(text)
        }
    }

    /// Drops the body. Some text if that panicked.
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

    // ---- answering

    /// Answers a call that never ran.
    pub(super) fn refuse(self: &Arc<Self>, error: ToolError) {
        if let Some(mut work) = try_lock(&self.work) {
            work.body = Body::Gone;
        }
        self.flag(GONE);
        self.conclude(Err(error));
    }

    /// Gives the call its one answer, lets go of what it held, and tells the batch.
    fn conclude(self: &Arc<Self>, outcome: Outcome) {
        let alive = self.end_pieces();
        self.answer(outcome, alive);
    }

    fn answer(self: &Arc<Self>, outcome: Outcome, alive: bool) {
        let outcome = self.batch.within_limits(outcome).map_err(|error| error.of_tool(&crate::error::clip(&self.call.name)));
        let fatal = outcome.as_ref().is_err_and(ToolError::is_fatal);
        if outcome.as_ref().is_err_and(ToolError::is_undecoded) {
            self.times.never_started();
        }
        self.times.finish(self.batch.queued);
        if let Err(late) = self.outcome.set(outcome) {
            drop_quietly(late); // answered already
            return self.release();
        }
        if !self.batch.span.is_disabled()
            && let Some(mut work) = try_lock(&self.work)
        {
            self.close_span(&mut work);
        }
        if fatal {
            self.batch.halt(Stop::Fatal);
        }
        if alive {
            self.batch.engine.abandon(self);
        }
        self.release();
        self.batch.answered(self);
    }

    fn close_span(&self, work: &mut Work) {
        if let Some(span) = work.span.take() {
            self.batch.close_call_span(&span, self);
        }
    }

    // ---- stopping

    /// Answers the call now, whatever it is doing: no further poll of it begins.
    pub(super) fn stop(self: &Arc<Self>, why: Stop) {
        if self.outcome().is_some() {
            return;
        }
        self.flag(STOPPED);
        if let Some(token) = self.extra.get().and_then(|extra| extra.token.get()) {
            token.cancel();
        }
        let (polled, begun, panic) = match try_lock(&self.work) {
            Some(mut work) => {
                let begun = !matches!(work.body, Body::Waiting(_));
                (false, begun, self.end_body(&mut work))
            }
            None => (true, true, None),
        };
        let waits_for_thread = self.extra.get().is_some_and(|extra| lock(&extra.hold).waits_for_thread);
        let alive = self.end_pieces() || polled;
        if !polled && waits_for_thread && !alive {
            self.times.never_started();
        }
        let started = begun && self.started().is_some();
        let error = panic.map_or_else(|| why.error(self, started, alive), ToolError::panic);
        self.answer(Err(error), alive);
        self.wake(); // its task has nothing left to do but to end
    }

    /// Answers the call if it has not begun.
    pub(super) fn stop_unstarted(self: &Arc<Self>, why: Stop) {
        let Some(mut work) = try_lock(&self.work) else { return };
        if self.outcome().is_some() || !matches!(work.body, Body::Waiting(_)) {
            return;
        }
        self.flag(STOPPED);
        self.end_body(&mut work);
        drop(work);
        self.answer(Err(why.error(self, false, false)), false);
        self.wake();
    }

    fn wake(&self) {
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The deadline has passed: the call is polled once more, and answered if that brings nothing.
    pub(super) fn due(self: &Arc<Self>) {
        self.flag(DUE);
        self.wake();
    }

    /// Stops what it runs beside its body. True if some of it cannot be stopped.
    fn end_pieces(self: &Arc<Self>) -> bool {
        let Some(extra) = self.extra.get() else { return false };
        let (children, attempts) = {
            let mut hold = lock(&extra.hold);
            hold.closed = true;
            (std::mem::take(&mut hold.children), std::mem::take(&mut hold.attempts))
        };
        for child in children.iter().filter_map(Weak::upgrade) {
            child.cancel(Stop::Cancel);
        }
        for attempt in attempts {
            attempt.stop();
        }
        lock(&extra.hold).pieces > 0
    }

    /// Gives permits, key and place back, once nothing of an answered call runs.
    fn release(self: &Arc<Self>) {
        if self.outcome().is_none() || !self.is(GONE) {
            return;
        }
        if let Some(extra) = self.extra.get() {
            let mut hold = lock(&extra.hold);
            if hold.pieces > 0 {
                return;
            }
            if std::mem::take(&mut hold.abandoned) {
                drop(hold);
                self.let_go();
                self.batch.engine.ended();
                return;
            }
        }
        self.let_go();
    }

    fn let_go(self: &Arc<Self>) {
        if self.seat.load(Ordering::SeqCst) <= HELPED {
            return; // as most calls
        }
        match self.seat.swap(NOTHING, Ordering::SeqCst) {
            NOTHING | HELPED => return,
            BORROWED => self.batch.engine.give_back(),
            id => self.batch.engine.with(|scheduler| scheduler.settle(id)),
        }
        self.leave_parent();
    }

    // ---- its seat

    /// It is about to be polled for the first time, on the permit of whoever does so.
    pub(super) fn is_helped(&self) {
        self.seat.store(HELPED, Ordering::SeqCst);
    }

    /// It goes on by itself, and takes the permit along.
    pub(super) fn takes_permit(&self) {
        let _ = self.seat.compare_exchange(HELPED, BORROWED, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// It is answered. Whether its helper still has the permit: the scheduler may have taken it into its books.
    pub(super) fn leaves_permit(&self) -> bool {
        self.seat.compare_exchange(HELPED, NOTHING, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    pub(super) fn take_seat(&self, id: CallId) {
        self.seat.store(id, Ordering::SeqCst);
    }

    /// Its seat in the scheduler, if it has one there.
    pub(super) fn seat(&self) -> Option<CallId> {
        Some(self.seat.load(Ordering::SeqCst)).filter(|seat| *seat >= FIRST_ID)
    }

    /// Makes a borrowed seat one in the scheduler. False if it is not borrowed any more.
    pub(super) fn is_adopted(&self, id: CallId) -> bool {
        let adopt = |seat| (seat == HELPED || seat == BORROWED).then_some(id);
        self.seat.fetch_update(Ordering::SeqCst, Ordering::SeqCst, adopt).is_ok()
    }

    /// The scheduler has put it out.
    pub(super) fn lose_seat(&self) {
        self.seat.store(NOTHING, Ordering::SeqCst);
        self.leave_parent();
    }

    fn leave_parent(&self) {
        if let Some(parent) = &self.batch.parent {
            parent.end_piece();
        }
    }

    /// Notes that it stays behind as abandoned work. False if it has ended meanwhile.
    pub(super) fn is_left_behind(&self) -> bool {
        let mut hold = lock(&self.extra().hold);
        let alive = self.seat.load(Ordering::SeqCst) != NOTHING && (hold.pieces > 0 || !self.is(GONE));
        hold.abandoned = alive;
        alive
    }

    // ---- what runs beside its body

    /// Begins a piece of work that cannot be dropped, unless the call is stopped.
    pub(crate) fn begin_piece(self: &Arc<Self>) -> bool {
        let mut hold = lock(&self.extra().hold);
        let open = !hold.closed;
        hold.pieces += usize::from(open);
        open
    }

    fn end_attempt(self: &Arc<Self>, attempt: &Attempt) {
        lock(&self.extra().hold).attempts.retain(|other| !std::ptr::eq(&**other, attempt));
        self.end_piece();
    }

    pub(crate) fn end_piece(self: &Arc<Self>) {
        lock(&self.extra().hold).pieces -= 1;
        self.release();
    }

    pub(crate) fn waits_for_thread(&self, waits: bool) {
        lock(&self.extra().hold).waits_for_thread = waits;
    }

    /// A thread begins with the call, unless it is stopped.
    pub(crate) fn begin_on_thread(&self) -> bool {
        let mut hold = lock(&self.extra().hold);
        if hold.closed {
            return false;
        }
        hold.pieces += 1;
        hold.waits_for_thread = false;
        true
    }

    /// Whether something of it may run beside its body.
    pub(super) fn has_pieces(&self) -> bool {
        self.extra.get().is_some_and(|extra| lock(&extra.hold).pieces > 0)
    }

    /// As [`has_pieces`](Self::has_pieces), attempts in the hands of layers aside.
    pub(super) fn has_nested(&self) -> bool {
        self.extra.get().is_some_and(|extra| {
            let hold = lock(&extra.hold);
            hold.pieces > hold.attempts.len()
        })
    }

    /// Counts one more run of the tool by a layer, from 1.
    pub(super) fn count_run(&self) -> u32 {
        self.extra().runs.fetch_add(1, Ordering::SeqCst).saturating_add(1)
    }

    /// Puts other arguments in place of the model's.
    pub(super) fn edit(&self, arguments: String) {
        let _ = self.extra().edited.set(arguments);
    }

    pub(crate) fn idempotency_key(&self) -> String {
        format!("{:032x}-{:x}", process_nonce(), self.batch.serial.wrapping_add(self.position as u64))
    }

    /// The tool's place in the set, until the call begins.
    pub(super) fn tool(&self) -> Option<usize> {
        match &lock(&self.work).body {
            Body::Waiting(_) => Some(self.tool),
            Body::Running(_) | Body::Gone => None,
        }
    }

    /// A nested batch is stopped with the call. False if the call is stopped already.
    pub(super) fn add_child(&self, child: &Arc<Batch>) -> bool {
        let mut hold = lock(&self.extra().hold);
        hold.children.retain(|child| child.strong_count() > 0);
        hold.children.push(Arc::downgrade(child));
        !hold.closed
    }

    /// Whether the body waits for nested calls, for one more or one fewer.
    pub(crate) fn waits_for_calls(&self, more: bool) {
        let hold = &mut lock(&self.extra().hold).waits_for_calls;
        *hold = if more { *hold + 1 } else { hold.saturating_sub(1) };
    }

    pub(super) fn is_waiting_for_calls(&self) -> bool {
        self.extra.get().is_some_and(|extra| lock(&extra.hold).waits_for_calls > 0)
    }

    /// Its permits are back.
    pub(super) fn resumed(self: &Arc<Self>) {
        lock(&self.extra().hold).resumed = true;
        self.extra().regained.notify_one();
        self.wake();
    }

    /// Waits until its permits are back, or it has no need of them any more.
    pub(super) async fn regained(&self) {
        while !self.has_resumed() && self.seat().is_some() && self.outcome().is_none() {
            self.extra().regained.notified().await;
        }
    }

    pub(super) fn has_resumed(&self) -> bool {
        std::mem::take(&mut lock(&self.extra().hold).resumed)
    }

    pub(super) fn park(self: &Arc<Self>) -> bool {
        self.is_waiting_for_calls() && self.batch.engine.park(self)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is(STOPPED)
    }

    pub(super) fn is_due(&self) -> bool {
        self.is(DUE)
    }

    /// Whether it can still begin.
    pub(super) fn is_untouched(&self) -> bool {
        self.outcome().is_none() && self.started().is_none()
    }

    pub(super) fn forget_waker(&self) {
        *lock(&self.waker) = None;
    }

    pub(super) fn set_waker(&self, waker: &Waker) {
        let mut stored = lock(&self.waker);
        if stored.as_ref().is_none_or(|stored| !stored.will_wake(waker)) {
            *stored = Some(waker.clone());
        }
    }

    /// An attempt in the hands of a layer is stopped with the call.
    pub(crate) fn add_attempt(self: &Arc<Self>, attempt: Arc<Attempt>) -> bool {
        let mut hold = lock(&self.extra().hold);
        if hold.closed {
            return false;
        }
        hold.pieces += 1;
        hold.attempts.push(attempt);
        true
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("call", &self.call).field("position", &self.position).finish_non_exhaustive()
    }
}

/// One run of the tool, in the hands of a layer that may do with it what it likes: it ends with the call.
pub(crate) struct Attempt {
    call: Arc<Call>,
    body: Mutex<Option<ToolFuture<'static>>>,
}

impl Attempt {
    pub(crate) fn new(call: Arc<Call>, body: ToolFuture<'static>) -> Arc<Self> {
        Arc::new(Self { call, body: Mutex::new(Some(body)) })
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut body = lock(&self.body);
        if self.call.is_over() {
            drop(body);
            self.stop();
            return Poll::Ready(Err(stopped()));
        }
        let Some(future) = body.as_mut() else { return Poll::Ready(Err(stopped())) };
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        let outcome = match polled {
            Ok(Poll::Pending) => {
                drop(body);
                if self.call.is_over() {
                    self.stop();
                }
                return Poll::Pending;
            }
            Ok(Poll::Ready(outcome)) => outcome,
            Err(panic) => Err(ToolError::panic(panic_text(panic))),
        };
        drop(body);
        self.stop();
        Poll::Ready(outcome)
    }

    /// Drops the run, unless it is polled right now: then its poller does.
    pub(crate) fn stop(&self) {
        let Some(future) = try_lock(&self.body).and_then(|mut body| body.take()) else { return };
        drop_quietly(future);
        self.call.end_attempt(self);
    }
}

fn stopped() -> ToolError {
    ToolError::with_text(ErrorCode::Cancelled, "the call is over")
}

impl Call {
    fn is_over(&self) -> bool {
        self.is(STOPPED) || self.outcome().is_some()
    }
}

impl Stop {
    /// What the stopped call is answered.
    fn error(self, call: &Call, started: bool, alive: bool) -> ToolError {
        if !started {
            let why = match self {
                Self::Deadline => match call.timeout() {
                    Some(timeout) => &format!("no thread was free for it within {timeout:?}"),
                    None => "no thread was free for it in time",
                },
                Self::Cancel => "the message was cancelled",
                Self::Drop => "nobody waited for it",
                Self::Fatal => "another call of this message failed in a way that stops the run",
                Self::Shutdown => "the program is shutting down",
                Self::NoTimers => "the program's tokio runtime has no timers",
            };
            return not_started(why);
        }
        let after = call.timeout().map(|timeout| format!(" after {timeout:?}")).unwrap_or_default();
        let (code, stopped) = match (self, alive) {
            (Self::Deadline, true) => {
                let within = call.timeout().map(|timeout| format!(" within {timeout:?}")).unwrap_or_default();
                let text = format!("no answer{within}; it cannot be stopped and may still be acting");
                return ToolError::with_text(ErrorCode::TimeoutIndeterminate, text);
            }
            (_, true) => {
                let text = "cancelled; it cannot be stopped and may still be acting";
                return ToolError::with_text(ErrorCode::CancelledIndeterminate, text);
            }
            (Self::Deadline, false) => (ErrorCode::Timeout, format!("stopped{after} without an answer")),
            (Self::Shutdown, false) => (ErrorCode::Cancelled, "cancelled: the program is shutting down".to_owned()),
            (Self::NoTimers, false) => (ErrorCode::Cancelled, "cancelled: the program's tokio runtime has no timers".to_owned()),
            (Self::Cancel | Self::Drop | Self::Fatal, false) => (ErrorCode::Cancelled, "cancelled before it had an answer".to_owned()),
        };
        let effects = if call.is(READ_ONLY) { "" } else { "; it may have acted in part" };
        ToolError::with_text(code, format!("{stopped}{effects}"))
    }
}

pub(crate) fn not_started(why: &str) -> ToolError {
    ToolError::with_text(ErrorCode::NotStarted, format!("not started: {why}"))
}

fn never_answered() -> ToolError {
    not_started("it was never answered")
}

/// What a call does after its first poll, or from the start where its turn came later.
pub(super) struct CallTask {
    call: Option<Arc<Call>>,
    state: Permits,
}

#[derive(Clone, Copy, PartialEq)]
enum Permits {
    Held,
    Lent,
    Wanted,
}

impl CallTask {
    pub(super) fn spawn(call: Arc<Call>) {
        let batch = Arc::clone(&call.batch);
        batch.spawn(Self { call: Some(call), state: Permits::Held });
    }
}

impl Future for CallTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(call) = self.call.clone() else { return Poll::Ready(()) };
        loop {
            match self.state {
                Permits::Held => {
                    if call.poll(cx, None).is_ready() {
                        break;
                    }
                    if call.park() {
                        self.state = Permits::Lent;
                    }
                    return Poll::Pending;
                }
                Permits::Lent => {
                    self.state = Permits::Wanted;
                    call.forget_waker(); // this task need not be told of what it asks for itself
                    call.batch.engine.resume(&call);
                }
                Permits::Wanted => {
                    call.set_waker(cx.waker());
                    if call.is_stopped() {
                        break;
                    }
                    if call.is_due() {
                        call.stop(Stop::Deadline);
                        break;
                    }
                    if !call.has_resumed() {
                        return Poll::Pending;
                    }
                    self.state = Permits::Held;
                }
            }
        }
        self.call = None;
        Poll::Ready(())
    }
}

impl Drop for CallTask {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            call.stop(Stop::Shutdown);
        }
    }
}

/// When a call started and finished, and when it has to be: nanoseconds since its batch was queued, plus one; 0 is never.
#[derive(Debug, Default)]
struct Times {
    started: AtomicU64,
    finished: AtomicU64,
    deadline: AtomicU64,
}

impl Times {
    fn offset(queued: Instant, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(queued).as_nanos()).unwrap_or(u64::MAX - 1).saturating_add(1)
    }

    fn at(&self, queued: Instant, offset: &AtomicU64) -> Option<Instant> {
        let offset = offset.load(Ordering::Acquire).checked_sub(1)?;
        queued.checked_add(Duration::from_nanos(offset))
    }

    fn start(&self, queued: Instant, now: Instant, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            self.deadline.store(Self::offset(queued, deadline), Ordering::Release);
        }
        self.started.store(Self::offset(queued, now), Ordering::Release);
    }

    fn finish(&self, queued: Instant) {
        let now = Self::offset(queued, Instant::now());
        let _ = self.finished.compare_exchange(0, now, Ordering::AcqRel, Ordering::Relaxed);
    }

    fn never_started(&self) {
        self.started.store(0, Ordering::Release);
    }
}

/// A number no other process has.
fn process_nonce() -> u128 {
    static NONCE: OnceLock<u128> = OnceLock::new();
    // Hash keys are the standard library's source of randomness.
    let random = || RandomState::new().hash_one(std::process::id());
    *NONCE.get_or_init(|| u128::from(random()) << 64 | u128::from(random()))
}

/// Drops a value of the user's, whose destructor may panic: then what it said.
pub(super) fn drop_quietly<T>(value: T) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| drop(value))).err().map(panic_text)
}

/// What a panic said, for the operator.
pub(crate) fn panic_text(panic: Box<dyn Any + Send>) -> String {
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
