//! The calls of one message: how many are unanswered, who waits for them, and when the next deadline is.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::Span;

use super::Setup;
use super::call::{Call, Outcome, Stop, drop_quietly, lock, offset};
use super::engine::Engine;
use super::limits::Limits;
use super::scheduler::BatchId;
use super::stream::{Event, Progress};
use crate::call::ToolResult;

/// What is left of an output when the batch's share is used up.
const LEAST_OUTPUT: usize = 512;

/// How long a poll may be under way when its deadline strikes before it counts as one that computes.
const LATE: Duration = Duration::from_millis(5);

#[repr(C)] // What every answer writes lies behind what every call reads, and is not in the same line of a cache.
pub(crate) struct Batch {
    pub(super) engine: Arc<Engine>,
    pub(super) limits: Limits,
    pub(super) records_content: bool,
    /// What its calls begin with. Whoever waits for the batch keeps it: results do not hold on to tools and their state.
    pub(super) setup: Weak<Setup>,
    pub(super) runtime: Option<Handle>,
    /// The call that it was dispatched from.
    pub(super) parent: Option<Arc<Call>>,
    /// How many calls it is within.
    pub(super) depth: usize,
    /// The deadline of the call it was dispatched from.
    pub(super) deadline: Option<Instant>,
    pub(crate) queued: Instant,
    /// Its number among all batches of the process, if anybody has asked.
    serial: OnceLock<u64>,
    pub(super) span: Span,
    /// Its id in the scheduler, if it has one.
    id: AtomicU64,
    /// Whether more calls may come.
    open: AtomicBool,
    /// Why no more calls of it start, if they do not.
    halted: OnceLock<Stop>,
    /// Whether the state holds something that ends with the batch.
    waited_for: AtomicBool,
    /// Whether somebody reads events.
    told: bool,
    state: Mutex<State>,
    output_left: AtomicUsize,
    /// Calls without an answer, plus one while more may come.
    unanswered: AtomicUsize,
}

#[derive(Default)]
struct State {
    calls: Vec<Arc<Call>>,
    waker: Option<Waker>,
    events: VecDeque<Event>,
    /// How many of the events are progress.
    progress: usize,
    deadlines: BinaryHeap<Reverse<Deadline>>,
    watch: Option<Watch>,
    /// Nobody will ask for anything any more.
    forgotten: bool,
}

struct Watch {
    _task: AbortOnDropHandle<()>,
    earlier: Arc<Notify>,
    /// When it looks next, if it does.
    until: Option<Instant>,
}

struct Deadline {
    at: Instant,
    call: Arc<Call>,
}

/// What a new batch is made of.
pub(super) struct Origin {
    pub(super) runtime: Option<Handle>,
    pub(super) parent: Option<Arc<Call>>,
    pub(super) span: Span,
    /// Calls it is made for; none, if they are still to come.
    pub(super) calls: Option<usize>,
    /// Whether somebody reads events.
    pub(super) told: bool,
}

impl Batch {
    pub(super) fn new(setup: &Arc<Setup>, origin: Origin) -> Arc<Self> {
        let Origin { runtime, parent, span, calls, told } = origin;
        if calls != Some(0) {
            setup.engine.began();
        }
        Arc::new(Self {
            depth: parent.as_ref().map_or(0, |parent| parent.batch.depth + 1),
            deadline: parent.as_ref().and_then(|parent| parent.deadline()),
            queued: Instant::now(),
            serial: OnceLock::new(),
            id: AtomicU64::new(0),
            unanswered: AtomicUsize::new(calls.unwrap_or(1)),
            open: AtomicBool::new(calls.is_none()),
            waited_for: AtomicBool::new(false),
            halted: OnceLock::new(),
            output_left: AtomicUsize::new(setup.limits.batch_output_bytes),
            state: Mutex::default(),
            engine: Arc::clone(&setup.engine),
            limits: setup.limits.clone(),
            records_content: setup.records_content,
            setup: Arc::downgrade(setup),
            runtime,
            parent,
            span,
            told,
        })
    }

