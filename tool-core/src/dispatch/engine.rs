//! What a dispatcher and its copies share: the scheduler, and what it takes to start the calls whose
//! turn has come.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::call::{Call, CallTask, catch_panic, lock};
use super::key::Key;
use super::permits::Permits;
use super::scheduler::Scheduler;
use crate::model::ToolDefinition;
use crate::registry::ToolSet;

thread_local! {
    /// Calls that a `start_all` further up this thread's stack is about to start.
    static STARTING: RefCell<Option<VecDeque<Arc<Call>>>> = const { RefCell::new(None) };
}

pub(crate) struct Engine {
    pub(super) permits: Arc<Permits>,
    scheduler: Mutex<Scheduler<Key, Arc<Call>>>,
    /// The places of limits, by the tool's name and the limit: a tool that comes back after its set
    /// was replaced has the limit that its earlier calls still count against.
    gates: Mutex<BTreeMap<(String, usize), usize>>,
    /// Batches that are not done, and tasks and threads that may outlive their batch.
    alive: AtomicUsize,
    /// Whether anything ever waited for that to be zero.
    is_awaited: AtomicBool,
    idle: Notify,
}

impl Engine {
    pub(super) fn new(limit: usize) -> Self {
        let permits = Arc::new(Permits::new(limit));
        Self {
            scheduler: Mutex::new(Scheduler::new(Arc::clone(&permits), [])),
            permits,
            gates: Mutex::default(),
            alive: AtomicUsize::new(0),
            is_awaited: AtomicBool::new(false),
            idle: Notify::new(),
        }
    }

    /// For each of these tools the place of its own limit, if it has one.
    pub(super) fn gates_of(&self, tools: &ToolSet) -> Arc<[Option<usize>]> {
        let gate = |tool: &ToolDefinition| {
            let limit = tool.behavior().concurrency?.max(1);
            let mut gates = lock(&self.gates);
            let place = gates.entry((tool.name().to_owned(), limit));
            Some(*place.or_insert_with(|| lock(&self.scheduler).add_gate(limit)))
        };
        tools.definitions().map(gate).collect()
    }

    /// Sends the scheduler an event, and starts the calls whose turn has come.
    pub(super) fn with<R>(&self, send: impl FnOnce(&mut Scheduler<Key, Arc<Call>>) -> R) -> R {
        let (answer, started, held) = {
            let mut scheduler = lock(&self.scheduler);
            let answer = send(&mut scheduler);
            (answer, scheduler.take_started(), scheduler.take_held())
        };
        if !started.is_empty() {
            start_all(started);
        }
        for (call, behind) in held {
            call.hold(Some(behind));
        }
        answer
    }

    /// A call has given a borrowed permit back.
    #[inline]
    pub(super) fn give_back(&self) {
        if self.permits.give_back() {
            self.with(Scheduler::schedule);
        }
    }

    /// The call becomes one of the scheduler's, if it has only borrowed a permit so far.
    pub(super) fn adopt(&self, call: &Arc<Call>) {
        self.with(|scheduler| {
            if call.seat().is_none() {
                scheduler.adopt(Arc::clone(call), |id| call.adopt(id));
            }
        });
    }

    /// Waits until nothing is alive.
    pub(super) async fn idle(&self) {
        self.is_awaited.store(true, Ordering::SeqCst);
        loop {
            let mut notified = std::pin::pin!(self.idle.notified());
            notified.as_mut().enable();
            if self.alive.load(Ordering::SeqCst) == 0 {
                return;
            }
            notified.await;
        }
    }
}

/// Something is alive as long as this is there.
pub(super) struct Alive<E: Deref<Target = Engine> = Arc<Engine>>(E);

impl<E: Deref<Target = Engine>> Alive<E> {
    pub(super) fn new(engine: E) -> Self {
        engine.alive.fetch_add(1, Ordering::SeqCst);
        Self(engine)
    }
}

impl<E: Deref<Target = Engine>> Drop for Alive<E> {
    fn drop(&mut self) {
        // Either the last guard sees the waiter, or the waiter sees that nothing is alive.
        if self.0.alive.fetch_sub(1, Ordering::SeqCst) == 1
            && self.0.is_awaited.load(Ordering::SeqCst)
        {
            // A waker is user code and may panic; that must not affect this call.
            catch_panic(|| self.0.idle.notify_waiters());
        }
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
    let start = |call| catch_panic(|| CallTask::spawn(call));
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
