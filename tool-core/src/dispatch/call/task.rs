//! The task of a call that was not ready at once, or whose turn came later.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::{Call, Stop, try_lock};

/// What a call does after its first poll, or from the start where its turn came later.
pub(crate) struct CallTask(Option<Arc<Call>>);

impl CallTask {
    pub(crate) fn spawn(call: Arc<Call>) {
        // Not a count of the batch's, which calls that begin at once would all change.
        let task = Self(Some(Arc::clone(&call)));
        call.batch.spawn(task);
    }
}

impl Future for CallTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(call) = &self.0 {
            let _ = ready!(call.poll(cx, None));
        }
        self.0 = None;
        Poll::Ready(())
    }
}

impl Drop for CallTask {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call.stop(Stop::Shutdown);
            if let Some(work) = try_lock(&call.work) {
                call.discard(work); // if it was stopped before, and not polled since
            }
        }
    }
}
