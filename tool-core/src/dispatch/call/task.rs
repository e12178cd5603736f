//! The task of a call that was not ready at once, or whose turn came later.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Call, Polled, Stop};
use crate::dispatch::engine::Alive;

/// What a call does after its first poll, or from the start where its turn came later.
pub(crate) struct CallTask {
    call: Option<Arc<Call>>,
    _alive: Alive,
}

impl CallTask {
    pub(crate) fn spawn(call: Arc<Call>) {
        // Not counted in the batch: calls that begin at once would all write to that count.
        let task = Self {
            call: Some(Arc::clone(&call)),
            _alive: Alive::new(Arc::clone(&call.batch.setup.engine)),
        };
        call.batch.spawn(task);
    }
}

impl Future for CallTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(call) = &self.call
            && let Polled::Pending = call.poll(cx, None)
        {
            return Poll::Pending;
        }
        // Otherwise `drop` would stop a call that is over.
        self.call = None;
        Poll::Ready(())
    }
}

impl Drop for CallTask {
    fn drop(&mut self) {
        // A runtime that shuts down drops its tasks: the call must still be answered.
        if let Some(call) = self.call.take() {
            call.stop(Stop::Shutdown);
        }
    }
}
