//! How a call gets its one answer.

use std::sync::Arc;

use super::{Answer, Call, Outcome, Span, Stop, drop_catching_panic};
use crate::model::{ToolError, clip};

impl Call {
    /// Answers a call that never ran.
    pub(in crate::dispatch) fn refuse(self: &Arc<Self>, error: ToolError) {
        self.state().stop_waiting(Stop::Drop);
        self.answer_and_end(Err(error), None);
    }

    /// Answers a call whose body is dropped. True if its poller still has the permit that it was
    /// polled on.
    pub(super) fn answer_and_end(
        self: &Arc<Self>,
        outcome: Outcome,
        span: Option<Box<Span>>,
    ) -> bool {
        let answered = self.answer(outcome, span);
        // Before the batch is notified: the caller that waits for the answer may need the permit.
        let permit_left = self.end();
        if answered {
            self.batch.answered(self);
        }
        permit_left
    }

    /// Gives the call its one answer and closes its span. False if it has one already; if true, the
    /// batch has to be notified.
    #[inline]
    pub(super) fn answer(self: &Arc<Self>, outcome: Outcome, span: Option<Box<Span>>) -> bool {
        let outcome = match self.outcome() {
            None => self.batch.within_limits(self, outcome),
            Some(_) => outcome, // the caller dropped the batch
        };
        let outcome = outcome.map_err(|error| error.of_tool(&clip(&self.call.name)));
        let fatal = outcome.as_ref().is_err_and(ToolError::is_fatal);
        if self.outcome().is_none() && outcome.as_ref().is_err_and(ToolError::is_undecoded) {
            self.state().times.started = 0;
        }
        self.note_acting_elsewhere(&outcome);
        let answer = Answer {
            outcome,
            finished: self.batch.now(),
        };
        let late = self.answer.set(answer).err();
        if !self.batch.span().is_disabled() {
            let span = match span {
                None if late.is_none() && self.started().is_none() => {
                    self.batch.call_span(self, None)
                }
                span => span,
            };
            self.close_span(span);
        }
        if let Some(late) = late {
            drop_catching_panic(late); // answered already
            return false;
        }
        if fatal {
            self.batch.halt(Stop::Fatal);
        }
        true
    }

    pub(super) fn close_span(&self, span: Option<Box<Span>>) {
        if let Some(span) = span {
            self.batch.close_call_span(span, self);
        }
    }
}
