//! A call from its first poll to its last.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::state::Parked;
use super::{Body, Call, Outcome, Times, panic_text, times};
use crate::dispatch::{middleware, span};
use crate::model::ToolError;

/// What a call begins with that is polled on a permit of its poller.
pub(in crate::dispatch) struct First {
    /// When: an [`offset`](super::offset).
    pub(in crate::dispatch) at: u64,
    /// Whether the poller notifies its batch that it is answered.
    pub(in crate::dispatch) unreported: bool,
}

/// What happened to a call by a poll.
pub(in crate::dispatch) enum Polled {
    /// It has taken along the permit of its poller, if it was polled on that.
    Pending,
    /// There is nothing more to poll.
    Over {
        /// Its batch has to be notified that it is answered.
        unreported: bool,
        /// The poller still has the permit that it was polled on.
        permit_left: bool,
    },
}

impl Polled {
    const OVER: Self = Self::Over {
        unreported: false,
        permit_left: true,
    };
}

impl Call {
    /// Polls the call once. The first poll begins it at the given time, or else now, and then its
    /// deadline is watched.
    #[inline]
    pub(in crate::dispatch) fn poll(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        first: Option<First>,
    ) -> Polled {
        let unreported = first.as_ref().is_some_and(|first| first.unreported);
        let resumed = match first {
            None => self.state().resume(),
            Some(_) => None,
        };
        let Some(mut body) = resumed.or_else(|| self.begin(first)) else {
            return Polled::OVER;
        };
        let polled = span::within(body.span.as_deref(), || body.future.as_mut().poll(cx));
        let outcome = match polled {
            Ok(Poll::Pending) => return self.park(body, cx),
            Ok(Poll::Ready(outcome)) => outcome.map_err(ToolError::of_running),
            Err(panic) => Err(self.panicked(panic_text(panic))),
        };
        self.finish(body, outcome, unreported)
    }

    /// The body of a call that has not begun so far, unless it is stopped.
    #[inline]
    fn begin(self: &Arc<Self>, first: Option<First>) -> Option<Body> {
        let borrowed = first.is_some();
        let started = first.map_or_else(|| self.batch.now(), |first| first.at);
        if let Some(why) = self.batch.halted() {
            self.stop_unstarted(why);
            return None;
        }
        if !self.state().begin(borrowed, || self.times_from(started)) {
            return None;
        }
        let span = self.batch.call_span(self, Some(self.definition()));
        let begun = span::within(span.as_deref(), || middleware::run(self));
        let future = begun.unwrap_or_else(|panic| {
            let error = self.panicked(panic_text(panic));
            Box::pin(async move { Err(error) })
        });
        if !borrowed {
            self.batch.watch(self);
        }
        Some(Body { future, span })
    }

    /// It may run until its time is over, or that of the call it is within.
    fn times_from(&self, started: u64) -> Times {
        let (setup, queued) = (&self.batch.setup, self.batch.queued());
        let own = setup
            .timeout(self.tool)
            .and_then(|timeout| started.checked_add(times::nanoseconds(timeout)));
        let inherited = self.batch.deadline.map(|at| times::offset(queued, at));
        let deadline = own.into_iter().chain(inherited).min().unwrap_or_default();
        Times { started, deadline }
    }

    /// A poll that was late, or stopped while it ran, is the last.
    fn park(self: &Arc<Self>, body: Body, cx: &Context<'_>) -> Polled {
        // A poll that computes may delay the runtime's clock and the task that watches the
        // deadline.
        let parked = self.state().park(body, cx.waker(), self.batch.now());
        let permit_left = match parked {
            Parked::Yes => return Polled::Pending,
            Parked::Stopped(body, why) => self.end_stopped(Some(body), why),
        };
        Polled::Over {
            unreported: false,
            permit_left,
        }
    }

    #[inline]
    fn finish(self: &Arc<Self>, body: Body, outcome: Outcome, unreported: bool) -> Polled {
        let Body { future, span } = body;
        let _ = span::within(span.as_deref(), || drop(future)); // it has an outcome already
        if self.end_beside() {
            self.state().cancel();
            self.cancel_token();
        }
        let answered = self.answer(outcome, span);
        let permit_left = self.end();
        if answered && !unreported {
            self.batch.answered(self);
        }
        Polled::Over {
            unreported: answered && unreported,
            permit_left,
        }
    }

    /// Its body is dropped. True if its poller still has the permit that it was polled on.
    #[inline]
    pub(super) fn end(&self) -> bool {
        let permit_left = self.state().end();
        if !permit_left {
            self.release();
        }
        permit_left
    }

    /// The tool's panics do not get past the layers around it: one that gets here is a layer's, if
    /// there are any.
    pub(super) fn panicked(&self, text: String) -> ToolError {
        if self.is_layered {
            ToolError::layer_panic(text)
        } else {
            ToolError::panic(text)
        }
    }
}
