//! What the calls of a batch share: where it came from, what it may still do, and the calls
//! themselves.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Waker;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::Span;

use super::deadlines::{Deadline, Decisions, Watch};
use crate::dispatch::call::{Call, Stop, lock, offset};
use crate::dispatch::engine::Alive;
use crate::dispatch::key::Key;
use crate::dispatch::scheduler::{BatchId, CallId, Scheduler};
use crate::dispatch::stream::DispatchEvent;
use crate::dispatch::{Setup, span};
use crate::model::RunName;

#[repr(C)] // What every answer writes lies behind what every call reads, and is not in the same line of a cache.
pub(crate) struct Batch {
    pub(in crate::dispatch) setup: Setup,
    runtime: OnceLock<Handle>,
    /// The call that it was dispatched from.
    pub(in crate::dispatch) parent: Option<Arc<Call>>,
    /// What the program calls the message.
    pub(in crate::dispatch) run: Option<Arc<RunName>>,
    pub(in crate::dispatch) number: BatchNumber,
    /// How many calls it is within.
    pub(in crate::dispatch) depth: usize,
    /// The deadline of the call it was dispatched from.
    pub(in crate::dispatch) deadline: Option<Instant>,
    /// When it was dispatched; in a streaming batch, when its first call was opened.
    queued: OnceLock<Instant>,
    /// Its number among all batches of the process, if it was needed so far.
    serial: OnceLock<u64>,
    /// Set when it is made, or else when its first call opens.
    span: OnceLock<Span>,
    /// Its id in the scheduler, if it has one.
    id: AtomicU64,
    /// Whether more calls may come.
    open: AtomicBool,
    /// Why no more calls of it start, if they do not.
    halted: OnceLock<Stop>,
    /// Whether events are read.
    pub(in crate::dispatch) observed: bool,
    pub(super) state: Mutex<BatchState>,
    pub(super) output_left: AtomicUsize,
    /// Unknown names so far.
    guesses: AtomicUsize,
    /// Calls without an answer, plus one while more may come.
    pub(super) unanswered: AtomicUsize,
}

/// Which of a call's nested batches it is, from 0.
#[derive(Clone, Copy, Debug)]
pub(in crate::dispatch) enum BatchNumber {
    /// Of those that this attempt of the tool has begun.
    OfTool(usize),
    /// Of those that layers around the tool have begun.
    OfLayer(usize),
}

impl fmt::Display for BatchNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfTool(number) => write!(f, "{number}"),
            Self::OfLayer(number) => write!(f, "layer{number}"),
        }
    }
}

/// The calls of a batch; in call order, unless they come one by one.
pub(in crate::dispatch) type Calls = Arc<Vec<Arc<Call>>>;

#[derive(Default)]
pub(super) struct BatchState {
    pub(super) calls: Option<Calls>,
    pub(super) events: VecDeque<DispatchEvent>,
    /// How many of the events are progress.
    pub(super) progress: usize,
    pub(super) deadlines: BinaryHeap<Reverse<Deadline>>,
    pub(super) watch: Option<Watch>,
    pub(super) decisions: Decisions,
    /// Until the last call is answered.
    pub(super) alive: Option<Alive>,
    /// Wakes the task that waits for the batch or for its next event.
    pub(super) waker: Option<Waker>,
    /// The caller has dropped the batch.
    pub(super) forgotten: bool,
}

/// What a new batch is made of.
pub(in crate::dispatch) struct Origin {
    pub(in crate::dispatch) setup: Setup,
    pub(in crate::dispatch) parent: Option<Arc<Call>>,
    pub(in crate::dispatch) number: BatchNumber,
    pub(in crate::dispatch) run: Option<Arc<RunName>>,
    pub(in crate::dispatch) span: Option<Span>,
    /// Calls it is made for; none, if they are still to come.
    pub(in crate::dispatch) calls: Option<usize>,
    /// Whether events are read.
    pub(in crate::dispatch) observed: bool,
}

impl Batch {
    #[inline]
    pub(in crate::dispatch) fn new(origin: Origin) -> Self {
        let Origin {
            setup,
            parent,
            number,
            run,
            span,
            calls,
            observed,
        } = origin;
        Self {
            depth: parent.as_ref().map_or(0, |parent| parent.batch.depth + 1),
            deadline: parent.as_ref().and_then(|parent| parent.deadline()),
            queued: calls.map(|_| Instant::now().into()).unwrap_or_default(),
            serial: OnceLock::new(),
            id: AtomicU64::new(0),
            unanswered: AtomicUsize::new(calls.unwrap_or(1)),
            open: AtomicBool::new(calls.is_none()),
            halted: OnceLock::new(),
            guesses: AtomicUsize::new(0),
            output_left: AtomicUsize::new(setup.limits.batch_output_bytes),
            state: Mutex::default(),
            setup,
            runtime: OnceLock::new(),
            parent,
            number,
            run,
            span: span.map(OnceLock::from).unwrap_or_default(),
            observed,
        }
    }

