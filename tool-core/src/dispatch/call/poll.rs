//! A call from its first poll to its last.

use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::{Body, Call, DUE, GONE, STOPPED, Stop, Work, lock, panic_text};
use crate::dispatch::{middleware, span};
use crate::model::ToolError;

/// What a call begins with.
pub(in crate::dispatch) struct First {
    /// When: an [`offset`](super::offset).
    pub(in crate::dispatch) at: u64,
    /// Whether whoever polls the call tells its batch that it is answered.
    pub(in crate::dispatch) untold: bool,
}

impl Call {
    /// Polls the call once, from wherever its turn has come. Ready when there is nothing more to
    /// poll: with whether the batch is still to be told of its answer.
    ///
    /// The first poll begins it: with what it is given, or else now, and then its deadline is
    /// watched.
    #[inline]
    pub(in crate::dispatch) fn poll(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        first: Option<First>,
    ) -> Poll<bool> {
        let mut untold = false;
        let mut work = lock(&self.work);
        if self.is(STOPPED) {
            self.discard(work);
            return Poll::Ready(false);
        }
        if let Body::Waiting = work.body {
            let watched = first.is_none();
            if self.batch.halted().is_some() {
                self.discard_unstarted(work);
                return Poll::Ready(false);
            }
            let first = first.unwrap_or_else(|| First {
                at: self.batch.now(),
                untold: false,
            });
            untold = first.untold;
            self.times.start(
                self.batch.queued,
                first.at,
                self.batch.setup.timeout(self.tool),
                self.batch.deadline,
            );
            // Whoever stops it looks whether it has started: one of the two sees the other.
            if self.is(STOPPED) {
                self.discard_unstarted(work);
                return Poll::Ready(false);
            }
            self.begin(&mut work);
            if watched {
                self.batch.watch(self);
            }
        }
        let Work {
            body: Body::Running(future),
            span,
            ..
        } = &mut *work
        else {
            return Poll::Ready(false);
        };
        let polled = span::within(span.as_deref(), || future.as_mut().poll(cx));
        let outcome = match polled {
            Ok(Poll::Pending) => {
                self.waker.register(cx.waker());
                drop(work);
                return self.pending();
            }
            Ok(Poll::Ready(outcome)) => outcome.map_err(ToolError::of_running),
            Err(panic) => Err(self.panicked(panic_text(panic))),
        };
        self.end_body(&mut work);
        drop(work);
        let answered = self.conclude(outcome);
        if answered && !untold {
            self.batch.answered(self);
        }
        Poll::Ready(answered && untold)
    }

    /// Whoever stopped the call or found it due while it was polled has left the rest to the
    /// poller.
    fn pending(self: &Arc<Self>) -> Poll<bool> {
        if self.is(STOPPED) {
            self.discard(lock(&self.work));
            return Poll::Ready(false);
        }
        // Also where nobody could tell it: a poll that computes may hold up the runtime's clock.
        if self.is(DUE)
            || self
                .deadline()
                .is_some_and(|deadline| deadline <= Instant::now())
        {
            self.stop(Stop::Deadline);
            return Poll::Ready(false);
        }
        Poll::Pending
    }

    #[inline]
    fn begin(self: &Arc<Self>, work: &mut Work) {
        work.span = self.batch.call_span(self, Some(self.definition()));
        let begun = span::within(work.span.as_deref(), || middleware::run(self));
        work.body = Body::Running(begun.unwrap_or_else(|panic| {
            let error = self.panicked(panic_text(panic));
            Box::pin(async move { Err(error) })
        }));
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

    /// Drops the body. Some text if that panicked.
    #[inline]
    pub(super) fn end_body(&self, work: &mut Work) -> Option<String> {
        let mut panic = None;
        if let Body::Running(future) = std::mem::replace(&mut work.body, Body::Gone) {
            panic = span::within(work.span.as_deref(), || drop(future))
                .err()
                .map(panic_text);
        }
        self.flag(GONE);
        panic
    }

    pub(super) fn discard(self: &Arc<Self>, mut work: MutexGuard<'_, Work>) {
        self.end_body(&mut work);
        self.close_span(&mut work);
        drop(work);
        self.release();
    }

    /// Drops what no code of has run, and answers it unless whoever stopped it has done so.
    fn discard_unstarted(self: &Arc<Self>, work: MutexGuard<'_, Work>) {
        self.times.never_started();
        self.discard(work);
        let why = self.batch.halted().unwrap_or(Stop::Drop);
        self.answer_and_tell(Err(why.error(self, false, false)));
    }
}
