//! Where functions that block run: in the runtime's pool, and beside it while functions keep threads of that only to wait for calls.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::runtime::Handle;

use super::call::{drop_quietly, lock, quietly};

type Work = Box<dyn FnOnce() + Send>;

/// A view of the runtime's pool: what waits for a thread of it is taken by others when those are kept.
#[derive(Default)]
pub(super) struct Pool {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What no thread has begun, in the order it came.
    queued: BTreeMap<u64, Job>,
    next: u64,
    /// Functions that keep a thread and wait for calls within theirs.
    waiting: usize,
}

struct Job {
    work: Work,
    runtime: Handle,
}

impl Pool {
    /// Runs it as soon as there is a thread. Dropped without being run, it never had one.
    pub(super) fn run(self: &Arc<Self>, runtime: &Handle, work: Work) {
        let (queued, is_kept) = {
            let mut state = lock(&self.state);
            let place = state.next;
            state.next += 1;
            state.queued.insert(place, Job { work, runtime: runtime.clone() });
            (Queued { pool: Arc::clone(self), place }, state.waiting > 0)
        };
        runtime.spawn_blocking(move || queued.run());
        if is_kept {
            self.make_room();
        }
    }

    /// A function keeps its thread from here on, and waits.
    pub(super) fn keep(self: &Arc<Self>) -> Kept {
        lock(&self.state).waiting += 1;
        Kept(Arc::clone(self))
    }

    /// In place of a thread that is kept, another one runs what waits for the pool.
    pub(super) fn make_room(self: &Arc<Self>) {
        if lock(&self.state).queued.is_empty() {
            return;
        }
        let pool = Arc::clone(self);
        let run = move || {
            while let Some(job) = pool.take_first() {
                quietly(|| job.run());
            }
        };
        _ = thread::Builder::new().name("tool".to_owned()).spawn(run); // without one, the pool's have to do
    }

    fn take_first(&self) -> Option<Job> {
        Some(lock(&self.state).queued.pop_first()?.1)
    }

    fn take(&self, place: u64) -> Option<Job> {
        lock(&self.state).queued.remove(&place)
    }
}

impl Job {
    fn run(self) {
        let _runtime = self.runtime.enter();
        (self.work)();
    }
}

/// A place in the queue, as the runtime's pool has it.
struct Queued {
    pool: Arc<Pool>,
    place: u64,
}

impl Queued {
    fn run(self) {
        if let Some(job) = self.pool.take(self.place) {
            (job.work)();
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        drop_quietly(self.pool.take(self.place)); // the runtime drops its tasks
    }
}

/// A thread that is kept by a function that waits.
pub(super) struct Kept(Arc<Pool>);

impl Drop for Kept {
    fn drop(&mut self) {
        lock(&self.0.state).waiting -= 1;
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").finish_non_exhaustive()
    }
}
