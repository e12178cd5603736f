//! How a call is stopped, and how it is answered then.

use std::sync::Arc;

use super::state::{Beside, Stopped};
use super::{Body, Call, panic_text, wake_catching_panic};
use crate::dispatch::span;
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
    /// The runtime has no timers.
    NoTimers,
}

impl Call {
    /// Answers the call now, whatever it is doing: no further poll of it begins.
    pub(crate) fn stop(self: &Arc<Self>, why: Stop) {
        if self.outcome().is_some() {
            return;
        }
        let stopped = self.state().stop(why);
        match stopped {
            Stopped::Unstarted => _ = self.end_stopped(None, why),
            Stopped::Parked(body) => _ = self.end_stopped(Some(body), why),
            Stopped::Busy => {
                self.cancel_token();
                // Answered before what it waits for is: the poll must not come first with what
                // happened to that.
                let error = why.error(self, self.started().is_some(), true);
                let answered = self.answer(Err(error), None);
                self.release(); // if the poll is over meanwhile
                if answered {
                    self.batch.answered(self);
                }
                self.end_beside();
            }
            Stopped::Over => {}
        }
    }

    /// Answers the call if it has not begun.
    pub(crate) fn stop_unstarted(self: &Arc<Self>, why: Stop) {
        if self.state().refuse_thread() {
            self.stop(why);
        } else if self.state().stop_waiting(why) {
            self.end_stopped(None, why);
        }
    }

    /// Drops what is stopped, and answers it. True if its poller still has the permit that it was
    /// polled on.
    pub(super) fn end_stopped(self: &Arc<Self>, body: Option<Body>, why: Stop) -> bool {
        self.cancel_token();
        let begun = body.is_some();
        let (panic, span) = match body {
            Some(Body { future, span }) => {
                let dropped = span::within(span.as_deref(), || drop(future));
                (dropped.err().map(panic_text), span)
            }
            None => (None, None),
        };
        let alive = self.end_beside();
        let started = {
            let mut state = self.state();
            let waits = state.known_beside().is_some_and(Beside::waits_for_thread);
            if waits && self.outcome().is_none() {
                state.times.started = 0; // and it never will, now
            }
            begun && state.times.started > 0
        };
        let error = match panic {
            None => why.error(self, started, alive),
            Some(text) if !alive => self.panicked(text),
            // That something may still be acting matters more.
            Some(text) => {
                let error = why.error(self, started, alive);
                ToolError::failed(error.code(), error.message_for_model(), text)
            }
        };
        let permit_left = self.answer_and_end(Err(error), span);
        self.wake(); // its task has nothing left to do but to end
        permit_left
    }

    /// Wakes its task: it is past its deadline, and is polled for the last time, or it is stopped.
    pub(crate) fn wake(&self) {
        let waker = self.state().take_waker();
        wake_catching_panic(waker);
    }
}

impl Stop {
    /// What a call is answered that had not started when it was stopped.
    pub(in crate::dispatch) fn unstarted(self) -> ToolError {
        not_started(match self {
            Self::Deadline => "no thread was free for it in time",
            Self::Cancel => "the message was cancelled",
            Self::Drop => "the caller dropped it",
            Self::Fatal => "another call of this message failed in a way that stops the run",
            Self::Queue => "it waited too long in the queue; try again later",
            Self::Shutdown => "the program is shutting down",
            Self::NoTimers => "the program's tokio runtime has no timers",
        })
    }

    /// What the stopped call is answered.
    pub(super) fn error(self, call: &Call, started: bool, alive: bool) -> ToolError {
        if !started {
            return self.unstarted();
        }
        let behavior = call.definition().behavior();
        // A remote system may continue the work, though nothing of it runs here.
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
