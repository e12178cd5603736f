//! The short way: calls that need no order, no decision and no waiting are polled where they stand,
//! by a few helpers that take them from each other. Only a call that is not ready at once gets a
//! task of its own.

mod hands;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::runtime::Handle;
use tokio::task::coop::{consume_budget, has_budget_remaining};
use tracing::Span;

use super::Setup;
use super::batch::{Batch, Calls, Origin, Running};
use super::call::{Call, CallTask, Called, First, QUEUED, drop_quietly};
use super::engine::Engine;
use crate::model::{ToolCall, ToolResult};
use hands::{Hands, Left, Next};

/// How many calls a helper takes at once, at most.
const MOST_AT_ONCE: usize = 16;

/// Begins the only call of a message, on the spot and on a permit that is borrowed for it. The result
/// is there at once, unless the call goes on: then when that is done.
pub(super) fn run_alone(
    setup: Arc<Setup>,
    call: ToolCall,
    called: Called,
) -> Result<ToolResult, Running> {
    let origin = Origin {
        setup,
        parent: None,
        span: Span::none(),
        calls: Some(1),
        told: false,
    };
    let batch = Arc::new(Batch::new(origin));
    let call = Arc::new(Call::new(call, 0, batch, Some(called)));
    if begin_on_borrowed(&call) {
        return Ok(call.into_result());
    }
    let running = Running::begun(&call);
    go_on(call, true);
    Err(running)
}

/// As [`run_alone`], for a batch that is known already.
pub(super) fn run_here(call: &Arc<Call>) {
    if !begin_on_borrowed(call) {
        go_on(Arc::clone(call), true);
    }
}

/// Begins the only call of a message, on a permit that is borrowed. Whether it is answered.
fn begin_on_borrowed(call: &Arc<Call>) -> bool {
    let permit = Borrowed(&call.batch.setup.engine);
    let begun = begin(
        call,
        Some(First {
            at: QUEUED,
            untold: false,
        }),
    );
    match begun {
        Begun::Answered {
            permit: Permit::Left,
            ..
        } => drop(permit),
        Begun::Answered {
            permit: Permit::Taken,
            ..
        }
        | Begun::Pending => permit.pass_on(),
    }
    matches!(begun, Begun::Answered { .. })
}

/// Begins the calls of a batch, as far as they have no answer yet. They need nothing but permits of
/// the dispatcher.
pub(super) fn run(setup: &Arc<Setup>, batch: &Arc<Batch>, calls: &Calls, runtime: &Handle) {
    // One for each worker, and never one alone: behind a helper that computes there is another to
    // go on, or to watch.
    let helpers = (calls.len() + 1).min(runtime.metrics().num_workers().max(2));
    let hands = Hands::new(helpers, calls.len());
    let shared = Arc::new(Shared {
        setup: Arc::clone(setup),
        batch: Arc::clone(batch),
        hands,
    });
    for own in 0..helpers {
        let helper = Helper {
            shared: Arc::clone(&shared),
            own,
            has_left: false,
        };
        runtime.spawn(helper.run(Arc::clone(calls)));
    }
}

/// What became of a call by its first poll.
enum Begun {
    /// Whether the batch is still to be told, and what has become of the permit.
    Answered { untold: bool, permit: Permit },
    /// It has taken the permit that it was begun on.
    Pending,
}

/// What became of the permit that a call was begun on.
enum Permit {
    Left,
    Taken,
}

/// Polls a call for the first time, with what it is given or what its batch has for it.
fn begin(call: &Arc<Call>, first: Option<First>) -> Begun {
    call.borrows_permit();
    // Nobody is woken: the task polls it again at once.
    if let Poll::Ready(untold) = call.poll(&mut Context::from_waker(Waker::noop()), first) {
        return Begun::Answered {
            untold,
            permit: if call.leaves_permit() {
                Permit::Left
            } else {
                Permit::Taken
            },
        };
    }
    call.takes_permit();
    Begun::Pending
}

/// Has a task of its own go on with a call that has begun, and its deadline watched if nobody does
/// so yet.
fn go_on(call: Arc<Call>, unwatched: bool) {
    if unwatched {
        call.batch.watch(&call);
    }
    CallTask::spawn(call);
}

/// A permit that was borrowed. Dropped, it is given back.
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

/// What the helpers of one batch share.
struct Shared {
    setup: Arc<Setup>,
    batch: Arc<Batch>,
    hands: Hands,
}

