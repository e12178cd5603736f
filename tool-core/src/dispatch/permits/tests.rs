//! Calls that borrow permits beside calls that the scheduler starts, in every order in which their
//! threads can meet.

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::Permits;
use crate::dispatch::scheduler::{CallId, Scheduler, Spec};

/// What a driver does with them, for tools that are done at once.
struct Engine {
    permits: std::sync::Arc<Permits>,
    scheduler: Mutex<Scheduler<(), Arc<AtomicUsize>>>,
    running: AtomicUsize,
    ended: AtomicUsize,
}

impl Engine {
    fn new(limit: usize) -> Arc<Self> {
        let permits = std::sync::Arc::new(Permits::new(limit));
        let scheduler = Mutex::new(Scheduler::new(std::sync::Arc::clone(&permits), []));
        Arc::new(Self {
            permits,
            scheduler,
            running: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
        })
    }

    /// Sends the scheduler an event, and runs the calls that it starts.
    fn with(&self, notify: impl FnOnce(&mut Scheduler<(), Arc<AtomicUsize>>)) {
        let mut started = {
            let mut scheduler = self.scheduler.lock().unwrap();
            notify(&mut scheduler);
            scheduler.take_started()
        };
        while let Some(seat) = started.pop() {
            self.run();
            let mut scheduler = self.scheduler.lock().unwrap();
            scheduler.settle(seat.load(Ordering::Relaxed) as CallId);
            started.extend(scheduler.take_started());
        }
    }

    fn run(&self) {
        assert!(
            self.running.fetch_add(1, Ordering::SeqCst) < self.permits.limit(),
            "the limit holds"
        );
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    /// A call by way of the scheduler.
    fn enqueue(&self) {
        self.with(|scheduler| {
            let (batch, seat) = (scheduler.open(None, false), Arc::new(AtomicUsize::new(0)));
            let id = scheduler.reserve(batch, 0, Arc::clone(&seat), Spec::default());
            seat.store(id as usize, Ordering::Relaxed);
            scheduler.admit(id, Spec::default());
        });
    }

    /// A call that borrows its permit, unless there is none.
    fn borrow(&self) {
        if !self.permits.borrow() {
            return self.enqueue();
        }
        self.run();
        if self.permits.give_back() {
            self.with(Scheduler::schedule);
        }
    }

    /// A call that borrows its permit, and becomes one of the scheduler's meanwhile.
    fn adopted(&self) {
        if !self.permits.borrow() {
            return self.enqueue();
        }
        let mut seat = 0;
        self.with(|scheduler| {
            scheduler.adopt(Arc::new(AtomicUsize::new(0)), |id| {
                seat = id;
                true
            });
        });
        self.run();
        self.with(|scheduler| scheduler.settle(seat));
    }
}

/// Runs each beside the others: all of them end, and nothing is left of them.
fn meet<const N: usize>(limit: usize, calls: [fn(&Engine); N]) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = if N == 2 { None } else { Some(2) };
    model.check(move || {
        let engine = Engine::new(limit);
        let beside = calls[1..].iter().map(|call| {
            let (engine, call) = (Arc::clone(&engine), *call);
            thread::spawn(move || call(&engine))
        });
        let beside: Vec<_> = beside.collect();
        calls[0](&engine);
        beside.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(engine.ended.load(Ordering::SeqCst), N, "every call ends");
        assert_eq!(engine.permits.in_use(), 0, "every permit is given back");
        assert!(engine.permits.borrow(), "no call waits");
    });
}

#[test]
fn loom_a_permit_that_is_given_back_is_passed_on() {
    meet(1, [Engine::borrow, Engine::enqueue]);
    meet(1, [Engine::borrow, Engine::borrow]);
    meet(1, [Engine::adopted, Engine::enqueue]);
}

#[test]
fn loom_three_calls_on_one_permit() {
    meet(1, [Engine::borrow, Engine::borrow, Engine::enqueue]);
}

#[test]
fn loom_three_calls_on_two_permits() {
    meet(2, [Engine::borrow, Engine::adopted, Engine::enqueue]);
}