    /// When its first call was handed over. A model may write for long before that.
    #[inline]
    pub(crate) fn queued(&self) -> Instant {
        *self.queued.get_or_init(Instant::now)
    }

    /// The span around its calls.
    pub(in crate::dispatch) fn span(&self) -> &Span {
        self.span.get_or_init(Span::none)
    }

    /// Its first call opens, so its span opens below `parent`.
    pub(in crate::dispatch) fn open_span(&self, parent: &Span) {
        self.queued();
        let open = || parent.in_scope(|| span::of_batch(1));
        self.span.get_or_init(open);
    }

    /// From here on it is alive, until its last call is answered.
    pub(in crate::dispatch) fn count(&self) {
        if !self.is_done() {
            lock(&self.state).alive = Some(Alive::new(Arc::clone(&self.setup.engine)));
        }
    }

    /// Its number among all batches of the process.
    pub(in crate::dispatch) fn serial(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        *self
            .serial
            .get_or_init(|| NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// How long ago it was queued, as [`Call`]s note it.
    #[inline]
    pub(in crate::dispatch) fn now(&self) -> u64 {
        offset(self.queued(), Instant::now())
    }

    /// The runtime that it was dispatched on: this one at the first use, or that of the
    /// call it is within.
    pub(in crate::dispatch) fn runtime(&self) -> Option<&Handle> {
        self.runtime.get().or_else(|| {
            let outer = || {
                self.parent
                    .as_ref()
                    .and_then(|parent| parent.batch.runtime().cloned())
            };
            let runtime = Handle::try_current().ok().or_else(outer)?;
            Some(self.runtime.get_or_init(|| runtime))
        })
    }

    /// Runs something on the runtime that the batch was dispatched on.
    pub(in crate::dispatch) fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Option<JoinHandle<()>> {
        self.runtime().map(|runtime| runtime.spawn(task))
    }

    /// Its id in the scheduler, made when first asked for, or when the scheduler does not know it
    /// any more.
    pub(in crate::dispatch) fn open<C: Clone>(
        &self,
        scheduler: &mut Scheduler<Key, C>,
        parent: Option<CallId>,
    ) -> BatchId {
        if let Some(id) = self.id().filter(|id| scheduler.knows(*id)) {
            return id;
        }
        let id = scheduler.open(parent, self.open.load(Ordering::Acquire));
        self.id.store(id, Ordering::Release);
        id
    }

    pub(in crate::dispatch) fn id(&self) -> Option<BatchId> {
        Some(self.id.load(Ordering::Acquire)).filter(|id| *id != 0)
    }

    /// The calls it was made for.
    pub(in crate::dispatch) fn set_calls(&self, calls: Calls) {
        lock(&self.state).calls = Some(calls);
    }

    /// Adds a call that was still to come.
    pub(in crate::dispatch) fn add(&self, call: Arc<Call>) {
        let mut state = lock(&self.state);
        if self.unanswered.fetch_add(1, Ordering::AcqRel) == 0 {
            // all before it are answered, and no more were to come
            state.alive = Some(Alive::new(Arc::clone(&self.setup.engine)));
        }
        Arc::make_mut(state.calls.get_or_insert_default()).push(call);
    }

    pub(in crate::dispatch) fn calls(&self) -> Calls {
        lock(&self.state).calls.clone().unwrap_or_default()
    }

    /// A decision on one of its calls is pending.
    pub(in crate::dispatch) fn begin_decision(&self) {
        lock(&self.state).decisions.begin();
    }

    pub(in crate::dispatch) fn end_decision(&self) {
        lock(&self.state).decisions.end();
    }

    /// Whether one more unknown name may be compared with those of all tools.
    pub(in crate::dispatch) fn may_guess(&self, most: usize) -> bool {
        self.guesses.fetch_add(1, Ordering::Relaxed) < most
    }

    /// Why no more calls of it start, if they do not.
    pub(in crate::dispatch) fn halted(&self) -> Option<Stop> {
        self.halted.get().copied()
    }

    /// No more calls come.
    pub(in crate::dispatch) fn seal(&self) {
        if self.open.swap(false, Ordering::AcqRel) {
            self.fewer(1);
        }
    }

    // ---- stopping

    /// Starts nothing more: calls that have not begun are answered.
    pub(in crate::dispatch) fn halt(&self, why: Stop) {
        let calls = self.stop_starting(why);
        for call in calls.iter() {
            call.stop_unstarted(why);
        }
    }

    /// Answers every call now.
    pub(in crate::dispatch) fn cancel(&self, why: Stop) {
        let calls = self.stop_starting(why);
        for call in calls.iter() {
            call.stop(why);
        }
    }

    fn stop_starting(&self, why: Stop) -> Calls {
        let _ = self.halted.set(why);
        let calls = self.calls();
        if let Some(id) = self.id() {
            self.setup.engine.with(|scheduler| scheduler.halt(id));
        }
        calls
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("unanswered", &self.unanswered)
            .finish_non_exhaustive()
    }
}
