//! Threads that a test blocks and releases.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;

type Work = Box<dyn FnOnce() + Send>;

/// Holds the threads that come to it until it is opened.
///
/// The paused clock continues while they wait, but not before they have come: a deadline that is to
/// strike a running thread strikes a running thread.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Threads that have not ended.
    alive: usize,
    /// Those that wait at the gate.
    waiting: usize,
    open: bool,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What runs blocking work: each piece on a thread of its own, which waits at the gate or has
    /// ended when this returns.
    pub(crate) fn threads(self: &Arc<Self>) -> impl Fn(Work) + Send + Sync + use<> {
        let gate = Arc::clone(self);
        move |work| {
            gate.change(|state| state.alive += 1);
            let ends = EndOnDrop(Arc::clone(&gate));
            thread::spawn(move || {
                let _ends = ends;
                work();
            });
            gate.until(|state| state.alive == state.waiting);
        }
    }

    /// Waits on this thread until the gate is open.
    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        if state.open {
            return;
        }
        state.waiting += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| !state.open).unwrap();
        state.waiting -= 1;
    }

    /// Lets the threads go, and waits until they have ended.
    pub(crate) fn open(&self) {
        self.change(|state| state.open = true);
        self.until(|state| state.alive == 0);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn until(&self, reached: impl Fn(&State) -> bool) {
        let state = self.state.lock().unwrap();
        drop(
            self.changed
                .wait_while(state, |state| !reached(state))
                .unwrap(),
        );
    }
}

struct EndOnDrop(Arc<Gate>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.change(|state| state.alive -= 1);
    }
}
