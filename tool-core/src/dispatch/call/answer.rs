//! How a call gets its one answer, and what it lets go of then.

use std::sync::Arc;

use super::{Answer, Body, Call, GONE, Outcome, Stop, Work, drop_quietly, try_lock};
use crate::model::{ToolError, clip};

impl Call {
    /// Answers a call that never ran.
    pub(in crate::dispatch) fn refuse(self: &Arc<Self>, error: ToolError) {
        if let Some(mut work) = try_lock(&self.work) {
            work.body = Body::Gone;
        }
        self.flag(GONE);
        if self.conclude(Err(error)) {
            self.batch.answered(self);
        }
    }

    /// Ends what it runs beside its body, and answers it.
    #[inline]
    pub(super) fn conclude(self: &Arc<Self>, outcome: Outcome) -> bool {
        if self.end_pieces() {
            self.tell_to_end();
        }
        self.answer(outcome)
    }

    pub(super) fn answer_and_tell(self: &Arc<Self>, outcome: Outcome) {
        if self.answer(outcome) {
            self.batch.answered(self);
        }
    }

    /// Gives the call its one answer, and lets go of what it held. False if it has one: otherwise
    /// the batch is to be told.
    #[inline]
    fn answer(self: &Arc<Self>, outcome: Outcome) -> bool {
        let outcome = self
            .batch
            .within_limits(outcome)
            .map_err(|error| error.of_tool(&clip(&self.call.name)));
        let fatal = outcome.as_ref().is_err_and(ToolError::is_fatal);
        if self.outcome().is_none() && outcome.as_ref().is_err_and(ToolError::is_undecoded) {
            self.times.never_started();
        }
        self.note_acting_elsewhere(&outcome);
        let answer = Answer {
            outcome,
            finished: self.batch.now(),
        };
        if let Err(late) = self.answer.set(answer) {
            drop_quietly(late); // answered already
            self.release();
            return false;
        }
        if !self.batch.span().is_disabled()
            && let Some(mut work) = try_lock(&self.work)
        {
            if self.started().is_none() && work.span.is_none() {
                work.span = self.batch.call_span(self, None);
            }
            self.close_span(&mut work);
        }
        if fatal {
            self.batch.halt(Stop::Fatal);
        }
        self.release();
        true
    }

    pub(super) fn close_span(&self, work: &mut Work) {
        if let Some(span) = work.span.take() {
            self.batch.close_call_span(span, self);
        }
    }
}
