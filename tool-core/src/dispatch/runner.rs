//! The short way: calls that need no order, no decision and no waiting are polled where they stand, by a few helpers that
//! take them from each other. Only a call that is not ready at once gets a task of its own.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};

use tokio::runtime::Handle;
use tokio::task::coop::{consume_budget, has_budget_remaining};

use super::Setup;
use super::batch::Batch;
use super::call::{Call, CallTask, QUEUED};
use super::engine::Engine;

/// What the helpers of one batch share.
struct Shared {
    setup: Arc<Setup>,
    batch: Arc<Batch>,
    calls: Vec<Arc<Call>>,
    /// The first call that is in nobody's hands. They are taken one by one: where permits run short, those that have started
    /// are the first.
    next: Apart<AtomicUsize>,
    /// For each helper, the call it polls.
    at: Vec<Apart<AtomicUsize>>,
    /// Whether a helper has left: those that stay see to the deadlines of their calls themselves.
    left: AtomicBool,
}

/// A value that is written all the time, and shares no line of a cache with others.
#[repr(C)]
struct Apart<T> {
    before: [u64; 8],
    value: T,
    behind: [u64; 8],
}

impl<T> Apart<T> {
    fn new(value: T) -> Self {
        Self { before: [0; 8], value, behind: [0; 8] }
    }
}

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

const NOWHERE: usize = usize::MAX;

/// Begins the only call of a batch, on the spot. It needs nothing but a permit of the dispatcher.
pub(super) fn run_alone(setup: &Arc<Setup>, call: &Arc<Call>) {
    let batch = &call.batch;
    if !batch.engine.permits.borrow() {
        return setup.enqueue(batch, std::slice::from_ref(call));
    }
    if begin(call, Some(QUEUED)) == Permit::Left {
        batch.engine.give_back();
    }
}

/// Begins the calls of a batch, as far as they have no answer yet. They need nothing but permits of the dispatcher.
pub(super) fn run(setup: &Arc<Setup>, batch: &Arc<Batch>, calls: Vec<Arc<Call>>, runtime: &Handle) {
    // One for each worker, and never one alone: behind a helper that computes there is another to go on, or to watch.
    let helpers = (calls.len() + 1).min(runtime.metrics().num_workers().max(2));
    let at = (0..helpers).map(|_| Apart::new(AtomicUsize::new(NOWHERE))).collect();
    let shared = Arc::new(Shared {
        setup: Arc::clone(setup),
        batch: Arc::clone(batch),
        calls,
        next: Apart::new(AtomicUsize::new(0)),
        at,
        left: AtomicBool::new(false),
    });
    for own in 0..helpers {
        runtime.spawn(Helper { shared: Arc::clone(&shared), own }.run());
    }
}

/// What became of the permit that a call was begun on.
#[derive(PartialEq)]
enum Permit {
    Left,
    Taken,
}

/// Polls a call for the first time, now or at `start`. If it is not answered, it takes the permit, and a task of its own goes
/// on.
fn begin(call: &Arc<Call>, start: Option<u64>) -> Permit {
    call.borrows_permit();
    // Nobody is woken: the task polls it again at once.
    if call.poll(&mut Context::from_waker(Waker::noop()), start).is_ready() {
        return if call.leaves_permit() { Permit::Left } else { Permit::Taken };
    }
    call.takes_permit();
    if start.is_some() {
        call.batch.watch(call);
    }
    CallTask::spawn(Arc::clone(call));
    Permit::Taken
}

/// A permit that a helper has borrowed. Dropped, it is given back.
struct Borrowed<'a>(&'a Engine);

impl<'a> Borrowed<'a> {
    fn new(engine: &'a Engine) -> Option<Self> {
        engine.permits.borrow().then(|| Self(engine))
    }

    /// A call has taken it.
    fn pass_on(self) {
        std::mem::forget(self);
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

struct Helper {
    shared: Arc<Shared>,
    own: usize,
}

impl Helper {
    async fn run(self) {
        let shared = &*self.shared;
        let engine = &shared.batch.engine;
        let Some(mut permit) = Borrowed::new(engine) else {
            shared.hand_over();
            return self.watch_others().await;
        };
        let mut now = shared.batch.now();
        while let Some(position) = shared.next() {
            let call = &shared.calls[position];
            shared.at[self.own].store(position, Ordering::SeqCst);
            if begin(call, (!shared.left.load(Ordering::SeqCst)).then_some(now)) == Permit::Left {
                now = call.finished_offset().unwrap_or_else(|| shared.batch.now());
                if engine.permits.is_waited_for() {
                    break;
                }
            } else {
                now = shared.batch.now();
                permit.pass_on();
                let Some(another) = Borrowed::new(engine) else {
                    shared.at[self.own].store(NOWHERE, Ordering::Release);
                    shared.hand_over();
                    return self.watch_others().await;
                };
                permit = another;
            }
            // Instant calls must not keep a worker to themselves, nor use up what the next one may do before it yields.
            consume_budget().await;
            if !has_budget_remaining() {
                tokio::task::yield_now().await;
                now = shared.batch.now();
            }
        }
        shared.at[self.own].store(NOWHERE, Ordering::Release);
        drop(permit);
        shared.hand_over();
        self.watch_others().await;
    }

    /// What another helper is still at may compute for long: its deadline is watched from here.
    async fn watch_others(&self) {
        self.shared.left.store(true, Ordering::SeqCst);
        for other in &self.shared.at {
            while let Some(call) = self.shared.calls.get(other.load(Ordering::SeqCst)).filter(|call| call.outcome().is_none()) {
                if call.started().is_some() {
                    self.shared.batch.watch(call);
                    break;
                }
                tokio::task::yield_now().await; // it is about to begin
            }
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.shared.at[self.own].store(NOWHERE, Ordering::Release);
        self.shared.hand_over(); // there is something left if the runtime drops its tasks
    }
}

impl Shared {
    fn next(&self) -> Option<usize> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        (next < self.calls.len()).then_some(next)
    }

    /// Leaves what has not begun to the scheduler.
    fn hand_over(&self) {
        let next = self.next.swap(self.calls.len(), Ordering::Relaxed);
        if let Some(rest) = self.calls.get(next..).filter(|rest| !rest.is_empty()) {
            self.setup.enqueue(&self.batch, rest);
        }
    }
}
