//! What a call runs beside its body, and what it gives back when all of that is over.

use std::num::NonZeroU32;
use std::sync::{Arc, Weak};

use super::state::Beside;
use super::{Call, Outcome, Seat, Stop, catch_panic};
use crate::dispatch::batch::{Batch, BatchNumber};
use crate::dispatch::scheduler::CallId;
use crate::model::ErrorCode;

/// A run of the tool that a layer holds, as long as it exists.
pub(crate) struct Run(Arc<Call>);

impl Drop for Run {
    fn drop(&mut self) {
        self.0.state().beside().end_run();
    }
}

impl Call {
    fn reads_beside(&self, read: impl FnOnce(&Beside) -> bool) -> bool {
        self.state().known_beside().is_some_and(read)
    }

    /// Stops what it runs beside its body. True if some of it may still act.
    #[inline]
    pub(super) fn end_beside(&self) -> bool {
        let Some(children) = self.state().close() else {
            return false;
        };
        for child in children.iter().filter_map(Weak::upgrade) {
            child.cancel(Stop::Cancel);
        }
        self.reads_beside(Beside::is_acting)
    }

    /// Cancels its token, for what is left of it.
    pub(super) fn cancel_token(&self) {
        if let Some(token) = self.extra.get().and_then(|extra| extra.token.get()) {
            catch_panic(|| token.cancel()); // it wakes those who wait for it
        }
    }

    // ---- threads

    pub(crate) fn ask_for_thread(&self) {
        self.state().beside().ask_for_thread();
    }

    /// A thread begins with the call, unless it is stopped.
    pub(crate) fn begin_on_thread(&self) -> bool {
        self.state().begin_on_thread()
    }

    pub(crate) fn end_on_thread(&self) {
        self.state().beside().end_on_thread();
        self.release();
    }

    /// Whether a call that it is within has a thread.
    pub(crate) fn is_within_thread(&self) -> bool {
        let parent = |call: &Self| call.batch.parent.clone();
        std::iter::successors(parent(self), |call| parent(call))
            .any(|call| call.reads_beside(Beside::has_thread))
    }

    // ---- attempts

    /// Begins one more attempt of the tool.
    pub(crate) fn begin_attempt(&self) -> NonZeroU32 {
        self.state().beside().begin_attempt()
    }

    /// As [`begin_attempt`](Self::begin_attempt), unless something of the last one may still act.
    pub(crate) fn begin_retry(&self) -> Option<NonZeroU32> {
        let mut state = self.state();
        let beside = state.beside();
        (!beside.is_acting()).then(|| beside.begin_attempt())
    }

    /// Whether threads or nested calls of it run, or a remote call may.
    pub(crate) fn is_acting(&self) -> bool {
        self.reads_beside(Beside::is_acting)
    }

    /// Whether something of the tool runs, called by a layer or beside the body.
    pub(crate) fn has_running_work(&self) -> bool {
        self.reads_beside(Beside::has_running_work)
    }

    /// A layer runs the tool; the error is why it may not.
    pub(crate) fn begin_run(self: &Arc<Self>) -> Result<Run, &'static str> {
        let repeated = self.definition().behavior().is_repeatable();
        let begun = self.state().begin_run(repeated);
        begun.map(|()| Run(Arc::clone(self)))
    }

    // ---- nested calls

    /// Begins a nested call, or calls that an attempt dispatches. The error says whether the call
    /// is stopped or the attempt is over.
    pub(crate) fn begin_nested(&self, attempt: Option<NonZeroU32>) -> Result<(), &'static str> {
        self.state().begin_nested(attempt)
    }

    pub(crate) fn end_nested(&self) {
        self.state().beside().end_nested();
        self.release();
    }

    /// A nested batch is stopped with the call. False if the call is stopped already.
    pub(crate) fn add_child(&self, child: &Arc<Batch>) -> bool {
        self.state().add_child(Arc::downgrade(child))
    }

    /// It waits for nested calls from here on, until they are answered: it does not count against
    /// them, and its deadline is watched. The number of their batch in this attempt.
    pub(in crate::dispatch) fn begin_wait(
        self: &Arc<Self>,
        attempt: Option<NonZeroU32>,
    ) -> BatchNumber {
        let of_layer = self.is_layered && attempt.is_none();
        let number = self.batch.setup.engine.with(|scheduler| {
            let mut state = self.state();
            if let Seat::Scheduled(id) = state.seat() {
                scheduler.begin_wait(id);
            }
            state.beside().begin_wait(of_layer)
        });
        self.batch.watch(self);
        number
    }

    /// A nested batch is done.
    pub(in crate::dispatch) fn end_wait(&self) {
        self.batch.setup.engine.with(|scheduler| {
            let mut state = self.state();
            if let (true, Seat::Scheduled(id)) = (state.beside().end_wait(), state.seat()) {
                scheduler.end_wait(id);
            }
        });
    }

    /// Notifies the parent call if this one, though answered, may still act on a remote system,
    /// where its end is not seen.
    pub(super) fn note_acting_elsewhere(&self, outcome: &Outcome) {
        let (Some(parent), Err(error)) = (&self.batch.parent, outcome) else {
            return;
        };
        let elsewhere = match error.code() {
            ErrorCode::LostIndeterminate => true,
            ErrorCode::TimeoutIndeterminate | ErrorCode::CancelledIndeterminate => {
                self.definition().behavior().remote
                    || self.reads_beside(|beside| beside.acts_elsewhere)
            }
            _ => false,
        };
        if elsewhere {
            parent.state().beside().acts_elsewhere = true;
        }
    }

    // ---- the seat

    pub(crate) fn take_seat(&self, id: CallId) {
        self.state().take_seat(id);
    }

    /// Its place in the scheduler, if it has one.
    pub(crate) fn seat(&self) -> Option<CallId> {
        match self.state().seat() {
            Seat::Scheduled(id) => Some(id),
            _ => None,
        }
    }

    /// The scheduler takes over the count of its permit. False if it has none any more.
    pub(crate) fn adopt(&self, id: CallId) -> bool {
        self.state().adopt(id)
    }

    /// Gives permits, key and place back, once nothing of an answered call runs, nor of calls within
    /// it.
    #[inline]
    pub(crate) fn release(&self) {
        if self.outcome().is_none() {
            return;
        }
        let engine = &self.batch.setup.engine;
        let (seat, only_nested) = {
            let mut state = self.state();
            (state.release(), state.only_nested())
        };
        if only_nested.is_some() {
            engine.with(|scheduler| {
                if let Some(id) = self.state().only_nested() {
                    scheduler.leave_permits(id);
                }
            });
        }
        match seat {
            Seat::None | Seat::Borrowed => return,
            Seat::Permit => engine.give_back(),
            Seat::Scheduled(id) => engine.with(|scheduler| scheduler.settle(id)),
        }
        if let Some(parent) = &self.batch.parent {
            parent.end_nested();
        }
    }
}
