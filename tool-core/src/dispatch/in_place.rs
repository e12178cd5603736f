//! The fast path: calls that need no order, no decision and no waiting are polled once in the
//! caller's task, one after the other. A call that is not ready then gets a task of its own.
//!
//! A small batch is polled in the caller's task, a large one in one task for each worker. A tool
//! that computes before its first await holds up the calls behind it: when its poll is over, these
//! get tasks of their own.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tracing::Span;

use super::Setup;
use super::batch::{Batch, Calls, Origin, Running};
use super::call::{Call, CallTask, Called, First, Polled, QUEUED, drop_catching_panic};
use super::engine::{Alive, Engine};
use crate::model::{RunName, ToolCall, ToolResult};

/// From how many calls on a batch is cut into chunks. Fewer are done before another worker has
/// woken up.
const LARGE: usize = 256;

/// How many calls a chunk polls before it lets other tasks have the worker.
const MOST_IN_A_ROW: usize = 128;

/// Begins the only call of a message, on a permit that is borrowed for it. The result is there at
/// once, unless the call continues: then when that is done.
pub(super) fn run_alone(
    setup: Setup,
    call: ToolCall,
    called: Called,
    run: Option<Arc<RunName>>,
) -> Result<ToolResult, Running> {
    let origin = Origin {
        run,
        ..setup.origin(Some(Span::none()), Some(1))
    };
    let batch = Arc::new(Batch::new(origin));
    let call = Arc::new(Call::new(call, 0, batch, Some(called)));
    let continues = {
        let engine = &*call.batch.setup.engine;
        let _alive = Alive::new(engine);
        match begin(&call, QUEUED, false, &mut Some(BorrowedPermit(engine))) {
            Polled::Pending => Some(Running::begun(&call)),
            Polled::Over { .. } => None,
        }
    };
    let Some(running) = continues else {
        return Ok(call.into_result());
    };
    continue_call(call);
    Err(running)
}

/// Begins the calls of a batch, as far as they have no answer yet. They need nothing but permits of
/// the dispatcher.
pub(super) fn run(setup: &Setup, batch: &Arc<Batch>, calls: &Calls, runtime: &Handle) {
    let workers = match runtime.runtime_flavor() {
        RuntimeFlavor::MultiThread => runtime.metrics().num_workers(),
        _ => 1,
    };
    if calls.len() < LARGE || workers < 2 {
        let begun = poll_some(setup, batch, calls);
        batch.fewer(begun.unreported);
        return setup.enqueue(batch, &calls[begun.calls..]);
    }
    let size = calls.len().div_ceil(workers);
    for from in (0..calls.len()).step_by(size) {
        Chunk::spawn(batch, calls, from, (from + size).min(calls.len()));
    }
}

/// What happened to some calls.
#[derive(Default)]
struct Begun {
    calls: usize,
    /// Answers that the batch is not notified of yet.
    unreported: usize,
}

/// Polls calls for the first time, as long as there are permits, no other call waits for one, and
/// none of them takes long.
fn poll_some(setup: &Setup, batch: &Arc<Batch>, calls: &[Arc<Call>]) -> Begun {
    let mut begun = Begun::default();
    let (mut at, mut permit) = (batch.now(), None);
    for call in calls {
        if permit.is_none() {
            permit = BorrowedPermit::new(&setup.engine);
        }
        if permit.is_none() {
            break;
        }
        begun.calls += 1;
        let began = at;
        match begin(call, at, !batch.observed, &mut permit) {
            Polled::Over { unreported, .. } => begun.unreported += usize::from(unreported),
            Polled::Pending => continue_call(Arc::clone(call)),
        }
        at = call
            .finished_offset()
            .unwrap_or_else(|| batch.now())
            .max(at);
        let took = Duration::from_nanos(at.saturating_sub(began));
        if setup.slow_poll.is_some_and(|slow| took >= slow) || setup.engine.permits.is_waited_for()
        {
            break;
        }
    }
    begun
}

/// Polls a call for the first time, at that offset. The permit stays unless the call takes it.
fn begin(
    call: &Arc<Call>,
    at: u64,
    unreported: bool,
    permit: &mut Option<BorrowedPermit<'_>>,
) -> Polled {
    let first = First { at, unreported };
    // No waker is needed: the task polls it again at once.
    let polled = call.poll(&mut Context::from_waker(Waker::noop()), Some(first));
    let permit_left = matches!(polled, Polled::Over { permit_left, .. } if permit_left);
    if !permit_left && let Some(permit) = permit.take() {
        permit.pass_on();
    }
    polled
}

/// Has a task of its own continue with a call that has begun, and its deadline watched.
fn continue_call(call: Arc<Call>) {
    call.batch.watch(&call);
    CallTask::spawn(call);
}

/// A permit that was borrowed. Dropped, it is given back.
struct BorrowedPermit<'a>(&'a Engine);

impl<'a> BorrowedPermit<'a> {
    fn new(engine: &'a Engine) -> Option<Self> {
        engine.permits.borrow().then(|| Self(engine))
    }

    /// A call has taken it.
    fn pass_on(self) {
        mem::forget(self);
    }
}

impl Drop for BorrowedPermit<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// Some calls of a large batch, in a task.
struct Chunk {
    batch: Arc<Batch>,
    calls: Calls,
    from: usize,
    to: usize,
    /// Answers that the batch is not notified of yet.
    unreported: usize,
    _alive: Alive,
}

impl Chunk {
    fn spawn(batch: &Arc<Batch>, calls: &Calls, from: usize, to: usize) {
        let chunk = Self {
            batch: Arc::clone(batch),
            calls: Arc::clone(calls),
            from,
            to,
            unreported: 0,
            _alive: Alive::new(Arc::clone(&batch.setup.engine)),
        };
        batch.spawn(chunk.run());
    }

    async fn run(mut self) {
        let setup = self.batch.setup.clone();
        while self.from < self.to {
            let most = self.to.min(self.from + MOST_IN_A_ROW);
            let Begun { calls, unreported } =
                poll_some(&setup, &self.batch, &self.calls[self.from..most]);
            (self.from, self.unreported) = (self.from + calls, self.unreported + unreported);
            if self.from == self.to || calls == 0 || setup.engine.permits.is_waited_for() {
                break; // others are before it: the rest waits in turn
            }
            if calls < MOST_IN_A_ROW && self.to - self.from > 1 {
                // One was slow: another worker may have half of the rest meanwhile.
                let middle = self.from.midpoint(self.to);
                Self::spawn(&self.batch, &self.calls, middle, self.to);
                self.to = middle;
            }
            self.batch.fewer(mem::take(&mut self.unreported));
            tokio::task::yield_now().await;
        }
        self.leave();
    }

    /// Leaves what has not begun to the scheduler.
    fn leave(&mut self) {
        let rest = mem::replace(&mut self.from, self.to)..self.to;
        let calls = mem::take(&mut self.calls);
        if !rest.is_empty() {
            self.batch.setup.enqueue(&self.batch, &calls[rest]);
        }
        // The task that the last answer wakes takes the calls apart, and would have to copy what
        // others hold.
        drop_catching_panic(calls);
        self.batch.fewer(mem::take(&mut self.unreported));
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.leave(); // if the runtime has dropped its tasks
    }
}
