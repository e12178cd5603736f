//! What few calls need: what they run beside their body, and what they wait for.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use super::{Call, Outcome, Stop, lock};
use crate::dispatch::batch::Batch;
use crate::model::ErrorCode;

#[derive(Default)]
pub(crate) struct Extra {
    /// Arguments that the policy has put in place of the model's.
    pub(crate) edited: OnceLock<String>,
    pub(crate) token: OnceLock<CancellationToken>,
    pub(super) hold: Mutex<Hold>,
}

/// What of the call may run beside its body.
#[derive(Default)]
pub(super) struct Hold {
    /// Threads, and attempts in the hands of a layer.
    pub(super) pieces: usize,
    /// Calls within it.
    pub(super) nested: usize,
    /// Nothing more may begin.
    pub(super) closed: bool,
    /// A thread was asked for, and none has begun so far.
    pub(super) waits_for_thread: bool,
    /// A thread has begun.
    on_thread: bool,
    /// A thread runs.
    has_thread: bool,
    /// Nested batches that are not done: while there are any, the call does not count against them.
    waits: usize,
    pub(super) children: Vec<Weak<Batch>>,
    pub(super) attempts: Vec<Arc<Attempt>>,
    /// A remote call within it was given up, and may still act.
    acts_elsewhere: bool,
    /// A layer has run the tool.
    has_run: bool,
    /// The attempt of the tool that is under way, or was last.
    attempt: Option<NonZeroU32>,
}

impl Hold {
    pub(super) fn has_any(&self) -> bool {
        self.pieces + self.nested > 0
    }

    /// Whether threads or nested calls run, or may.
    fn has_nested(&self) -> bool {
        self.acts_elsewhere || self.pieces + self.nested > self.attempts.len()
    }

    fn begin_attempt(&mut self) -> NonZeroU32 {
        *self.attempt.insert(
            self.attempt
                .map_or(NonZeroU32::MIN, |attempt| attempt.saturating_add(1)),
        )
    }

    /// Whether something of the tool may run, in the hands of a layer or beside the body.
    fn is_at_work(&self) -> bool {
        self.pieces + self.nested
            > self
                .attempts
                .iter()
                .filter(|attempt| !attempt.is_tool)
                .count()
    }
}

impl Call {
    /// Stops what it runs beside its body. True if some of it cannot be stopped.
    pub(super) fn end_pieces(self: &Arc<Self>) -> bool {
        let Some(extra) = self.extra.get() else {
            return false;
        };
        let (children, attempts) = {
            let mut hold = lock(&extra.hold);
            hold.closed = true;
            (
                std::mem::take(&mut hold.children),
                std::mem::take(&mut hold.attempts),
            )
        };
        for child in children.iter().filter_map(Weak::upgrade) {
            child.cancel(Stop::Cancel);
        }
        for attempt in attempts {
            attempt.stop();
        }
        let hold = lock(&extra.hold);
        hold.acts_elsewhere || hold.has_any()
    }

    /// Tells the call that it is within, if what it was answered leaves it acting where nothing
    /// here sees its end.
    pub(super) fn note_acting_elsewhere(&self, outcome: &Outcome) {
        let (Some(parent), Err(error)) = (&self.batch.parent, outcome) else {
            return;
        };
        let extra = self.extra.get();
        let elsewhere = match error.code() {
            ErrorCode::LostIndeterminate => true,
            ErrorCode::TimeoutIndeterminate | ErrorCode::CancelledIndeterminate => {
                self.definition().behavior().remote
                    || extra.is_some_and(|extra| lock(&extra.hold).acts_elsewhere)
            }
            _ => false,
        };
        if elsewhere {
            lock(&parent.extra().hold).acts_elsewhere = true;
        }
    }

    /// Whether what it runs beside its body is over: it is stopped or answered, or about to be.
    pub(super) fn is_over(&self) -> bool {
        self.is_stopped()
            || self.outcome().is_some()
            || self
                .extra
                .get()
                .is_some_and(|extra| lock(&extra.hold).closed)
    }