struct Helper {
    shared: Arc<Shared>,
    /// Which of the hands are its own.
    own: usize,
    has_left: bool,
}

impl Helper {
    async fn run(mut self, calls: Calls) {
        let answered = self.poll_calls(&calls).await;
        let (others, untold) = self.leave(&calls, answered);
        // Whoever is woken from here on takes the calls apart, and would have to copy what others
        // hold.
        drop_quietly(calls);
        self.shared.batch.fewer(untold);
        for other in others {
            self.watch(other).await;
        }
    }

    /// Polls calls as long as there are any, and permits for them. How many answers are untold.
    async fn poll_calls(&self, calls: &[Arc<Call>]) -> usize {
        let Shared { batch, hands, .. } = &*self.shared;
        let engine = &batch.setup.engine;
        let mut permit = Borrowed::new(engine);
        let mut now = batch.now();
        let mut answered = 0;
        while permit.is_some() {
            // Only as many as get a permit even if all have to wait: where permits run short, calls
            // start in their order.
            let at_once = (engine.permits.free() / hands.len()).clamp(1, MOST_AT_ONCE);
            let Next {
                position,
                on_its_own,
                tell,
            } = hands.next(self.own, std::mem::take(&mut answered), at_once);
            batch.fewer(tell);
            let Some(call) = position.map(|position| &calls[position]) else {
                break;
            };
            let first = (!on_its_own).then(|| First {
                at: now,
                untold: !batch.told,
            });
            let begun = begin(call, first);
            let goes_on = matches!(begun, Begun::Pending);
            answered = usize::from(matches!(begun, Begun::Answered { untold: true, .. }));
            if let Begun::Answered {
                permit: Permit::Left,
                ..
            } = begun
            {
                // One that was answered before has finished before.
                now = now.max(call.finished_offset().unwrap_or_else(|| batch.now()));
                if engine.permits.is_waited_for() {
                    break;
                }
            } else {
                if goes_on {
                    go_on(Arc::clone(call), !on_its_own);
                }
                if let Some(permit) = permit.take() {
                    permit.pass_on();
                }
                now = batch.now();
            }
            // Instant calls must not keep a worker to themselves, nor use up what the next one may
            // do before it yields. And one that computes must not hold up the task of one that goes
            // on: it is next on this worker, and no other may take it.
            if goes_on || !has_budget_remaining() {
                batch.fewer(std::mem::take(&mut answered) + hands.take_untold(self.own));
                permit = None; // others may be before it
                step_back().await;
                now = batch.now();
            }
            if permit.is_none() {
                permit = Borrowed::new(engine);
            }
            consume_budget().await;
        }
        answered
    }

    /// Leaves what has not begun to the scheduler. The helpers that are polling something, and how
    /// many answers are untold.
    fn leave(&mut self, calls: &[Arc<Call>], answered: usize) -> (Vec<usize>, usize) {
        self.has_left = true;
        let Shared {
            setup,
            batch,
            hands,
        } = &*self.shared;
        let Left { rest, others, tell } = hands.leave(self.own);
        for rest in rest {
            // A batch that was forgotten has none left: they are answered.
            setup.enqueue(batch, calls.get(rest).unwrap_or_default());
        }
        (others, tell + answered)
    }

    /// What another helper is at may compute for long: its deadline is watched from here.
    async fn watch(&self, other: usize) {
        let Shared { batch, hands, .. } = &*self.shared;
        let at = || batch.call(hands.at(other)?);
        while let Some(call) = at().filter(|call| call.outcome().is_none()) {
            if call.started().is_some() {
                batch.watch(&call);
                break;
            }
            drop(call);
            tokio::task::yield_now().await; // it is about to begin
        }
    }
}

/// Lets other tasks have this worker. Unlike [`yield_now`](tokio::task::yield_now), which waits
/// until the worker has nothing else to do, another one may take the task on meanwhile.
async fn step_back() {
    let mut waited = false;
    let back = |cx: &mut Context<'_>| match std::mem::replace(&mut waited, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    };
    poll_fn(back).await;
}

impl Drop for Helper {
    fn drop(&mut self) {
        if !self.has_left {
            // the runtime drops its tasks
            let (_, untold) = self.leave(&self.shared.batch.calls(), 0);
            self.shared.batch.fewer(untold);
        }
    }
}
