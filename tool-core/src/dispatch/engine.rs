//! What a dispatcher and its copies share: the scheduler, and what it takes to start the calls whose
//! turn has come.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::call::{Call, CallTask, lock, quietly};
use super::key::Key;
use super::permits::Permits;
use super::scheduler::Scheduler;

thread_local! {
    /// Calls that a `start_all` further up this thread's stack is about to start.
    static STARTING: RefCell<Option<VecDeque<Arc<Call>>>> = const { RefCell::new(None) };
}

/// How many are alive, in [`Engine::alive`].
const ALIVE: u64 = u32::MAX as u64;
/// One more is, and one more ever was.
const ONE_MORE: u64 = (ALIVE + 1) | 1;

pub(crate) struct Engine {
    pub(super) permits: Arc<Permits>,
    scheduler: Mutex<Scheduler<Key, Arc<Call>>>,
    /// Batches that are not done, and policies that decide: how many there are, and in the upper
    /// half how many there ever were. That a call is alive, answered or not, its permit shows.
    alive: AtomicU64,
    idle: Notify,
    /// Those who wait for that.
    waiting: AtomicUsize,
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
        }
    }

    /// Sends the scheduler an event, and starts the calls whose turn has come.
    pub(super) fn with<R>(&self, send: impl FnOnce(&mut Scheduler<Key, Arc<Call>>) -> R) -> R {
        let (answer, started) = {
            let mut scheduler = lock(&self.scheduler);
            (send(&mut scheduler), scheduler.take_started())
        };
        if !started.is_empty() {
            start_all(started);
        }
        self.notify_if_idle();
        answer
    }

    /// A call has given a borrowed permit back.
    #[inline]
    pub(super) fn give_back(&self) {
        if self.permits.give_back() {
            self.with(Scheduler::schedule);
        }
        self.notify_if_idle();
    }

    /// The call becomes one of the scheduler's, if it has only borrowed a permit so far.
    pub(super) fn adopt(&self, call: &Arc<Call>) {
        self.with(|scheduler| {
            if call.seat().is_none() {
                scheduler.adopt(Arc::clone(call), |id| call.adopt(id));
            }
        });
    }

    // ---- idleness

    pub(super) fn began(&self) {
        self.alive.fetch_add(ONE_MORE, Ordering::SeqCst);
    }

    pub(super) fn ended(&self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
        self.notify_if_idle();
    }

    #[inline]
    fn notify_if_idle(&self) {
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

/// Starts calls, and those that this lets start. Without recursion: of a runtime that is gone, each
/// is answered at once and frees its permit for the next.
fn start_all(mut calls: Vec<Arc<Call>>) {
    let is_first = STARTING.try_with(|starting| match &mut *starting.borrow_mut() {
        Some(further_up) => {
            further_up.extend(calls.drain(..));
            false
        }
        none => {
            *none = Some(std::mem::take(&mut calls).into());
            true
        }
    });
    let next = || {
        STARTING.try_with(|starting| {
            let mut starting = starting.borrow_mut();
            let next = starting.as_mut().and_then(VecDeque::pop_front);
            if next.is_none() {
                *starting = None;
            }
            next
        })
    };
    // What is dropped there may panic, and must not keep this thread from starting others.
    let start = |call| quietly(|| CallTask::spawn(call));
    match is_first {
        Ok(true) => {
            while let Ok(Some(call)) = next() {
                start(call);
            }
        }
        Ok(false) => {}
        // A destructor of the thread's own: there is no place left to queue them.
        Err(_) => calls.into_iter().for_each(|call| _ = start(call)),
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("permits", &self.permits)
            .finish_non_exhaustive()
    }
}
