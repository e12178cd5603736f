//! What a dispatcher and its clones share: the scheduler, and what it takes to act on its word.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::runtime::{self, Handle};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::batch::Batch;
use super::call::{Call, CallTask, lock, not_started, quietly};
use super::permits::Permits;
use super::scheduler::{Action, Scheduler};
use crate::dispatch::key::Key;
use crate::model::{ErrorCode, ToolError};

type Actions = VecDeque<Action<Arc<Call>>>;

thread_local! {
    /// What is still to be done by an `Engine::with` further down this thread's stack: acting on
    /// one action may bring up others, thousands of them in a row, and the stack must not grow with
    /// them.
    static TO_DO: RefCell<Option<Actions>> = const { RefCell::new(None) };
}

/// How many are alive, in [`Engine::alive`].
const ALIVE: u64 = u32::MAX as u64;
/// One more is, and one more ever was.
const ONE_MORE: u64 = (ALIVE + 1) | 1;

pub(crate) struct Engine {
    pub(super) permits: Arc<Permits>,
    scheduler: Mutex<Scheduler<Key, Arc<Call>>>,
    /// Batches that are not done, calls that were answered but may still run, and policies that
    /// decide: how many there are, and in the upper half how many there ever were. A call alone in
    /// its message is counted once it was not ready at its first poll; until then its permit shows
    /// that it is alive.
    alive: AtomicU64,
    idle: Notify,
    /// Those who wait for that.
    waiting: AtomicUsize,
    /// The runtimes on which somebody [looks after](Sweeper) calls behind work that was given up
    /// on.
    sweepers: Mutex<Vec<runtime::Id>>,
    epoch: Instant,
}

impl Engine {
    /// For tools with these limits of their own.
    pub(super) fn new(limit: usize, gates: impl IntoIterator<Item = usize>) -> Self {
        let permits = Arc::new(Permits::new(limit));
        Self {
            scheduler: Mutex::new(Scheduler::new(Arc::clone(&permits), gates)),
            permits,
            alive: AtomicU64::new(0),
            idle: Notify::new(),
            waiting: AtomicUsize::new(0),
            sweepers: Mutex::default(),
            epoch: Instant::now(),
        }
    }

    /// Tells the scheduler something, and acts on what it says.
    pub(super) fn with<R>(&self, tell: impl FnOnce(&mut Scheduler<Key, Arc<Call>>) -> R) -> R {
        let (told, actions) = {
            let mut scheduler = lock(&self.scheduler);
            (tell(&mut scheduler), scheduler.take_actions())
        };
        if !actions.is_empty() {
            act(actions);
        }
        self.tell_if_idle();
        told
    }

    /// A call has given a borrowed permit back.
    #[inline]
    pub(super) fn give_back(&self) {
        if self.permits.give_back() {
            self.with(Scheduler::schedule);
        }
        self.tell_if_idle();
    }

    /// The call becomes one of the scheduler's, if it has only borrowed a permit so far.
    pub(super) fn adopt(&self, call: &Arc<Call>) {
        self.with(|scheduler| {
            if call.seat().is_none() {
                scheduler.adopt(Arc::clone(call), |id| call.try_adopt(id));
            }
        });
    }

    /// The call is answered, and something of it may still run.
    pub(super) fn abandon(self: &Arc<Self>, call: &Arc<Call>) {
        self.adopt(call);
        let behind = self.with(|scheduler| {
            let id = call.seat().filter(|_| call.try_leave_behind());
            if let Some(id) = id {
                self.began();
                scheduler.abandon(id);
                if call.is_wanting() {
                    scheduler.resume(id);
                }
            }
            id.map(|_| {
                let mut batches: Vec<_> = scheduler
                    .admitted_calls()
                    .map(|call| Arc::clone(&call.batch))
                    .collect();
                batches.dedup_by(|one, other| Arc::ptr_eq(one, other));
                batches
            })
        });
        // On each runtime where a call may wait for it: any of them may go away, or stand still.
        for batch in behind
            .into_iter()
            .flatten()
            .chain([Arc::clone(&call.batch)])
        {
            self.sweep(&batch);
        }
    }