    /// Begins a call within it, or calls that an attempt asks for, unless it is stopped or the
    /// attempt is over: then with which of these.
    pub(crate) fn begin_nested(&self, attempt: Option<NonZeroU32>) -> Result<(), &'static str> {
        let mut hold = lock(&self.extra().hold);
        if hold.closed {
            return Err("the call it belongs to is over");
        }
        if attempt.is_some() && attempt != hold.attempt {
            return Err("the attempt it belongs to is over");
        }
        hold.nested += 1;
        Ok(())
    }

    pub(crate) fn end_nested(self: &Arc<Self>) {
        lock(&self.extra().hold).nested -= 1;
        self.release();
    }

    pub(super) fn end_attempt(self: &Arc<Self>, attempt: &Attempt) {
        lock(&self.extra().hold)
            .attempts
            .retain(|other| !std::ptr::eq(&**other, attempt));
        self.end_piece();
    }

    fn end_piece(self: &Arc<Self>) {
        lock(&self.extra().hold).pieces -= 1;
        self.release();
    }

    pub(crate) fn asks_for_thread(&self) {
        let mut hold = lock(&self.extra().hold);
        hold.waits_for_thread = !hold.on_thread;
    }

    /// Sees to it that no thread begins. False if one has, or none was asked for.
    pub(super) fn refuses_thread(&self) -> bool {
        self.extra.get().is_some_and(|extra| {
            let mut hold = lock(&extra.hold);
            let refuses = hold.waits_for_thread && !hold.closed;
            hold.closed |= refuses;
            refuses
        })
    }

    /// A thread begins with the call, unless it is stopped.
    pub(crate) fn begin_on_thread(&self) -> bool {
        let mut hold = lock(&self.extra().hold);
        if hold.closed {
            return false;
        }
        hold.pieces += 1;
        hold.waits_for_thread = false;
        (hold.on_thread, hold.has_thread) = (true, true);
        true
    }

    pub(crate) fn end_on_thread(self: &Arc<Self>) {
        lock(&self.extra().hold).has_thread = false;
        self.end_piece();
    }

    /// Whether something of the tool may run, in the hands of a layer or beside the body.
    pub(crate) fn is_at_work(&self) -> bool {
        self.extra
            .get()
            .is_some_and(|extra| lock(&extra.hold).is_at_work())
    }

    /// Whether a call that it is within has a thread.
    pub(crate) fn is_within_thread(&self) -> bool {
        let parent = |call: &Self| call.batch.parent.clone();
        let has_thread = |call: Arc<Self>| {
            call.extra
                .get()
                .is_some_and(|extra| lock(&extra.hold).has_thread)
        };
        std::iter::successors(parent(self), |call| parent(call)).any(has_thread)
    }

    /// Whether threads or nested calls of it run.
    pub(crate) fn has_nested(&self) -> bool {
        self.extra
            .get()
            .is_some_and(|extra| lock(&extra.hold).has_nested())
    }

    /// Begins one more attempt of the tool.
    pub(crate) fn begin_attempt(&self) -> NonZeroU32 {
        lock(&self.extra().hold).begin_attempt()
    }

    /// As [`begin_attempt`](Self::begin_attempt), unless threads or nested calls of the last one
    /// run.
    pub(crate) fn begin_retry(&self) -> Option<NonZeroU32> {
        let mut hold = lock(&self.extra().hold);
        (!hold.has_nested()).then(|| hold.begin_attempt())
    }

    /// Puts other arguments in place of the model's.
    pub(crate) fn edit(&self, arguments: String) {
        let _ = self.extra().edited.set(arguments);
    }

    /// A nested batch is stopped with the call. False if the call is stopped already.
    pub(crate) fn add_child(&self, child: &Arc<Batch>) -> bool {
        let mut hold = lock(&self.extra().hold);
        hold.children.retain(|child| child.strong_count() > 0);
        hold.children.push(Arc::downgrade(child));
        !hold.closed
    }

    /// It waits for nested calls from here on, until they are answered: it does not count against
    /// them, and its deadline is watched.
    pub(in crate::dispatch) fn begin_wait(self: &Arc<Self>) {
        self.batch.setup.engine.with(|scheduler| {
            let hold = &mut lock(&self.extra().hold);
            hold.waits += 1;
            if let Some(seat) = self.seat() {
                scheduler.begin_wait(seat);
            }
        });
        self.batch.watch(self);
    }

    /// A nested batch is done.
    pub(in crate::dispatch) fn end_wait(&self) {
        self.batch.setup.engine.with(|scheduler| {
            let hold = &mut lock(&self.extra().hold);
            hold.waits -= 1;
            if let (0, Some(seat)) = (hold.waits, self.seat()) {
                scheduler.end_wait(seat);
            }
        });
    }

    /// A layer has it in its hands from here on, unless it may not: then with why. It is stopped
    /// with the call.
    pub(crate) fn add_attempt(
        self: &Arc<Self>,
        attempt: Arc<Attempt>,
        repeatable: bool,
    ) -> Result<(), &'static str> {
        let mut hold = lock(&self.extra().hold);
        if hold.closed {
            return Err("a layer ran the tool after its call was over");
        }
        // In one step: of two tasks of a layer that run the tool at once, one does.
        if attempt.is_tool && hold.has_run {
            if !repeatable {
                return Err(
                    "a layer ran the tool twice, which only a `read_only` or `idempotent` tool allows",
                );
            }
            if hold.is_at_work() {
                return Err("a layer ran the tool again while it was still running");
            }
        }
        hold.has_run |= attempt.is_tool;
        hold.pieces += 1;
        hold.attempts.push(attempt);
        Ok(())
    }
}
