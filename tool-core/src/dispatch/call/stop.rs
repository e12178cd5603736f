//! How a call is stopped, and what is said of it then.

use std::sync::Arc;

use super::{Body, Call, DUE, STOPPED, lock, quietly, try_lock, wake_quietly};
use crate::model::{ErrorCode, ToolError};

/// Why a call is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Deadline,
    /// `StreamingBatch::cancel`, or the end of the call it was nested in.
    Cancel,
    /// The future of the batch is dropped.
    Drop,
    /// Another call of the message was fatal.
    Fatal,
    /// Its turn did not come in time.
    Queue,
    /// The runtime is gone.
    Shutdown,
    /// The runtime cannot tell the time.
    NoTimers,
}

impl Call {
    /// Answers the call now, whatever it is doing: no further poll of it begins.
    pub(crate) fn stop(self: &Arc<Self>, why: Stop) {
        if self.outcome().is_some() {
            return;
        }
        self.tell_to_end();
        let Some(mut work) = try_lock(&self.work) else {
            // Answered before what it waits for is: the poll must not come first with what became
            // of that.
            self.answer_and_tell(Err(why.error(self, self.started().is_some(), true)));
            self.end_pieces();
            return self.wake();
        };
        let begun = !matches!(work.body, Body::Waiting);
        let panic = self.end_body(&mut work);
        drop(work);
        let alive = self.end_pieces();
        let extra = self.extra.get();
        if extra.is_some_and(|extra| lock(&extra.hold).waits_for_thread) {
            self.times.never_started(); // and never will, now
        }
        let started = begun && self.started().is_some();
        let error = match panic {
            None => why.error(self, started, alive),
            Some(text) if !alive => self.panicked(text),
            // That something may still be acting is more to the point.
            Some(text) => {
                let error = why.error(self, started, alive);
                ToolError::failed(error.code(), error.message_for_model(), text)
            }
        };
        self.answer_and_tell(Err(error));
        self.wake(); // its task has nothing left to do but to end
    }

    /// Tells whatever of it cannot be dropped that nobody waits for it.
    pub(super) fn tell_to_end(&self) {
        self.flag(STOPPED);
        if let Some(token) = self.extra.get().and_then(|extra| extra.token.get()) {
            quietly(|| token.cancel()); // it wakes those who wait for it
        }
    }

    /// Answers the call if it has not begun.
    pub(crate) fn stop_unstarted(self: &Arc<Self>, why: Stop) {
        if self.refuses_thread() {
            return self.stop(why);
        }
        let Some(mut work) = try_lock(&self.work) else {
            return;
        };
        if self.outcome().is_some() || !matches!(work.body, Body::Waiting) {
            return;
        }
        self.tell_to_end();
        self.end_body(&mut work);
        drop(work);
        self.answer_and_tell(Err(why.error(self, false, false)));
        self.wake();
    }

    pub(super) fn wake(&self) {
        wake_quietly(self.waker.take());
    }

    /// The deadline has passed: the call is polled once more, and answered if that brings nothing.
    pub(crate) fn due(self: &Arc<Self>) {
        self.flag(DUE);
        self.wake();
    }
}

impl Stop {
    /// What the stopped call is answered.
    pub(super) fn error(self, call: &Call, started: bool, alive: bool) -> ToolError {
        if !started {
            let why = match self {
                Self::Deadline => "no thread was free for it in time",
                Self::Cancel => "the message was cancelled",
                Self::Drop => "nobody waited for it",
                Self::Fatal => "another call of this message failed in a way that stops the run",
                Self::Queue => "its turn did not come in time; try again later",
                Self::Shutdown => "the program is shutting down",
                Self::NoTimers => "the program's tokio runtime has no timers",
            };
            return not_started(why);
        }
        let behavior = call.definition().behavior();
        // What was sent elsewhere may go on there, though nothing of it does here.
        let alive = alive || behavior.remote;
        let after = call
            .timeout()
            .map(|timeout| format!(" after {timeout:?}"))
            .unwrap_or_default();
        let (code, stopped) = match (self, alive) {
            (Self::Deadline, true) => {
                let within = call
                    .timeout()
                    .map(|timeout| format!(" within {timeout:?}"))
                    .unwrap_or_default();
                let text =
                    format!("no answer{within}; it cannot be stopped and may still be acting");
                return ToolError::with_text(ErrorCode::TimeoutIndeterminate, text);
            }
            (_, true) => {
                let text = "cancelled; it cannot be stopped and may still be acting";
                return ToolError::with_text(ErrorCode::CancelledIndeterminate, text);
            }
            (Self::Deadline, false) => (
                ErrorCode::Timeout,
                format!("stopped{after} without an answer"),
            ),
            (Self::Shutdown, false) => (
                ErrorCode::Cancelled,
                "cancelled: the program is shutting down".to_owned(),
            ),
            (Self::NoTimers, false) => (
                ErrorCode::Cancelled,
                "cancelled: the program's tokio runtime has no timers".to_owned(),
            ),
            (Self::Cancel | Self::Drop | Self::Fatal | Self::Queue, false) => (
                ErrorCode::Cancelled,
                "cancelled before it had an answer".to_owned(),
            ),
        };
        let effects = if behavior.is_read_only() {
            ""
        } else {
            "; it may have acted in part"
        };
        ToolError::with_text(code, format!("{stopped}{effects}"))
    }
}

pub(crate) fn not_started(why: &str) -> ToolError {
    ToolError::with_text(ErrorCode::NotStarted, format!("not started: {why}"))
}