    /// Its number among all batches of the process.
    pub(super) fn serial(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        *self.serial.get_or_init(|| NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// How long ago it was queued, as [`Call`]s note it.
    pub(super) fn now(&self) -> u64 {
        offset(self.queued, Instant::now())
    }

    /// Runs something on the runtime that the batch was dispatched on.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<JoinHandle<()>> {
        self.runtime.as_ref().map(|runtime| runtime.spawn(task))
    }

    /// Its id in the scheduler, made when first asked for.
    pub(super) fn open(&self, make: impl FnOnce() -> BatchId) -> BatchId {
        match self.id.load(Ordering::SeqCst) {
            0 => {
                let id = make();
                self.id.store(id, Ordering::SeqCst);
                id
            }
            id => id,
        }
    }

    pub(super) fn id(&self) -> Option<BatchId> {
        Some(self.id.load(Ordering::SeqCst)).filter(|id| *id != 0)
    }

    /// The calls it was made for.
    pub(super) fn set_calls(&self, calls: Vec<Arc<Call>>) {
        lock(&self.state).calls = calls;
    }

    /// Adds a call that was still to come.
    pub(super) fn add(&self, call: Arc<Call>) {
        self.unanswered.fetch_add(1, Ordering::SeqCst);
        lock(&self.state).calls.push(call);
    }

    pub(super) fn calls(&self) -> Vec<Arc<Call>> {
        lock(&self.state).calls.clone()
    }

    /// Why no more calls of it start, if they do not.
    pub(super) fn halted(&self) -> Option<Stop> {
        self.halted.get().copied()
    }

    /// No more calls come.
    pub(super) fn seal(&self) {
        if self.open.swap(false, Ordering::SeqCst) {
            self.one_less();
        }
    }

    // ---- answers

    /// A call has its answer.
    pub(super) fn answered(&self, call: &Arc<Call>) {
        if self.told {
            let waker = {
                let mut state = lock(&self.state);
                if !state.forgotten {
                    state.events.push_back(Event::Result(ToolResult::new(Arc::clone(call))));
                }
                state.waker.take()
            };
            wake(waker);
        }
        self.one_less();
    }

    fn one_less(&self) {
        if self.unanswered.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        if !self.span.is_disabled() {
            let results: Vec<_> = self.calls().into_iter().map(ToolResult::new).collect();
            self.close_span(&results);
        }
        self.engine.ended();
        if self.waited_for.load(Ordering::SeqCst) {
            let (waker, watch, deadlines) = {
                let mut state = lock(&self.state);
                (state.waker.take(), state.watch.take(), std::mem::take(&mut state.deadlines))
            };
            drop((watch, deadlines));
            wake(waker);
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.unanswered.load(Ordering::SeqCst) == 0
    }

    /// Ready when all calls are answered.
    pub(super) fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_done() {
            return Poll::Ready(());
        }
        lock(&self.state).waker = Some(cx.waker().clone());
        self.waited_for.store(true, Ordering::SeqCst);
        if self.is_done() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The results, in call order. The batch forgets its calls.
    pub(super) fn take_results(&self) -> Vec<ToolResult> {
        let mut calls = std::mem::take(&mut lock(&self.state).calls);
        if !calls.is_sorted_by_key(|call| call.position) {
            calls.sort_by_key(|call| call.position);
        }
        calls.into_iter().map(ToolResult::new).collect()
    }

    /// Lets go of calls and events: they hold on to the batch.
    fn forget(&self) {
        let (calls, events) = {
            let mut state = lock(&self.state);
            state.forgotten = true;
            (std::mem::take(&mut state.calls), std::mem::take(&mut state.events))
        };
        drop_quietly((calls, events)); // outputs and errors nobody has asked for
    }

    /// The next event, or `None` when there will be no more.
    pub(super) fn poll_event(&self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut state = lock(&self.state);
        if let Some(event) = state.events.pop_front() {
            state.progress -= usize::from(matches!(event, Event::Progress(_)));
            return Poll::Ready(Some(event));
        }
        state.waker = Some(cx.waker().clone());
        self.waited_for.store(true, Ordering::SeqCst);
        if self.is_done() { Poll::Ready(None) } else { Poll::Pending }
    }

    /// Tells whoever reads events, unless the call is answered. The oldest progress is forgotten when nobody reads it.
    pub(crate) fn report(&self, call: &Call, progress: impl FnOnce() -> Progress) {
        if !self.told {
            return;
        }
        let mut state = lock(&self.state);
        if call.outcome().is_some() || self.limits.progress_events == 0 {
            return;
        }
        if state.progress >= self.limits.progress_events
            && let Some(oldest) = state.events.iter().position(|event| matches!(event, Event::Progress(_)))
        {
            state.events.remove(oldest);
            state.progress -= 1;
        }
        state.events.push_back(Event::Progress(progress()));
        state.progress += 1;
        let waker = state.waker.take();
        drop(state);
        wake(waker);
    }

    /// Shortens an output that is longer than what is left for it.
    pub(super) fn within_limits(&self, outcome: Outcome) -> Outcome {
        let output = outcome?;
        let length = output.as_str().len();
        if length <= LEAST_OUTPUT.min(self.limits.output_bytes) {
            return Ok(output); // too short to be counted
        }
        let wanted = length.min(self.limits.output_bytes);
        let take = |left: usize| Some(left.saturating_sub(wanted));
        let left = self.output_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).unwrap_or_default();
        Ok(output.within(wanted.min(left.max(LEAST_OUTPUT))))
    }

    // ---- stopping

    /// Starts nothing more: calls that have not begun are answered.
    pub(super) fn halt(&self, why: Stop) {
        let calls = self.stop_starting(why);
        for call in &calls {
            call.stop_unstarted(why);
        }
    }

    /// Answers every call now.
    pub(super) fn cancel(&self, why: Stop) {
        let calls = self.stop_starting(why);
        for call in &calls {
            call.stop(why);
        }
    }

    fn stop_starting(&self, why: Stop) -> Vec<Arc<Call>> {
        let _ = self.halted.set(why);
        let calls = self.calls();
        if let Some(id) = self.id() {
            self.engine.with(|scheduler| scheduler.halt(id));
        }
        calls
    }

    // ---- deadlines

    /// Sees to it that the call, which has begun, is stopped at its deadline.
    pub(super) fn watch(self: &Arc<Self>, call: &Arc<Call>) {
        let Some(at) = call.deadline() else { return };
        let mut state = lock(&self.state);
        self.waited_for.store(true, Ordering::SeqCst);
        if call.outcome().is_some() || self.is_done() || state.forgotten {
            return;
        }
        state.deadlines.push(Reverse(Deadline { at, call: Arc::clone(call) }));
        match &mut state.watch {
            Some(watch) if watch.until.is_some_and(|until| until <= at) => {}
            Some(watch) => {
                watch.until = Some(at);
                watch.earlier.notify_one();
            }
            None if has_timers() => {
                let earlier = Arc::new(Notify::new());
                let task = self.spawn(supervise(Arc::clone(self), Arc::clone(&earlier)));
                state.watch = task.map(|task| Watch { _task: AbortOnDropHandle::new(task), earlier, until: Some(at) });
            }
            None => {
                let call = Arc::clone(call);
                self.spawn(async move { call.stop(Stop::NoTimers) });
            }
        }
    }

    /// The calls whose time has come, each with whether it was told before, and when the next is.
    fn due(&self) -> (Vec<(Arc<Call>, bool)>, Option<Instant>) {
        let (now, mut due) = (Instant::now(), Vec::new());
        let mut state = lock(&self.state);
        while let Some(Reverse(next)) = state.deadlines.peek()
            && next.at <= now
            && let Some(Reverse(Deadline { at, call })) = state.deadlines.pop()
        {
            if call.outcome().is_some() {
                continue;
            }
            let told = call.is_due();
            if !told {
                state.deadlines.push(Reverse(Deadline { at: at.max(now) + LATE, call: Arc::clone(&call) }));
            }
            due.push((call, told));
        }
        let next = state.deadlines.peek().map(|Reverse(next)| next.at);
        if let Some(watch) = &mut state.watch {
            watch.until = next;
        }
        (due, next)
    }
}

/// Stops the calls of a batch at their deadlines: each is polled once more when its deadline strikes, by its own task,
/// and what has not been polled by then, or is still being polled, is not waited for.
async fn supervise(batch: Arc<Batch>, earlier: Arc<Notify>) {
    loop {
        let (due, next) = batch.due();
        for (call, told) in due {
            if told { call.stop(Stop::Deadline) } else { call.due() }
        }
        match next {
            Some(next) => _ = tokio::time::timeout_at(next, earlier.notified()).await,
            None => earlier.notified().await,
        }
    }
}

fn has_timers() -> bool {
    catch_unwind(AssertUnwindSafe(|| drop(tokio::time::sleep(Duration::ZERO)))).is_ok()
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl PartialEq for Deadline {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Deadline {}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("unanswered", &self.unanswered).finish_non_exhaustive()
    }
}

/// The batch as whoever started it holds it: given up, it stops.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) setup: Arc<Setup>,
    batch: Arc<Batch>,
    /// The calls of a batch that was done before anybody could ask it for them.
    done: Vec<Arc<Call>>,
}

impl Running {
    pub(super) fn new(setup: Arc<Setup>, origin: Origin) -> Self {
        Self { batch: Batch::new(&setup, origin), setup, done: Vec::new() }
    }

    pub(super) fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }

    /// The calls it was made for, which have been polled once.
    pub(super) fn with_calls(mut self, calls: Vec<Arc<Call>>) -> Self {
        if self.batch.is_done() {
            self.done = calls;
        } else {
            self.batch.set_calls(calls);
        }
        self
    }

    /// Ready when all calls are answered.
    pub(super) async fn results(mut self) -> Vec<ToolResult> {
        std::future::poll_fn(|cx| self.batch.poll_done(cx)).await;
        match std::mem::take(&mut self.done) {
            done if done.is_empty() => self.batch.take_results(),
            done => done.into_iter().map(ToolResult::new).collect(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (batch, done) = (&self.batch, self.batch.is_done());
        if !done {
            batch.cancel(Stop::Drop);
            batch.seal();
        }
        if !done || batch.waited_for.load(Ordering::SeqCst) || batch.told {
            batch.forget();
        }
    }
}