    /// Looks after the calls that wait for work that was given up on, on the runtime of a batch,
    /// unless somebody does there.
    pub(super) fn sweep(self: &Arc<Self>, batch: &Batch) {
        let Some(runtime) = batch.runtime().map(Handle::id) else {
            return;
        };
        let mut sweepers = lock(&self.sweepers);
        if !sweepers.contains(&runtime) {
            sweepers.push(runtime);
            drop(sweepers);
            let sweeper = Sweeper {
                engine: Arc::clone(self),
                runtime,
            };
            batch.spawn(sweeper.run(batch.setup.limits.grace));
        }
    }

    fn forget_sweeper(&self, runtime: runtime::Id) {
        lock(&self.sweepers).retain(|sweeper| *sweeper != runtime);
    }

    /// Nothing of the answered call itself runs any more.
    pub(super) fn release_permits(&self, call: &Arc<Call>) {
        self.with(|scheduler| call.seat().map(|id| scheduler.release_permits(id)));
    }

    // ---- idleness

    pub(super) fn began(&self) {
        self.alive.fetch_add(ONE_MORE, Ordering::SeqCst);
    }

    pub(super) fn ended(&self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
        self.tell_if_idle();
    }

    #[inline]
    fn tell_if_idle(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 && self.is_idle() {
            // What is woken may panic, and is nobody's business here.
            quietly(|| self.idle.notify_waiters());
        }
    }

    fn is_idle(&self) -> bool {
        let alive = self.alive.load(Ordering::SeqCst);
        // If none began meanwhile, none was alive when the permits were looked at.
        alive & ALIVE == 0
            && self.permits.in_use() == 0
            && self.alive.load(Ordering::SeqCst) == alive
    }

    pub(super) async fn idle(&self) {
        let _waits = Waits::new(&self.waiting);
        loop {
            let mut notified = std::pin::pin!(self.idle.notified());
            notified.as_mut().enable();
            if self.is_idle() {
                return;
            }
            notified.await;
        }
    }
}

/// One more who waits, until it is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn act(actions: Vec<Action<Arc<Call>>>) {
    let first = TO_DO.with_borrow_mut(|to_do| match to_do {
        Some(to_do) => {
            to_do.extend(actions);
            false
        }
        None => {
            *to_do = Some(actions.into());
            true
        }
    });
    let next = || {
        TO_DO.with_borrow_mut(|to_do| {
            let next = to_do.as_mut().and_then(VecDeque::pop_front);
            if next.is_none() {
                *to_do = None;
            }
            next
        })
    };
    while let Some(action) = if first { next() } else { None } {
        // What wakes or hears of a call may panic, and must not keep this thread from acting ever
        // again.
        quietly(|| act_on(action));
    }
}

fn act_on(action: Action<Arc<Call>>) {
    match action {
        Action::Start(call) => CallTask::spawn(call),
        Action::Resume(call) => call.resumed(),
        Action::Deadlock(call) => {
            call.lose_seat();
            let text = "it would wait for a call that waits for it; make the two calls one after the other";
            call.refuse(ToolError::with_text(ErrorCode::Deadlock, text));
        }
        Action::GiveUp(call) => {
            call.lose_seat();
            call.refuse(not_started(
                "an earlier call that was given up on is still in its way; try again later",
            ));
        }
    }
}

/// Looks after the calls that wait for work that was given up on.
struct Sweeper {
    engine: Arc<Engine>,
    runtime: runtime::Id,
}

impl Sweeper {
    async fn run(self, grace: std::time::Duration) {
        let pause = (grace / 4).max(std::time::Duration::from_millis(1));
        loop {
            tokio::time::sleep(pause).await;
            let engine = &self.engine;
            let now = Instant::now().saturating_duration_since(engine.epoch);
            let more = engine.with(|scheduler| {
                scheduler.sweep(now, grace);
                let more = scheduler.has_abandoned();
                if !more {
                    engine.forget_sweeper(self.runtime);
                }
                more
            });
            if !more {
                return;
            }
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.engine.forget_sweeper(self.runtime); // also when its runtime goes away
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("permits", &self.permits)
            .finish_non_exhaustive()
    }
}
