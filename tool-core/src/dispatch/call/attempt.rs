//! A run of the tool, or of the layers around it, in the hands of a layer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use super::guard::{drop_quietly, lock, panic_text, try_lock, wake_quietly};
use super::{Call, Outcome};
use crate::model::ToolFuture;
use crate::model::{ErrorCode, ToolError};

/// What a layer has in its hands, to do with it what it likes: it ends with the call.
pub(crate) struct Attempt {
    call: Arc<Call>,
    body: Mutex<Option<ToolFuture<'static>>>,
    /// Wakes whoever waits for it.
    waker: AtomicWaker,
    /// Whether it is the tool itself, and not a layer around it.
    pub(super) is_tool: bool,
}

impl Attempt {
    pub(crate) fn new(call: Arc<Call>, is_tool: bool, body: ToolFuture<'static>) -> Arc<Self> {
        Arc::new(Self {
            call,
            is_tool,
            body: Mutex::new(Some(body)),
            waker: AtomicWaker::new(),
        })
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut body = lock(&self.body);
        if self.call.is_over() {
            drop(body);
            self.stop();
            return Poll::Ready(Err(stopped()));
        }
        let Some(future) = body.as_mut() else {
            return Poll::Ready(Err(stopped()));
        };
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        let outcome = match polled {
            Ok(Poll::Pending) => return self.wait(cx, body),
            Ok(Poll::Ready(outcome)) => outcome,
            Err(panic) if self.is_tool => Err(ToolError::panic(panic_text(panic))),
            Err(panic) => Err(ToolError::layer_panic(panic_text(panic))),
        };
        drop(body);
        self.stop();
        Poll::Ready(outcome)
    }

    /// Whoever ended the call meanwhile has left the rest to the poller.
    fn wait(
        &self,
        cx: &Context<'_>,
        body: MutexGuard<'_, Option<ToolFuture<'static>>>,
    ) -> Poll<Outcome> {
        self.waker.register(cx.waker());
        drop(body);
        if self.call.is_over() {
            self.stop();
        }
        Poll::Pending
    }

    pub(super) fn wake(&self) {
        wake_quietly(self.waker.take());
    }

    /// Drops it, unless it is polled right now: then its poller does.
    pub(crate) fn stop(&self) {
        let Some(future) = try_lock(&self.body).and_then(|mut body| body.take()) else {
            return;
        };
        drop_quietly(future);
        self.call.end_attempt(self);
        self.wake(); // a task that a layer has put it into ends, too
    }
}

fn stopped() -> ToolError {
    ToolError::with_text(ErrorCode::Cancelled, "the call is over")
}
