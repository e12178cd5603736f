//! Threads that take virtual time: they wait until the paused clock has come to when they are to go
//! on.

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

type Work = Box<dyn FnOnce() + Send>;

/// How long threads may take for what takes no time.
const STUCK: Duration = Duration::from_secs(20);

/// A pool of so many threads. Nothing of it runs while the runtime does: the caller that lets a
/// thread go waits until that waits again or has ended. So the clock does not advance meanwhile,
/// and a case goes the same way each time.
#[derive(Debug)]
pub(crate) struct Threads {
    size: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    threads: usize,
    /// Threads that neither wait nor have ended.
    busy: usize,
    queue: VecDeque<Work>,
    waits: usize,
    /// Those that threads are in.
    waited: BTreeSet<usize>,
    /// Those that are over.
    over: BTreeSet<usize>,
    /// The case is over: no thread waits any more.
    released: bool,
}

impl Threads {
    pub(crate) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self {
            size,
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Runs work as soon as a thread is free. Returns how much has to wait for that.
    pub(crate) fn run(self: &Arc<Self>, work: Work) -> usize {
        self.state().queue.push_back(work);
        self.start()
    }

    /// Waits, on one of the threads, until so much virtual time has gone by. `then` receives how
    /// much work waits for a thread after that.
    pub(crate) fn wait(self: &Arc<Self>, millis: u64, then: impl Fn(usize) + Send + 'static) {
        let wait = self.new_wait();
        let threads = Arc::clone(self);
        Handle::current().spawn(async move {
            sleep(Duration::from_millis(millis)).await;
            then(threads.end(wait));
        });
        self.wait_for(wait);
    }

    /// Waits, on one of the threads, for what the runtime brings about. `None` if the case is over
    /// before that.
    pub(crate) fn block_on<T>(
        self: &Arc<Self>,
        future: impl Future<Output = T>,
        then: impl Fn(usize) + Clone + Send + Sync + 'static,
    ) -> Option<T> {
        let mut future = pin!(future);
        while !self.state().released {
            let wait = self.new_wait();
            let wakes = Wakes {
                threads: Arc::clone(self),
                wait,
                runtime: Handle::current(),
                then: then.clone(),
            };
            if let Poll::Ready(value) = future
                .as_mut()
                .poll(&mut Context::from_waker(&Waker::from(Arc::new(wakes))))
            {
                return Some(value);
            }
            self.wait_for(wait);
        }
        None
    }

    fn new_wait(&self) -> usize {
        let mut state = self.state();
        state.waits += 1;
        state.waits
    }

    fn wait_for(&self, wait: usize) {
        let mut state = self.state();
        if state.over.contains(&wait) {
            return;
        }
        state.waited.insert(wait);
        state.busy = state.busy.saturating_sub(1);
        self.changed.notify_all();
        let waits = |state: &mut State| !state.released && !state.over.contains(&wait);
        drop(self.changed.wait_while(state, waits).unwrap());
    }

    /// Lets all threads go for good.
    pub(crate) fn release(&self) {
        let mut state = self.state();
        state.released = true;
        state.queue.clear();
        self.changed.notify_all();
    }

    pub(crate) fn are_idle(&self) -> bool {
        let state = self.state();
        state.threads == 0 && state.queue.is_empty()
    }

    /// Lets the thread go that is in this wait, or is about to be.
    fn end(self: &Arc<Self>, wait: usize) -> usize {
        let mut state = self.state();
        state.over.insert(wait);
        state.busy += usize::from(state.waited.remove(&wait));
        self.changed.notify_all();
        self.settle(state);
        self.start()
    }

    fn start(self: &Arc<Self>) -> usize {
        loop {
            let mut state = self.state();
            if state.threads >= self.size || state.queue.is_empty() {
                return state.queue.len();
            }
            let Some(work) = state.queue.pop_front() else {
                return 0;
            };
            state.threads += 1;
            state.busy += 1;
            let (threads, runtime) = (Arc::clone(self), Handle::current());
            thread::spawn(move || {
                let _runtime = runtime.enter();
                let _ends = Ends(threads);
                work();
            });
            self.settle(state);
        }
    }

    /// Waits until every thread waits or has ended.
    fn settle(&self, state: MutexGuard<'_, State>) {
        let waited = self
            .changed
            .wait_timeout_while(state, STUCK, |state| state.busy > 0 && !state.released)
            .unwrap();
        assert!(!waited.1.timed_out(), "a thread neither waits nor ends");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Lets a thread continue, through the runtime: the code that wakes it may be in the middle of
/// something.
struct Wakes<F> {
    threads: Arc<Threads>,
    wait: usize,
    runtime: Handle,
    then: F,
}

impl<F: Fn(usize) + Clone + Send + Sync + 'static> Wake for Wakes<F> {
    fn wake(self: Arc<Self>) {
        let (threads, wait, then) = (Arc::clone(&self.threads), self.wait, self.then.clone());
        self.runtime.spawn(async move { then(threads.end(wait)) });
    }
}

struct Ends(Arc<Threads>);

impl Drop for Ends {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.threads -= 1;
        state.busy = state.busy.saturating_sub(1);
        self.0.changed.notify_all();
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("threads", &self.threads)
            .field("queue", &self.queue.len())
            .finish_non_exhaustive()
    }
}
